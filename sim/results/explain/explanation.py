"""The explanation of one number: step by step down to the meters, the inputs, and how well they are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.accounting.ledger import Floats
from sim.results.catalogue.origins import ORIGINS, Origin
from sim.results.catalogue.quantity import STATISTICS
from sim.results.explain.formula import digits
from sim.results.explain.inputs import OF_GRID, WEAKEST_FIRST, Input, Inputs, stated, weakest
from sim.results.explain.lines import MADE, Chosen, Term, chosen, grid_notes, terms
from sim.results.explain.paths import Place, value_at
from sim.results.explain.run import Explained
from sim.units import SECONDS_PER_NS

if TYPE_CHECKING:
    import pyarrow as pa

SKETCH_ERROR = "0.4 %"
"""See ``sim.workload.serving_records.SKETCH_SIZE``."""
MOST_STEPS = 12
"""Of one explanation; a project of many phases has more, and each has an explanation of its own."""


@dataclass(frozen=True)
class Distribution:
    """Of a statistic: how many values there are, where from, and what the same rows give; None where rows tell nothing
    (only a part of them was kept)."""

    count: int
    table: str
    column: str
    least: float
    most: float
    again: float | None


@dataclass(frozen=True)
class Step:
    """One number and what it comes from: other numbers (``symbols`` and ``numbers``), or ``terms`` that add up to it.

    ``again`` is the value as it was computed anew, None where it was counted in the run; ``shares`` how much of it is
    known how well, by its weakest input.
    """

    path: str
    value: Any
    words: str
    symbols: str = ""
    numbers: str = ""
    terms: tuple[Term, ...] = ()
    again: float | None = None
    additive: bool = False
    refers_to: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    inputs: tuple[Input, ...] = ()
    distribution: Distribution | None = None


@dataclass(frozen=True)
class Explanation:
    """A number's steps, itself first, and all inputs once."""

    place: Place
    steps: tuple[Step, ...]

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Every input once, in the order in which they are met."""
        return tuple(dict.fromkeys(one for step in self.steps for one in step.inputs))

    @property
    def shares(self) -> Mapping[str, float]:
        """How much of the number is known how well; empty where it is no sum of what has inputs."""
        return self._shares(self.steps[0])

    def _shares(self, step: Step) -> Mapping[str, float]:
        if not step.additive:
            return step.shares
        by_path = {one.path: one for one in self.steps}
        parts = [
            (float(by_path[path].value), self._shares(by_path[path])) for path in step.refers_to if path in by_path
        ]
        whole = sum(value for value, _ in parts)
        if not whole or any(value and not shares for value, shares in parts):
            return {}
        merged = {name: sum(value * shares.get(name, 0.0) for value, shares in parts) / whole for name in WEAKEST_FIRST}
        return {name: share for name, share in merged.items() if share}

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "path": self.place.path,
            "value": self.place.value,
            "unit": self.place.quantity.unit,
            "steps": [_as_dict(step) for step in self.steps],
            "inputs": [vars(one) for one in self.inputs],
            "known_as": dict(self.shares),
        }


def _as_dict(step: Step) -> dict[str, Any]:
    told = {name: value for name, value in vars(step).items() if value not in ("", (), {}, None, False)}
    told.pop("inputs", None)
    told.pop("additive", None)
    if step.terms:
        told["terms"] = [vars(term) for term in step.terms]
    if step.distribution is not None:
        told["distribution"] = vars(step.distribution)
    return {"path": step.path, "value": step.value, **told}


def explain(run: Explained, place: Place) -> Explanation:
    """How the number at a place came about. Computes all that can be computed anew, and simulates nothing."""
    there = run.places
    inputs = Inputs(run)
    steps: dict[str, Step] = {}
    waiting = [place]
    while waiting and len(steps) < MOST_STEPS:
        one = waiting.pop(0)
        if one.path in steps:
            continue
        step = steps[one.path] = step_of(run, one, inputs)
        waiting += [there[path] for path in step.refers_to if path in there]
    return Explanation(place, tuple(steps.values()))


def step_of(run: Explained, place: Place, inputs: Inputs) -> Step:
    """One number by itself."""
    origin = ORIGINS[place.quantity.path]
    if origin.formula:
        found = run.put_in(origin.formula, place)
        within = f"sites.{place.site}." if place.site else ""
        return Step(
            place.path,
            place.value,
            origin.words,
            symbols=found.symbols,
            numbers=found.numbers,
            again=found.value,
            additive=found.additive,
            refers_to=tuple(path if path == "simulated_s" else f"{within}{path}" for path in found.refers_to),
        )
    if origin.columns:
        lines = chosen(run, place, origin)
        own = terms(run, place, origin, lines)
        known = list(_known(run, lines, origin, inputs))
        whole = sum(value for value, _ in known)
        shares = {
            name: sum(value for value, found in known if weakest(found) == name) / whole
            for name in WEAKEST_FIRST
            if whole
        }
        return Step(
            place.path,
            place.value,
            origin.words,
            terms=tuple(own),
            again=sum(term.value for term in own),
            notes=tuple(grid_notes(run, place, origin)),
            shares={name: share for name, share in shares.items() if share},
            inputs=tuple(dict.fromkeys(one for _, found in known for one in found)),
        )
    spread = _distribution(run, place, origin)
    return Step(place.path, place.value, origin.words, notes=tuple(_beside(run, place, spread)), distribution=spread)


def _beside(run: Explained, place: Place, found: Distribution | None) -> Iterator[str]:
    """Of a statistic: the others of its distribution, and how many values it is of, where no rows say so."""
    if place.keys[-1] not in (*STATISTICS, *ENDS):
        return
    beside = value_at(run.summary, place.keys[:-1])
    others = (f"{name} {digits(value)}" for name, value in beside.items() if name != place.keys[-1])
    yield f"beside it: {', '.join(others)}"
    if place.keys[0] == "serving":
        service = run.summary["serving"][place.names[0]]
        yield f"{service['requests']:,} requests came, and {service['completed']:,} were answered"
        if "output_tokens" in service and (found is None or found.again is None) and place.keys[-1] != "mean":
            yield f"percentiles are of a histogram that holds every value within {SKETCH_ERROR}"
        if found is None:
            yield "outputs: {requests: all} in the scenario keeps every value"


def _known(run: Explained, lines: Chosen, origin: Origin, inputs: Inputs) -> Iterator[tuple[float, tuple[Input, ...]]]:
    """Each part of a sum of lines with all that it rests on. What the building draws follows the IT of its site."""
    of_site: dict[str, dict[tuple[Input, ...], float]] = {}
    labels, energy_j = run.footprint.labels, run.footprint.column("energy_j").tolist()
    for key, part, joules in zip(labels.keys, labels.parts, energy_j, strict=True):
        if part == "it" and joules:
            by_inputs = of_site.setdefault(key.site, {})
            found = inputs.power(key, part)
            by_inputs[found] = by_inputs.get(found, 0.0) + joules
    columns, charged = origin.columns, run.plan.carbon_price
    of_price: tuple[Input, ...] = ()
    if columns == ("carbon_cost",) and charged is not None:
        columns, of_price = (charged.scope_2,), (stated("accounting.carbon_price.price", charged.words),)
    for _, key, part, value in lines.rows():
        if not value:
            continue
        if columns == ("escaped_g",):
            yield value, inputs.escaped(key.site)
            continue
        if key.component.startswith(MADE):
            yield value, (*inputs.made(key), *of_price)
            continue
        of_grid = (one for name in columns if name in OF_GRID for one in inputs.priced(key.site, name))
        on_site = inputs.escaped(key.site) if {*columns} & {"operational_g", "market_g", "escaped_g"} else ()
        priced = (*of_grid, *on_site, *of_price)
        if part in ("network", "devices") or (part == "it" and key.hardware):
            yield value, (*inputs.power(key, part), *priced)
            continue
        shared = of_site.get(key.site, {})
        whole = sum(shared.values())
        if not shared:  # of a site that drew nothing, such as fuel of a test
            yield value, (*inputs.building(key.site), *priced)
        for found, joules in shared.items():
            yield value * joules / whole, (*found, *inputs.building(key.site), *priced)


ENDS = ("p05", "p95")
"""Of an interval, beside its middle."""
REQUEST_TIMES = {
    "ttft_s": ("arrival_ns", "first_token_ns"),
    "e2e_s": ("arrival_ns", "done_ns"),
    "queue_s": ("arrival_ns", "scheduled_ns"),
}
"""Times of requests that rows tell from two instants: from the first to the second."""


def _values(table: pa.Table, place: Place) -> Floats | None:
    """The values of which a statistic is told, as far as a table has them."""
    import pyarrow.compute as pc

    name = place.keys[-2]
    own = table
    if "workload" in table.column_names:
        own = own.filter(pc.equal(own["workload"].cast("string"), place.names[0]))
    if name in REQUEST_TIMES and set(REQUEST_TIMES[name]) <= {*own.column_names}:
        own = own.filter(pc.equal(own["status"].cast("string"), "completed"))
        begins, ends = (own[column].to_numpy() for column in REQUEST_TIMES[name])
        times: Floats = (ends - begins) * SECONDS_PER_NS
        return times
    if name not in own.column_names:
        return None
    values: Floats = own[name].drop_null().to_numpy().astype(np.float64)
    return values


def _distribution(run: Explained, place: Place, origin: Origin) -> Distribution | None:
    """The values behind a statistic, where the run kept them; a sample of requests tells how they lie and no more."""
    table = run.tables.get(origin.rows)
    statistic = place.keys[-1]
    if table is None or statistic not in (*STATISTICS, *ENDS, "max"):
        return None
    values = _values(table, place)
    if values is None or not len(values):
        return None
    if statistic in ("mean", "max"):
        again = float(values.mean() if statistic == "mean" else values.max())
    else:
        again = float(np.quantile(values, float(statistic.removeprefix("p")) / 100.0))
    whole = origin.rows != "requests" or run.scenario["outputs"].get("requests") == "all"
    file = f"{origin.rows}.parquet"
    least, most = float(values.min()), float(values.max())
    return Distribution(len(values), file, place.keys[-2], least, most, again if whole else None)
