"""Jobs that recover from faults: what is noticed when, what is lost, and where the time and the joules go."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.accounting.ledger import Ledger
from sim.engine.clock import Clock
from sim.engine.machines import gang as engine_gang
from sim.engine.machines.cluster import Cluster, Spares
from sim.engine.machines.failures import ComponentFailures, Hazard
from sim.engine.machines.gang import Fault, Shows
from sim.engine.machines.node import Node
from sim.engine.metering.draws import node_draws
from sim.engine.training.plan import TrainingPlan
from sim.engine.training.recovery import RecoveryPlan
from sim.engine.world import Outcome
from sim.rng import Streams
from sim.training.checkpoints import daly_interval_s, expected_s
from sim.workload.records import ReliabilityRecord
from tests.worlds import H, S, hardware, job, pool, run

RECOVERY = RecoveryPlan(
    crash_ns=60 * S, hang_ns=600 * S, silent_ns=2 * H, slow_ns=H, schedule_ns=30 * S, load_ns=120 * S, mtbf_ns=None
)
AGAIN = (30 + 120) * S
"""From knowing of a fault to working again."""


@dataclass(frozen=True)
class Script:
    """Faults at given times: (at, how it shows, which nodes, whether they break)."""

    faults: tuple[tuple[int, Shows, tuple[int, ...], bool], ...]
    repair_ns: int = 10 * H
    rate: float = 0.5

    def begin(self, env: Clock, cluster: Cluster, _pool: str, nodes: Sequence[Node], _streams: Streams) -> None:
        for fault in self.faults:
            env.process(self._strike(env, cluster, nodes, fault))

    def _strike(
        self, env: Clock, cluster: Cluster, nodes: Sequence[Node], fault: tuple[int, Shows, tuple[int, ...], bool]
    ) -> Generator[simpy.Event, object, None]:
        at_ns, shows, which, breaks = fault
        yield env.wait(at_ns)
        struck = tuple(nodes[i] for i in which)
        cluster.strike(Fault(shows, shows, struck, breaks, self.repair_ns, self.rate))

    def interruptions_per_ns(self, _nodes: int) -> float:
        return 1e-15


def recovering(**changes: object) -> TrainingPlan:
    values: dict[str, object] = {"gpus": 8, "work_ns": 10 * H, "waiting_w": 140.0, "idle_w": 50.0, "recovery": RECOVERY}
    return job(**{**values, **changes})


def reliability(outcome: Outcome) -> ReliabilityRecord:
    found = outcome.jobs[0].reliability
    assert found is not None
    return found


def hours(outcome: Outcome) -> dict[str, float]:
    return {name: ns / H for name, (ns, _) in reliability(outcome).activities.items()}


def check_sums(outcome: Outcome, ledger: Ledger) -> None:
    """All time since the start, and every joule of the job, is for something."""
    record = outcome.jobs[0]
    if record.started_ns is not None:
        assert sum(ns for ns, _ in reliability(outcome).activities.values()) == record.ended_ns - record.started_ns
    own_j = ledger.where(lambda key: key.owner == "job").total_j()
    assert math.fsum(joules for _, joules in reliability(outcome).activities.values()) == pytest.approx(
        own_j, rel=1e-12
    )
    assert all(ns >= 0 and joules >= 0.0 for ns, joules in reliability(outcome).activities.values())


def test_without_faults_nothing_is_lost() -> None:
    outcome, ledger = run([pool(2)], [recovering(checkpoint_every_ns=H, checkpoint_ns=60 * S)])
    assert outcome.end_ns == 10 * H + 9 * 60 * S
    assert hours(outcome) == {**dict.fromkeys(hours(outcome), 0.0), "productive": 10.0, "checkpoints": 9 / 60}
    check_sums(outcome, ledger)


def test_a_crash_costs_detection_restart_and_what_was_not_saved() -> None:
    plan = recovering(checkpoint_every_ns=H, checkpoint_ns=60 * S)
    crash = Script(((90 * 60 * S, "crash", (1,), False),))
    outcome, ledger = run([pool(2, failures=crash)], [plan])
    lost_ns = 29 * 60 * S  # an hour, a minute of checkpoint, and 29 minutes again
    assert outcome.jobs[0].lost_ns == lost_ns
    assert outcome.end_ns == 10 * H + 9 * 60 * S + lost_ns + 60 * S + AGAIN
    spent = hours(outcome)
    assert (spent["detection"], spent["restarts"]) == (60 / 3600, AGAIN / H)
    assert reliability(outcome).interruptions == {"crash": 1}
    waiting = ledger.where(lambda key: key.component == "gpu" and key.state == "waiting")
    assert waiting.total_j() == pytest.approx(8 * 140.0 * 60.0, rel=1e-12)
    lost_j = reliability(outcome).activities["lost"][1]
    per_ns = reliability(outcome).activities["productive"][1] / (10 * H)
    assert lost_j == pytest.approx(lost_ns * per_ns, rel=1e-12), "lost work draws what work draws"
    check_sums(outcome, ledger)


def test_a_hang_is_noticed_by_its_timeout_and_its_node_replaced() -> None:
    hang = Script(((30 * 60 * S, "hang", (0,), True),))
    warm = Spares(1, "warm", 45 * S, 80.0)
    outcome, ledger = run([pool(3, failures=hang, spares=warm)], [recovering(work_ns=H)])
    assert outcome.end_ns == 30 * 60 * S + 600 * S + 45 * S + AGAIN + H
    assert hours(outcome)["detection"] == 600 / 3600
    broken = ledger.where(lambda key: key.state == "failed" and key.component == "gpu")
    assert int(broken.slot_ns.sum()) == 4 * (outcome.end_ns - 40 * 60 * S), "on until it was noticed, then away"
    check_sums(outcome, ledger)


@pytest.mark.parametrize("state", ["hot", "warm", "cold"])
def test_spares_are_ready_sooner_the_more_they_draw(state: str) -> None:
    crash = Script(((H // 2, "crash", (0,), True),))
    kept = Spares(1, state, 45 * S, 80.0)  # type: ignore[arg-type]  # a parameter is a str, not a Literal
    outcome, ledger = run([pool(3, failures=crash, spares=kept)], [recovering(work_ns=H)])
    boots = 100 * S if state == "cold" else 0
    assert outcome.end_ns == H // 2 + 60 * S + boots + 45 * S + AGAIN + H
    spare = ledger.where(lambda key: key.owner == "unallocated" and key.state in ("loaded", "idle", "off"))
    watts = spare.total_j() / ((H // 2 + 60 * S) / S)
    node = hardware()
    expected = {"warm": 50.0 * 4, "hot": 80.0 * 4}
    if state == "cold":
        assert watts == pytest.approx(10.0, rel=1e-9)  # standby at the wall
    else:
        gpus = ledger.where(lambda key: key.owner == "unallocated" and key.component == "gpu" and key.state != "failed")
        assert gpus.total_j() / ((H // 2 + 60 * S) / S) == pytest.approx(expected[state], rel=1e-9)
        assert watts > sum(draw.watts for draw in node_draws(node, "off", ()))
    check_sums(outcome, ledger)


def test_without_a_spare_the_gang_waits_for_the_repair() -> None:
    crash = Script(((H // 2, "crash", (0,), True),), repair_ns=3 * H)
    outcome, ledger = run([pool(2, failures=crash)], [recovering(work_ns=H)])
    assert outcome.end_ns == H // 2 + 3 * H + 100 * S + AGAIN + H  # mended from the crash on, then booted
    check_sums(outcome, ledger)


def test_a_mended_node_is_the_spare_of_the_next() -> None:
    crashes = Script(((H, "crash", (0,), True), (4 * H, "crash", (1,), True)), repair_ns=H)
    warm = Spares(1, "warm", 0, 80.0)
    outcome, ledger = run([pool(3, failures=crashes, spares=warm)], [recovering(checkpoint_every_ns=H // 2)])
    assert reliability(outcome).interruptions == {"crash": 2}
    assert outcome.end_ns == 10 * H + 2 * (60 * S + AGAIN) + outcome.jobs[0].lost_ns
    check_sums(outcome, ledger)


def test_a_switch_is_one_interruption_whatever_hangs_on_it() -> None:
    crash = Script(((H, "crash", (0, 1), True),), repair_ns=H)
    outcome, ledger = run([pool(4, failures=crash)], [recovering(work_ns=2 * H)])
    assert outcome.jobs[0].interruptions == 1
    assert outcome.end_ns == H + 60 * S + AGAIN + 2 * H, "two other nodes were free"
    check_sums(outcome, ledger)


def test_an_asynchronous_checkpoint_is_safe_only_when_it_is_written() -> None:
    behind = {"checkpoint_every_ns": H, "checkpoint_ns": 10 * S, "checkpoint_behind_ns": 300 * S}
    for after_s, kept_h in ((299, 1.0), (301, 2.0)):
        at_ns = 2 * H + 20 * S + after_s * S  # after the second checkpoint's stall
        crash = Script(((at_ns, "crash", (0,), False),))
        outcome, ledger = run([pool(2, failures=crash)], [recovering(**behind)])
        done_ns = at_ns - 20 * S
        assert outcome.jobs[0].lost_ns == done_ns - round(kept_h * H)
        check_sums(outcome, ledger)


def test_wrong_results_are_noticed_late_and_all_of_them_is_done_again() -> None:
    plan = recovering(checkpoint_every_ns=H)  # that take no time: saved at 1 h, 2 h, ...
    silent = Script(((90 * 60 * S, "silent", (1,), False),))
    outcome, ledger = run([pool(2, failures=silent)], [plan])
    noticed_ns = 90 * 60 * S + 2 * H
    assert outcome.jobs[0].lost_ns == noticed_ns - H, "back to the last checkpoint from before"
    assert outcome.end_ns == noticed_ns + AGAIN + 9 * H
    assert not reliability(outcome).corrupted
    check_sums(outcome, ledger)


def test_a_crash_that_goes_back_further_takes_wrong_results_with_it() -> None:
    silent_then_crash = Script(((90 * 60 * S, "silent", (1,), False), (100 * 60 * S, "crash", (0,), False)))
    outcome, ledger = run([pool(2, failures=silent_then_crash)], [recovering(checkpoint_every_ns=H)])
    assert reliability(outcome).interruptions == {"crash": 1}
    assert outcome.jobs[0].lost_ns == 40 * 60 * S
    check_sums(outcome, ledger)


def test_wrong_results_that_nobody_noticed_are_told() -> None:
    late = Script(((9 * H, "silent", (1,), False),))
    outcome, ledger = run([pool(2, failures=late)], [recovering(checkpoint_every_ns=H)])
    assert reliability(outcome).corrupted
    assert outcome.jobs[0].lost_ns == 0
    check_sums(outcome, ledger)


def test_a_slow_node_slows_all_until_it_is_taken_out() -> None:
    slow = Script(((2 * H, "slow", (1,), True),), rate=0.5)
    warm = Spares(1, "warm", 0, 80.0)
    plan = recovering(checkpoint_every_ns=5 * H, checkpoint_ns=60 * S)
    outcome, ledger = run([pool(3, failures=slow, spares=warm)], [plan])
    assert outcome.jobs[0].lost_ns == 0, "there was time to save"
    assert reliability(outcome).slowed_ns == H // 2
    assert reliability(outcome).interruptions == {"slow": 1}
    stretches = 60 * S + 60 * S  # one when it was taken out (after 2.5 h of work), one 5 h later
    assert outcome.end_ns == 10 * H + H // 2 + stretches + AGAIN
    check_sums(outcome, ledger)


def test_planned_stops_lose_nothing() -> None:
    planned = replace(RECOVERY, stop_every_ns=4 * H, stop_ns=H // 2)
    outcome, ledger = run([pool(2)], [recovering(recovery=planned, checkpoint_every_ns=3 * H, checkpoint_ns=60 * S)])
    assert reliability(outcome).planned_stops == 2
    assert outcome.jobs[0].lost_ns == 0
    assert outcome.jobs[0].interruptions == 0
    assert hours(outcome)["planned_stops"] == 1.0
    check_sums(outcome, ledger)


def test_an_aborting_job_stops_at_its_first_fault() -> None:
    crash = Script(((H, "crash", (0,), False),))
    outcome, ledger = run([pool(2, failures=crash)], [recovering(on_failure="abort")], duration_ns=3 * H)
    assert (outcome.jobs[0].status, outcome.jobs[0].lost_ns) == ("killed", H)
    check_sums(outcome, ledger)


def hazards(*shows: Shows, mtbf_ns: int = 40 * H, repair_ns: int | None = 3 * H) -> ComponentFailures:
    return ComponentFailures(tuple(Hazard(name, 4, 1, 4 * mtbf_ns, None, True, name, repair_ns, 0.7) for name in shows))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 600), st.integers(0, 900), st.sampled_from(["hot", "warm", "cold", None]))
def test_whatever_happens_all_time_and_energy_is_accounted_for(
    seed: int, stall_s: int, behind_s: int, kept: str | None
) -> None:
    spares = Spares(2, kept, 45 * S, 80.0) if kept is not None else None  # type: ignore[arg-type]  # a parameter is a str, not a Literal
    plan = recovering(
        work_ns=50 * H,
        setup_ns=90 * S,
        checkpoint_every_ns=H,
        checkpoint_ns=stall_s * S,
        checkpoint_behind_ns=behind_s * S,
        recovery=replace(RECOVERY, stop_every_ns=24 * H, stop_ns=1200 * S),
    )
    there = pool(5, failures=hazards("crash", "hang", "silent", "slow"), spares=spares)
    outcome, ledger = run([there], [plan], duration_ns=100 * H, seed=seed)
    record = outcome.jobs[0]
    assert record.done_ns + record.lost_ns + record.slowed_ns <= record.held_ns
    assert record.interruptions == sum(reliability(outcome).interruptions.values())
    check_sums(outcome, ledger)
    for component in ("gpu", "cpu", "psu_loss"):
        rows = ledger.where(lambda key, component=component: key.component == component)  # type: ignore[misc]  # mypy infers no lambda with a default
        assert int(rows.slot_ns.sum()) == 20 * outcome.end_ns, "every slot is somebody's at any time"
    if record.status == "completed":
        assert record.done_ns == 50 * H


def test_nodes_metered_together_draw_what_they_draw_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units that differ, failures, spares and free slots: the same joules by component, owner and state, and times."""
    failing = pool(9, failures=hazards("crash", "hang", "slow"), spares=Spares(2, "hot", 5 * S, 90.0), unit_spread=0.05)
    plan = recovering(gpus=27, work_ns=60 * H, checkpoint_every_ns=H, checkpoint_ns=60 * S)
    found = []
    for fewest in (2, 10_000):
        monkeypatch.setattr(engine_gang, "FEWEST_NODES", fewest)
        found.append(run([failing], [plan], duration_ns=150 * H, seed=4))
    (together, joined), (alone, single) = found
    assert together.jobs[0].interruptions == alone.jobs[0].interruptions > 5
    assert together.jobs[0].done_ns == alone.jobs[0].done_ns
    assert joined.keys == single.keys
    assert np.array_equal(joined.slot_ns, single.slot_ns)
    np.testing.assert_allclose(joined.energy_j, single.energy_j, rtol=1e-12)


def lasting(work_ns: int, every_ns: int, stall_ns: int, mtbf_ns: int, restart_ns: int, seed: int) -> int:
    """How long such a job takes when processes die with exponential times, ns."""
    deaths = ComponentFailures((Hazard("bug", 1, 1, mtbf_ns, None, True, "crash", None),))
    times = replace(RECOVERY, crash_ns=restart_ns // 3, schedule_ns=restart_ns // 3, load_ns=restart_ns // 3)
    plan = recovering(gpus=4, work_ns=work_ns, checkpoint_every_ns=every_ns, checkpoint_ns=stall_ns, recovery=times)
    outcome, _ = run([pool(1, failures=deaths)], [plan], seed=seed, bin_ns=10_000 * H)
    return outcome.end_ns


@pytest.mark.parametrize(("mtbf_h", "every_h"), [(24.0, 2.0), (6.0, 1.0), (2.0, 1.0)])
def test_a_job_that_fails_takes_as_long_as_dalys_formula_says(mtbf_h: float, every_h: float) -> None:
    work_h, stall_s, restart_s = 2000.0, 300, 900
    times_h = [
        lasting(round(work_h * H), round(every_h * H), stall_s * S, round(mtbf_h * H), restart_s * S, seed) / H
        for seed in range(8)
    ]
    expected_h = expected_s(work_h, every_h, stall_s / 3600, restart_s / 3600, mtbf_h)  # all in hours
    error = np.std(times_h, ddof=1) / math.sqrt(len(times_h))
    assert abs(np.mean(times_h) - expected_h) < 4.0 * error + stall_s / 3600  # no checkpoint after the last stretch
    assert error < 0.02 * expected_h


def test_no_other_interval_takes_less_time_than_dalys() -> None:
    """In simulation, failures shared: two others as far apart as a factor of 2.5 take longer, near ones no less than
    the formula is flat."""
    stall_ns, mtbf_ns, work_ns = 300 * S, 12 * H, 3000 * H
    best_ns = round(daly_interval_s(300.0, 12 * 3600.0) * S)

    def mean_ns(every_ns: int) -> float:
        return float(np.mean([lasting(work_ns, every_ns, stall_ns, mtbf_ns, 900 * S, seed) for seed in range(6)]))

    at_best = mean_ns(best_ns)
    for share in (0.4, 2.5):
        assert mean_ns(round(share * best_ns)) > at_best * 1.01
    for share in (0.8, 1.25):
        assert mean_ns(round(share * best_ns)) > at_best * 0.995
