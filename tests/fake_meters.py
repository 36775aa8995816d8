"""Meters that draw a known power on a clock that moves only when told: an NVML, a powercap tree, and an activity."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sim.measure.meters.record import Mark
from sim.measure.recording import Fault
from sim.units import NS_PER_S

START_NS = 1_700_000_000 * NS_PER_S


class FakeClock:
    """Time passes in ``sleep`` alone, and stops on the way at every event; ``wall_shift_ns`` sets the wall clock."""

    def __init__(self) -> None:
        self.elapsed_ns = 0
        self.wall_shift_ns = 0
        self._events: list[tuple[int, Callable[[], object]]] = []
        self._listeners: list[Callable[[], None]] = []

    def wall_ns(self) -> int:
        return START_NS + self.elapsed_ns + self.wall_shift_ns

    def monotonic_ns(self) -> int:
        return 77 + self.elapsed_ns

    def at(self, seconds: float, event: Callable[[], object]) -> None:
        self._events.append((round(seconds * NS_PER_S), event))
        self._events.sort(key=lambda pair: pair[0])

    def whenever_it_moves(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)
        listener()

    def pass_s(self, seconds: float) -> None:
        self.sleep(seconds, threading.Event())

    def sleep(self, seconds: float, wake: threading.Event) -> None:
        end_ns = self.elapsed_ns + round(seconds * NS_PER_S)
        while not wake.is_set():
            event = self._events.pop(0) if self._events and self._events[0][0] <= end_ns else None
            self.elapsed_ns = event[0] if event else end_ns
            for listener in self._listeners:
                listener()
            if event is None:
                return
            event[1]()


class FakeNvmlError(Exception):
    """As pynvml's NVMLError: a value, and a class of its own for each."""

    value: int

    def __str__(self) -> str:
        return _MESSAGES[self.value]


CODES = {
    "UNINITIALIZED": 1,
    "INVALID_ARGUMENT": 2,
    "NOT_SUPPORTED": 3,
    "NO_PERMISSION": 4,
    "DRIVER_NOT_LOADED": 9,
    "TIMEOUT": 10,
    "LIBRARY_NOT_FOUND": 12,
    "FUNCTION_NOT_FOUND": 13,
    "GPU_IS_LOST": 15,
    "RESET_REQUIRED": 16,
    "ARGUMENT_VERSION_MISMATCH": 25,
    "GPU_NOT_FOUND": 28,
    "UNKNOWN": 999,
}
_MESSAGES = {value: name.replace("_", " ").title() for name, value in CODES.items()}
ERRORS: dict[str, type[FakeNvmlError]] = {
    name: type(f"NVMLError_{name.title().replace('_', '')}", (FakeNvmlError,), {"value": value})
    for name, value in CODES.items()
}


@dataclass(eq=False)
class FakeGpu:
    """Draws ``power_mw`` from each of the moments in ``draws`` on. ``broken`` maps a call to the error it raises."""

    uuid: str = "GPU-5a4f1a2e-0000-0000-0000-000000000001"
    model: str = "NVIDIA H100 80GB HBM3"
    draws: Mapping[float, int] = field(default_factory=lambda: {0.0: 250_000})
    counted_before_mj: int = 123_456_000
    used_bytes: int = 2**21
    processes: int = 0
    gpu_percent: int = 0
    limit_mw: int = 700_000
    broken: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def drawn_mj(self, elapsed_ns: int) -> int:
        """Exactly: whole milliwatts times whole nanoseconds, rounded down once, as a counter would."""
        starts = [round(start * NS_PER_S) for start in self.draws]
        ends = [*starts[1:], max(elapsed_ns, starts[-1])]
        spans = zip(self.draws.values(), starts, ends, strict=True)
        return sum(mw * max(0, min(end, elapsed_ns) - start) for mw, start, end in spans) // NS_PER_S

    def power_mw(self, elapsed_ns: int) -> int:
        return [mw for start, mw in self.draws.items() if start * NS_PER_S <= elapsed_ns][-1]


class FakeNvml:
    """The part of ``pynvml`` that is used, by its names; handles are the GPUs themselves."""

    NVMLError = FakeNvmlError
    NVML_CLOCK_SM = 1
    NVML_CLOCK_MEM = 2
    NVML_TEMPERATURE_GPU = 0
    nvmlMemory_v2 = 0x02000028  # noqa: N815

    def __init__(self, clock: FakeClock, *gpus: FakeGpu, start_error: str = "", may_set: bool = True) -> None:
        self._clock = clock
        self.gpus = gpus
        self._start_error = start_error
        self._may_set = may_set
        self.open = False
        self.limits_set: list[int] = []
        for name, value in CODES.items():
            setattr(self, f"NVML_ERROR_{name}", value)
        answers: dict[str, Callable[[FakeGpu], Any]] = {
            "Name": lambda gpu: gpu.model,
            "UUID": lambda gpu: gpu.uuid,
            "PowerUsage": lambda gpu: gpu.power_mw(clock.elapsed_ns),
            "TotalEnergyConsumption": lambda gpu: gpu.counted_before_mj + gpu.drawn_mj(clock.elapsed_ns),
            "UtilizationRates": lambda gpu: SimpleNamespace(gpu=gpu.gpu_percent, memory=gpu.gpu_percent // 2),
            "ComputeRunningProcesses": lambda gpu: [
                SimpleNamespace(pid=i, usedGpuMemory=1) for i in range(gpu.processes)
            ],
            "CurrentClocksEventReasons": lambda _: 0x4,
            "CurrentClocksThrottleReasons": lambda _: 0x8,
            "EnforcedPowerLimit": lambda gpu: gpu.limit_mw,
            "PowerManagementLimit": lambda gpu: gpu.limit_mw,
            "PowerManagementLimitConstraints": lambda _: [200_000, 700_000],
        }
        for name, answer in answers.items():
            setattr(self, f"nvmlDeviceGet{name}", self._asking(name, answer))

    def _asking(self, name: str, answer: Callable[[FakeGpu], Any]) -> Callable[[FakeGpu], Any]:
        def ask(gpu: FakeGpu) -> Any:
            self._refuse(gpu, name)
            return answer(gpu)

        return ask

    def _refuse(self, gpu: FakeGpu, name: str) -> None:
        gpu.calls.append(name)
        error = gpu.broken.get(name) or gpu.broken.get("everything")
        if error:
            raise ERRORS[error]

    def nvmlInit(self) -> None:  # noqa: N802
        if self._start_error:
            raise ERRORS[self._start_error]
        self.open = True

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open = False

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "550.54.15"

    def nvmlSystemGetCudaDriverVersion(self) -> int:  # noqa: N802
        return 12040

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:  # noqa: N802
        self._refuse(self.gpus[index], "HandleByIndex")
        return self.gpus[index]

    def nvmlDeviceGetClockInfo(self, gpu: FakeGpu, kind: int) -> int:  # noqa: N802
        self._refuse(gpu, "ClockInfo")
        return {self.NVML_CLOCK_SM: 1980, self.NVML_CLOCK_MEM: 2619}[kind]

    def nvmlDeviceGetTemperature(self, gpu: FakeGpu, _sensor: int) -> int:  # noqa: N802
        self._refuse(gpu, "Temperature")
        return 41

    def nvmlDeviceGetMemoryInfo(self, gpu: FakeGpu, version: int | None = None) -> SimpleNamespace:  # noqa: N802
        """The first version counts what the driver keeps for itself as used."""
        self._refuse(gpu, "MemoryInfo2" if version else "MemoryInfo")
        return SimpleNamespace(used=gpu.used_bytes + (0 if version else 600 * 2**20))

    def nvmlDeviceSetPowerManagementLimit(self, gpu: FakeGpu, limit_mw: int) -> None:  # noqa: N802
        if not self._may_set:
            raise ERRORS["NO_PERMISSION"]
        gpu.limit_mw = limit_mw
        self.limits_set.append(limit_mw)


class FakePowercap:
    """A powercap tree of real files, rewritten whenever the clock moves. Every zone draws whole µJ a ns-step."""

    def __init__(self, root: Path, clock: FakeClock) -> None:
        self._root = root
        self._clock = clock
        self._zones: list[tuple[Path, int, int, int]] = []
        root.mkdir(exist_ok=True)
        clock.whenever_it_moves(self._write)

    def zone(self, place: str, name: str, *, power_mw: int, span_uj: int = 262_143_328_850, before_uj: int = 0) -> Path:
        """Adds a zone such as ``intel-rapl:0/intel-rapl:0:0``."""
        folder = self._root / place
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{span_uj}\n")
        self._zones.append((folder, power_mw, span_uj, before_uj))
        self._write()
        return folder

    def _write(self) -> None:
        for folder, power_mw, span_uj, before_uj in self._zones:
            if folder.exists():
                drawn_uj = power_mw * 1000 * self._clock.elapsed_ns // NS_PER_S
                (folder / "energy_uj").write_text(f"{(before_uj + drawn_uj) % span_uj}\n")


class FakeActivity:
    """Runs for so long on the fake clock, and enters phases at so many seconds after its start."""

    faults: tuple[Fault, ...] = ()

    def __init__(self, clock: FakeClock, seconds: float, phases: Mapping[float, str] | None = None) -> None:
        self._clock = clock
        self._seconds = seconds
        self._phases = dict(phases or {})
        self.running = False
        self.stopped_while_running = False
        self.marks: list[Mark] = []
        self.origin: Mapping[str, Any] = {"command": {"argv": ["fake"], "exit_status": 0, "ended_by": "itself"}}

    def start(self, wake: threading.Event) -> None:
        now_s = self._clock.elapsed_ns / NS_PER_S
        self.running = True

        def enter(phase: str) -> None:
            self.marks.append(Mark(self._clock.monotonic_ns(), phase))
            wake.set()

        def end() -> None:
            self.running = False
            wake.set()

        for after_s, phase in self._phases.items():
            self._clock.at(now_s + after_s, lambda phase=phase: enter(phase))  # type: ignore[misc]
        self._clock.at(now_s + self._seconds, end)

    def stop(self) -> None:
        self.stopped_while_running = self.stopped_while_running or self.running
        self.running = False
