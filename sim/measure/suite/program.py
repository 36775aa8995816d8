"""The suite's own process, the only code here that needs PyTorch: does the planned steps and counts what it did, on the
first GPU that PyTorch sees.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from sim.measure.meters.source import hashed
from sim.measure.suite.kernels import Idle, Loaded
from sim.measure.suite.plan import Gpu, Step, plan
from sim.measure.suite.torch_kernels import prepared
from sim.units import MW_PER_W, NS_PER_S, SECONDS_PER_NS

WARM_UP_S = 2.0
DUTY_PERIOD_S = 0.2


class Queue(Protocol):
    """A device that is given work ahead of doing it."""

    def mark(self) -> Any:
        """A place in the queue, after all work given so far."""

    def wait(self, mark: Any) -> None:
        """Until the work before ``mark`` is done."""

    def sync(self) -> None:
        """Until all work is done."""


class CudaQueue:
    """PyTorch's current stream."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch

    def mark(self) -> Any:
        """A CUDA event, recorded."""
        event = self._torch.cuda.Event()
        event.record()
        return event

    def wait(self, mark: Any) -> None:
        """Until the event has come."""
        mark.synchronize()

    def sync(self) -> None:
        """Until the GPU has nothing to do."""
        self._torch.cuda.synchronize()


@dataclass(frozen=True)
class Rate:
    """So many iterations in so many seconds, pauses included."""

    iterations: int
    seconds: float


def timed(
    iterate: Callable[[], object],
    queue: Queue,
    *,
    seconds: float,
    duty: float = 1.0,
    warm_up_s: float = WARM_UP_S,
    warm: Callable[[], None] = lambda: None,
    now_ns: Callable[[], int] = time.monotonic_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> Rate:
    """Iterates for ``warm_up_s``, calls ``warm``, and counts iterations for ``seconds``, from idle queue to idle queue.

    At full duty the queue never runs dry: a batch of iterations waits while the one before is done. Else each batch is
    followed by a pause, so that the share of time at work is ``duty``.
    """
    iterate()  # loads kernels and chooses among them
    queue.sync()
    begin_ns, count, batch = now_ns(), 0, 1
    while (elapsed_ns := now_ns() - begin_ns) < warm_up_s * NS_PER_S or count == 0:
        for _ in range(batch):
            iterate()
        queue.sync()
        count, batch = count + batch, min(2 * batch, 64)
    elapsed_ns = now_ns() - begin_ns
    batch_s = DUTY_PERIOD_S * duty if duty < 1 else DUTY_PERIOD_S / 4
    batch = max(1, round(batch_s * count / max(elapsed_ns * SECONDS_PER_NS, SECONDS_PER_NS)))
    warm()
    begin_ns, count, ahead = now_ns(), 0, None
    while True:
        start_ns = now_ns()
        if start_ns - begin_ns >= seconds * NS_PER_S and count:
            break
        for _ in range(batch):
            iterate()
        count += batch
        if duty < 1:
            queue.sync()
            sleep((now_ns() - start_ns) * SECONDS_PER_NS * (1 - duty) / duty)
        else:
            mark = queue.mark()
            if ahead is not None:
                queue.wait(ahead)
            ahead = mark
    queue.sync()
    return Rate(count, (now_ns() - begin_ns) * SECONDS_PER_NS)


Emit = Callable[[Mapping[str, Any]], None]


def run_steps(
    torch: Any,
    steps: Sequence[Step],
    emit: Emit,
    *,
    seconds: float,
    queue: Queue,
    device: str = "cuda",
    limited: Callable[[float], AbstractContextManager[None]] | None = None,
    warm_up_s: float = WARM_UP_S,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Takes the steps one after another and emits phases, work done, and what failed. A step that fails is left out."""

    def enter(phase: str) -> None:
        emit({"phase": phase, "monotonic_ns": time.monotonic_ns()})

    for step in steps:
        enter(f"{step.phase}/warm-up")
        try:
            capped = limited(step.power_limit_w) if limited and step.power_limit_w is not None else nullcontext()
            with capped:
                rate = _taken(torch, step, enter, seconds, queue, device, warm_up_s, sleep)
        except Exception as error:  # whatever PyTorch, CUDA or the driver has against it; the next step may go
            enter("between")
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            emit({"left_out": {"phase": step.phase, "reason": reason}})
            continue
        enter("between")
        emit(
            {
                "work": {
                    "phase": step.phase,
                    "flop": rate.iterations * step.task.flop,
                    "byte": rate.iterations * step.task.byte,
                    "seconds": rate.seconds,
                    "precision": step.precision,
                    "held_out": step.held_out,
                    "iterations": rate.iterations,
                    "duty": step.duty,
                    "power_limit_w": step.power_limit_w,
                }
            }
        )


def _taken(
    torch: Any,
    step: Step,
    enter: Callable[[str], None],
    seconds: float,
    queue: Queue,
    device: str,
    warm_up_s: float,
    sleep: Callable[[float], None],
) -> Rate:
    """One step, and its memory given back."""
    if isinstance(step.task, Idle | Loaded):
        held = None
        if step.task != Idle():
            held = torch.zeros(int(step.task.footprint), dtype=torch.uint8, device=device)
            queue.sync()
        sleep(warm_up_s)
        enter(step.phase)
        begin_ns = time.monotonic_ns()
        sleep(seconds)
        rate = Rate(0, (time.monotonic_ns() - begin_ns) * SECONDS_PER_NS)
        del held
    else:
        iterate = prepared(step.task, torch, device)
        rate = timed(
            iterate,
            queue,
            seconds=seconds,
            duty=step.duty,
            warm_up_s=warm_up_s,
            warm=lambda: enter(step.phase),
            sleep=sleep,
        )
        del iterate
    if step.task != Idle():
        torch.cuda.empty_cache()
    return rate


@contextmanager
def limited_power(library: Any, handle: Any, limit_w: float) -> Iterator[None]:
    """Under another power limit; whatever happens inside, the limit is put back."""
    before_mw = library.nvmlDeviceGetPowerManagementLimit(handle)
    try:
        library.nvmlDeviceSetPowerManagementLimit(handle, round(limit_w * MW_PER_W))
        yield
    finally:
        library.nvmlDeviceSetPowerManagementLimit(handle, before_mw)


def settable_power_limits_w(library: Any, handle: Any) -> tuple[float, float] | None:
    """Least and most that this user may set, or None. Asks by setting the limit to what it is."""
    try:
        low_mw, high_mw = library.nvmlDeviceGetPowerManagementLimitConstraints(handle)
        now_mw = library.nvmlDeviceGetPowerManagementLimit(handle)
        library.nvmlDeviceSetPowerManagementLimit(handle, now_mw)
    except library.NVMLError:
        return None
    return (low_mw / MW_PER_W, high_mw / MW_PER_W) if low_mw < high_mw else None


def _suite(options: Mapping[str, Any], emit: Emit) -> int:
    """The suite's program: 0 where it ran, 3 where PyTorch sees no GPU."""
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # looks for a GPU without waking it
    torch = importlib.import_module("torch")
    if not torch.cuda.is_available():
        emit({"failed": f"PyTorch {torch.__version__} sees no CUDA GPU"})
        return 3
    queue = CudaQueue(torch)
    run_steps(torch, [Step("idle", Idle())], emit, seconds=options["seconds"], queue=queue)
    properties = torch.cuda.get_device_properties(0)  # from here on the GPU has a context
    uuid = f"GPU-{properties.uuid}" if hasattr(properties, "uuid") else ""
    library = handle = limits = None
    if options["power_caps"] and uuid:
        library = importlib.import_module("pynvml")
        library.nvmlInit()
        handle = library.nvmlDeviceGetHandleByUUID(uuid)
        limits = settable_power_limits_w(library, handle)
    gpu = Gpu(properties.total_memory, (properties.major, properties.minor), limits)
    emit({"gpu": {"model": properties.name, "identity": hashed(uuid) if uuid else "", **asdict(gpu)}})
    planned = plan(gpu, power_caps=options["power_caps"])
    for phase, reason in planned.left_out:
        emit({"left_out": {"phase": phase, "reason": reason}})
    steps = [step for step in planned.steps if step.task != Idle()]
    run_steps(
        torch,
        steps,
        emit,
        seconds=options["seconds"],
        queue=queue,
        limited=lambda limit_w: limited_power(library, handle, limit_w),
    )
    return 0


def main() -> None:
    """``python -m sim.measure.suite.program OPTIONS``: speaks to ``SuiteRun``; what libraries print is stderr's."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def emit(news: Mapping[str, Any]) -> None:
        channel.write(json.dumps(news) + "\n")
        channel.flush()

    try:
        sys.exit(_suite(json.loads(sys.argv[1]), emit))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
