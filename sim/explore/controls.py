"""What of a scenario can be moved, made from the scenario itself: every number and choice in it, the most usual first.

A control knows how its value is written, and for a slider the ends between which it moves: what is usual of such a
quantity (``sim.possible``) around what the scenario says. Any other value can be written, and is checked as in a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from sim.documents import KeyPath
from sim.explore.control import Control, named
from sim.explore.instead import instead, profiles, regions
from sim.explore.usual import is_usual, rank, told_apart
from sim.paths import joined
from sim.profiles.catalog import Catalog
from sim.quantities import Nanoseconds, Quantity, Range, Share
from sim.spec.scenario import Scenario
from sim.spec.site import Place
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
PRICED = {"site", "sites", "accounting"}
"""Sections that price a run; whether a change decides the run itself is asked when it is made."""
OFFERED = {"price", "power_cap", "wue", "ewif"}
"""Quantities that many scenarios leave out and many people move: their sliders stand at an example until then."""
REMEDY = "We do not guess"
"""Begins what a field says to who left it out, which is no description of it."""
_WRITTEN = re.compile(r"([-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*)", re.DOTALL)


def controls_of(scenario: Scenario, catalog: Catalog, files: Sequence[str]) -> list[Control]:
    """Every control of a scenario, the most usual first. ``files`` are series that could take the place of its own."""
    leaves = [*_leaves(scenario, ())]
    caps = _caps(scenario, catalog)
    labels = told_apart([leaf.path for leaf in leaves], _names(scenario))
    own = [
        control
        for leaf, words in zip(leaves, labels, strict=True)
        if (control := _control(leaf, words, catalog, files, caps)) is not None
    ]
    found = [*own, *instead(_places(scenario), catalog, files)]
    return sorted(found, key=lambda control: (not control.usual, rank(control.path)))


def _places(scenario: Scenario) -> dict[str, Place]:
    """The places of the scenario by their paths."""
    if scenario.site is not None:
        return {"site": scenario.site}
    return {f"sites.{name}": place for name, place in scenario.places.items()}


def _names(scenario: Scenario) -> dict[KeyPath, str]:
    """What the pools of the cluster are called, by their places in the scenario."""
    return {("cluster", "nodes", i): pool.label for i, pool in enumerate(scenario.cluster.nodes)}


def _caps(scenario: Scenario, catalog: Catalog) -> tuple[float, float]:
    """W between which GPUs can be capped: what they draw loaded without work, and their TDP; the largest of each."""
    nodes = [catalog.node(pool.profile) for pool in scenario.cluster.nodes]
    gpus = [catalog.gpu(node.gpus.profile) for node in nodes if node.gpus is not None]
    loaded = max((float(gpu.power.loaded.value) for gpu in gpus), default=0.0)
    return loaded, max((float(gpu.tdp.value) for gpu in gpus), default=0.0)


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
        bounds = [part for one in rest for part in (one.metadata if isinstance(one, FieldInfo) else (one,))]
        return (*_parts(inner), *bounds)
    if get_origin(annotation) is Literal or not get_args(annotation):
        return (annotation,)
    return tuple(part for one in get_args(annotation) for part in _parts(one))


def _about(leaf: _Leaf, label: str) -> dict[str, Any]:
    path = joined(leaf.path)
    return {
        "path": path,
        "label": label,
        "usual": is_usual(path) and (leaf.value is not None or leaf.path[-1] in OFFERED),
        "prices": str(leaf.path[0]) in PRICED,
        "says": leaf.says if not leaf.says.startswith(REMEDY) else "",
    }


def _control(
    leaf: _Leaf, label: str, catalog: Catalog, files: Sequence[str], caps: tuple[float, float]
) -> Control | None:
    about, value = _about(leaf, label), leaf.value
    bounds: Range | None = leaf.first(Range)
    if value is None:
        if bounds is None:
            return None
        text = Control(kind="text", value="", example=bounds.example, **about)
        if leaf.path[-1] == "power_cap" and caps[0] < caps[1]:
            return _slider(caps[1], "W", *caps, "", about, example=f"{caps[1]:g} W")
        return _offered(bounds, about) if leaf.path[-1] in OFFERED else text
    if isinstance(value, bool):
        return Control(kind="choice", value=str(value).lower(), choices=named("true", "false"), **about)
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


def _offered(bounds: Range, about: Mapping[str, Any]) -> Control:
    """A slider of what the scenario leaves out: it stands at an example, and says nothing until it is moved."""
    written = _WRITTEN.fullmatch(bounds.example)
    if written is None or bounds.dimension == "fraction":  # how far it goes, its field says and no example
        return Control(kind="text", value="", example=bounds.example, **about)
    number = float(written[1])
    return _slider(number, written[2].strip(), 0.0, number * AROUND, "", about, example=bounds.example)


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
    whole = isinstance(value, int)
    lows += [_end(part.gt) + whole for part in parts if isinstance(part, Gt)]
    highs = [_end(part.le) for part in parts if isinstance(part, Le)]
    highs += [_end(part.lt) for part in parts if isinstance(part, Lt)]
    low, high = max(lows, default=min(0.0, float(value))), min(highs, default=abs(float(value)) * AROUND)
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


def _slider(
    number: float, unit: str, low: float, high: float, text: str, about: Mapping[str, Any], *, example: str = ""
) -> Control:
    if not (isfinite(low) and isfinite(high) and low < high):
        return Control(kind="text", value=text, example=example, **about)
    step = 10.0 ** floor(log10((high - low) / STEPS))
    step *= next((many for many in (5.0, 2.0) if step * many * STEPS <= high - low), 1.0)
    return Control(
        kind="number", value=text, number=number, unit=unit, low=_round(low, step), high=_round(high, step, up=True),
        step=step, example=example, **about,
    )  # fmt: skip


def _round(end: float, step: float, *, up: bool = False) -> float:
    """An end of a slider on one of its steps."""
    steps = end / step
    whole = -floor(-steps + 1e-9) if up else floor(steps + 1e-9)
    return float(f"{whole * step:.12g}")


def _choices(leaf: _Leaf, catalog: Catalog, files: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """What could stand in the place of a word; nothing where any word may."""
    words = [word for part in leaf.parts if get_origin(part) is Literal for word in get_args(part)]
    if leaf.value in words:
        return named(*map(str, words))
    match leaf.path[-1]:
        case "profile" if leaf.path[0] == "cluster":
            return named(*profiles(catalog, "nodes"))
        case "stack":
            kind = catalog.read(leaf.value).kind  # those of serving and of training lie in one folder
            return named(*(name for name in profiles(catalog, "stacks") if catalog.read(name).kind == kind))
        case "model":
            return named(*profiles(catalog, "models"))
        case "file":
            return named(*files)
        case "region":
            return tuple(regions(catalog))
    return ()
