"""What a field moves, and which way: in every shipped scenario that has it, wherever in it the field stands."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

import sim
from sim.results.results import Results
from tests.small import small

NAMES = (
    "african-water", "bloom-training", "dallas-on-ercot", "deepseek-v3-training", "disaggregated", "gb300-rack",
    "seattle", "small", "solar-and-battery", "spot-training", "t5-answers", "t5-fine-tuning",
)  # fmt: skip
"""Those that run in a second, and the small one of these tests, whose prices and water are numbers."""
NUMBER = re.compile(r"(-?\d+(?:\.\d*)?(?:e[+-]?\d+)?)(.*)")
UP, DOWN = 1, -1
MOVES: dict[str, tuple[float, dict[str, int]]] = {
    "intensity": (1.3, {"carbon_kg.operational_location": UP}),
    "pue": (1.1, {"energy_kwh.facility": UP, "carbon_kg.operational_location": UP}),
    "gpu_lifetime": (1.5, {"carbon_kg.embodied": DOWN}),
    "server_lifetime": (1.5, {"carbon_kg.embodied": DOWN}),
    "wue": (1.2, {"water_l.onsite": UP}),
    "ewif": (1.2, {"water_l.offsite": UP}),
    "price": (1.2, {"cost.energy": UP}),
    "carbon_price.price": (1.2, {"cost.carbon": UP, "cost.total": UP}),
    "cop": (1.1, {"energy_kwh.facility": DOWN}),
    "fan_power": (1.2, {"energy_kwh.facility": UP}),
    "pump_power": (1.2, {"energy_kwh.facility": UP}),
    "other": (1.2, {"energy_kwh.facility": UP}),
    "approach": (1.2, {"energy_kwh.facility": UP}),
    "condenser_approach": (1.1, {"energy_kwh.facility": UP}),
    "cycles_of_concentration": (1.2, {"water_l.onsite": DOWN}),
}
"""A field times a factor, and what that moves up or down. What the work does to machines it never moves."""


@cache
def ran(name: str) -> Results:
    return sim.run(small() if name == "small" else name)


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, (*path, key))
    elif isinstance(tree, list):
        for i, value in enumerate(tree):
            yield from leaves(value, (*path, i))
    else:
        yield path, tree


def times(written: Any, factor: float) -> Any:
    """A number or a quantity, scaled; None where it is neither, or nothing."""
    if isinstance(written, int | float) and not isinstance(written, bool):
        return written * factor or None
    found = NUMBER.fullmatch(written) if isinstance(written, str) else None
    return None if found is None or not float(found[1]) else f"{float(found[1]) * factor!r}{found[2]}"


def changed(name: str, field: str, factor: float) -> Iterator[tuple[str, Any]]:
    """The dotted path of each such field of what prices decide, with its other value."""
    scenario = json.loads(json.dumps(ran(name).scenario))
    for path, written in leaves({part: scenario[part] for part in ("site", "sites", "accounting") if part in scenario}):
        value = times(written, factor)
        dotted = ".".join(str(key) for key in path)
        own = "carbon_price.price" if dotted.endswith("carbon_price.price") else path[-1]
        if own == field and value is not None:
            yield dotted, copy.deepcopy(value)


@pytest.mark.parametrize("field", sorted(MOVES))
def test_a_field_moves_what_it_must_the_way_it_must(field: str) -> None:
    factor, moves = MOVES[field]
    seen = 0
    for name in NAMES:
        for path, value in changed(name, field, factor):
            before, after = ran(name), sim.account(ran(name), set={path: value})
            for told, way in moves.items():
                part, _, key = told.partition(".")
                if before.summary.get(part, {}).get(key) is None:
                    continue
                assert way * (after.at(told) - before.at(told)) > 0.0, (name, path)
                seen += 1
            assert after.summary["boundary"]["metered_it_kwh"] == before.summary["boundary"]["metered_it_kwh"]
    assert seen
