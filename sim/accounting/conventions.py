"""Accounting conventions: which joules count, and at what rate, when a published boundary must be reproduced.

The physical convention counts every metered joule. Another one replaces the energy of the ledger by what its author
would have counted of the same machines over the same time; the difference to the meters is always shown beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from sim.accounting.ledger import OUTSIDE, Floats, Ints, Key, Ledger
from sim.units import SECONDS_PER_NS

UNALLOCATED = "unallocated"


class Convention(Protocol):
    """A rule of what counts of a run."""

    @property
    def name(self) -> str:
        """The convention's name, as written in a scenario."""

    @property
    def components(self) -> Mapping[str, tuple[str, ...]]:
        """Components of the meters that a line of what counts stands for, where it is not the one of its name."""

    @property
    def counts_outside(self) -> bool:
        """Whether networks between sites and users' devices count."""

    def counted(self, ledger: Ledger) -> Ledger:
        """The IT energy that counts, on the ledger's own bins."""

    def held(self, ledger: Ledger) -> Ledger:
        """The rows whose slots answer for the carbon of making devices."""


@dataclass(frozen=True)
class Physical:
    """The physical convention: every metered joule counts, once."""

    name: str = "physical"
    components: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    counts_outside: bool = True

    def counted(self, ledger: Ledger) -> Ledger:
        """The ledger as it is."""
        return ledger

    def held(self, ledger: Ledger) -> Ledger:
        """The ledger as it is."""
        return ledger


class Rule(Protocol):
    """What a row of the ledger counts for."""

    @property
    def estimates(self) -> bool:
        """Whether it stands for a reading, and counts held hours as hours at work."""

    def energy_j(self, key: Key, energy_j: Floats, slot_ns: Ints) -> Floats:
        """J of a row in each bin, from what the meters read and the slots x ns that it held."""


@dataclass(frozen=True)
class Metered:
    """What the meter reads."""

    estimates: bool = False

    def energy_j(self, _key: Key, energy_j: Floats, _slot_ns: Ints) -> Floats:
        """The row itself."""
        return energy_j


@dataclass(frozen=True)
class PerSlot:
    """So many W of each slot for as long as it is held, by pool: a TDP, a mean, a constant of the host's memory.

    Of a line of several components it is counted with the rows of ``basis``, once.
    """

    slot_w: Mapping[str, float]
    basis: str
    estimates: bool = True

    def energy_j(self, key: Key, energy_j: Floats, slot_ns: Ints) -> Floats:
        """Slots x time x W; 0 in rows of other components than the basis."""
        if key.component != self.basis:
            return np.zeros_like(energy_j)
        return np.asarray(slot_ns * SECONDS_PER_NS * self.slot_w[key.pool])


@dataclass(frozen=True)
class Socket:
    """A host's CPUs: W of a socket idle and full, the exponent between them, its TDP, and sockets a slot."""

    idle_w: float
    full_w: float
    exponent: float
    tdp_w: float
    per_slot: float


@dataclass(frozen=True)
class ByLoad:
    """TDP x (floor + (1 - floor) x load ** exponent) of a socket.

    The load is read back from the row's mean power in a bin, which is exact where the load is one over the bin and the
    node is one owner's.
    """

    sockets: Mapping[str, Socket]
    floor: float
    exponent: float
    estimates: bool = False

    def energy_j(self, key: Key, energy_j: Floats, slot_ns: Ints) -> Floats:
        """J by the load that the row's own power shows."""
        socket = self.sockets[key.pool]
        socket_s = slot_ns * SECONDS_PER_NS * socket.per_slot
        mean_w = np.divide(energy_j, socket_s, out=np.zeros_like(energy_j), where=socket_s > 0.0)
        rise_w = socket.full_w - socket.idle_w
        raised = np.clip((mean_w - socket.idle_w) / rise_w, 0.0, 1.0) if rise_w > 0.0 else np.zeros_like(energy_j)
        load = raised ** (1.0 / socket.exponent)
        return np.asarray(socket_s * socket.tdp_w * (self.floor + (1.0 - self.floor) * load**self.exponent))


HOURS: Mapping[str, Callable[[Key], bool]] = {
    "reserved": lambda key: key.owner != UNALLOCATED,
    "active": lambda key: key.owner != UNALLOCATED and key.state == "active",
    "idle": lambda key: key.owner == UNALLOCATED or key.state != "active",
    "unallocated": lambda key: key.owner == UNALLOCATED,
    "all": lambda _key: True,
}
"""Whether a row of the ledger is of the hours that count, by their name."""


@dataclass(frozen=True)
class Line:
    """What counts under one name: rows of ``of`` in the hours of ``over`` (see ``HOURS``), by a rule."""

    label: str
    of: tuple[str, ...]
    over: str
    rule: Rule


@dataclass(frozen=True)
class ByTerms:
    """A convention of lines, and of constants in W (``added``) over the whole run, shared by GPU time, held or not.

    ``owners`` are the workloads that count, all if None. ``holders_alone``: what nobody held answers for no device.
    """

    name: str
    lines: tuple[Line, ...]
    added: Mapping[str, float] = field(default_factory=dict)
    owners: frozenset[str] | None = None
    holders_alone: bool = False
    counts_outside: bool = True

    @property
    def components(self) -> Mapping[str, tuple[str, ...]]:
        """Components by the label of their line."""
        return {line.label: line.of for line in self.lines}

    def counted(self, ledger: Ledger) -> Ledger:
        """Rows of the lines, under the names of these, and the constants."""
        rows: list[tuple[Key, Floats, Ints]] = []
        for key, energy_j, slot_ns in zip(ledger.keys, ledger.energy_j, ledger.slot_ns, strict=True):
            for line in self.lines if self._counts(key) else ():
                if key.component in line.of and HOURS[line.over](key):
                    estimated = line.rule.estimates and key.owner != UNALLOCATED
                    counted = key._replace(component=line.label, state="active" if estimated else key.state)
                    rows.append((counted, line.rule.energy_j(key, energy_j, slot_ns), slot_ns))
        if self.added:
            rows += self._constants(ledger)
        return Ledger.of(ledger.edges_ns, rows)

    def held(self, ledger: Ledger) -> Ledger:
        """Rows of those whose work counts; all of them, where everybody's does and nobody's hours count too."""
        if self.owners is None and not self.holders_alone:
            return ledger
        return ledger.where(lambda key: self._counts(key) and key.owner != UNALLOCATED)

    def _counts(self, key: Key) -> bool:
        if key.component in OUTSIDE:
            return False
        return self.owners is None or key.owner == UNALLOCATED or key.owner in self.owners

    def _constants(self, ledger: Ledger) -> list[tuple[Key, Floats, Ints]]:
        gpus = ledger.where(lambda key: key.component == "gpu")
        seconds = np.asarray(np.diff(ledger.edges_ns) * SECONDS_PER_NS, dtype=np.float64)
        nothing = np.zeros(len(seconds), dtype=np.int64)
        slots_ns = gpus.slot_ns.sum(axis=0)
        shares: list[tuple[str, str, Floats]] = [
            (key.site, key.owner, seconds * (slot_ns / slots_ns))
            for key, slot_ns in zip(gpus.keys, gpus.slot_ns, strict=True)
            if self._counts(key)
        ]
        if not gpus.keys:
            shares = [(ledger.keys[0].site, UNALLOCATED, seconds)]
        return [
            (Key(site, "", "", label, owner, "idle"), share_s * watts, nothing)
            for site, owner, share_s in shares
            for label, watts in self.added.items()
        ]
