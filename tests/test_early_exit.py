"""Early exits: time and energy follow from the work that was done, classifiers included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.errors import InputError
from sim.loading.scenario import load_scenario
from sim.results.results import Results
from sim.rng import Streams
from sim.units import J_PER_KWH, SECONDS_PER_NS
from sim.workload.early_exit import EarlyExits
from sim.workload.routing import Difficulties
from tests.relay_worlds import EXITS, alone

DRAWN = Difficulties(None, Streams(1).named("exits"))
SLOW = {"arrivals": {"kind": "poisson", "rate": "0.1 /s"}}


def service(**exits: Any) -> dict[str, Any]:
    """A service that is mostly idle, with exits."""
    return alone(**SLOW, early_exit={**EXITS, **exits})


def one_exit(**changes: Any) -> dict[str, Any]:
    """The first exit alone."""
    first = {**EXITS["exits"]["first"], **changes}
    return {"of": {"kind": "uniform"}, "exits": {"first": first}}


@pytest.mark.parametrize("where", ["load", "last_load"])
def test_no_part_draws_more_than_a_gpu_may(where: str) -> None:
    """At 300 W at work and 100 W loaded, 400 W are a load of 1.5 on a GPU of a TDP of 400 W."""

    def refused(load: float) -> list[str]:
        exits = one_exit(load=load) if where == "load" else {**EXITS, "last_load": load}
        return [f"{problem.path}: {problem.message}" for problem in sim.check(alone(early_exit=exits))]

    assert refused(1.5) == []
    [problem] = refused(1.51)
    assert problem.startswith(f"workloads.api.early_exit.{'exits.first.' if where == 'load' else ''}{where}: ")
    assert "would draw 402 W, above 400 W" in problem


def test_work_is_the_closed_form() -> None:
    """Half leave after 0.25 + 0.02, 0.3 after 0.6 + 0.07, and the rest pays for all and both classifiers."""
    exits = EarlyExits(("a", "b"), (0.5, 0.8), (0.25, 0.6), (0.02, 0.05), (1.0, 1.0, 1.0), DRAWN)
    assert sum(exits.segments) == pytest.approx(1.07)
    work = np.array([0.5, 0.3, 0.2]) @ np.cumsum(exits.segments)
    assert work == pytest.approx(0.5 * 0.27 + 0.3 * 0.67 + 0.2 * 1.07)


def test_a_run_does_the_work_of_the_shares_that_leave() -> None:
    results = sim.run(service())
    api = results.at("serving.api")
    shares = api["exit_shares"]
    assert sum(shares.values()) == pytest.approx(1.0)
    busy_s = sum(
        share * api["completed"] * 0.5 * work for share, work in zip(shares.values(), (0.27, 0.67, 1.07), strict=True)
    )
    assert api["utilisation"] * 2000.0 == pytest.approx(busy_s, rel=1e-6)
    # 4.5 standard deviations of 200 draws
    assert abs(shares["first"] - 0.5) < 4.5 * (0.25 / api["completed"]) ** 0.5


def test_energy_goes_with_the_load_of_each_segment() -> None:
    """300 W at work and 100 W loaded; the second segment (0.4 of the time) at half of what is above loaded."""
    results = sim.run(service())
    api = results.at("serving.api")
    first, second, end = (share * api["completed"] for share in api["exit_shares"].values())
    through = {"first": first + second + end, "second": second + end, "end": end}
    above_j = 0.5 * (through["first"] * 0.27 * 200.0 + through["second"] * 0.40 * 100.0 + through["end"] * 0.40 * 200.0)
    owned_j = 100.0 * 2000.0 + above_j
    other_gpus_j = (2 * 8 - 1) * 2000.0 * gpu_idle_w(results)
    assert results.at("energy_kwh.by_component.gpu") * J_PER_KWH == pytest.approx(owned_j + other_gpus_j, rel=1e-6)


def gpu_idle_w(results: Results) -> float:
    """W of a GPU that nobody holds."""
    idle = results.energy.where(lambda key: key.component == "gpu" and key.owner == "unallocated")
    held_s = float(idle.slot_ns.sum()) * SECONDS_PER_NS
    return float(idle.total_j() / held_s)


def test_exits_that_nobody_takes_cost_their_classifier_alone() -> None:
    plain = sim.run(alone(**SLOW))
    free = sim.run(alone(**SLOW, early_exit=one_exit(up_to=-1.0, classifier=0.0)))
    paid = sim.run(alone(**SLOW, early_exit=one_exit(up_to=-1.0, classifier=0.1)))
    assert free.at("serving.api.e2e_s.mean") == pytest.approx(plain.at("serving.api.e2e_s.mean"), rel=1e-6)
    assert free.at("energy_kwh.it") == pytest.approx(plain.at("energy_kwh.it"), rel=1e-9)
    assert paid.at("serving.api.utilisation") == pytest.approx(1.1 * plain.at("serving.api.utilisation"), rel=1e-6)


def test_a_batch_gets_smaller_on_the_way() -> None:
    """Four that come together: the first segment takes (1 + 3) s / 4, what is left of the batch the rest."""
    batch = {
        "arrivals": {"kind": "poisson", "rate": "0.2 /s"},
        "service_time": {"law": "constant", "first": "1 s", "further": "1 s"},
        "batching": {"max_batch": 4, "max_wait": "60 s"},
    }
    halves = one_exit(up_to=0.5, after=0.25, classifier=0.0)
    whole, exits = sim.run(alone(**batch)), sim.run(alone(**batch, early_exit=halves))
    work = 0.25 + 0.75 * exits.at("serving.api.exit_shares.end")
    ratio = exits.at("serving.api.utilisation") / whole.at("serving.api.utilisation")
    assert ratio == pytest.approx(work, abs=0.02)  # the batches that the end of the run cuts off
    assert exits.at("serving.api.batch_size_mean") == pytest.approx(whole.at("serving.api.batch_size_mean"), abs=0.1)


@given(st.floats(0.05, 0.85), st.floats(0.02, 0.1))
def test_the_more_may_leave_the_less_is_done(limit: float, more: float) -> None:
    busy = [
        sim.run(alone(**SLOW, early_exit=one_exit(up_to=level)), set={"duration": "500 s"}).at(
            "serving.api.utilisation"
        )
        for level in (limit, limit + more)
    ]
    assert busy[1] <= busy[0] * (1 + 1e-9)


@pytest.mark.parametrize(
    ("exits", "says"),
    [
        ({"late": {**EXITS["exits"]["second"]}, "soon": {**EXITS["exits"]["first"]}}, "must come later"),
        ({"end": {**EXITS["exits"]["first"]}}, "choose another name"),
    ],
)
def test_exits_come_in_order(exits: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        load_scenario(service(exits=exits))


def test_difficulties_of_exits_are_drawn() -> None:
    with pytest.raises(InputError, match="difficulties here are drawn"):
        load_scenario(service(of={"kind": "column", "column": "x"}))


@pytest.mark.parametrize("where", ["load", "last_load"])
def test_a_load_of_power_that_is_counted_and_not_drawn_is_told(where: str) -> None:
    """Nameplate power is the TDP whatever is done: a part of the network that draws less would change nothing."""
    nameplate = {"load": {"kind": "nameplate"}}
    exits = one_exit(load=0.5) if where == "load" else {**one_exit(), "last_load": 0.5}
    [problem] = sim.check(alone(**nameplate, early_exit=exits))
    assert problem.path.endswith(where)
    assert "counted, not drawn" in problem.message
    assert not sim.check(alone(**nameplate, early_exit=one_exit()))
