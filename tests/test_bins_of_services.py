"""Results do not depend on the reporting interval: of no kind of workload whose draws are known only afterwards."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine.metering.courses import Activity, Course, told_apart
from sim.engine.metering.deferred import pieces_of
from sim.engine.metering.draws import Share, node_draws
from sim.loading.scenario import load_scenario
from sim.running.run import built_of
from sim.running.simulation import simulate
from tests.test_serving_service import changed
from tests.worlds import S, hardware

SCENARIOS: dict[str, tuple[Any, dict[str, Any]]] = {
    "replicas": (changed(top__duration="40 min"), {}),
    "pipelines": (
        changed(replicas={"count": 2, "tensor_parallel": 1, "pipeline_parallel": 2}, top__duration="20 min"),
        {},
    ),
    "parts of a GPU": ("mig-node", {"duration": "35 min"}),
    "prefill and decode apart": ("disaggregated", {"duration": "17 min"}),
    "one after the other": ("small-and-large-model", {"duration": "16 min"}),
    "beside a campaign": ("campaign-beside-service", {"duration": "3 h"}),
    "under a limit of power": ("oversubscribed-row", {"duration": "20 min"}),
    "at two sites": ("geo-shifted-service", {"duration": "40 min"}),
    "retrieval": ("rag-service", {"duration": "16 min"}),
    "requests at stages": ("cascade-of-models", {"duration": "10 min"}),
}


def numbers(found: Any, path: str = "") -> dict[str, float]:
    """Every number of a summary, by its path."""
    if isinstance(found, dict):
        return {k: v for name, each in found.items() for k, v in numbers(each, f"{path}/{name}").items()}
    if isinstance(found, list):
        return {k: v for i, each in enumerate(found) for k, v in numbers(each, f"{path}/{i}").items()}
    return {path: float(found)} if isinstance(found, int | float) and not isinstance(found, bool) else {}


@cache
def found(name: str, bin_: str) -> dict[str, float]:
    """J and slots x ns of every row of the ledger, and every number that is told of requests.

    But for what requests do not answer for, a small rest of large sums, which are all here.
    """
    made, top = SCENARIOS[name]
    run = simulate(built_of(load_scenario(made, {**top, "outputs.bin": bin_})))
    ledger = {
        f"{key}/{what}": float(values.sum())
        for what, table in (("J", run.ledger.energy_j), ("ns", run.ledger.slot_ns))
        for key, values in zip(run.ledger.keys, table, strict=True)
    }
    told = numbers(run.activity)
    return {**ledger, **{path: value for path, value in told.items() if not path.endswith("/unattributed")}}


@pytest.mark.parametrize("name", SCENARIOS)
@settings(max_examples=4, deadline=None)
@given(seconds=st.integers(7, 4000))
def test_no_sum_depends_on_the_reporting_interval(name: str, seconds: int) -> None:
    assert found(name, f"{seconds} s") == pytest.approx(found(name, "15 min"), rel=1e-12, abs=0.0)


@st.composite
def told(draw: st.DrawFn) -> tuple[list[Share], list[Activity | None]]:
    """Shares of a node in parts of a span, and what each did; some say it themselves."""
    spans = draw(st.lists(st.integers(1, 100 * S), min_size=2, max_size=6))
    edges = np.concatenate([[0], np.cumsum(spans)])
    shares: list[Share] = []
    activities: list[Activity | None] = []
    for slots in draw(st.lists(st.integers(1, 3), min_size=1, max_size=2)):
        shares.append(Share(draw(st.sampled_from(["chat", "other"])), slots, "loaded", 90.0, 0.25))
        active = np.array([draw(st.integers(0, span)) for span in spans])
        watts = np.array([draw(st.floats(100.0, 700.0)) for _ in spans])
        active_ns = int(active.sum())
        mean_w = float((active * watts).sum()) / active_ns if active_ns else 100.0
        course = Course(edges, active, watts, np.full(len(spans), 90.0))
        activities.append(Activity(active_ns, mean_w, 90.0, draw(st.sampled_from([0.0, 0.3])), course))
    if draw(st.booleans()):
        shares.append(Share("job", 1, "active", 400.0, 0.5))
        activities.append(None)
    return shares, activities


def by_names(names: list[tuple[str, ...]], joules: npt.NDArray[np.float64]) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for name, value in zip(names, joules.tolist(), strict=True):
        found[name] = found.get(name, 0.0) + value
    return found


@settings(deadline=None)
@given(told())
def test_parts_have_the_joules_of_the_whole_and_gpus_what_they_drew_in_each(
    case: tuple[list[Share], list[Activity | None]],
) -> None:
    shares, activities = case
    kind = hardware(slots=8)
    course = next(one.course for one in activities if one is not None and one.course is not None)
    edges = course.edges_ns
    pieces = [
        (node_draws(kind, "on", was), start_ns, end_ns)
        for was, start_ns, end_ns in pieces_of(tuple(shares), activities, 0, int(edges[-1]))
    ]
    parts = told_apart(kind, shares, activities, pieces)
    spans = parts.end_ns - parts.start_ns
    assert (spans > 0).all()
    whole = [(draw, end_ns - start_ns) for draws, start_ns, end_ns in pieces for draw in draws]
    drawn = by_names([draw[:4] for draw, _ in whole], np.array([draw.watts * ns for draw, ns in whole]))
    names = [(*component, *parts.who[code]) for code in parts.code.tolist() for component in parts.components]
    assert by_names(names, (parts.watts * spans[:, None]).reshape(-1)) == pytest.approx(drawn, rel=1e-12)
    gpu = [component for _, component in parts.components].index("gpu")
    for i, one in enumerate(activities):
        if one is None or one.course is None:
            continue
        rows = parts.share == i
        part = np.searchsorted(edges, parts.start_ns[rows], side="right") - 1
        joules = np.bincount(part, (parts.watts[:, gpu] * spans)[rows])
        rested = np.diff(edges) - one.course.active_ns
        own = shares[i].slots * (one.course.active_ns * one.course.active_w + rested * one.course.loaded_w)
        assert joules == pytest.approx(own, rel=1e-9)
