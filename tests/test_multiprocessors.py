"""What multiprocessors draw for being at work: told by measurements of one chip, derived for others, counted once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.build.power.loads import gang_of, gpu_watts
from sim.build.serving.passes import batches
from sim.profiles.catalog import Catalog
from sim.profiles.machines.board_power import clocked_up_w
from sim.spec.passes import Roofline
from sim.spec.workloads import Steps, ThroughputLoad

CATALOG = Catalog()
A100 = CATALOG.gpu("nvidia-a100-sxm-80gb")
CHIPS = [
    name for name in CATALOG.paths() if CATALOG.path(name).parent.name == "gpus" and CATALOG.gpu(name).chip is not None
]
LANES = {"pascal": 64, "volta": 64, "turing": 64}
"""FP32 lanes of a multiprocessor; of two Pascal boards with GDDR5 twice as many."""
TWICE = {"nvidia-p40", "nvidia-titan-x-pascal"}
OLD = [name for name in CHIPS if (chip := CATALOG.gpu(name).chip) is not None and chip.generation in LANES]


def one_at_a_time(gpus: int, tokens: int) -> tuple[float, float]:
    """Seconds and J of each GPU for so many tokens of Llama 2 70B, one sequence at a time."""
    scenario: dict[str, Any] = {
        "name": "x",
        "start": "2025-01-01T00:00:00Z",
        "site": {"name": "x", "grid": {"intensity": "1 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.0}},
        "cluster": {"nodes": [{"profile": "dgx-a100", "count": 1}]},
        "workloads": {
            "w": {
                "kind": "serving", "model": "llama-2-70b", "stack": "vllm-2025", "precision": {"weights": "bf16"},
                "replicas": {"count": 1, "tensor_parallel": gpus}, "routing": "round-robin",
                "batching": {"max_num_seqs": 1, "max_num_batched_tokens": 2048},
                "arrivals": {"kind": "closed-loop", "concurrency": 1, "requests": 1},
                "lengths": {
                    "kind": "separate", "prompt": {"kind": "constant", "tokens": 256},
                    "output": {"kind": "constant", "tokens": tokens},
                },
                "cpu_load": 0.1,
            }
        },
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    }  # fmt: skip
    ledger = sim.run(scenario).energy.where(lambda key: key.component == "gpu" and key.owner == "w")
    active = ledger.where(lambda key: key.state == "active")
    return float(active.slot_ns.sum()) * 1e-9 / gpus, active.total_j() / gpus


@pytest.mark.shared_data
@pytest.mark.parametrize("gpus", [2, 4, 8])
def test_decode_draws_what_was_measured(shared_data: Path, gpus: int) -> None:
    """Rows that the A100's constants were told by: with the time of a token as it was measured there, in which a board
    waits for what the simulated stack takes less."""
    table = pd.read_csv(shared_data / "measured" / "splitwise_llama2_70b.csv")
    here = (table["hardware"] == "a100-80gb") & (table["tensor_parallel"] == gpus) & (table["prompt_size"] == 256)
    rows = table[here & (table["batch_size"] == 1) & (table["average_power"] > 0.0)]
    token_s = float(rows["token_time"].mean()) * 1e-3
    (long_s, long_j), (short_s, short_j) = one_at_a_time(gpus, 257), one_at_a_time(gpus, 129)
    own_s, own_j = (long_s - short_s) / 128, (long_j - short_j) / 128
    watts = (own_j + (token_s - own_s) * clocked_up_w(A100)) / token_s
    assert watts == pytest.approx(float(rows["average_power"].mean()) * float(A100.tdp.value), rel=0.04)


@pytest.mark.shared_data
def test_streaming_of_constants_draws_what_was_measured(shared_data: Path) -> None:
    """Constants toggle a fourth of what data do."""
    table = pd.read_csv(shared_data / "measured" / "a100_clock_by_powercap.csv")
    top = table[(table["bench"] == "babelstream") & (table["f_mhz"] == 1410) & (table["cap"] == 300)].iloc[0]
    board = CATALOG.gpu("nvidia-a100-pcie-80gb")
    assert board.power.active is not None
    moved_w = float(board.power.energy_per_byte.value) * float(top["bandwidth"]) * 1e9
    assert clocked_up_w(board) + float(board.power.active.value) + 0.25 * moved_w == pytest.approx(top["P"], rel=0.03)


def test_boards_of_nvidia_know_it_and_others_do_not() -> None:
    """No kernels with watts were found of others: their bytes take it in. A Jetson's meter holds its whole module."""
    without = {name for name in CHIPS if CATALOG.gpu(name).power.active is None}
    assert without == {name for name in CHIPS if name.startswith(("amd-", "nvidia-jetson-"))}


@pytest.mark.parametrize("name", OLD)
def test_older_chips_follow_from_an_a100_by_lanes_and_clock(name: str) -> None:
    """With one and a half times the energy of a cycle on 16 and 12 nm."""
    gpu, of = CATALOG.gpu(name), A100.chip
    assert gpu.chip is not None
    assert of is not None
    assert gpu.power.active is not None
    assert A100.power.active is not None
    each_w = float(A100.power.active.value) / of.multiprocessors.value
    faster = float(gpu.chip.clock.value) / float(of.clock.value)
    lanes = LANES[gpu.chip.generation] * (2 if name in TWICE else 1) / 64
    expected_w = 1.5 * each_w * lanes * faster * gpu.chip.multiprocessors.value
    assert float(gpu.power.active.value) == pytest.approx(expected_w, rel=0.02)


@given(st.sampled_from(CHIPS), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_more_work_never_draws_less_and_no_work_what_a_board_in_its_midst_does(
    name: str, compute: float, traffic: float
) -> None:
    gpu = CATALOG.gpu(name)
    precision: Any = "bf16" if "bf16" in gpu.peak else "fp32"
    peak, rate = float(gpu.peak[precision].value), float(gpu.memory.bandwidth.value)

    def watts(share: float) -> float:
        load = {"kind": "throughput", "precision": precision}
        load |= {"compute": f"{share * compute * peak} FLOP/s", "memory_traffic": f"{share * traffic * rate} B/s"}
        return gpu_watts(ThroughputLoad.model_validate(load), gpu)[0]

    assert min(clocked_up_w(gpu), 0.9 * float(gpu.tdp.value)) <= watts(0.0) * (1 + 1e-9)
    assert watts(0.0) <= watts(0.5) * (1 + 1e-9)
    assert watts(0.5) <= watts(1.0) * (1 + 1e-9) <= float(gpu.tdp.value) * (1 + 2e-9)


def test_a_rate_that_a_lower_clock_reaches_takes_the_time_it_is_said_to_take() -> None:
    """A T4 at half its peak would draw more than its limit at its highest clock, and was measured at its limit."""
    gpu = CATALOG.gpu("nvidia-t4")
    written = {
        "kind": "steps", "steps": 1, "flops": "32.5 TFLOP", "precision": "fp16", "memory_traffic": "1 GB",
        "link_traffic": "0 B", "overhead": "0 s", "efficiency": {"compute": 0.5, "memory": 0.8, "link": 0.8},
    }  # fmt: skip
    work = gang_of(Steps.model_validate(written), 1, gpu).under(None)
    assert work.work_ns == pytest.approx(1e9, rel=0.01)
    assert 60.0 < work.active_w <= 70.0


def test_passes_draw_waiting_between_kernels_and_no_less_within_them() -> None:
    spec = Roofline.model_validate(
        {
            "law": "roofline", "precision": "fp16", "efficiency": {"compute": 0.5, "memory": 0.8},
            "passes": {"one": {"times": 1, "flops": "1 TFLOP", "weights": "1 GB", "launch": "1 s"}},
        }
    )  # fmt: skip
    (_, watts) = batches(spec, 1, A100)[0]
    assert clocked_up_w(A100) < watts < clocked_up_w(A100) + 10.0
