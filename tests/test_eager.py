"""Kernels launched one by one: the host decides where it is slower than the GPU; watts of an A40 so measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sim
from sim.errors import InputError
from sim.profiles.catalog import Catalog

LAYERS = 32  # of Llama 3.1 8B
ONE = {
    "workloads.text.arrivals.requests": 4,
    "workloads.text.lengths.prompt.tokens": 16,
    "workloads.text.lengths.output.tokens": 32,
}


def token_s(**changes: Any) -> float:
    """Median time between tokens of one sequence, in s."""
    found = sim.run("scenarios/published/fernandez-eager.yaml", set=ONE | changes)
    return float(found.at("serving.text.itl_s.p50"))


def test_a_fast_board_waits_for_its_host_and_a_slow_one_hides_it() -> None:
    launch = Catalog().stack("vllm-2025").launch
    assert launch is not None
    launch_s = float(launch.value) / 1e9
    fast: dict[str, Any] = {}
    slow: dict[str, Any] = {"cluster.nodes.0.profile": "rtx-a6000-server"}
    eager: dict[str, Any] = {"workloads.text.eager": True}
    assert token_s(**fast, **eager) >= LAYERS * launch_s > token_s(**fast)
    assert token_s(**slow, **eager) == pytest.approx(token_s(**slow), rel=0.03)  # kernels alone take twice the launches
    assert token_s(**slow) > 1.5 * LAYERS * launch_s


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"workloads.text.stack": "generic-2025"}, "needs a stack that knows what launches take"),
        ({"workloads.text.step_time": {"kind": "measured", "file": "none.csv"}}, "no effect on a table"),
    ],
)
def test_eager_needs_launches_that_are_known(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as refused:
        sim.load("scenarios/published/fernandez-eager.yaml", set={"workloads.text.eager": True} | changes)
    assert says in str(refused.value)


A40 = np.array(
    # B/s of weights read, in 1e9, and W: tokens a second x weights without the embedding table, joules over seconds;
    # ML.ENERGY Leaderboard, data/legacy/A40_chat_benchmark.csv
    [
        [397, 236], [449, 265], [401, 222], [374, 230], [434, 272], [446, 265], [449, 286], [448, 260], [389, 238],
        [395, 231], [449, 255], [438, 192], [423, 191], [380, 217], [381, 252], [375, 258], [405, 241],
    ]
)  # fmt: skip


def test_multiprocessors_at_work_explain_an_a40_and_are_those_of_an_h100() -> None:
    """That there is no bias shows only that the profile holds what its note derives from these rows. That rows scatter
    little, and that an H100 by its measured kernels has as many watts a multiprocessor, could fail.
    """
    gpu, h100 = Catalog().gpu("nvidia-a40"), Catalog().gpu("nvidia-h100-sxm-80gb")
    each = []
    for one in (gpu, h100):
        assert one.power.active is not None
        assert one.chip is not None
        each.append(float(one.power.active.value) / float(one.chip.multiprocessors.value))
    assert gpu.power.active is not None
    read = A40[:, 0] * 1e9
    busy = read / (0.85 * float(gpu.memory.bandwidth.value))
    ours = float(gpu.power.loaded.value) + float(gpu.power.active.value) * busy
    ours = ours + float(gpu.power.energy_per_byte.value) * read
    off = ours / A40[:, 1] - 1
    assert abs(np.median(off)) < 0.02
    assert np.median(np.abs(off)) < 0.08
    assert each[0] == pytest.approx(each[1], rel=0.05)
