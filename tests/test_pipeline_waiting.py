"""What GPUs of a served pipeline draw while another stage works: they poll, until every stage has a batch."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.build.serving import service as serving
from sim.engine.serving.drawn import waiting_stages_w
from sim.profiles import Catalog
from sim.results.results import Results
from sim.training.power import polling_w
from tests.test_serving_service import SMALL, SMALL_LENGTHS

H100 = Catalog().gpu("nvidia-h100-sxm-80gb")


class Pipeline:
    """As much of a group as the law asks for."""

    def __init__(self, lanes: int, polling: float) -> None:
        self.lanes, self.polling_w = lanes, polling


def watts(lanes: int, lanes_ns: int, active_ns: int, polling: float = 31.0) -> float:
    return float(waiting_stages_w(lanes_ns, active_ns, Pipeline(lanes, polling)))  # type: ignore[arg-type]  # as much of one as it asks


@given(st.integers(2, 16), st.integers(1, 10**12))
def test_of_one_batch_in_a_pipeline_all_stages_but_one_wait(lanes: int, active_ns: int) -> None:
    assert watts(lanes, active_ns, active_ns) == pytest.approx(31.0 * (lanes - 1) / lanes)
    assert watts(lanes, lanes * active_ns, active_ns) == 0.0
    assert watts(lanes, 0, 0) == 0.0


@given(st.integers(2, 16), st.integers(1, 10**9), st.data())
def test_the_more_batches_are_in_it_the_less_it_waits(lanes: int, active_ns: int, data: st.DataObject) -> None:
    fewer, more = sorted(data.draw(st.lists(st.integers(active_ns, lanes * active_ns), min_size=2, max_size=2)))
    assert 0.0 <= watts(lanes, more, active_ns) <= watts(lanes, fewer, active_ns) < 31.0


def run(users: int, stages: int) -> Results:
    scenario: dict[str, Any] = copy.deepcopy(SMALL)
    del scenario["duration"]
    scenario["workloads"]["chat"].update(
        replicas={"count": 1, "pipeline_parallel": stages},
        arrivals={"kind": "closed-loop", "concurrency": users, "requests": 40},
        lengths=SMALL_LENGTHS,
    )
    return sim.run(scenario)


def gpu_j(results: Results) -> tuple[float, float]:
    """J of the service's GPUs at work, and how long they were."""
    own = results.energy.where(lambda key: key.component == "gpu" and key.owner == "chat" and key.state == "active")
    return own.total_j(), float(own.slot_ns.sum()) * 1e-9


@pytest.mark.parametrize(("users", "stages", "waits"), [(1, 1, 0.0), (1, 2, 1.0), (1, 4, 3.0), (2, 2, 0.0)])
def test_stages_that_wait_draw_what_polling_takes(
    monkeypatch: pytest.MonkeyPatch, users: int, stages: int, waits: float
) -> None:
    """So many GPUs at a time; with users enough for all stages next to none, where they begin."""
    joules, gpu_s = gpu_j(run(users, stages))
    monkeypatch.setattr(serving, "polling_w", lambda gpu: float(gpu.power.loaded.value))
    without_j, same_s = gpu_j(run(users, stages))
    polling = polling_w(H100) - float(H100.power.loaded.value)
    assert gpu_s == same_s
    assert joules - without_j == pytest.approx(polling * gpu_s / stages * waits, rel=1e-6, abs=0.03 * polling * gpu_s)
