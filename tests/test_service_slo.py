"""`slo` of an inference service: goodput by closed forms, in the summary and under limits of power."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

import sim
from sim.accounting.metrics import queue_metrics
from sim.accounting.power_limits import requests_in_queue
from sim.errors import InputError
from sim.units import NS_PER_S
from sim.workload.power_records import LimitedRequests
from tests.small import small
from tests.test_every_field_of_jobs import changed
from tests.test_service import _exponential, _poisson, at, mean_with_error, serve, service
from tests.worlds import S


def test_of_requests_that_come_at_once_those_within_the_limit_are_good() -> None:
    """Five at once, a second each, one after the other: done after 1 to 5 s, of which three are within 3 s."""
    log, ledger = serve(service(at(0, 0, 0, 0, 0), slo_e2e_ns=3 * S))
    told = queue_metrics(log, ledger)
    assert told["goodput_share"] == 3 / 5
    assert told["slo_missed"] == 2
    assert told["goodput_requests_per_s"] == pytest.approx(3 / 5.0)


def test_who_is_turned_away_has_missed_it_and_who_is_there_at_the_end_has_not_yet() -> None:
    log, ledger = serve(service(at(1, 1, 1, 1, 5.5), slo_e2e_ns=S, queue_limit=2), duration_ns=6 * S)
    told = queue_metrics(log, ledger)
    assert (told["completed"], told["rejected"], told["unfinished"]) == (3, 1, 1)
    assert told["goodput_share"] == 1 / 4
    assert told["slo_missed"] == 3  # two came too late, one not at all


def test_who_is_there_at_the_end_and_late_already_has_missed_it() -> None:
    """Done at 2, 3 and 4 s; the fourth and fifth came 3 and 1.5 s before the end, and the limit is 2 s."""
    log, ledger = serve(service(at(1, 1, 1, 1.5, 3), slo_e2e_ns=2 * S), duration_ns=4 * S + S // 2)
    told = queue_metrics(log, ledger)
    assert (told["completed"], told["unfinished"]) == (3, 2)
    assert (told["slo_met"], told["slo_missed"], told["goodput_share"]) == (2, 2, 1 / 2)


def test_of_whom_nothing_is_known_nothing_is_told() -> None:
    log, ledger = serve(service(at(1), slo_e2e_ns=3 * S), duration_ns=S + S // 2)
    assert not {"goodput_share", "goodput_requests_per_s", "slo_missed"} & queue_metrics(log, ledger).keys()


def test_without_an_objective_nothing_is_told_of_one() -> None:
    log, ledger = serve(service(at(0, 1)))
    assert not {"goodput_share", "goodput_requests_per_s", "slo_missed"} & queue_metrics(log, ledger).keys()


@pytest.mark.slow
@pytest.mark.parametrize(("load", "limit_s"), [(0.5, 2.0), (0.8, 5.0)])
def test_goodput_of_one_server_follows_the_law_of_its_sojourn_times(load: float, limit_s: float) -> None:
    """M/M/1: P(T <= t) = 1 - exp(-(mu - lambda) t) (Kleinrock, Queueing Systems I, eq. 5.119)."""
    log, ledger = serve(service(_poisson(load), factor=_exponential(), slo_e2e_ns=round(limit_s * NS_PER_S)))
    arrival, done = (np.frombuffer(column, np.int64) for column in (log.arrival_ns, log.done_ns))
    _, error = mean_with_error((done - arrival <= limit_s * NS_PER_S).astype(float))
    expected = 1.0 - exp(-(1.0 - load) * limit_s)
    assert error < 0.02
    assert abs(queue_metrics(log, ledger)["goodput_share"] - expected) < 4 * error


def test_what_limits_of_power_cost_is_told_in_the_same_words() -> None:
    """Done at 1 to 5 s; limited from 2 to 4 s: of two that ended then one was within 3 s, of three others two."""
    log, _ = serve(service(at(0, 0, 0, 0, 0), slo_e2e_ns=3 * S))
    row = requests_in_queue(log, LimitedRequests(np.array([[2 * S, 4 * S]]), {}, {}))
    assert (row["limited_requests"], row["limited_goodput_share"], row["limited_slo_missed"]) == (2, 1 / 2, 1)
    assert (row["free_requests"], row["free_goodput_share"], row["free_slo_missed"]) == (3, 2 / 3, 1)


def test_a_scenario_states_it_and_a_ladder_lowers_it() -> None:
    slo = changed(small(), {"workloads.api.slo": {"e2e": "3 s"}})
    run = sim.run(slo)
    told = run.summary["serving"]["api"]
    judged = told["slo_met"] + told["slo_missed"]
    assert told["goodput_share"] == told["slo_met"] / judged
    assert told["requests"] - told["unfinished"] <= judged <= told["requests"]
    limit = {
        "per": "site",
        "limit": "5 kW",
        "answers": [{"kind": "cap", "whom": "all", "floor": "40 %"}, {"kind": "pause", "whom": "serving"}],
        "answer_time": "1 s",
        "release": {"below": "90 %", "after": "1 min"},
    }
    lowered = sim.run(changed(slo, {"policies": [{"kind": "power-limits", "domains": {"site": limit}}]}))
    under = lowered.summary["serving"]["api"]
    assert under["goodput_share"] <= told["goodput_share"]
    assert {"limited_slo_missed", "limited_goodput_share"} <= lowered.summary["power_limits"]["workloads"]["api"].keys()


def test_tokens_are_no_matter_of_a_service_without() -> None:
    with pytest.raises(InputError, match=r"slo.ttft: unknown name 'ttft'"):
        sim.load(changed(small(), {"workloads.api.slo": {"ttft": "1 s", "e2e": "2 s"}}))
    with pytest.raises(InputError, match=r"slo.e2e: required"):
        sim.load(changed(small(), {"workloads.api.slo": {}}))
