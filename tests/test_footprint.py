"""Sums of a footprint's table against adding its lines up one by one."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.accounting.footprint import QUANTITIES, Footprint, Lines, Part
from sim.accounting.ledger import Key

NAMES = st.sampled_from(["a", "b", "c"])
KEYS = st.builds(Key, NAMES, st.just("pool"), st.just("gpu"), NAMES, NAMES, st.sampled_from(["active", "idle"]))
PARTS = st.sampled_from(["it", "building", "network", "devices"])
BLOCKS = st.lists(st.tuples(PARTS, st.lists(KEYS, max_size=4), st.integers(0, 2**31)), max_size=4)


def made(blocks: list[tuple[Part, list[Key], int]]) -> tuple[Footprint, list[tuple[Key, Part, dict[str, float]]]]:
    """A footprint, and its lines one by one."""
    lines, single = Lines(), []
    for part, keys, seed in blocks:
        quantities = QUANTITIES[seed % 3 :: 2]
        values = np.random.default_rng(seed).uniform(-1.0, 1.0, (len(keys), len(quantities)))
        lines.add(part, keys, quantities, values)
        rows = [dict(zip(quantities, row, strict=True)) for row in values.tolist()]
        single += [(key, part, row) for key, row in zip(keys, rows, strict=True)]
    return lines.footprint(), single


def owner(key: Key, _part: Part) -> str:
    return key.owner


def component_or_part(key: Key, part: Part) -> str:
    return key.component if part == "it" else part


@given(
    BLOCKS,
    BLOCKS,
    st.sampled_from([owner, component_or_part]),
    st.sampled_from(["it", "building", "network", "devices", None]),
)
def test_sums_are_those_of_the_lines(
    blocks: list[tuple[Part, list[Key], int]],
    more: list[tuple[Part, list[Key], int]],
    name: Callable[[Key, Part], str],
    part: Part | None,
) -> None:
    (one, its_lines), (other, other_lines) = made(blocks), made(more)
    both, lines = one + other, its_lines + other_lines

    def check(footprint: Footprint, lines: list[tuple[Key, Part, dict[str, float]]]) -> None:
        wanted = ("energy_j", "operational_g")
        mine = [(name(key, of), row) for key, of, row in lines if part is None or of == part]
        found = footprint.by(name, *wanted, part=part)
        assert list(found) == sorted({label for label, _ in mine})
        for label, total in found.items():
            parts = [row.get(quantity, 0.0) for other, row in mine if other == label for quantity in wanted]
            assert total == pytest.approx(math.fsum(parts), abs=1e-12)
        assert footprint.total(*wanted, part=part) == pytest.approx(math.fsum(found.values()), abs=1e-12)

    check(both, lines)
    check(both.at("a"), [line for line in lines if line[0].site == "a"])
    check(both.inside(), [line for line in lines if line[1] not in ("network", "devices")])
    check(Footprint() + both, lines)


@given(st.lists(st.floats(1e-6, 1e12), min_size=1, max_size=30))
def test_what_is_taken_away_whole_leaves_nothing(joules: list[float]) -> None:
    lines = Lines()
    key = Key("a", "pool", "gpu", "fans", "job", "active")
    lines.add("it", [key] * len(joules), ("energy_j",), np.array(joules)[:, None])
    lines.add("it", [key], ("energy_j",), np.array([[-math.fsum(joules)]]))
    assert lines.footprint().by(component_or_part, "energy_j") == {"fans": 0.0}
