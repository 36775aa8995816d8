"""The inference service against queueing theory, and its batching and queue rules by hand-worked cases."""

from __future__ import annotations

from math import factorial

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.accounting.ledger import Ledger
from sim.accounting.metrics import queue_metrics
from sim.engine.queueing.service import ServicePlan
from sim.rng import Streams
from sim.units import NS_PER_S
from sim.workload.arrivals import poisson
from sim.workload.factors import Exponential, Lognormal
from sim.workload.provisioning import StartUp
from sim.workload.records import ServiceLog
from tests.worlds import H, S, pool, run

Ints = npt.NDArray[np.int64]


def service(arrivals_ns: Ints, **changes: object) -> ServicePlan:
    """One replica of four GPUs, one second a request, no batching, no limit."""
    values: dict[str, object] = {
        "name": "api",
        "pool": "pool",
        "replicas": 1,
        "gpus_per_replica": 4,
        "arrivals_ns": arrivals_ns,
        "open_until_ns": 0,
        "first_ns": S,
        "further_ns": 0,
        "factor": None,
        "max_batch": 1,
        "max_wait_ns": 0,
        "queue_limit": None,
        "start_up": StartUp(0, 0),
        "active_w": 350.0,
        "loaded_w": 80.0,
        "cpu_load": 0.5,
    }
    return ServicePlan(**{**values, **changes})  # type: ignore[arg-type]


def at(*seconds: float) -> Ints:
    """Arrival times."""
    return np.array([round(t * NS_PER_S) for t in seconds], dtype=np.int64)


def serve(plan: ServicePlan, *, nodes: int = 1, **changes: object) -> tuple[ServiceLog, Ledger]:
    """Runs a service until its last request is done."""
    outcome, ledger = run([pool(nodes)], [], [plan], **changes)  # type: ignore[arg-type]
    return outcome.services[0], ledger


def columns(log: ServiceLog) -> tuple[Ints, Ints, Ints]:
    """Arrival, start and completion of every finished request, in ns."""
    return tuple(np.frombuffer(c, dtype=np.int64) for c in (log.arrival_ns, log.start_ns, log.done_ns))  # type: ignore[return-value]


def mean_with_error(values: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Mean of a correlated series and its standard error, by 40 batch means."""
    means = np.array([batch.mean() for batch in np.array_split(values, 40)])
    return float(values.mean()), float(means.std(ddof=1) / np.sqrt(len(means)))


def erlang_c_wait_s(servers: int, offered: float, service_s: float) -> float:
    """Mean wait in M/M/c: C(c, a) x s / (c - a), C the Erlang C formula (Kleinrock, Queueing Systems I, eq. 3.40)."""
    top = offered**servers / factorial(servers) * servers / (servers - offered)
    probability = top / (sum(offered**k / factorial(k) for k in range(servers)) + top)
    return probability * service_s / (servers - offered)


DURATION = 100_000 * S


def _poisson(rate: float, seed: int = 1, *, duration_ns: int = DURATION) -> Ints:
    return poisson(rate, duration_ns, Streams(seed)("arrivals/api"))


def _exponential(seed: int = 1) -> Exponential:
    return Exponential(Streams(seed).named("service/api"))


@pytest.mark.slow
@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (1, 0.8), (2, 0.7), (5, 0.85)])
def test_waiting_follows_erlang_c(servers: int, load: float) -> None:
    arrivals = _poisson(load * servers, duration_ns=DURATION * 2 // (servers + 1))  # several forget sooner
    log, _ = serve(service(arrivals, replicas=servers, factor=_exponential()), nodes=servers)
    arrival, start, _ = columns(log)
    order = np.argsort(arrival)
    mean, error = mean_with_error((start - arrival)[order] / NS_PER_S)
    expected = erlang_c_wait_s(servers, load * servers, 1.0)
    assert error < 0.06 * expected  # the test can tell: a service that waited 25 % longer would fail
    assert abs(mean - expected) < 4 * error


@pytest.mark.slow
@pytest.mark.parametrize("cv", [0.0, 0.5, 2.0])
def test_waiting_at_one_server_follows_pollaczek_khinchine(cv: float) -> None:
    """M/G/1: W = lambda E[S^2] / (2 (1 - rho)), whatever the law of the service time."""
    rate = 0.6
    factor = Lognormal(cv, Streams(7).named("service/api")) if cv else None
    log, _ = serve(service(_poisson(rate, 7), factor=factor))
    arrival, start, _ = columns(log)
    mean, error = mean_with_error((start - arrival) / NS_PER_S)
    expected = rate * (1 + cv**2) / (2 * (1 - rate))
    assert error < 0.12 * expected
    assert abs(mean - expected) < 4 * error


@pytest.mark.slow
@pytest.mark.parametrize(("servers", "offered"), [(1, 0.7), (3, 2.5)])
def test_without_a_queue_blocking_follows_erlang_b(servers: int, offered: float) -> None:
    arrivals = _poisson(offered, 3, duration_ns=DURATION * 2 // (servers + 1))
    log, _ = serve(service(arrivals, replicas=servers, queue_limit=0, factor=_exponential(3)), nodes=servers)
    blocking = offered**servers / factorial(servers) / sum(offered**k / factorial(k) for k in range(servers + 1))
    rejected = np.isin(arrivals, np.frombuffer(log.rejected_ns, dtype=np.int64))
    mean, error = mean_with_error(rejected.astype(float))
    assert error < 0.02 * blocking
    assert abs(mean - blocking) < 4 * error


@pytest.mark.slow
def test_littles_law_and_what_arrivals_see() -> None:
    """L = lambda W, with L as Poisson arrivals see it (PASTA): two quantities that no identity ties together."""
    rate = 1.5
    log, _ = serve(service(_poisson(rate, 5), replicas=2, factor=_exponential(5)), nodes=2)
    arrival, _, done = columns(log)
    arrivals, departures = np.sort(arrival), np.sort(done)
    seen = np.arange(len(arrivals)) - np.searchsorted(departures, arrivals, side="left")
    mean_seen, error = mean_with_error(seen.astype(float))
    in_system_s, _ = mean_with_error((done - arrival) / NS_PER_S)
    assert error < 0.05 * mean_seen
    assert abs(mean_seen - rate * in_system_s) < 4 * error


@given(st.lists(st.integers(0, 200 * S), min_size=1, max_size=60), st.integers(1, 3), st.integers(1, 5))
def test_the_meters_agree_with_the_log(arrivals: list[int], replicas: int, max_batch: int) -> None:
    plan = service(
        np.sort(np.array(arrivals, dtype=np.int64)), replicas=replicas, max_batch=max_batch, further_ns=S // 10
    )
    log, ledger = serve(plan, nodes=replicas)
    arrival, start, done = columns(log)
    assert sorted(arrival.tolist()) == sorted(arrivals)
    assert bool(((arrival <= start) & (start < done)).all())
    active = ledger.where(lambda key: key.component == "gpu" and key.state == "active")
    assert int(active.slot_ns.sum()) == 4 * log.busy_ns  # two ways to the same integer: the meters and the batches
    assert active.total_j() == pytest.approx(350.0 * 4 * log.busy_ns / NS_PER_S, rel=1e-12)
    loaded = ledger.where(lambda key: key.component == "gpu" and key.state in ("loaded", "active"))
    assert int(loaded.slot_ns.sum()) == 4 * replicas * ledger.end_ns


def test_a_batch_takes_its_first_and_each_further_request() -> None:
    log, _ = serve(service(at(0, 0, 0, 0, 0, 0), max_batch=4, further_ns=S // 2))
    _, start, done = columns(log)
    # requests of one instant are served together: four (1 + 3 x 0.5 s), then the two that are left (1 + 0.5 s)
    assert (start / S).tolist() == [0, 0, 0, 0, 2.5, 2.5]
    assert (done / S).tolist() == [2.5, 2.5, 2.5, 2.5, 4, 4]


def test_a_patient_replica_waits_for_its_batch_but_not_for_ever() -> None:
    plan = service(at(0, 0.2, 0.4, 10, 10.1), max_batch=3, max_wait_ns=S // 2, further_ns=0)
    log, ledger = serve(plan)
    _, start, _ = columns(log)
    assert (start / S).tolist() == [
        0.4,
        0.4,
        0.4,
        10.5,
        10.5,
    ]  # full at 0.4 s; patience at an end half a second after 10 s
    active = ledger.where(lambda key: key.component == "gpu" and key.state == "active")
    assert int(active.slot_ns.sum()) == 4 * 2 * S


def test_a_full_queue_rejects() -> None:
    log, ledger = serve(service(at(0, 0.1, 0.2, 0.3, 1.5), queue_limit=2))
    assert [ns / S for ns in log.rejected_ns] == [0.3]
    assert queue_metrics(log, ledger)["rejected"] == 1


def test_at_zero_load_a_loaded_model_draws_its_loaded_power() -> None:
    log, ledger = serve(service(at(5)), duration_ns=100 * S)
    metrics = queue_metrics(log, ledger)
    loaded_dc = 4 * 80.0 + 100.0 + 20.0 + 30.0
    loss = loaded_dc * (1 / np.interp(loaded_dc / 4000, [0.1, 0.5, 1.0], [0.90, 0.96, 0.94]) - 1)
    assert metrics["power_w_at_zero_load"] == pytest.approx(loaded_dc + loss)
    assert metrics["utilisation"] == pytest.approx(0.01)
    energy = ledger.where(lambda key: key.owner == "api").total_j()
    assert metrics["zero_load_energy_share"] == pytest.approx((loaded_dc + loss) * 100 / energy)


def test_requests_open_at_the_end_are_neither_lost_nor_finished() -> None:
    log, _ = serve(service(at(0, 0.1, 0.2)), duration_ns=S + S // 2)
    assert (len(log.done_ns), len(log.open_ns), log.requests) == (1, 2, 3)


def test_a_failure_returns_its_batch_to_the_queue() -> None:
    arrivals = np.arange(0, 20 * H, 10 * S, dtype=np.int64)
    failing = pool(2, mtbf_ns=2 * H, repair_ns=600 * S)
    plan = service(arrivals, first_ns=9 * S, start_up=StartUp(30 * S, 30 * S), replicas=2)
    outcome, ledger = run([failing], [], [plan], seed=2)
    (log,) = outcome.services
    assert log.retries > 0
    assert sorted(log.arrival_ns) == arrivals.tolist()  # each is served once in the end
    active = ledger.where(lambda key: key.component == "gpu" and key.state == "active")
    assert int(active.slot_ns.sum()) > 4 * log.busy_ns  # the killed batches drew power too


def test_service_without_work_still_ends() -> None:
    log, ledger = serve(service(at()), duration_ns=H)
    assert log.requests == 0
    assert "e2e_s" not in queue_metrics(log, ledger)
