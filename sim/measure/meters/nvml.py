"""NVIDIA GPUs through NVML (nvidia-ml-py): power, the driver's counter of energy, clocks, load, memory, throttling.

What a driver or a GPU does not support is NaN and named once, never zero. The counter is the reading to trust: it sums
power inside the GPU between samples, where ``power_w`` is a mean over 1 s on most GPUs since Ampere and a moment on
others. Left out: MIG instances (their GPU is sampled whole), NVLink and PCIe traffic, and other vendors' GPUs.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from sim.measure.meters.source import Missing, Reading, Stamp, State, hashed
from sim.measure.recording import Device, Fault
from sim.units import MJ_PER_J, MW_PER_W, PERCENT

CONTEXT_BYTES = 64 * 2**20
"""Memory in use above which a GPU holds someone's context: one takes hundreds of MiB, an idle driver a few. Needed
because NVML lists no processes to a container."""

FIELDS = {
    "power_w": "power",
    "energy_j": "the counter of energy",
    "sm_clock_mhz": "the SM clock",
    "memory_clock_mhz": "the memory clock",
    "gpu_utilization": "GPU utilization",
    "memory_utilization": "memory utilization",
    "memory_used_bytes": "memory in use",
    "temperature_c": "temperature",
    "throttle_reasons": "reasons of throttling",
    "power_limit_w": "the enforced power limit",
}
"""Columns of a sample and what they are called in messages."""


def open_nvml(library: Any = None) -> NvmlSource | Missing:
    """Every NVIDIA GPU that the driver shows, or why there is none. ``library`` stands in for ``pynvml``."""
    try:
        library = library if library is not None else importlib.import_module("pynvml")
    except ImportError:
        return Missing("NVML", "the Python package nvidia-ml-py is not installed (pip install nvidia-ml-py)")
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        reasons = {
            library.NVML_ERROR_LIBRARY_NOT_FOUND: "no NVIDIA driver on this machine (libnvidia-ml.so.1 is not found)",
            library.NVML_ERROR_DRIVER_NOT_LOADED: "the NVIDIA driver is installed but not loaded; try nvidia-smi",
        }
        return Missing("NVML", reasons.get(error.value, f"the NVIDIA driver does not start: {error}"))
    source = NvmlSource(library)
    if source.devices:
        return source
    source.close()
    return Missing("NVML", str(source.faults[0]) if source.faults else "the NVIDIA driver shows no GPU")


@dataclass(eq=False)
class _Gpu:
    """One GPU: how to reach it, what it cannot tell, and its counter of energy."""

    device: Device
    handle: Any
    unsupported: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    last_mj: int = 0
    offset_mj: int = 0


class NvmlSource:
    """All GPUs of an NVML that has been initialised; see ``open_nvml``."""

    name = "NVML"

    def __init__(self, library: Any) -> None:
        self._library = library
        self.faults: list[Fault] = []
        self._gpus: list[_Gpu] = []
        self.lost = False
        gone = ("GPU_IS_LOST", "UNINITIALIZED", "DRIVER_NOT_LOADED", "GPU_NOT_FOUND", "RESET_REQUIRED")
        never = ("NOT_SUPPORTED", "FUNCTION_NOT_FOUND", "NO_PERMISSION", "ARGUMENT_VERSION_MISMATCH")
        self._gone = {getattr(library, f"NVML_ERROR_{name}", None) for name in gone} - {None}
        self._never = {getattr(library, f"NVML_ERROR_{name}", None) for name in never} - {None}
        for i in range(self._said(0, library.nvmlDeviceGetCount)):
            try:
                handle = library.nvmlDeviceGetHandleByIndex(i)
            except library.NVMLError as error:
                self.faults.append(Fault(f"cannot be opened: {error}", device=f"gpu{i}"))
                continue
            model = _text(self._said("", library.nvmlDeviceGetName, handle))
            uuid = _text(self._said("", library.nvmlDeviceGetUUID, handle))
            self._gpus.append(_Gpu(Device(f"gpu{i}", "gpu", model, hashed(uuid) if uuid else ""), handle))
        self.devices: tuple[Device, ...] = tuple(gpu.device for gpu in self._gpus)
        self.origin: Mapping[str, Any] = {
            "driver": _text(self._said("", library.nvmlSystemGetDriverVersion)),
            "cuda_driver": _cuda_version(self._said(0, library.nvmlSystemGetCudaDriverVersion)),
            "power_w": "nvmlDeviceGetPowerUsage: mean over 1 s since Ampere (but GA100), at the moment before",
        }

    def sample(self, stamp: Stamp) -> list[Reading]:
        """Every GPU that is left; one that is lost on the way gives a fault and no reading, then or later."""
        readings = []
        for gpu in list(self._gpus):
            time_ns = stamp()
            try:
                readings.append(self._read(gpu, time_ns))
            except self._library.NVMLError as error:
                self.faults.append(Fault(f"lost: {error}", device=gpu.device.name, time_ns=time_ns))
                self.lost = True
                self._gpus.remove(gpu)
        return readings

    def close(self) -> None:
        """Shuts NVML down."""
        with suppress(self._library.NVMLError):
            self._library.nvmlShutdown()

    @contextmanager
    def keeping_power_limits(self) -> Iterator[None]:
        """Whatever happens inside, leaves every GPU's power limit as it was. Nothing is set that has not changed."""
        before = [(gpu, limit) for gpu in self._gpus if (limit := self._limit_mw(gpu))]
        try:
            yield
        finally:
            for gpu, limit in before:
                if self._limit_mw(gpu) != limit:
                    self._restore(gpu, limit)

    def _limit_mw(self, gpu: _Gpu) -> int:
        return int(self._said(0, self._library.nvmlDeviceGetPowerManagementLimit, gpu.handle))

    def _restore(self, gpu: _Gpu, limit_mw: int) -> None:
        try:
            self._library.nvmlDeviceSetPowerManagementLimit(gpu.handle, limit_mw)
        except self._library.NVMLError as error:
            reason = f"its power limit is not back at {limit_mw / MW_PER_W:g} W ({error}); set it with nvidia-smi -pl"
            self.faults.append(Fault(reason, device=gpu.device.name))

    def _said(self, otherwise: Any, ask: Callable[..., Any], *about: Any) -> Any:
        try:
            return ask(*about)
        except self._library.NVMLError:
            return otherwise

    def _read(self, gpu: _Gpu, time_ns: int) -> Reading:
        library, handle = self._library, gpu.handle
        values = dict.fromkeys(FIELDS, math.nan)

        def read(ask: Callable[[], Mapping[str, float]], *names: str) -> None:
            if names[0] in gpu.unsupported:
                return
            try:
                values.update(ask())
            except library.NVMLError as error:
                if error.value in self._gone:
                    raise
                if error.value in self._never:
                    gpu.unsupported.update(names)
                self._name_once(gpu, names, str(error), time_ns)

        def utilization() -> dict[str, float]:
            rates = library.nvmlDeviceGetUtilizationRates(handle)
            return {"gpu_utilization": rates.gpu / PERCENT, "memory_utilization": rates.memory / PERCENT}

        # The energy first: the closer to its time stamp, the better.
        read(lambda: {"energy_j": self._energy_j(gpu, time_ns)}, "energy_j")
        read(lambda: {"power_w": library.nvmlDeviceGetPowerUsage(handle) / MW_PER_W}, "power_w")
        read(lambda: {"sm_clock_mhz": library.nvmlDeviceGetClockInfo(handle, library.NVML_CLOCK_SM)}, "sm_clock_mhz")
        read(
            lambda: {"memory_clock_mhz": library.nvmlDeviceGetClockInfo(handle, library.NVML_CLOCK_MEM)},
            "memory_clock_mhz",
        )
        read(utilization, "gpu_utilization", "memory_utilization")
        read(lambda: {"memory_used_bytes": self._memory_used_bytes(handle)}, "memory_used_bytes")
        read(
            lambda: {"temperature_c": library.nvmlDeviceGetTemperature(handle, library.NVML_TEMPERATURE_GPU)},
            "temperature_c",
        )
        read(lambda: {"throttle_reasons": self._throttle_reasons(handle)}, "throttle_reasons")
        read(
            lambda: {"power_limit_w": library.nvmlDeviceGetEnforcedPowerLimit(handle) / MW_PER_W},
            "power_limit_w",
        )
        return Reading(time_ns, gpu.device.name, values, self._state(gpu, values))

    def _energy_j(self, gpu: _Gpu, time_ns: int) -> float:
        now_mj = int(self._library.nvmlDeviceGetTotalEnergyConsumption(gpu.handle))
        if now_mj < gpu.last_mj:
            reason = "its counter of energy began anew; what it drew since the sample before is not counted"
            self.faults.append(Fault(reason, device=gpu.device.name, time_ns=time_ns))
            gpu.offset_mj += gpu.last_mj - now_mj
        gpu.last_mj = now_mj
        return (gpu.offset_mj + now_mj) / MJ_PER_J

    def _memory_used_bytes(self, handle: Any) -> float:
        """Without what the driver keeps for itself, where this NVML can tell it apart."""
        library = self._library
        with suppress(library.NVMLError, AttributeError):
            return float(library.nvmlDeviceGetMemoryInfo(handle, version=library.nvmlMemory_v2).used)
        return float(library.nvmlDeviceGetMemoryInfo(handle).used)

    def _throttle_reasons(self, handle: Any) -> float:
        """By the new name of the call, or by the one that older drivers know."""
        library = self._library
        with suppress(library.NVMLError, AttributeError):
            return float(library.nvmlDeviceGetCurrentClocksEventReasons(handle))
        return float(library.nvmlDeviceGetCurrentClocksThrottleReasons(handle))

    def _state(self, gpu: _Gpu, values: Mapping[str, float]) -> State:
        if math.isnan(values["gpu_utilization"]):
            return ""
        if values["gpu_utilization"] > 0:
            return "busy"
        processes = self._said(None, self._library.nvmlDeviceGetComputeRunningProcesses, gpu.handle)
        if processes or values["memory_used_bytes"] > CONTEXT_BYTES:
            return "loaded"
        return "" if processes is None and math.isnan(values["memory_used_bytes"]) else "idle"

    def _name_once(self, gpu: _Gpu, names: Sequence[str], reason: str, time_ns: int) -> None:
        for name in names:
            if name not in gpu.named:
                gpu.named.add(name)
                self.faults.append(Fault(f"{FIELDS[name]}: {reason}", device=gpu.device.name, time_ns=time_ns))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _cuda_version(number: int) -> str:
    """12040 as 12.4; nothing where it is not known."""
    return f"{number // 1000}.{number % 1000 // 10}" if number else ""
