"""Named accounting conventions: which joules count, and at what rate, when a published boundary must be reproduced.

The physical convention counts every metered joule. Another one replaces the energy of the ledger by what its paper
would have counted over the same reservations; the difference to the meters is always shown beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sim.accounting.ledger import Floats, Ints, Key, Ledger
from sim.units import SECONDS_PER_NS

UNALLOCATED = "unallocated"


class Convention(Protocol):
    """A rule of what counts as the IT energy of a run."""

    @property
    def name(self) -> str:
        """The convention's name, as written in a scenario."""

    def counted(self, ledger: Ledger) -> Ledger:
        """The energy that counts, on the ledger's own bins."""


@dataclass(frozen=True)
class Physical:
    """The physical convention: every metered joule counts, once."""

    name: str = "physical"

    def counted(self, ledger: Ledger) -> Ledger:
        """The ledger as it is."""
        return ledger


@dataclass(frozen=True)
class Luccioni2023:
    """The accounting of the BLOOM study: reserved GPU time at TDP, plus constant infrastructure and idle power.

    Source: Luccioni, Viguier, Ligozat, "Estimating the Carbon Footprint of BLOOM, a 176B Parameter Language Model",
    JMLR 24(253), 2023, arXiv:2211.02001, section 4 and table 3. Dynamic energy is GPU-hours x TDP. Beside it stand
    ``infrastructure_w`` (network and storage with the nodes off) and ``idle_w`` (nodes on and doing nothing), although
    the paper says of the idle mode that it already contains the infrastructure; CPU, DRAM, fans and power-supply
    losses during work are not counted. Both constants are shared by GPU time, held or not.
    """

    gpu_tdp_w: Mapping[str, float]
    infrastructure_w: float
    idle_w: float
    name: str = "luccioni-2023"

    def counted(self, ledger: Ledger) -> Ledger:
        """GPU rows of owners at TDP, and the two constants over the whole run."""
        rows: list[tuple[Key, Floats, Ints]] = []
        gpus = ledger.where(lambda key: key.component == "gpu")
        nothing = np.zeros(len(ledger.edges_ns) - 1, dtype=np.int64)
        seconds = np.asarray(np.diff(ledger.edges_ns) * SECONDS_PER_NS, dtype=np.float64)
        slots_ns = gpus.slot_ns.sum(axis=0)
        for key, slot_ns in zip(gpus.keys, gpus.slot_ns, strict=True):
            share: Floats = slot_ns / slots_ns
            rows += self._constants(key.owner, key.site, seconds * share, nothing)
            if key.owner != UNALLOCATED:
                dynamic_j = slot_ns * SECONDS_PER_NS * self.gpu_tdp_w[key.hardware]
                rows.append((key._replace(state="active"), dynamic_j, slot_ns))
        if not gpus.keys:
            rows += self._constants(UNALLOCATED, ledger.keys[0].site, seconds, nothing)
        return Ledger.of(ledger.edges_ns, rows)

    def _constants(self, owner: str, site: str, seconds: Floats, nothing: Ints) -> list[tuple[Key, Floats, Ints]]:
        return [
            (Key(site, "", "", "infrastructure", owner, "idle"), seconds * self.infrastructure_w, nothing),
            (Key(site, "", "", "idle_nodes", owner, "idle"), seconds * self.idle_w, nothing),
        ]
