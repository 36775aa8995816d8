"""EnergiBridge's CSV: counters and powers of a machine beside each other, a row for each interval.

``Delta,Time,...`` (src/main.rs of 0.0.2 to 0.0.7): ``Time`` is in ms since 1970, when the row was sampled, and the
other columns are what the machine has, with another separator if one was asked for.

- Intel (src/cpu/intel.rs): ``PACKAGE_ENERGY (J)`` and ``DRAM_ENERGY (J)``, counters of the first socket only. ``PP0``
  (cores) and ``PP1`` (graphics) lie within the package. DRAM is counted in the package's unit, but Xeon servers since
  Haswell count DRAM in units of 15.3 µJ (Linux, drivers/powercap/intel_rapl_common.c), so theirs comes out four times
  too large: that is said. The first releases spell the package ``PACAKGE_ENERGY (J)`` and take the unit of energy from
  the bits of time: those columns are no J and are not read.
- AMD (src/cpu/amd.rs): ``CPU_ENERGY (J)`` is the package, and ``CORE0_ENERGY (J)`` and so on lie within it.
- NVIDIA (src/gpu/nvidia.rs): ``GPU0_POWER`` is what NVML gives: mW, though the column names no unit.
- macOS (src/cpu/apple.rs, src/gpu/apple.rs): ``SYSTEM_POWER (Watts)`` is the whole machine, and ``CPU_POWER (Watts)``
  and ``GPU_POWER (Watts)`` lie within it.

Counters are 32 bits of 2^-14 or 2^-16 J, and start over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from sim.measure.readers.gathering import NS_PER_MS, Gathering
from sim.measure.readers.table import number, rows
from sim.measure.readers.text import Text
from sim.measure.recording import Kind, Recording

NAME = "EnergiBridge CSV"

SEPARATORS = (",", ";", "\t", "|")
RANGES_J = (2.0**16, 2.0**18)


class _Column(NamedTuple):
    device: str
    kind: Kind
    measured: str
    unit: float = 1.0


COLUMNS = {
    "PACKAGE_ENERGY (J)": _Column("cpu-package0", "cpu-package", "energy_j"),
    "CPU_ENERGY (J)": _Column("cpu-package0", "cpu-package", "energy_j"),
    "DRAM_ENERGY (J)": _Column("dram0", "dram", "energy_j"),
    "CPU_POWER (Watts)": _Column("cpu-package0", "cpu-package", "power_w"),
    "SYSTEM_POWER (Watts)": _Column("node", "node", "power_w"),
    "GPU_POWER (Watts)": _Column("gpu0", "gpu", "power_w"),
}
_GPU = re.compile(r"GPU(\d+)_(POWER|USAGE|TEMPERATURE)")
_GPU_MEASURED = {"POWER": ("power_w", 1e-3), "USAGE": ("gpu_utilization", 0.01), "TEMPERATURE": ("temperature_c", 1.0)}
_WITHIN = re.compile(r"(?:PP[01]|CORE\d+)_ENERGY \(J\)")
_WRONG_UNIT = "PACAKGE_ENERGY (J)"


def fits(text: Text) -> bool:
    """Whether the header begins as EnergiBridge's, whatever separates its columns."""
    return _separator(text) is not None


def read(text: Text) -> Recording:
    """The recording in EnergiBridge's CSV. Raises ``InputError``."""
    gathering = Gathering(text)
    separator = _separator(text) or ","
    names = [name.strip() for name in text.first.split(separator)]
    wrong = _WRONG_UNIT in names
    columns = {name: column for name in names if (column := _column(name)) and not (wrong and "(J)" in name)}
    _tell(names, columns, gathering)
    for line, row in rows(text, gathering, _is_header, separator):
        written = row.get("Time", "")
        if not (written.isascii() and written.isdecimal() and len(written) <= 14):
            gathering.fault(f"'Time' is no ms since 1970: {written[:60]!r}", line=line)
            continue
        devices: dict[str, dict[str, float]] = {}
        for name, column in columns.items():
            if name in row:
                try:
                    value = number(row[name]) * column.unit
                except ValueError:
                    gathering.fault(f"'{name}' is no number: {row[name][:60]!r}", line=line)
                    continue
                devices.setdefault(gathering.device(column.device, column.kind), {})[column.measured] = value
        for device, measured in devices.items():
            if "energy_j" in measured:
                gathering.counter_ranges_j[device] = RANGES_J
            gathering.add(line, int(written) * NS_PER_MS, device, measured)
    return gathering.recording({"format": "EnergiBridge", "clock": "since 1970"})


def _separator(text: Text) -> str | None:
    found = (sep for sep in SEPARATORS if _is_header([cell.strip() for cell in text.first.split(sep)]))
    return next(found, None)


def _is_header(found: Sequence[str]) -> bool:
    return list(found[:2]) == ["Delta", "Time"] and len(found) > 2


def _column(name: str) -> _Column | None:
    match = _GPU.fullmatch(name)
    if match:
        measured, unit = _GPU_MEASURED[match[2]]
        return _Column(f"gpu{int(match[1])}", "gpu", measured, unit)
    return COLUMNS.get(name)


def _tell(names: Sequence[str], columns: dict[str, _Column], gathering: Gathering) -> None:
    """What is not read of this header, and what its numbers are not."""
    within = [name for name in names if _WITHIN.fullmatch(name)]
    if _WRONG_UNIT in names:
        reason = f"'{_WRONG_UNIT}' and the energies beside it are of a release that took the wrong unit: not read"
        gathering.fault(reason, line=1)
    elif within:
        few = ", ".join(within[:3]) + (f" and {len(within) - 3} more" if len(within) > 3 else "")
        gathering.fault(f"left out: {few}, which lie within the package", line=1)
    if "DRAM_ENERGY (J)" in columns:
        reason = "'DRAM_ENERGY (J)' is in the package's unit: four times too much on Xeon servers since Haswell"
        gathering.fault(reason, line=1, device="dram0")
    power = [name for name in names if name.endswith("_POWER") and name in columns]
    if power:
        gathering.fault(
            f"{', '.join(power[:3])} {'is' if len(power) == 1 else 'are'} read as mW, as NVML gives it", line=1
        )
