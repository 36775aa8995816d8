"""CPU packages and their DRAM through Linux's powercap tree (RAPL): counters of energy, on Intel and AMD alike.

Packages and DRAM only: core and uncore are parts of a package, psys is the whole board with the packages in it, and the
MMIO zones show the same package once more; adding any of them would count energy twice. A counter wraps after minutes
(about 262 kJ, 65 kJ for DRAM); one wrap between two samples is undone, to within the kernel's rounding (0.1 mJ).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.measure.meters.source import Missing, Reading, Stamp
from sim.measure.recording import Device, Fault
from sim.units import SECONDS_PER_NS, UJ_PER_J

POWERCAP = Path("/sys/class/powercap")
REMEDY = "run as root, or allow it until the next boot: sudo chmod -R a+r /sys/class/powercap/*/energy_uj"

_ZONE = re.compile(r"(?P<control>[a-z_-]+):(?P<package>\d+)(?::\d+)*")
_PACKAGE = re.compile(r"package-(?P<package>\d+)(?P<die>-die-\d+)?")


def _read_text(path: Path) -> str:
    return path.read_text(encoding="ascii")


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Name of the CPU as the kernel has it, '' where it has none."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else ""


def open_rapl(
    root: Path = POWERCAP, *, model: str = "", read_text: Callable[[Path], str] = _read_text
) -> RaplSource | Missing:
    """Every package and DRAM zone under ``root`` that may be read, or why there is none."""
    counters: dict[str, _Counter] = {}
    faults: list[Fault] = []
    not_counted: list[str] = []
    for zone, name, device in _zones(root, read_text):
        if not device or device in counters:
            not_counted.append(f"{zone.name} ({name})")
            continue
        try:
            span_uj = int(read_text(zone / "max_energy_range_uj"))
            last_uj = int(read_text(zone / "energy_uj"))
        except PermissionError:
            faults.append(Fault(f"only root may read {zone.name}/energy_uj on this kernel; {REMEDY}", device=device))
        except (OSError, ValueError) as error:
            faults.append(Fault(f"{zone.name} cannot be read: {_reason(error)}", device=device))
        else:
            named = Device(device, "dram") if name == "dram" else Device(device, "cpu-package", model)
            counters[device] = _Counter(named, zone, span_uj, last_uj)
    if counters:
        return RaplSource(list(counters.values()), faults, not_counted, read_text)
    if faults:
        return Missing("RAPL", faults[0].reason)
    why = "Linux on a physical Intel or AMD CPU has them; virtual machines and containers mostly have not"
    return Missing("RAPL", f"no counters of CPU energy in {root} ({why})")


def _zones(root: Path, read_text: Callable[[Path], str]) -> list[tuple[Path, str, str]]:
    """Each zone, its name, and the device it stands for ('' where we do not count it); MMIO twins come last."""
    found: dict[str, Path] = {}
    for pattern in ("*:*", "*:*/*:*"):  # the class shows every zone flat; a bare tree has the subzones inside
        for path in sorted(root.glob(pattern)):
            found.setdefault(path.name, path)
    names: dict[str, str] = {}
    for zone in sorted(filter(_ZONE.fullmatch, found), key=lambda zone: ("mmio" in zone, zone)):
        try:
            names[zone] = read_text(found[zone] / "name").strip()
        except (OSError, ValueError):
            continue
    return [
        (found[zone], name, _device(name, names.get(":".join(zone.split(":")[:2]), ""))) for zone, name in names.items()
    ]


def _device(name: str, top_name: str) -> str:
    """``cpu0``, ``cpu1-die-0``, ``dram0``, or '' for a zone that is part of another or holds others."""
    package = _PACKAGE.fullmatch(top_name)
    if package is None or not (name == "dram" or _PACKAGE.fullmatch(name)):
        return ""
    return f"{'dram' if name == 'dram' else 'cpu'}{package['package']}{package['die'] or ''}"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


@dataclass(eq=False)
class _Counter:
    device: Device
    zone: Path
    span_uj: int
    last_uj: int
    total_uj: int = 0
    last_ns: int | None = None


class RaplSource:
    """Zones that could be read once; see ``open_rapl``."""

    name = "RAPL"

    def __init__(
        self,
        counters: Sequence[_Counter],
        faults: Sequence[Fault],
        not_counted: Sequence[str],
        read_text: Callable[[Path], str],
    ) -> None:
        self._counters = list(counters)
        self.faults = list(faults)
        self._read_text = read_text
        self.lost = False
        self.devices: tuple[Device, ...] = tuple(counter.device for counter in counters)
        self.origin: Mapping[str, Any] = {
            "zones": {counter.device.name: counter.zone.name for counter in counters},
            "not_counted": list(not_counted),
            "power_w": "mean since the sample before, from the counter",
        }

    def sample(self, stamp: Stamp) -> list[Reading]:
        """Every zone that is left. Its power is the mean since the sample before, and unknown at the first."""
        readings = []
        for counter in list(self._counters):
            time_ns = stamp()
            try:
                now_uj = int(self._read_text(counter.zone / "energy_uj"))
            except (OSError, ValueError) as error:
                self.faults.append(Fault(f"lost: {_reason(error)}", device=counter.device.name, time_ns=time_ns))
                self.lost = True
                self._counters.remove(counter)
                continue
            readings.append(self._reading(counter, now_uj, time_ns))
        return readings

    def close(self) -> None:
        """Nothing is held open."""

    @staticmethod
    def _reading(counter: _Counter, now_uj: int, time_ns: int) -> Reading:
        drawn_uj = now_uj - counter.last_uj
        if drawn_uj < 0:
            drawn_uj += counter.span_uj
        power_w = math.nan
        if counter.last_ns is not None and time_ns > counter.last_ns:
            power_w = drawn_uj / UJ_PER_J / ((time_ns - counter.last_ns) * SECONDS_PER_NS)
        counter.total_uj += drawn_uj
        counter.last_uj, counter.last_ns = now_uj, time_ns
        return Reading(time_ns, counter.device.name, {"energy_j": counter.total_uj / UJ_PER_J, "power_w": power_w})
