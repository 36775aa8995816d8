"""What of a scenario can be moved, made from the scenario itself: every number and choice in it, the most usual first.

A control knows how its value is written, and for a slider the ends between which it moves: what is usual of such a
quantity (``sim.possible``) around what the scenario says. Any other value can be written, and is checked as in a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import floor, isfinite, log10
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt

from sim.documents import KeyPath
from sim.paths import joined
from sim.profiles.catalog import Catalog
from sim.profiles.grids import GridsProfile
from sim.quantities import Nanoseconds, Quantity, Range, Share
from sim.spec.scenario import Scenario
from sim.units import SECONDS_PER_NS
from sim.validation import Spec

AROUND = 5.0
"""A slider moves from a fifth of the scenario's value to five times it, where what is usual goes further."""
WHOLE_RATIO = 10.0
"""What is usual within this ratio is a slider's whole."""
STEPS = 200
MOST_WHOLE = 2000
"""A slider of whole numbers stops at each of them within so many."""
LEAST_COUNT = 8
"""A slider of a small number of things reaches at least this far."""
FROM_NOTHING = ("carbon intensity", "energy price", "water per energy", "fraction")
"""Quantities that are often nothing at all: their sliders begin at 0."""
FIXED = {"name", "description", "kind", "law", "published", "uncertainty", "growth", "profiles", "start", "end"}
"""Fields that are no setting, or that make another scenario of it."""
SITES = ("site", "sites")
PRICED = {*SITES, "accounting"}
"""Sections that price a run; whether a change decides the run itself is asked when it is made."""
_SITE = r"site\.|sites\.(?P<of>[^.]+)\."
_WORK = r"workloads\.(?P<of>[^.]+)\."
USUAL: tuple[tuple[str, str], ...] = (
    (rf"(?:{_SITE})grid\.intensity", "Carbon intensity of the grid"),
    (rf"(?:{_SITE})grid\.intensity\.(?P<what>file|region|year|unit)", "Grid"),
    (rf"(?:{_SITE})facility\.pue", "PUE"),
    (rf"(?:{_SITE})grid\.price", "Price of electricity"),
    (r"accounting\.gpu_lifetime", "Lifetime of GPUs"),
    (r"accounting\.server_lifetime", "Lifetime of servers"),
    (r"cluster\.nodes\.(?P<of>\d+)\.profile", "Servers and their GPUs"),
    (r"cluster\.nodes\.(?P<of>\d+)\.count", "Number of servers"),
    (rf"{_WORK}gpus", "GPUs"),
    (rf"{_WORK}(?P<part>replicas|prefill|decode)\.count(?:\.(?P<what>min|max))?", "Replicas"),
    (rf"{_WORK}replicas", "Replicas"),
    (rf"{_WORK}(?:\w+\.)*power_cap", "Power cap of a GPU"),
    (rf"{_WORK}batching\.max_num_seqs", "Batch: most sequences"),
    (rf"{_WORK}batching\.max_num_batched_tokens", "Batch: most tokens"),
    (rf"{_WORK}(?:\w+\.)*(?P<what>\w*batch\w*)", "Batch"),
    (rf"{_WORK}arrivals\.rate", "Rate of arrivals"),
    (rf"{_WORK}model", "Model"),
    (rf"(?:{_SITE})water\.wue", "Water on site (WUE)"),
    (rf"(?:{_SITE})water\.ewif", "Water at the power stations (EWIF)"),
)
"""Patterns of the paths that people move most, in this order, and what people call them."""
REMEDY = "We do not guess"
"""Begins what a field says to who left it out, which is no description of it."""
_WRITTEN = re.compile(r"([-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*)", re.DOTALL)


@dataclass(frozen=True)
class Control:
    """One value of a scenario that can be moved.

    ``value`` is as the scenario writes it, empty where it says nothing; ``number`` is it without its ``unit``, where a
    slider has ends. ``choices`` are values with the words for each.
    """

    path: str
    label: str
    kind: Literal["number", "choice", "text"]
    value: str
    usual: bool
    prices: bool
    says: str = ""
    example: str = ""
    number: float | None = None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[tuple[str, str], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As plain data for the page."""
        return asdict(self)


def controls_of(scenario: Scenario, catalog: Catalog, files: Sequence[str]) -> list[Control]:
    """Every control of a scenario, the most usual first. ``files`` are series that could take the place of its own."""
    found = [control for field in _leaves(scenario, ()) for control in _controls(field, catalog, files)]
    return sorted(found, key=lambda control: _rank(control.path))


def _rank(path: str) -> int:
    return next((i for i, (pattern, _) in enumerate(USUAL) if re.fullmatch(pattern, path)), len(USUAL))


@dataclass(frozen=True)
class _Leaf:
    """A field with a single value: where, the types and bounds that its annotation names, and the value, if any."""

    path: KeyPath
    parts: tuple[Any, ...]
    says: str
    value: Any

    def first(self, of: type[Any]) -> Any:
        """The first part of the annotation that is of a type, or None."""
        return next((part for part in self.parts if isinstance(part, of)), None)


def _leaves(spec: Spec, path: KeyPath) -> Iterator[_Leaf]:
    for name, field in type(spec).model_fields.items():
        if name in FIXED:
            continue
        parts = (*_parts(field.annotation), *field.metadata)
        yield from _within(getattr(spec, name), (*path, name), parts, field.description or "")


def _within(value: Any, path: KeyPath, parts: tuple[Any, ...], says: str) -> Iterator[_Leaf]:
    if isinstance(value, Spec):
        yield from _leaves(value, path)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _within(one, (*path, str(key)), parts, says)
    elif isinstance(value, list | tuple):
        for i, one in enumerate(value):
            yield from _within(one, (*path, i), parts, says)
    else:
        yield _Leaf(path, parts, says, value)


def _parts(annotation: Any) -> tuple[Any, ...]:
    """All that an annotation is made of, but for what stands inside of other models."""
    if get_origin(annotation) is Annotated:
        inner, *rest = get_args(annotation)
        return (*_parts(inner), *rest)
    if get_origin(annotation) is Literal or not get_args(annotation):
        return (annotation,)
    return tuple(part for one in get_args(annotation) for part in _parts(one))


def _controls(leaf: _Leaf, catalog: Catalog, files: Sequence[str]) -> Iterator[Control]:
    own = _control(leaf, catalog, files)
    if own is not None:
        yield own
    if leaf.path[-2:] == ("grid", "intensity") and leaf.path[0] in SITES:
        yield from _sources_of_intensity(leaf.path, catalog, files)


def _about(path: KeyPath) -> dict[str, Any]:
    dotted = joined(path)
    return {
        "path": dotted,
        "label": _label(path),
        "usual": _rank(dotted) < len(USUAL),
        "prices": str(path[0]) in PRICED,
    }


def _label(path: KeyPath) -> str:
    dotted = joined(path)
    for pattern, words in USUAL:
        found = re.fullmatch(pattern, dotted)
        if found is not None:
            told = found.groupdict()
            more = [
                told[name].replace("_", " ") for name in ("part", "what") if told.get(name) and told[name] != "replicas"
            ]
            of = f" of {told['of']}" if told.get("of") and path[0] != "cluster" else ""
            return f"{words}{of}" + (f" ({', '.join(more)})" if more else "")
    words_of = [str(part).replace("_", " ") for part in path]
    return " / ".join(words_of[1:][-4:] or words_of)


def _control(leaf: _Leaf, catalog: Catalog, files: Sequence[str]) -> Control | None:
    about = {**_about(leaf.path), "says": leaf.says if not leaf.says.startswith(REMEDY) else ""}
    value = leaf.value
    bounds: Range | None = leaf.first(Range)
    if value is None:
        if bounds is None:
            return None
        return Control(kind="text", value="", example=bounds.example, **about)
    if isinstance(value, bool):
        return Control(kind="choice", value=str(value).lower(), choices=_named("true", "false"), **about)
    if isinstance(value, Quantity | Nanoseconds):
        return _of_quantity(value, bounds, about)
    if isinstance(value, int | float):
        return _of_number(value, leaf.parts, about)
    if not isinstance(value, str):
        return None
    choices = _choices(leaf, catalog, files)
    if choices:
        known = {one for one, _ in choices}
        more = choices if value in known else ((value, value), *choices)
        return Control(kind="choice", value=value, choices=more, **about)
    return Control(kind="text", value=value, **about)


def _of_quantity(value: Quantity | Nanoseconds, bounds: Range | None, about: Mapping[str, Any]) -> Control:
    written = _WRITTEN.fullmatch(value.text)
    si = value * SECONDS_PER_NS if isinstance(value, Nanoseconds) else float(value)
    plain = Control(kind="text", value=value.text, example=bounds.example if bounds else "", **about)
    if written is None or bounds is None:
        return plain
    number, unit = float(written[1].replace("_", "")), written[2].strip()
    if isinstance(value, Share):
        bounds = Range("fraction", 0.0, max(1.0, si), (0.0, 1.0), "")
    elif number == 0.0 or bounds.dimension == "temperature":
        return plain  # of nothing, no unit says how large it is; degrees have no fifth
    per_unit = si / number if number else (0.01 if unit == "%" else 1.0)
    low, high = _ends(si, bounds)
    return _slider(number, unit, low / per_unit, high / per_unit, value.text, about)


def _ends(si: float, bounds: Range) -> tuple[float, float]:
    """Between what a slider moves: the usual where that is narrow, else around the value within it."""
    low, high = bounds.low if bounds.low is not None else -abs(si), bounds.high if bounds.high is not None else abs(si)
    usual_low, usual_high = max(low, bounds.usual[0]), min(high, bounds.usual[1])
    share = bounds.dimension == "fraction" and usual_high <= 1.0
    if share or 0.0 < usual_low <= usual_high <= WHOLE_RATIO * usual_low:
        ends = usual_low, usual_high
    else:
        begin = 0.0 if bounds.dimension in FROM_NOTHING and si >= 0.0 else min(si / AROUND, si * AROUND)
        most = high if bounds.high is not None else abs(si) * AROUND
        ends = max(begin, low), min(max(si / AROUND, si * AROUND), most)
    return min(ends[0], si), max(ends[1], si)


def _of_number(value: int | float, parts: Sequence[Any], about: Mapping[str, Any]) -> Control:
    lows = [_end(part.ge) for part in parts if isinstance(part, Ge)]
    lows += [_end(part.gt) for part in parts if isinstance(part, Gt)]
    highs = [_end(part.le) for part in parts if isinstance(part, Le)]
    highs += [_end(part.lt) for part in parts if isinstance(part, Lt)]
    low, high = max(lows, default=min(0.0, float(value))), min(highs, default=abs(float(value)) * AROUND)
    whole = isinstance(value, int)
    most = max(abs(value) * 4, LEAST_COUNT) if whole else abs(value) * AROUND or 1.0
    if about["path"] == "seed":
        most = max(most, 100)
    low, high = (max(low, 0.0) if value >= 0 else low), max(min(high, most), float(value))
    if whole:
        step = max(1, 10 ** floor(log10((high - low) / MOST_WHOLE))) if high - low > MOST_WHOLE else 1
        return Control(
            kind="number", value=str(value), number=value, low=low, high=high, step=float(step), unit="", **about
        )
    return _slider(float(value), "", low, high, repr(value), about)


def _end(bound: object) -> float:
    """A bound of a field of numbers, which is one itself."""
    return float(str(bound))


def _slider(number: float, unit: str, low: float, high: float, text: str, about: Mapping[str, Any]) -> Control:
    if not (isfinite(low) and isfinite(high) and low < high):
        return Control(kind="text", value=text, **about)
    step = 10.0 ** floor(log10((high - low) / STEPS))
    step *= next((many for many in (5.0, 2.0) if step * many * STEPS <= high - low), 1.0)
    return Control(
        kind="number", value=text, number=number, unit=unit, low=_round(low, step), high=_round(high, step, up=True),
        step=step, **about,
    )  # fmt: skip


def _round(end: float, step: float, *, up: bool = False) -> float:
    """An end of a slider on one of its steps."""
    steps = end / step
    whole = -floor(-steps + 1e-9) if up else floor(steps + 1e-9)
    return float(f"{whole * step:.12g}")


def _named(*words: str) -> tuple[tuple[str, str], ...]:
    return tuple((word, word) for word in words)


def _choices(leaf: _Leaf, catalog: Catalog, files: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """What could stand in the place of a word; nothing where any word may."""
    words = [word for part in leaf.parts if get_origin(part) is Literal for word in get_args(part)]
    if leaf.value in words:
        return _named(*map(str, words))
    match leaf.path[-1]:
        case "profile" if leaf.path[0] == "cluster":
            return _named(*_profiles(catalog, "nodes"))
        case "stack":
            kind = catalog.read(leaf.value).kind  # those of serving and of training lie in one folder
            return _named(*(name for name in _profiles(catalog, "stacks") if catalog.read(name).kind == kind))
        case "model":
            return _named(*_profiles(catalog, "models"))
        case "file":
            return _named(*files)
        case "region":
            return tuple(_regions(catalog))
    return ()


def _profiles(catalog: Catalog, folder: str) -> list[str]:
    return [name for name, path in catalog.paths().items() if path.parent.name == folder]


def _regions(catalog: Catalog) -> Iterator[tuple[str, str]]:
    for name in _profiles(catalog, "grids"):
        table = catalog.read(name)
        if isinstance(table, GridsProfile):
            yield from ((code, f"{region.title} ({code}, {region.year})") for code, region in table.regions.items())


def _sources_of_intensity(path: KeyPath, catalog: Catalog, files: Sequence[str]) -> Iterator[Control]:
    """Where the intensity could come from instead: the average of a region, or a file of the folder."""
    regions = [(f"{{kind: average, region: {code}}}", words) for code, words in _regions(catalog)]
    about = {**_about(path), "kind": "choice", "value": ""}
    yield Control(**{**about, "label": "Grid: average of a region"}, choices=(("", "as the scenario says"), *regions))
    if files:
        series = [
            (f"{{kind: series, file: {json.dumps(file)}, unit: 1 gCO2e/kWh, repeat: calendar}}", file) for file in files
        ]
        says = "Read as the column 'carbon_intensity' in gCO2e/kWh by 'datetime_utc', laid by the calendar on the run."
        yield Control(
            **{**about, "label": "Grid: file of this folder"},
            says=says,
            choices=(("", "as the scenario says"), *series),
        )
