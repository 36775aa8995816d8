"""Fleets with nothing around them: any pools, any requests, and a driver that ends jobs when they are done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from sim.engine.fleet.machines import PoolShape
from sim.engine.fleet.request import Request
from sim.units import HOUR_NS


@st.composite
def pools(draw: st.DrawFn, most: int = 2) -> list[PoolShape]:
    """A pool or several of few nodes, some with racks, some that count CPUs or may be shared."""
    found = []
    for i in range(draw(st.integers(1, most))):
        count = draw(st.integers(1, 5))
        racks = tuple(node // draw(st.sampled_from([1, 2, 5])) for node in range(count)) if draw(st.booleans()) else ()
        found.append(
            PoolShape(
                f"p{i}",
                count,
                draw(st.integers(1, 8)),
                draw(st.sampled_from([None, 4000, 32_000])),
                draw(st.sampled_from([None, 64_000])),
                draw(st.booleans()),
                racks,
                draw(st.booleans()),
            )
        )
    return found


def asked() -> st.SearchStrategy[list[dict[str, Any]]]:
    """What jobs ask for: slots, equal parts on nodes, parts of a slot, or CPUs alone."""
    beside = {"cpu_milli": st.sampled_from([0, 1000, 7000]), "memory_mib": st.sampled_from([0, 0, 10_000])}
    whole = st.fixed_dictionaries({"slots": st.integers(1, 12), **beside})
    equal = st.fixed_dictionaries({"slots": st.sampled_from([2, 4, 8]), "nodes": st.just(2), **beside})
    part = st.fixed_dictionaries({"slots": st.just(0), "milli": st.integers(1, 999), **beside})
    cpus = st.fixed_dictionaries({"slots": st.just(0), "cpu_milli": st.integers(1, 5000)})
    return st.lists(st.one_of(whole, whole, equal, part, cpus), max_size=8)


def requests(rows: Sequence[dict[str, Any]], n_pools: int) -> list[Request]:
    """Requests for these, each in all pools, those of every other with the last preferred."""
    forward, backward = tuple(range(n_pools)), tuple(reversed(range(n_pools)))
    return [
        Request("j", i, backward if i % 2 else forward, submit_ns=0, limit_ns=HOUR_NS, **row)
        for i, row in enumerate(rows)
    ]
