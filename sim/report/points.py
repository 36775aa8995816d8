"""The points of a finished study as a page needs them: parameters by level, and the results that tell them apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sim.results.catalogue import in_words, quantity_at
from sim.results.formats import number
from sim.spec.ranges import split_quantity

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DONE = "done"
ABSENT = "—"
MOST_POINTS = 8_000
"""That a page carries; of more, evenly chosen ones beside those on the front."""
MOST_RESULTS = 16
"""That a page carries where the study does not say which matter."""
LARGER_IS_BETTER = re.compile(r"goodput|throughput|\bmfu\b|\bhfu\b|hit_rate|\.completed$|utilisation|progress")
"""Results of which more is better, by their paths; of all others less is."""
AGAINST = (
    r"ttft_s\.p99$",
    r"e2e_s\.p99$",
    r"tpot_s\.p99$",
    r"goodput",
    r"step\.step_s$",
    r"makespan_s$",
    r"wait_s\.mean$",
    r"simulated_s$",
    r"cost\.energy$",
    r"water_l\.",
    r"energy_kwh\.facility$",
    r"carbon_kg\.embodied$",
    r"carbon_kg\.operational",
)
"""What carbon is drawn against, the first of these that varies."""
FIRST = (r"carbon_kg\.total$", r"kpi\.sci_g_per_unit$", r"energy_kwh\.facility$")


@dataclass(frozen=True, eq=False)
class Parameter:
    """Something that the study varies: one path, or several together. ``at`` (points,) is the level of each point;
    levels are in order, by their numbers where all have one."""

    name: str
    paths: tuple[str, ...]
    levels: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    numbers: tuple[float, ...] | None
    unit: str
    at: Ints

    @property
    def varies(self) -> bool:
        """Whether it has more than one level."""
        return len(self.levels) > 1


@dataclass(frozen=True, eq=False)
class Result:
    """A number that a study has of its points, NaN (points,) where one has none; ``larger`` where more is better."""

    path: str
    label: str
    values: Floats
    larger: bool

    @property
    def costs(self) -> Floats:
        """So that less is better."""
        return -self.values if self.larger else self.values


@dataclass(frozen=True, eq=False)
class Points:
    """A study: points that are done with their parameters and results, and how many failed and why."""

    study: Mapping[str, Any]
    numbers: Ints
    replications: Ints
    seeds: Ints
    parameters: tuple[Parameter, ...]
    results: tuple[Result, ...]
    total: int
    failed: Mapping[str, int]

    @classmethod
    def of(cls, study: Mapping[str, Any], table: pa.Table) -> Points:
        """From ``study.json`` and the dataset of a finished study."""
        import pyarrow.compute as pc

        done = table.filter(pc.equal(table["status"], DONE))
        bad = table.filter(pc.not_equal(table["status"], DONE))
        reasons = Counter(
            f"{status}: {error}"
            for status, error in zip(*(bad[c].to_pylist() for c in ("status", "error")), strict=True)
        )
        axes = study["axes"]
        named = dict(zip(axes, _short([*axes]), strict=True))
        parameters = [_parameter(named[name], [*map(str, paths)], done) for name, paths in axes.items()]
        return cls(
            study,
            done["point"].to_numpy(),
            done["replication"].to_numpy(),
            done["seed"].to_numpy(),
            tuple(parameters),
            tuple(_results(study, done)),
            table.num_rows,
            dict(reasons.most_common()),
        )

    @property
    def varying(self) -> list[Parameter]:
        """Parameters with more than one level."""
        return [one for one in self.parameters if one.varies]

    def goals(self) -> list[Result]:
        """The two results that are drawn against each other to begin with; fewer where fewer vary."""
        found: list[Result] = []
        for patterns in (FIRST, (*AGAINST, *FIRST, ".")):
            there = (one for pattern in patterns for one in self.results if re.search(pattern, one.path))
            found += [one for one in there if all(one is not other and not _alike(one, other) for other in found)][:1]
        return found

    def take(self, rows: Ints) -> Points:
        """Some of the points."""
        return Points(
            self.study,
            self.numbers[rows],
            self.replications[rows],
            self.seeds[rows],
            tuple(
                Parameter(one.name, one.paths, one.levels, one.values, one.numbers, one.unit, one.at[rows])
                for one in self.parameters
            ),
            tuple(Result(one.path, one.label, one.values[rows], one.larger) for one in self.results),
            self.total,
            self.failed,
        )

    def told(self, row: int) -> str:
        """The parameters of a point in words."""
        return ", ".join(f"{one.name} {one.levels[one.at[row]]}" for one in self.varying)


def _alike(one: Result, other: Result) -> bool:
    """Whether one is the other in another unit, so that there is nothing to trade."""
    both = np.isfinite(one.values) & np.isfinite(other.values)
    if both.sum() < 2:
        return True
    first, second = one.values[both], other.values[both]
    if not np.ptp(first) or not np.ptp(second):
        return True
    return bool(abs(np.corrcoef(first, second)[0, 1]) > 1.0 - 1e-9)


def _short(paths: Sequence[str]) -> list[str]:
    """Paths by as many of their last words as tell them apart.

    >>> _short(["site.grid.intensity.region", "workloads.chat.replicas.power_cap", "lifetime"])
    ['region', 'power cap', 'lifetime']
    >>> _short(["workloads.a.count", "workloads.b.count"])
    ['a count', 'b count']
    """
    found = []
    for path in paths:
        words = path.split(".")
        size = 1
        while size < len(words) and sum(other.split(".")[-size:] == words[-size:] for other in paths) > 1:
            size += 1
        found.append(" ".join(words[-size:]).replace("_", " "))
    return found


def _parameter(name: str, paths: Sequence[str], done: pa.Table) -> Parameter:
    columns = [done[f"axis.{path}"].to_pylist() for path in paths]
    rows = [*zip(*columns, strict=True)]
    distinct = list(dict.fromkeys(rows))
    quantities = [split_quantity(values[0]) for values in distinct]
    units = {pair[1] for pair in quantities if pair is not None}
    numbers, unit = None, ""
    if None not in quantities and len(units) == 1:
        unit = units.pop()
        order = sorted(range(len(distinct)), key=lambda at: quantities[at] or (0.0, ""))
        distinct = [distinct[at] for at in order]
        numbers = tuple(pair[0] for at in order if (pair := quantities[at]) is not None)
    place = {values: at for at, values in enumerate(distinct)}
    levels = [" · ".join(dict.fromkeys(_told(value) for value in values)) for values in distinct]
    at = np.array([place[values] for values in rows], dtype=np.int64)
    return Parameter(name, tuple(paths), tuple(_unlike(levels)), tuple(distinct), numbers, unit, at)


def _told(value: Any) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return str(value).lower()
    return number(value) if isinstance(value, float) else str(value)


def _unlike(levels: Sequence[str]) -> list[str]:
    """Words of levels, each another, as numbers that are told in few digits may not be."""
    seen: Counter[str] = Counter()
    found = []
    for words in levels:
        seen[words] += 1
        found.append(words if seen[words] == 1 else f"{words} ({seen[words]})")
    return found


def _results(study: Mapping[str, Any], done: pa.Table) -> list[Result]:
    """The numbers of a study that vary: those that it asks for, else those that runs are compared by."""
    import pyarrow as pa
    import pyarrow.types as kinds

    skipped = {"point", "replication", "seed"}
    found = []
    for field in done.schema:
        if field.name in skipped or field.name.startswith("axis."):
            continue
        if not (kinds.is_floating(field.type) or kinds.is_integer(field.type)):
            continue
        values = np.asarray(done[field.name].cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
        finite = values[np.isfinite(values)]
        if len(finite) and np.ptp(finite) > 1e-12 * np.abs(finite).max():
            found.append(Result(field.name, words_of(field.name), values, bool(LARGER_IS_BETTER.search(field.name))))
    if study["study"].get("outputs") or len(found) <= MOST_RESULTS:
        return found
    whole = [one for one in found if ".by_" not in one.path and "_by_" not in one.path]
    return sorted(whole, key=_place)[:MOST_RESULTS]


def words_of(path: str) -> str:
    """What people call a result, with whose it is and its unit.

    >>> words_of("carbon_kg.total"), words_of("serving.chat.ttft_s.p99"), words_of("energy_kwh.by_component.gpu")
    ('total carbon, kg', 'chat TTFT p99, s', 'energy gpu, kWh')
    """
    known = quantity_at(path)
    if known is None or not known.label:
        return in_words(path)
    kept, given = known.path.split("."), path.split(".")
    names = [there for own, there in zip(kept, given, strict=True) if own == "*"] if len(kept) == len(given) else []
    words = [known.label, *names] if kept[-1] == "*" else [*names, known.label]
    return " ".join(words).replace("_", " ") + (f", {known.unit}" if known.unit else "")


def _place(one: Result) -> tuple[int, int]:
    """What is asked for first comes first."""
    known = quantity_at(one.path)
    liked = next((at for at, pattern in enumerate((*FIRST, *AGAINST)) if re.search(pattern, one.path)), 99)
    return liked, (known.compared or 999) if known is not None else 1000
