"""A study: a base scenario, what varies in it, by which design, and how far a point may go::

    base: chat-service
    axes:
      workloads.chat.replicas.power_cap: {range: [300 W, 700 W, 5]}
      site.grid.intensity: [57 gCO2e/kWh, 380 gCO2e/kWh]
      hardware: {zip: {cluster.nodes.0.profile: [dgx-h100, dgx-a100], workloads.chat.replicas.tensor_parallel: [2, 4]}}

Whole ends of a range make whole numbers; ``1.0`` makes fractions. A path is that of ``--set``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from sim.documents import Document, KeyPath, from_mapping, read_document
from sim.errors import InputError, Problem
from sim.mistaken import no_scenario
from sim.paths import written_over
from sim.plain import one_or_more
from sim.profiles.catalog import shipped_folder
from sim.quantities import Bytes, PositiveDuration
from sim.reading import exists
from sim.spec.ranges import Range, read_range
from sim.validation import LONGEST_NAME, Spec, mapping_or, nearest, validate

MOST_POINTS = 10_000_000


class AxisSpec(Spec):
    """What varies: ``values``, a ``range``, or several paths together (``zip``); only ``when`` others hold."""

    values: list[Any] | None = Field(default=None, min_length=1)
    range: list[Any] | None = Field(default=None, description="[first, last] or [first, last, how many].")
    step: Any = None
    scale: Literal["linear", "log"] = "linear"
    zip: dict[str, list[Any]] | None = Field(default=None, min_length=1)
    when: dict[str, Any] = Field(default_factory=dict, description="{path: value}, or a list of values: any of them.")

    @model_validator(mode="after")
    def _one_way(self) -> AxisSpec:
        if sum(way is not None for way in (self.values, self.range, self.zip)) != 1:
            raise PydanticCustomError("axis", "needs one of 'values', 'range' and 'zip'")
        if self.range is None and (self.step is not None or self.scale != "linear"):
            raise PydanticCustomError("axis", "'step' and 'scale' go with a 'range'")
        lengths = {path: len(values) for path, values in (self.zip or {}).items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{path}: {count}" for path, count in lengths.items())
            raise PydanticCustomError("axis", "'zip' needs lists of one length ({shown})", {"shown": shown})
        if 0 in lengths.values():
            raise PydanticCustomError("axis", "'zip' needs at least one value")
        return self


Axis = Annotated[
    Annotated[Annotated[list[Any], Field(min_length=1)], Tag("@list")] | Annotated[AxisSpec, Tag("@mapping")],
    mapping_or("@list"),
]


class Grid(Spec):
    """Every combination, the last axis fastest."""

    kind: Literal["grid"] = "grid"

    def fewest(self, levels: Iterable[int]) -> int:
        """How many points there are at least, of axes with so many values."""
        return math.prod(levels)


class Sampled(Spec):
    """Points spread over all axes at once."""

    points: int = Field(ge=1, le=MOST_POINTS, strict=True)
    seed: int = Field(default=0, ge=0, lt=2**63, strict=True)

    def fewest(self, levels: Iterable[int]) -> int:  # noqa: ARG002 (a sample has its size, whatever its axes)
        """As many as are asked for."""
        return self.points


class LatinHypercube(Sampled):
    """Each axis cut into as many slices as there are points, one point in each (McKay, Beckman, Conover 1979)."""

    kind: Literal["latin-hypercube"]


class Sobol(Sampled):
    """A scrambled Sobol sequence; its balance needs a power of two of points."""

    kind: Literal["sobol"]

    @model_validator(mode="after")
    def _balanced(self) -> Sobol:
        if self.points & (self.points - 1):
            raise PydanticCustomError("sobol", "needs a power of two of points, such as 64, 128 or 256")
        return self


class Random(Sampled):
    """Independent points."""

    kind: Literal["random"]


class Limits(Spec):
    """What one point may take before it is ended and recorded as failed."""

    memory: Bytes | None = None
    time: PositiveDuration | None = None


class StudySpec(Spec):
    """One study file."""

    name: str | None = Field(default=None, min_length=1, max_length=LONGEST_NAME)
    description: str = Field(default="", max_length=20_000)
    base: str | dict[str, Any] = Field(description="A scenario file, the name of a shipped one, or a scenario.")
    set: dict[str, Any] = Field(default_factory=dict, description="What all points have beside the base.")
    axes: dict[str, Axis] = Field(default_factory=dict)
    replications: int = Field(default=1, ge=1, le=100_000, strict=True)
    design: Annotated[Grid | LatinHypercube | Sobol | Random, Field(discriminator="kind")] = Field(default_factory=Grid)
    outputs: list[str] | None = Field(
        default=None, min_length=1, description="Which columns of the summary, such as carbon_kg.total; all, if absent."
    )
    limits: Limits = Field(default_factory=Limits)
    on_bad_points: Literal["refuse", "row"] = Field(
        default="refuse", description="A point that no scenario can be refuses the study, or is a row with its error."
    )


@dataclass(frozen=True)
class AxisPlan:
    """An axis made ready: its name, the paths it sets, and either rows of values or a range of one path."""

    name: str
    paths: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    span: Range | None
    when: Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class LoadedStudy:
    """A study whose own file holds together; its points are not yet checked."""

    spec: StudySpec
    axes: tuple[AxisPlan, ...]
    document: Document
    source: str
    folder: Path

    @property
    def name(self) -> str:
        """Name of the study: as given, or that of the file."""
        return self.spec.name if self.spec.name is not None else Path(self.source).stem

    def place_of(self, path: str) -> KeyPath:
        """Where in the study file ``path`` gets its value."""
        for axis in self.axes:
            if path in axis.paths:
                place: KeyPath = ("axes", axis.name)
                return (*place, "zip", path) if (*place, "zip", path) in self.document.places else place
        return ("set", path)


def shipped_studies() -> dict[str, Path]:
    """Every study that comes with the package, by name."""
    return {path.stem: path for path in sorted((shipped_folder("scenarios") / "studies").glob("*.yaml"))}


def load_study(source: str | Path | Mapping[str, Any]) -> LoadedStudy:
    """A study from a path, by the name of a shipped one, or from a mapping. Raises ``InputError``."""
    if isinstance(source, Mapping):
        document, name, folder = from_mapping(source, "<study>"), "<study>", Path.cwd()
    else:
        path = Path(source)
        shipped = shipped_studies()
        if not exists(path) and str(source) in shipped:
            path = shipped[str(source)]
        elif not exists(path):
            if str(source) in {one.stem for one in shipped_folder("scenarios").glob("*.yaml")}:
                hint = (
                    f"is a scenario that comes with the package: coldaisle run {source}; a study names it as its base"
                )
                raise InputError.one(str(source), hint)
            hint = f"no such file, and no study of that name{nearest(path.stem, shipped)}  ({', '.join(shipped)})"
            raise InputError.one(str(source), hint)
        mistaken = no_scenario(path) if path.is_dir() else None
        if mistaken is not None:
            raise InputError.one(str(source), mistaken)
        document, name, folder = read_document(path), str(path), path.parent
        if "workloads" in document.data and not {"base", "axes"} & {*document.data}:
            how = "a study names it as its 'base', and what to vary as 'axes'"
            raise InputError.one(
                str(source), f"is a scenario and no study: {how}; coldaisle run {source} runs it alone"
            )
    problems = list(document.problems)
    spec = validate(StudySpec, document, problems=problems)
    if spec is None:
        raise InputError(problems)
    axes = tuple(_axes(spec, document, problems))
    written = Counter(path for axis in axes if not axis.when for path in axis.paths)
    written.update(list(spec.set))
    for axis in axes:
        problems += [
            document.problem(("axes", axis.name), f"'{path}' is set more than once")
            for path in axis.paths
            if written[path] > (0 if axis.when else 1)
        ]
    axis_of = {path: axis.name for axis in axes for path in axis.paths}
    problems += [
        document.problem(("axes", axis_of[outer]), f"'{outer}' takes away what '{inner}' sets; write it before that")
        for inner, outer in written_over([*spec.set, *axis_of])
        if outer in axis_of
    ]
    problems += _misplaced_conditions(axes, document)
    least = _fewest_points(spec, axes)
    if least > MOST_POINTS:
        problems.append(document.problem(("axes",), f"make {least:,} points; at most {MOST_POINTS:,} can be"))
    if problems:
        raise InputError(problems)
    return LoadedStudy(spec, axes, document, name, folder.resolve())


def _fewest_points(spec: StudySpec, axes: tuple[AxisPlan, ...]) -> int:
    """How many points there are at least: a conditional axis may speak at none of them."""
    levels = [(axis.span.count or 1) if axis.span is not None else len(axis.rows) for axis in axes if not axis.when]
    return spec.design.fewest(levels) * spec.replications


def _misplaced_conditions(axes: tuple[AxisPlan, ...], document: Document) -> Iterator[Problem]:
    """Conditions on an axis that speaks only afterwards: until then the base's value would decide."""
    for number, axis in enumerate(axes):
        later = {path for other in axes[number:] for path in other.paths}
        for path in axis.when:
            if path in later:
                message = "its axis must stand before this one" if path not in axis.paths else "is what this axis sets"
                yield document.problem(("axes", axis.name, "when", path), message)


def _axes(spec: StudySpec, document: Document, problems: list[Problem]) -> Iterator[AxisPlan]:
    for name, axis in spec.axes.items():
        if isinstance(axis, list):
            yield AxisPlan(name, (name,), tuple((value,) for value in axis), None, {})
            continue
        when = {path: tuple(one_or_more(held)) for path, held in axis.when.items()}
        if axis.zip is not None:
            rows = tuple(zip(*axis.zip.values(), strict=True))
            yield AxisPlan(name, tuple(axis.zip), rows, None, when)
        elif axis.values is not None:
            yield AxisPlan(name, (name,), tuple((value,) for value in axis.values), None, when)
        else:
            given = axis.range or []
            try:
                span = read_range(given, axis.step, log=axis.scale == "log")
            except ValueError as error:
                problems.append(document.problem(("axes", name, "range"), str(error)))
                continue
            if span.count is None and spec.design.kind == "grid":
                message = "a grid needs to know how many: [first, last, how many], or a 'step'"
                problems.append(document.problem(("axes", name, "range"), message))
                continue
            yield AxisPlan(name, (name,), (), span, when)
