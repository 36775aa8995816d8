"""The twin: a scenario run over a window of a real site's time, by the requests or jobs that the site had, if given.

Only clocks join the two: the run begins when the window does, or a ``lead`` before it, so that work which is under way
when the window begins is under way in the twin, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.accounting.ledger import Ledger
from sim.errors import InputError
from sim.loading.scenario import Loaded, load_scenario, read_scenario
from sim.paths import joined
from sim.running.run import Watch, built_of
from sim.running.simulation import ended
from sim.units import NS_PER_S

Ints = npt.NDArray[np.int64]


class Window(NamedTuple):
    """From ``start_ns`` to ``end_ns`` since 1970, in bins of ``bin_ns``."""

    start_ns: int
    end_ns: int
    bin_ns: int


class Pool(NamedTuple):
    """What stands in a pool: nodes, GPUs and sockets of each, and W that one GPU may draw (0 where there is none)."""

    nodes: int
    gpus: int
    sockets: int
    tdp_w: float = 0.0


@dataclass(frozen=True)
class Asked:
    """A scenario, what is set in it, and the logs of the site: requests or jobs of a workload of its."""

    scenario: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    requests: Path | None = None
    jobs: Path | None = None
    workload: str | None = None
    zone: str | None = None
    lead_ns: int = 0

    def given(self) -> dict[str, Any]:
        """What is set in the scenario, with the logs in their workload, by their own clocks. Raises ``InputError``."""
        if self.requests is not None:
            place = joined(("workloads", _workload(self, "serving", "arrivals"), "arrivals"))
            return {**self.overrides, f"{place}.file": str(self.requests), f"{place}.align": "clock"}
        if self.jobs is not None:
            place = joined(("workloads", _workload(self, "jobs", "source"), "source"))
            zone = {f"{place}.zone": self.zone} if self.zone is not None else {}
            return {**self.overrides, f"{place}.file": str(self.jobs), f"{place}.align": "clock", **zone}
        return dict(self.overrides)


@dataclass(frozen=True, eq=False)
class Twin:
    """What the scenario drew: its ledger, whose time 0 is ``start_ns`` since 1970, and its pools."""

    name: str
    start_ns: int
    ledger: Ledger
    pools: Mapping[str, Pool]

    def bins(self, window: Window) -> tuple[Ints, slice]:
        """Edges (bins + 1,) in ns since 1970 of the ledger's bins within a window, and which of its bins they are."""
        edges = self.ledger.edges_ns + self.start_ns
        first, last = np.searchsorted(edges, [window.start_ns, window.end_ns + 1])
        return edges[first:last], slice(int(first), int(last) - 1)


def pools_of(asked: Asked) -> tuple[str, Mapping[str, Pool], int | None]:
    """The scenario's name, its pools, and its own duration in ns, if it says one. Raises ``InputError``."""
    loaded = load_scenario(asked.scenario, asked.overrides, activity_files=False)  # logs are read for a window
    return loaded.scenario.name, _pools(loaded), loaded.scenario.duration_ns


def _pools(loaded: Loaded) -> dict[str, Pool]:
    pools: dict[str, Pool] = {}
    for label, machine in loaded.answers.machines.items():
        node = machine.whole_node
        gpus = node.gpus.count if node.gpus is not None else 0
        tdp_w = float(machine.board.tdp.value) if machine.board is not None else 0.0
        pools[label] = Pool(machine.pool.count, gpus, node.cpus.count, tdp_w)
    return pools


def run_twin(asked: Asked, window: Window, watch: Watch | None = None) -> Twin:
    """Runs the scenario from a lead before the window to its end. Raises as ``sim.run`` does."""
    lead_ns = -(-asked.lead_ns // window.bin_ns) * window.bin_ns  # whole bins, so that one begins with the window
    start_ns = window.start_ns - lead_ns
    clock = {
        "start": instant(start_ns),
        **_until(asked.scenario, start_ns, window.end_ns),
        "outputs.bin": _seconds(window.bin_ns),
    }
    loaded = load_scenario(asked.scenario, {**asked.given(), **clock})
    built = built_of(loaded)
    if watch is None:
        run = ended(built).run
    else:
        watch.stage("simulating")
        run = ended(built, lambda now_ns: watch.simulating(now_ns, built.duration_ns)).run
    return Twin(loaded.scenario.name, start_ns, run.ledger, _pools(loaded))


def _until(scenario: str, start_ns: int, end_ns: int) -> dict[str, str]:
    """When the run ends, as the scenario says it: by its end or by its length."""
    document, _, _ = read_scenario(scenario)
    return {"end": instant(end_ns)} if "end" in document.data else {"duration": _seconds(end_ns - start_ns)}


def instant(ns: int) -> str:
    """A time since 1970 as ISO 8601 in UTC, to the ns where it has them."""
    day = np.datetime64(ns // NS_PER_S, "s")
    rest = f"{ns % NS_PER_S:09d}".rstrip("0")
    return f"{day}{f'.{rest}' if rest else ''}Z"


def _seconds(ns: int) -> str:
    return f"{ns // NS_PER_S}.{ns % NS_PER_S:09d} s"


def _workload(asked: Asked, kind: str, part: str) -> str:
    """The workload whose ``part`` takes the log. Raises ``InputError`` where it is not clear, or takes no log."""
    document, file, _ = read_scenario(asked.scenario)
    names = [name for name in document.mapping("workloads") if document.text("workloads", name, "kind") == kind]
    if not names:
        raise InputError.one(file, f"has no workload of the kind '{kind}' that could take the log")
    if asked.workload is None and len(names) > 1:
        raise InputError.one("--workload", f"needed: the scenario has several of the kind '{kind}': {', '.join(names)}")
    name = names[0] if asked.workload is None else asked.workload
    if name not in names:
        raise InputError.one(
            "--workload", f"'{name}' is no workload of the kind '{kind}'; there are: {', '.join(names)}"
        )
    if document.text("workloads", name, part, "kind") != "trace":
        message = "takes no log; write 'kind: trace' with the rules that one needs"
        raise InputError([document.problem(("workloads", name, part), message)])
    return name
