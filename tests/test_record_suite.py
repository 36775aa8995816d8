"""The suite: its plan is whole and fits the GPU, its FLOP and bytes are right, and its phases reach the recording."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import RunError
from sim.measure import live
from sim.measure.meters.nvml import NvmlSource, open_nvml
from sim.measure.meters.record import record
from sim.measure.meters.source import Missing
from sim.measure.suite.kernels import (
    Attention,
    Copy,
    Generate,
    Idle,
    Layer,
    Loaded,
    MatMul,
    Train,
    Transformer,
    Triad,
)
from sim.measure.suite.plan import Gpu, Plan, Step, SuiteRun, plan, refuse_without_torch
from sim.measure.suite.program import limited_power, run_steps, settable_power_limits_w, timed
from tests.fake_meters import FakeClock, FakeGpu, FakeNvml

H100 = Gpu(80 * 2**30, (9, 0))
sizes = st.integers(1, 200)

# --- FLOP and bytes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "width", "out"), [("fp32", 4, 4), ("tf32", 4, 4), ("bf16", 2, 2), ("fp8", 1, 2)])
def test_a_product_is_2mnk_and_reads_each_factor_once(precision: Any, width: int, out: int) -> None:
    task = MatMul(3, 5, 7, precision)
    assert task.flop == 2 * 3 * 5 * 7
    assert task.byte == width * (3 * 7 + 7 * 5) + out * 3 * 5


def test_streams_count_what_is_read_and_what_is_written() -> None:
    assert (Copy(1000).flop, Copy(1000).byte) == (0, 2000)
    assert (Triad(1000).flop, Triad(1000).byte) == (2000, 12_000)  # STREAM's own count: 3 values of 4 B


@given(st.integers(1, 4), st.integers(1, 20), st.integers(1, 6), st.integers(1, 8))
def test_causal_attention_is_two_products_over_the_positions_seen(
    batch: int, tokens: int, heads: int, size: int
) -> None:
    seen = sum(1 for query in range(tokens) for key in range(tokens) if key <= query)
    assert Attention(batch, tokens, tokens, heads, heads, size).flop == batch * heads * seen * 2 * (2 * size)


def test_decoding_attention_reads_its_cache_once_for_all_heads_that_share_it() -> None:
    task = Attention(batch=3, queries=1, context=100, heads=8, kv_heads=2, head_size=16)
    cache = 3 * 100 * 2 * 2 * 16 * 2  # sequences, positions, keys and values, heads, elements, bytes
    ends = 3 * 2 * 8 * 16 * 2  # queries and outputs
    assert task.byte == cache + ends
    assert task.flop == 3 * 8 * 100 * 2 * (2 * 16)


def test_a_layer_is_the_sum_of_its_parts() -> None:
    attention = Attention(1, 1, 50, 4, 4, 8)
    layer = Layer(6, 32, 128, attention)
    assert layer.flop == 2 * (2 * 6 * 32 * 128) + attention.flop
    assert layer.byte == 2 * 2 * (6 * 32 + 32 * 128 + 6 * 128) + attention.byte


MODEL = Transformer(layers=3, d_model=64, heads=4, vocabulary=1000)


@given(sizes, st.integers(1, 40))
def test_training_is_6_flop_a_weight_and_token_and_attention(batch: int, tokens: int) -> None:
    """Kaplan et al. 2020, eq. 2.1: 2 N forward, 4 N backward, where N is without the embedding, which is looked up."""
    multiplied = MODEL.parameters - MODEL.vocabulary * MODEL.d_model
    attention = 3 * MODEL.layers * batch * 4 * MODEL.d_model * tokens * (tokens + 1) / 2
    assert Train(MODEL, batch, tokens).flop == 6 * multiplied * batch * tokens + attention


def test_a_training_step_of_hardly_any_tokens_moves_its_parameters_eight_times() -> None:
    """3 for the passes and 5 for the step; a large model at one token, where activations are nothing (under 1 %)."""
    model = Transformer(layers=4, d_model=4096, heads=32, vocabulary=1)
    assert Train(model, 1, 1).byte == pytest.approx(8 * 2 * model.parameters, rel=0.01)


def test_generating_one_token_is_2_flop_a_weight_and_reads_every_weight() -> None:
    multiplied = MODEL.parameters - MODEL.vocabulary * MODEL.d_model
    task = Generate(MODEL, batch=1, context=100)
    cache = MODEL.layers * 2 * 100 * MODEL.d_model
    assert task.flop == 2 * multiplied + MODEL.layers * 4 * 100 * MODEL.d_model
    assert 2 * (multiplied + cache) < task.byte < 2 * (multiplied + cache) * 1.05  # the rest: one token's activations


# --- The plan -------------------------------------------------------------------------------------------------------


def phases(planned: Plan) -> list[str]:
    """Names of its steps."""
    return [step.phase for step in planned.steps]


def test_the_plan_is_whole() -> None:
    planned = plan(H100)
    tasks = [step.task for step in planned.steps]
    assert planned.left_out == ()
    assert isinstance(tasks[0], Idle)  # a context once made stays until the program ends
    assert isinstance(tasks[1], Loaded)
    products = {
        (step.precision, step.task.m) for step in planned.steps if isinstance(step.task, MatMul) and step.duty == 1
    }
    assert products == {(p, n) for p in ("fp32", "tf32", "fp16", "bf16", "fp8") for n in (1024, 4096, 8192)}
    assert {step.duty for step in planned.steps if isinstance(step.task, MatMul)} == {0.25, 0.5, 0.75, 1}
    assert {step.duty for step in planned.steps if isinstance(step.task, Copy)} == {0.25, 0.5, 0.75, 1}
    assert any(isinstance(task, Triad) for task in tasks)
    layers = [task for task in tasks if isinstance(task, Layer)]
    assert {layer.attention.causal for layer in layers} == {True, False}
    assert {type(step.task) for step in planned.steps if step.held_out} == {Train, Generate}
    assert not any(isinstance(step.task, Train | Generate) for step in planned.steps if not step.held_out)
    assert len(set(phases(planned))) == len(planned.steps)
    assert {step.power_limit_w for step in planned.steps} == {None}


def test_kernels_span_what_the_memory_and_what_the_arithmetic_bounds() -> None:
    """FLOP a byte from none, past decoding, to products far beyond an H100's ridge of about 300."""
    steps = [step for step in plan(H100).steps if not isinstance(step.task, Idle | Loaded)]
    intensity = {
        step.phase: step.task.flop / step.task.byte for step in steps if not isinstance(step.task, Idle | Loaded)
    }
    assert intensity["copy"] == 0
    assert intensity["decode-1"] < 2 < intensity["decode-64"] < 100
    assert intensity["prefill-4096"] > 1000
    assert intensity["matmul-bf16-8192"] == pytest.approx(8192 / 3)


@pytest.mark.parametrize(
    ("capability", "lacks"),
    [((7, 0), {"bf16", "tf32", "fp8"}), ((8, 0), {"fp8"}), ((8, 9), set()), ((9, 0), set()), ((10, 0), set())],
)
def test_precisions_follow_the_hardware_and_what_is_left_out_is_said(
    capability: tuple[int, int], lacks: set[str]
) -> None:
    planned = plan(Gpu(80 * 2**30, capability))
    told = {reason.split()[0] for _, reason in planned.left_out}
    assert told == lacks
    assert not lacks & {step.precision for step in planned.steps}
    everything = {*phases(planned), *(phase for phase, _ in planned.left_out)}
    assert len(everything) == len(plan(H100).steps)


@given(st.integers(2**30, 2**38))
def test_every_step_fits_the_memory(memory_bytes: int) -> None:
    planned = plan(Gpu(memory_bytes, (9, 0)))
    for step in planned.steps:
        if isinstance(step.task, Loaded):
            assert step.task.size < 0.8 * memory_bytes
        elif not isinstance(step.task, Idle):
            assert step.task.footprint <= 0.8 * memory_bytes
    assert "copy" in phases(planned)


def test_power_caps_are_planned_only_where_asked_for_and_permitted() -> None:
    permitted = Gpu(80 * 2**30, (9, 0), (200.0, 700.0))
    assert plan(permitted) == plan(H100)
    refused = plan(H100, power_caps=True)
    assert refused.steps == plan(H100).steps
    assert [phase for phase, _ in refused.left_out] == ["power caps"]
    planned = plan(permitted, power_caps=True)
    capped = [step for step in planned.steps if step.power_limit_w is not None]
    assert {step.power_limit_w for step in capped} == {200, 325, 450, 575}
    assert len(capped) == 4 * 4
    assert all(step.phase.endswith(f"@{step.power_limit_w:g}W") for step in capped)
    assert len(set(phases(planned))) == len(planned.steps)


# --- Taking the steps, without PyTorch ------------------------------------------------------------------------------


class FakeQueue:
    """A GPU that does each iteration in ``takes_s`` of the fake clock, when it is waited for."""

    def __init__(self, clock: FakeClock, takes_s: float) -> None:
        self._clock = clock
        self._takes_s = takes_s
        self.given = 0
        self.done = 0
        self.dry = 0

    def iterate(self) -> None:
        self.given += 1

    def mark(self) -> int:
        return self.given

    def wait(self, mark: int) -> None:
        self._clock.pass_s(max(0, mark - self.done) * self._takes_s)
        self.done = max(self.done, mark)
        self.dry += self.done == self.given

    def sync(self) -> None:
        self.wait(self.given)


@pytest.mark.parametrize("takes_s", [0.0001, 0.003, 2.0])
def test_iterations_times_their_length_is_the_time_counted(takes_s: float) -> None:
    clock = FakeClock()
    queue = FakeQueue(clock, takes_s)
    rate = timed(queue.iterate, queue, seconds=3, warm_up_s=0.5, now_ns=clock.monotonic_ns, sleep=clock.pass_s)
    assert rate.seconds == pytest.approx(rate.iterations * takes_s)
    assert 3 <= rate.seconds < 3 + 2 * max(0.06, takes_s) + takes_s  # two batches wait at the most
    assert queue.done == queue.given


def test_at_full_duty_the_queue_does_not_run_dry() -> None:
    clock = FakeClock()
    queue = FakeQueue(clock, 0.001)
    dry_before: list[int] = []
    timed(
        queue.iterate,
        queue,
        seconds=2,
        warm_up_s=0.1,
        warm=lambda: dry_before.append(queue.dry),
        now_ns=clock.monotonic_ns,
        sleep=clock.pass_s,
    )
    assert queue.dry - dry_before[0] == 1  # at the end


@pytest.mark.parametrize("duty", [0.25, 0.5, 0.75])
def test_a_duty_is_the_share_of_time_at_work(duty: float) -> None:
    clock = FakeClock()
    queue = FakeQueue(clock, 0.001)
    rate = timed(
        queue.iterate, queue, seconds=4, duty=duty, warm_up_s=0.1, now_ns=clock.monotonic_ns, sleep=clock.pass_s
    )
    assert rate.iterations * 0.001 / rate.seconds == pytest.approx(duty, rel=1e-6)  # whole ns


def emitted(steps: list[Step], torch: Any) -> list[Mapping[str, Any]]:
    """What a run of ``steps`` tells, in no time."""
    news: list[Mapping[str, Any]] = []
    queue = FakeQueue(FakeClock(), 0)
    run_steps(torch, steps, news.append, seconds=0.001, queue=queue, warm_up_s=0, sleep=lambda _: None)
    return news


def test_a_step_that_fails_is_left_out_with_its_reason_and_the_next_one_goes() -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA out of memory\nand much more")

    torch = SimpleNamespace(zeros=refuse, uint8=None)
    news = emitted([Step("loaded", Loaded(8)), Step("idle", Idle())], torch)
    assert {"left_out": {"phase": "loaded", "reason": "CUDA out of memory"}} in news
    entered = [item["phase"] for item in news if "phase" in item]
    assert entered == ["loaded/warm-up", "between", "idle/warm-up", "idle", "between"]
    (work,) = [item["work"] for item in news if "work" in item]
    assert (work["phase"], work["flop"], work["byte"], work["held_out"]) == ("idle", 0, 0, False)


def test_work_done_is_iterations_times_the_kernels_own_count() -> None:
    class Tensor:
        device = "fake"

        def to(self, _dtype: object) -> Tensor:
            return self

    def make(*_: object, **__: object) -> Tensor:
        return Tensor()

    torch = SimpleNamespace(
        bfloat16=None,
        float16=None,
        float32=None,
        randn=make,
        empty=make,
        mm=make,
        cuda=SimpleNamespace(empty_cache=lambda: None),
        backends=SimpleNamespace(cuda=SimpleNamespace(matmul=SimpleNamespace(allow_tf32=False))),
    )
    (work,) = [
        item["work"]
        for item in emitted([Step("m", MatMul(2, 3, 4, "bf16"), "bf16", held_out=True)], torch)
        if "work" in item
    ]
    assert work["iterations"] > 0
    assert work["flop"] == work["iterations"] * 48
    assert work["byte"] == work["iterations"] * 2 * (8 + 12 + 6)
    assert (work["precision"], work["held_out"]) == ("bf16", True)
    assert work["seconds"] >= 0.001


def test_a_power_limit_is_put_back_whatever_happens() -> None:
    gpu = FakeGpu()
    library = FakeNvml(FakeClock(), gpu)

    def interrupted() -> None:
        with limited_power(library, gpu, 300.0):
            assert gpu.limit_mw == 300_000
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert gpu.limit_mw == 700_000


def test_a_power_limit_that_a_killed_suite_left_is_put_back_and_nothing_else_is_set() -> None:
    changed, untouched = FakeGpu(), FakeGpu(uuid="other")
    library = FakeNvml(FakeClock(), changed, untouched)
    source = open_nvml(library)
    assert isinstance(source, NvmlSource)
    with source.keeping_power_limits():
        changed.limit_mw = 300_000
    assert (changed.limit_mw, untouched.limit_mw) == (700_000, 700_000)
    assert library.limits_set == [700_000]


def test_whether_limits_may_be_set_is_asked_by_setting_what_is_set() -> None:
    gpu = FakeGpu(limit_mw=650_000)
    library = FakeNvml(FakeClock(), gpu)
    assert settable_power_limits_w(library, gpu) == (200, 700)
    assert library.limits_set == [650_000]
    assert settable_power_limits_w(FakeNvml(FakeClock(), gpu, may_set=False), gpu) is None


# --- Into a recording -----------------------------------------------------------------------------------------------


def run_of(*lines: Mapping[str, Any] | str, status: int = 0) -> SuiteRun:
    """A suite whose program says these lines, at once, and ends."""
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    program = f"import sys, time; print({text!r}.replace('NOW', str(time.monotonic_ns()))); sys.exit({status})"
    return SuiteRun(seconds=1, argv=[sys.executable, "-S", "-c", program])


def source() -> NvmlSource:
    """One fake GPU."""
    opened = open_nvml(FakeNvml(FakeClock(), FakeGpu()))
    assert isinstance(opened, NvmlSource)
    return opened


def test_phases_work_and_faults_of_the_suite_end_in_the_recording() -> None:
    work = {"phase": "copy", "flop": 0.0, "byte": 2e9, "seconds": 1.0, "precision": "", "held_out": False}
    suite = run_of(
        "a library's chatter",
        '{"phase": "copy", "monotonic_ns": NOW}',
        {"work": work},
        {"left_out": {"phase": "matmul-fp8-1024", "reason": "no fp8"}},
        {"gpu": {"model": "H100"}},
    )
    recording = record([source()], hz=20, activity=suite)
    assert recording.origin["work"] == [work]
    assert recording.origin["suite"]["gpu"] == {"model": "H100"}
    assert recording.samples["phase"].iloc[-1] == "copy"
    assert [str(fault) for fault in recording.faults] == ["matmul-fp8-1024 is left out: no fp8"]
    assert live.failure(recording) is None


def test_without_torch_or_gpu_the_suite_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(RunError, match=r"(?s)PyTorch is not installed.*no NVIDIA GPU can be read: no driver"):
        refuse_without_torch("no driver")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    refuse_without_torch(None)


def suite_here(monkeypatch: pytest.MonkeyPatch, made: Callable[..., SuiteRun]) -> None:
    """This machine has a fake GPU, PyTorch, and a suite of our making."""
    monkeypatch.setattr(live, "open_nvml", source)
    monkeypatch.setattr(live, "open_rapl", lambda **_: Missing("RAPL", "none"))
    monkeypatch.setattr(live, "refuse_without_torch", lambda _: None)
    monkeypatch.setattr(live, "SuiteRun", made)


def test_a_torch_that_sees_no_gpu_is_a_run_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    suite_here(monkeypatch, lambda **_: run_of({"failed": "PyTorch 2 sees no CUDA GPU"}, status=3))
    with pytest.raises(RunError, match="nothing was written: PyTorch 2 sees no CUDA GPU"):
        live.record_here(live.Wanted(tmp_path / "r.parquet", hz=20, idle_s=0, suite=True))


def test_a_suite_that_breaks_off_keeps_what_it_did(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    suite_here(monkeypatch, lambda **_: run_of({"work": {"phase": "idle"}}, status=9))
    recording = live.record_here(live.Wanted(tmp_path / "r.parquet", hz=20, idle_s=0, suite=True))
    assert recording.origin["work"] == [{"phase": "idle"}]
    assert live.failure(recording) == "the suite exited with 9; what was sampled is kept"
