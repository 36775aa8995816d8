"""Jobs above a limit of power all by themselves: refused where that is certain, else killed, and said so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sim
from sim.engine.fleet.plan import ROW_STATUS
from sim.engine.fleet.power.ladder import Answer
from sim.engine.fleet.schedulers.fifo import FirstCome
from sim.signals import Signal
from sim.units import NS_PER_S
from tests.power_worlds import domain, plan, run
from tests.test_every_field_of_jobs import changed, limited

SHED, PAUSE = (Answer("shed", "all"),), (Answer("pause", "all"),)
LARGE = {"at": 0.0, "run": 600.0, "gpus": 8}
SMALL = {"at": 60.0, "run": 300.0, "gpus": 1}


@pytest.mark.parametrize(("answers", "times"), [(SHED, 2), (PAUSE, 1)])
def test_a_job_that_no_limit_has_room_for_is_killed_and_the_others_go_on(answers: Any, times: int) -> None:
    """Eight GPUs at 650 W alone draw above 5 kW. It is shed once, since another domain might have room, and killed the
    second time; one that would stand still, at once. The run ends by itself."""
    outcome, _ = run(plan([LARGE, SMALL]), [domain(0, 1, 4000.0, answers=answers)], 1, None, scheduler=FirstCome())
    (rows,) = outcome.rows
    assert rows.status.tolist() == [ROW_STATUS.index("killed"), ROW_STATUS.index("completed")]
    assert rows.preempted.tolist() == [times, 0]
    assert outcome.power is not None
    (killed,) = outcome.power.domains[0].killed
    assert (killed.row, killed.slots) == (0, 8.0)
    assert killed.watts > killed.most_w == pytest.approx(0.97 * 4000.0)


def test_a_job_that_is_too_large_for_one_domain_goes_on_in_another() -> None:
    """It is sent away from the first node, once, and completes on the second."""
    domains = [domain(0, 1, 4000.0, answers=SHED), domain(1, 2, 8000.0, answers=SHED)]
    outcome, _ = run(plan([LARGE]), domains, 2, None, scheduler=FirstCome())
    (rows,) = outcome.rows
    assert rows.status.tolist() == [ROW_STATUS.index("completed")]
    assert rows.preempted.tolist() == [1]


def test_a_job_waits_for_a_limit_that_will_rise() -> None:
    """Below 4 kW until a quarter of an hour, and 8 kW from then on: it is not given up."""
    edges = np.array([-(1 << 62), 900 * NS_PER_S, 1 << 62], np.int64)
    risen = Signal(edges, np.array([4000.0, 8000.0]), "W")
    held = domain(0, 1, 0.0, answers=PAUSE, limit=risen)
    outcome, _ = run(plan([LARGE]), [held], 1, None, scheduler=FirstCome())
    (rows,) = outcome.rows
    assert rows.status.tolist() == [ROW_STATUS.index("completed")]
    assert rows.ended_ns[0] == (900 + 590) * NS_PER_S  # 10 s of its 600 s are done before it stands still


def row_of(limit: str, **more: Any) -> dict[str, Any]:
    """Two busy nodes of eight A100s at 300 W, whose jobs ask for up to 16, in a row with a ladder that sheds."""
    answers = [{"kind": "shed", "whom": "all"}]
    return limited(
        limit=limit, answers=answers, answer_time="10 s", release={"below": "99 %", "after": "1 min"}, **more
    )


def alone(scenario: dict[str, Any]) -> list[str]:
    return [problem.message for problem in sim.check(scenario) if "nobody beside" in problem.message]


def test_jobs_that_are_certainly_too_large_are_refused() -> None:
    """All sixteen GPUs at 300 W, behind the supplies, are 6.5 kW; where the limit will rise there is room for them."""
    (told,) = alone(row_of("6.2 kW"))
    assert "row 0, 16 GPUs, at least 6.5 kW" in told
    assert "stopped again and again" in told
    assert not alone(row_of("7.2 kW"))
    assert not alone(row_of("6.2 kW", changes=[{"at": "2 h", "limit": "7.2 kW"}]))


def test_where_losses_of_supplies_decide_the_run_says_so() -> None:
    """Between what they draw behind their supplies and at the plug: not refused, and killed with a reason."""
    scenario = row_of("6.6 kW")
    assert not alone(scenario)
    run = sim.run(scenario)
    told = run.summary["power_limits"]
    assert told["killed"] == run.summary["batch"]["research"]["killed"] > 0
    assert "row 0 of 'research' (16 slots), killed after" in told["killed_jobs"][0]
    assert "'row' leaves 6.6 kW at the most" in told["killed_jobs"][0]


def test_jobs_that_headroom_never_starts_are_refused() -> None:
    """Sixteen times 450 W on top of two idle nodes are more than 8 kW."""
    scheduler = {"kind": "fifo", "placement": {"kind": "headroom", "slot": "450 W"}}
    scenario = changed(limited(limit="8 kW"), {"cluster.scheduler": scheduler})
    assert any("would wait for ever" in problem.message for problem in sim.check(scenario))
    scenario["policies"][0]["domains"]["row"]["limit"] = "12 kW"
    assert not sim.check(scenario)
