"""The energy of a run as flows that conserve it: what flows into a node flows out of it, unless it ends there.

All come from the summary, so that its totals are those of the summary; the ledger tells only what states a workload's
own energy was drawn in, where the summary does not say what it went into.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sim.accounting.conventions import UNALLOCATED
from sim.accounting.ledger import OUTSIDE
from sim.results.formats import kilowatt_hours
from sim.results.results import Results
from sim.units import J_PER_KWH

Kind = Literal["source", "site", "spare", "loss", "cooling", "idle", "work", "useful"]

SITE, IT, IDLE = "data center", "IT equipment", "idle, nobody's"
ROUNDING = 1e-9
"""Share of all below which a difference of sums is rounding."""
SOURCES = {
    "on_site_pv": "solar",
    "on_site_wind": "wind",
    "on_site_other": "own generation",
    "on_site_diesel": "diesel",
}
SPARE = {"grid_export": "exported", "curtailed": "curtailed", "battery_losses": "battery losses"}
COOLING = frozenset(
    {"chiller", "tower_fan", "pump", "air_fan", "dry_cooler_fan", "economizer", "cooling", "fan", "cdu"}
)
OVERHEAD = {
    "facility": "cooling and losses (PUE)",
    "other": "other of the building",
    "ups_loss": "UPS losses",
    "pdu_loss": "PDU losses",
    "transformer_loss": "transformer losses",
}
SERVING = {
    "prefill": "prompt tokens (prefill)",
    "decode": "output tokens (decode)",
    "overhead": "held, between iterations",
}
FAULTS = {"productive": "useful FLOPs"}
STEP = {
    "compute": "useful FLOPs",
    "communication": "communication",
    "bubble": "pipeline bubbles",
    "optimizer": "optimizer",
    "straggler": "waiting for stragglers",
    "network": "network of the job",
}
HOSTS = "hosts, fans, power supplies"
STATES = {"active": "at work", "loaded": "held, not at work", "idle": "held, idle", "warm_air": "warm inlet air"}
ADDED = "added by the convention"
GOALS = frozenset({*SERVING.values(), *FAULTS.values(), *STEP.values(), *STATES.values(), HOSTS, ADDED})
ELSEWHERE = "supply elsewhere"
OUTSIDE_PARTS = {"network": "networks outside", "devices": "users' devices"}
RANK: Mapping[Kind, int] = {
    "spare": -1,
    "source": 0,
    "useful": 0,
    "site": 0,
    "work": 0,
    "idle": 1,
    "cooling": 2,
    "loss": 3,
}
"""From the top of a column to its foot."""
USEFUL = frozenset({SERVING["prefill"], SERVING["decode"], FAULTS["productive"], STATES["active"]})


@dataclass(frozen=True)
class Flow:
    """Energy from one node to another, kWh, above 0."""

    source: str
    target: str
    kwh: float


@dataclass(frozen=True)
class Flows:
    """All flows of a run, in order of their columns, and what each node is."""

    flows: tuple[Flow, ...]
    kinds: Mapping[str, Kind]
    note: str

    @property
    def total(self) -> float:
        """What comes from all sources, kWh."""
        return sum(one.kwh for one in self.flows if one.source in self.sources())

    def sources(self) -> list[str]:
        """Nodes that nothing flows into."""
        reached = {one.target for one in self.flows}
        return list(dict.fromkeys(one.source for one in self.flows if one.source not in reached))

    def ends(self) -> list[tuple[str, float]]:
        """Nodes that nothing leaves, with what they take, the largest first."""
        left = {one.source for one in self.flows}
        names = dict.fromkeys(one.target for one in self.flows if one.target not in left)
        return sorted(((name, self.through(name)) for name in names), key=lambda pair: -pair[1])

    def through(self, name: str) -> float:
        """What flows into a node, or out of it where nothing flows in, kWh."""
        arrives = sum(one.kwh for one in self.flows if one.target == name)
        return arrives or sum(one.kwh for one in self.flows if one.source == name)

    def columns(self) -> dict[str, int]:
        """How many flows each node is from a source, and ends that are useful or idle in the last column."""
        column = dict.fromkeys(self.sources(), 0)
        for _ in self.flows:
            for one in self.flows:
                if one.source in column:
                    column[one.target] = max(column.get(one.target, 0), column[one.source] + 1)
        last = max(column.values())
        order = sorted(column, key=lambda name: (column[name], RANK[self.kinds[name]]))
        return {name: last if self.kinds[name] == "useful" else column[name] for name in order}


def flows_of(results: Results) -> Flows | None:
    """The flows of a run; None where it used no energy, or where what it used is not a sum of positive parts."""
    energy = results.summary["energy_kwh"]
    if not energy["facility"] > 0.0 or any(kwh < 0.0 for kwh in energy["by_workload"].values()):
        return None
    drawn = _Drawn(energy["facility"] * ROUNDING)
    _supply(drawn, results.summary)
    overhead = energy["overhead_by_component"]
    for name, kwh in sorted(overhead.items(), key=lambda pair: (pair[0] not in COOLING, -pair[1])):
        words = OVERHEAD.get(name, name.replace("_", " "))
        drawn.add(SITE, words, kwh, "cooling" if name in COOLING or name == "facility" else "loss")
    drawn.add(SITE, IT, energy["it"], "site")
    for part, words in OUTSIDE_PARTS.items():
        if energy.get(part):
            drawn.kinds[ELSEWHERE] = "source"
            drawn.add(ELSEWHERE, words, energy[part], "work")
    notes = [_inside(energy["by_component"])]
    for owner, kwh in sorted(energy["by_workload"].items(), key=lambda pair: -pair[1]):
        if owner == UNALLOCATED:
            drawn.add(IT, IDLE, kwh, "idle")
            continue
        name = owner if owner not in {*drawn.kinds, *GOALS} else f"workload {owner}"
        drawn.add(IT, name, kwh, "work")
        for words, spent in _useful(results, owner, kwh).items():
            drawn.add(name, words, spent, "useful" if words in USEFUL else "idle")
    if results.summary["boundary"]["convention"] != "physical":
        notes.append(f"Energy as the convention {results.summary['boundary']['convention']} counts it.")
    return Flows(tuple(drawn.flows), drawn.kinds, " ".join(filter(None, notes)))


class _Drawn:
    """Flows as they are found; what is rounding is left out, and every node keeps the kind it was first given."""

    def __init__(self, least: float) -> None:
        self.flows: list[Flow] = []
        self.kinds: dict[str, Kind] = {}
        self._least = least

    def add(self, source: str, target: str, kwh: float, kind: Kind) -> None:
        """A flow, if it is more than rounding."""
        if kwh > self._least:
            self.flows.append(Flow(source, target, kwh))
            self.kinds.setdefault(source, "site")
            self.kinds.setdefault(target, kind)


def _supply(drawn: _Drawn, summary: Mapping[str, Any]) -> None:
    """From what the site was supplied, and what of that did not reach it."""
    energy = summary["energy_kwh"]
    if "grid_import" not in energy:
        drawn.kinds["grid"] = "source"
        drawn.add("grid", SITE, energy["facility"], "site")
        return
    stored = summary.get("stored_energy", {"start_kwh": 0.0, "end_kwh": 0.0})
    gained = stored["end_kwh"] - stored["start_kwh"]
    sources = {"grid": energy["grid_import"], **{words: energy.get(name, 0.0) for name, words in SOURCES.items()}}
    sources["battery, as it stood"] = max(-gained, 0.0)
    spare = {words: energy.get(name, 0.0) for name, words in SPARE.items()}
    spare["kept in the battery"] = max(gained, 0.0)
    missing = energy["facility"] + sum(spare.values()) - sum(sources.values())
    sources["not served"] = max(missing, 0.0)  # what nothing was left to give
    spare["own generation not used"] = max(-missing, 0.0)
    for words, kwh in sources.items():
        drawn.kinds.setdefault(words, "source")
        drawn.add(words, "supply", kwh, "site")
    drawn.add("supply", SITE, energy["facility"], "site")
    for words, kwh in spare.items():
        drawn.add("supply", words, kwh, "spare")


def _inside(components: Mapping[str, float]) -> str:
    """What of servers' own losses the flows contain."""
    parts = [
        f"{words} {kilowatt_hours(components[name])}"
        for name, words in (("psu_loss", "losses of power supplies"), ("fans", "fans"))
        if components.get(name)
    ]
    return f"Of the IT energy, {' and '.join(parts)} are inside the flows to workloads and idle." if parts else ""


def _useful(results: Results, owner: str, kwh: float) -> dict[str, float]:
    """What a workload's energy went into, which adds up to it; nothing where that is not known."""
    summary = results.summary
    served, job = summary.get("serving", {}).get(owner), summary.get("jobs", {}).get(owner, {})
    parts: dict[str, float] = {}
    if served is not None and "energy_split_kwh" in served:
        parts = {SERVING.get(name, name): part for name, part in served["energy_split_kwh"].items()}
    elif "energy_split_kwh" in job:
        parts = {FAULTS.get(name, name.replace("_", " ")): part for name, part in job["energy_split_kwh"].items()}
    elif "gpu_energy_kwh" in job.get("step", {}):
        parts = {STEP.get(name, name): part for name, part in job["step"]["gpu_energy_kwh"].items()}
        parts[HOSTS] = kwh - sum(parts.values())
    else:
        for key, joules in zip(results.energy.keys, results.energy.energy_j.sum(axis=1).tolist(), strict=True):
            if key.owner == owner and key.component not in OUTSIDE:
                words = STATES.get(key.state, key.state)
                parts[words] = parts.get(words, 0.0) + joules / J_PER_KWH
    rest = kwh - sum(parts.values())
    if rest < -ROUNDING * kwh or any(part < 0.0 for part in parts.values()):
        return {}  # a convention counts another energy than what was metered
    if rest > ROUNDING * kwh:
        physical = summary["boundary"]["convention"] == "physical"
        words = STATES["warm_air"] if physical else ADDED
        parts[words] = parts.get(words, 0.0) + rest
    return parts
