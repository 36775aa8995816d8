"""Microbenchmarks that show how a GPU's power follows its work: the plan of them, and its run as an ``Activity``.

The suite is a program of its own (``suite.program``) that ``record`` samples from outside, so that a GPU without a
context can be seen, and a crash ends the suite and not the recording. It tells its phases, and the FLOP and bytes of
each, as lines of JSON. A phase NAME/warm-up comes before each NAME, and ``between`` after it.

Steps marked held out are to test a fit, not to make it: training and decoding of a small transformer. Left out: several
GPUs, links between them, sparsity.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any, Literal

from sim.errors import InputError, RunError
from sim.measure.meters.record import Command, Mark
from sim.measure.recording import Fault
from sim.measure.suite.kernels import (
    BYTES_PER_VALUE,
    CAPABILITY,
    Attention,
    Copy,
    Generate,
    Idle,
    Layer,
    Loaded,
    MatMul,
    Precision,
    Train,
    Transformer,
    Triad,
    Work,
)
from sim.plain import has
from sim.reading import parse_json


@dataclass(frozen=True)
class Step:
    """One phase: what is done, for which part of the time, and under which power limit (the GPU's own where None)."""

    phase: str
    task: Idle | Loaded | Work
    precision: Precision | Literal[""] = ""
    duty: float = 1.0
    held_out: bool = False
    power_limit_w: float | None = None


@dataclass(frozen=True)
class Gpu:
    """What the plan must know of a GPU. ``power_limits_w`` are the least and the most that may be set, if any may."""

    memory_bytes: int
    capability: tuple[int, int]
    power_limits_w: tuple[float, float] | None = None


@dataclass(frozen=True)
class Plan:
    """Steps in the order they are taken, and those that this GPU cannot do, with the reason."""

    steps: tuple[Step, ...]
    left_out: tuple[tuple[str, str], ...] = ()


def plan(gpu: Gpu, *, power_caps: bool = False) -> Plan:
    """The suite for this GPU: what its precisions and its memory allow. Caps are planned only where they may be set."""
    steps, left_out = [], []
    for step in [*_steps(gpu), *(_capped(gpu) if power_caps else [])]:
        least = CAPABILITY[step.precision] if step.precision else (0, 0)
        footprint = step.task.footprint
        if gpu.capability < least:
            has = ".".join(map(str, gpu.capability))
            left_out.append((step.phase, f"{step.precision} needs compute capability {least[0]}.{least[1]}, not {has}"))
        elif footprint > 0.8 * gpu.memory_bytes:
            left_out.append((step.phase, f"needs {footprint:.3g} B of {gpu.memory_bytes:.3g} B of memory"))
        else:
            steps.append(step)
    if power_caps and gpu.power_limits_w is None:
        left_out.append(("power caps", "the driver does not let this user set a power limit (root may, on most GPUs)"))
    return Plan(tuple(steps), tuple(left_out))


def _steps(gpu: Gpu) -> list[Step]:
    size = 2 ** math.floor(math.log2(gpu.memory_bytes / 16))  # far larger than any cache, and room for three
    steps = [Step("idle", Idle()), Step("loaded", Loaded(gpu.memory_bytes // 2))]
    steps += [
        Step(f"matmul-{precision}-{n}", MatMul(n, n, n, precision), precision)
        for precision in BYTES_PER_VALUE
        for n in (1024, 4096, 8192)
    ]
    steps.append(Step("copy", Copy(size)))
    steps.append(Step("triad", Triad(size // BYTES_PER_VALUE["fp32"]), "fp32"))
    half = _half_precision(gpu)
    steps += [
        Step(f"duty-{percent}-matmul-{half}-4096", MatMul(4096, 4096, 4096, half), half, duty=percent / 100)
        for percent in (25, 50, 75)
    ]
    steps += [Step(f"duty-{percent}-copy", Copy(size), duty=percent / 100) for percent in (25, 50, 75)]
    for batch in (1, 8, 64):
        layer = Layer(batch, 8192, 28672, Attention(batch, 1, 4096, 64, 8, 128))
        steps.append(Step(f"decode-{batch}", layer, "bf16"))
    for tokens in (512, 4096):
        layer = Layer(tokens, 8192, 28672, Attention(1, tokens, tokens, 64, 64, 128))
        steps.append(Step(f"prefill-{tokens}", layer, "bf16"))
    model = Transformer()
    steps.append(Step("train-transformer", Train(model, 4, 1024), "bf16", held_out=True))
    steps += [
        Step(f"generate-transformer-{batch}", Generate(model, batch, 1024), "bf16", held_out=True) for batch in (1, 32)
    ]
    return steps


def _half_precision(gpu: Gpu) -> Precision:
    return "bf16" if gpu.capability >= CAPABILITY["bf16"] else "fp16"


def _capped(gpu: Gpu) -> Iterator[Step]:
    if gpu.power_limits_w is None:
        return
    low, high = gpu.power_limits_w
    half = _half_precision(gpu)
    chosen = {f"matmul-{half}-8192", "copy", "decode-8", "train-transformer"}
    for share in (0.0, 0.25, 0.5, 0.75):
        limit_w = float(round(low + share * (high - low)))
        for step in _steps(gpu):
            if step.phase in chosen:
                yield replace(step, phase=f"{step.phase}@{limit_w:g}W", power_limit_w=limit_w)


def refuse_without_torch(nvml_missing: str | None) -> None:
    """Raises ``RunError``, naming all that the suite needs and this machine or this Python lacks."""
    lacking = []
    if importlib.util.find_spec("torch") is None:
        lacking.append("PyTorch is not installed in this Python (pip install torch)")
    if nvml_missing is not None:
        lacking.append(f"no NVIDIA GPU can be read: {nvml_missing}")
    if lacking:
        raise RunError("the suite cannot run; nothing was written:\n" + "\n".join(f"  {reason}" for reason in lacking))


class SuiteRun:
    """The suite as something to record: an ``Activity`` that names its phases and the work it did."""

    def __init__(self, *, seconds: float, power_caps: bool = False, argv: Sequence[str] | None = None) -> None:
        options = {"seconds": seconds, "power_caps": power_caps}
        program = argv if argv is not None else [sys.executable, "-P", "-m", "sim.measure.suite.program"]
        package = str(Path(__file__).resolve().parents[3])
        path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
        self._options = options
        self._command = Command(
            [*program, json.dumps(options)], environment={**os.environ, "PYTHONPATH": path}, on_line=self._heard
        )
        self.marks: list[Mark] = []
        self.faults: list[Fault] = []
        self.work: list[dict[str, Any]] = []
        self.failure: str | None = None
        self._gpu: dict[str, Any] = {}

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._command.running

    @property
    def exit_status(self) -> int | None:
        """Exit status of its program."""
        return self._command.exit_status

    @property
    def origin(self) -> Mapping[str, Any]:
        """The work of each phase, the GPU it was done on, and how the program ended."""
        ended = {"exit_status": self._command.exit_status, "ended_by": self._command.ended_by}
        return {"suite": {**self._options, "gpu": self._gpu, **ended}, "work": self.work}

    def start(self, wake: Event) -> None:
        """Starts the program."""
        self._command.start(wake)

    def stop(self) -> None:
        """Ends the program, which puts power limits back as it goes."""
        self._command.stop()

    def _heard(self, line: str) -> None:
        news: Any = None
        with suppress(InputError):
            news = parse_json(line, "suite")
        if has(news, ["phase"]):
            self.marks.append(Mark(int(news["monotonic_ns"]), str(news["phase"])))
        elif has(news, ["work"]):
            self.work.append(news["work"])
        elif has(news, ["left_out"]):
            self.faults.append(Fault(f"{news['left_out']['phase']} is left out: {news['left_out']['reason']}"))
        elif has(news, ["gpu"]):
            self._gpu = news["gpu"]
        elif has(news, ["failed"]):
            self.failure = news["failed"]
