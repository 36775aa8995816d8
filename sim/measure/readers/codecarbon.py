"""CodeCarbon's ``emissions.csv``: the energy of one run a row, as its meters or its models had it.

Energies are in kWh, and since version 2.2.3 CodeCarbon multiplies them by the PUE it was given (its issue 1320): that
is undone here, since a recording holds IT energy and a PUE belongs to the facility. Powers are left out: they are the
last or the mean ones, with or without PUE, as the version has it. A row's ``timestamp`` is its end, in local time
without a zone, taken as UTC. A run that was flushed has several rows, each counting from its start. CodeCarbon writes 0
for what it did not measure; that is no reading. Its CPU and RAM figures may be models (a TDP, W per GB) rather than
meters.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, replace
from datetime import UTC
from itertools import pairwise
from pathlib import Path

from sim.instants import parse_instant
from sim.measure.readers.gathering import Gathering
from sim.measure.readers.text import Text, read_text
from sim.measure.recording import Kind, Recording
from sim.units import J_PER_KWH, NS_PER_S

NAME = "CodeCarbon emissions.csv"

NEEDED = ("timestamp", "duration", "energy_consumed")
PARTS: dict[str, tuple[Kind, str]] = {
    "gpu_energy": ("gpu", "gpu_model"),
    "cpu_energy": ("cpu-package", "cpu_model"),
    "ram_energy": ("dram", ""),
}
SUM_TOLERANCE = 0.01
"""The parts make up the total but for rounding; a larger difference is said."""


@dataclass(frozen=True)
class CarbonRun:
    """One run: its IT energies in J, with the PUE taken out. None is what CodeCarbon did not measure."""

    line: int
    project: str
    run: str
    start_ns: int
    end_ns: int
    pue: float | None
    gpu_j: float | None
    cpu_j: float | None
    dram_j: float | None
    total_j: float


def fits(text: Text) -> bool:
    """Whether the header is that of CodeCarbon."""
    names = [name.strip() for name in text.first.split(",")]
    return set(NEEDED) <= set(names) and "emissions" in names


def read(text: Text) -> Recording:
    """Each run's devices with counters from 0 at its start to its energies at its end. Raises ``InputError``."""
    gathering = Gathering(text)
    rows, models = _rows(text, gathering)
    started: set[str] = set()
    for run in rows:
        energies = {"gpu_energy": run.gpu_j, "cpu_energy": run.cpu_j, "ram_energy": run.dram_j}
        for part, energy in energies.items():
            if energy is None:
                continue
            kind = PARTS[part][0]
            device = gathering.device(f"{run.run}/{kind}", kind, model=models.get((run.line, part), ""))
            if device not in started:
                gathering.add(run.line, run.start_ns, device, {"energy_j": 0.0}, run.project)
                started.add(device)
            gathering.add(run.line, run.end_ns, device, {"energy_j": energy}, run.project)
    pues = sorted({run.pue for run in rows if run.pue is not None})
    origin = {"format": "CodeCarbon", "clock": "local time without a zone, taken as UTC", "pue_taken_out": pues}
    return gathering.recording(origin, same_span=False)


def read_runs(path: Path) -> tuple[CarbonRun, ...]:
    """The runs of an ``emissions.csv`` in the order of their ends; of a flushed run, its last row.

    Rows that cannot be used are named among the faults of the recording. Raises ``InputError``.
    """
    text = read_text(path)
    if not fits(text):
        raise text.refuse(f"is no {NAME}: its header needs {', '.join(NEEDED)} and emissions", 1)
    rows, _ = _rows(text, Gathering(text))
    if not rows:
        raise text.refuse("holds no runs")
    return tuple({run.run: run for run in rows}.values())


def _rows(text: Text, gathering: Gathering) -> tuple[list[CarbonRun], dict[tuple[int, str], str]]:
    """Every row that can be used, in order of time, under the name of its run; and the models of its devices."""
    names: list[str] = []
    runs: list[CarbonRun] = []
    models: dict[tuple[int, str], str] = {}
    for line, written in text.numbered():
        cells = next(csv.reader([written]))
        if not names or "energy_consumed" in cells:
            names = [cell.strip() for cell in cells]
            if "pue" not in names:
                gathering.fault("has no column 'pue': if one was set, it is folded into these energies", line=line)
            continue
        if len(cells) != len(names):
            gathering.fault(f"has {len(cells)} cells, not {len(names)}", line=line)
            continue
        row = dict(zip(names, (cell.strip() for cell in cells), strict=True))
        try:
            run = _run(line, row, gathering)
        except (ValueError, OverflowError) as error:
            gathering.fault(f"is no run: {error}", line=line)
            continue
        runs.append(run)
        models.update({(line, part): row.get(model, "") for part, (_, model) in PARTS.items()})
    if any(after.end_ns < before.end_ns for before, after in pairwise(runs)):
        gathering.fault("rows are not in the order of their ends; they were sorted")
    runs.sort(key=lambda run: run.end_ns)
    return _with_one_start(runs, gathering), models


def _run(line: int, row: dict[str, str], gathering: Gathering) -> CarbonRun:
    end_ns = parse_instant(row["timestamp"], UTC)
    duration_s = _number("duration", row)
    if duration_s <= 0:
        raise ValueError("its duration is 0")
    pue = _number("pue", row) if row.get("pue") else None
    if pue is not None and pue < 1:
        raise ValueError(f"its PUE is {pue:g}, and none is below 1")
    energies = {part: _number(part, row) / (pue or 1.0) * J_PER_KWH for part in PARTS if row.get(part)}
    total_j = _number("energy_consumed", row) / (pue or 1.0) * J_PER_KWH
    if energies and abs(sum(energies.values()) - total_j) > SUM_TOLERANCE * max(total_j, sum(energies.values())):
        gathering.fault(f"its parts add up to {sum(energies.values()):.6g} J, not to its {total_j:.6g} J", line=line)
    no_gpu = row.get("gpu_count", "") in ("", "0", "0.0")
    for part in PARTS:
        if energies.get(part) == 0.0 and not (part == "gpu_energy" and no_gpu):
            gathering.fault(f"'{part}' is 0: it was not measured", line=line)
    measured = {part: energy for part, energy in energies.items() if energy > 0}
    name = row.get("run_id") or f"line {line}"
    name = (
        f"{name} {row['task_name']}" if row.get("task_name") else name
    )  # tasks of one run each count from their own start
    return CarbonRun(
        line,
        row.get("project_name", ""),
        name,
        end_ns - round(duration_s * NS_PER_S),
        end_ns,
        pue,
        measured.get("gpu_energy"),
        measured.get("cpu_energy"),
        measured.get("ram_energy"),
        total_j,
    )


def _number(name: str, row: dict[str, str]) -> float:
    try:
        number = float(row[name])
    except ValueError:
        raise ValueError(f"'{name}' is no number: {row[name]!r}") from None
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"'{name}' is {number:g}")
    return number


def _with_one_start(runs: list[CarbonRun], gathering: Gathering) -> list[CarbonRun]:
    """Rows of one run share its start; one that counts less than the row before it is another run of the same name."""
    last: dict[str, CarbonRun] = {}
    names: dict[str, str] = {}
    result = []
    for run in runs:
        name = names.get(run.run, run.run)
        before = last.get(name)
        if before is not None and run.total_j < before.total_j:
            gathering.fault("counts less than the row before it of the same run: taken as another run", line=run.line)
            names[run.run] = name = f"{run.run} (line {run.line})"
            before = None
        kept = replace(run, run=name, start_ns=before.start_ns if before else run.start_ns)
        last[name] = kept
        result.append(kept)
    return result
