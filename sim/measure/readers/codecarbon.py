"""CodeCarbon's ``emissions.csv``: the energy of one run a row, as its meters or its models had it.

Energies are in kWh. What carries the PUE that CodeCarbon was given depends on its version (``_do_measurements`` in
``emissions_tracker.py`` of the released packages): energies since 2.2.3 (its issue 1320), powers only since 3.3.1, and
``water_consumed`` (since 3.0.8) is WUE times the energy *with* PUE. That is undone here by the version that a row
states, since a recording holds IT energy, and PUE and WUE belong to the facility: WUE is litres per kWh of IT energy
(The Green Grid, White Paper 35, 2011). Powers (W) are means over the run since 3.2.0 and the last ones before; a mean
from the start is no sample of a flushed run's later row, so it is left out there. A row's ``timestamp`` is its end, in
local time without a zone. Runs that follow each other are one device at different times, runs that overlap are
several. A run that was flushed has several rows, each counting from its start.
CodeCarbon writes 0 for what it did not measure; that is no reading. Its CPU and RAM figures may be models (a TDP, W per
GB) rather than meters.
"""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from sim.instants import later
from sim.measure.readers.gathering import STAMP_NS, Gathering
from sim.measure.readers.stamps import ABOUT_NS, CHANGES_NS, REMEDY, Stamps, may_be_set_forward
from sim.measure.readers.text import Text, read_text
from sim.measure.recording import Kind, Recording
from sim.units import DAY_NS, HOUR_NS, J_PER_KWH, NS_PER_S

NAME = "CodeCarbon emissions.csv"

NEEDED = ("timestamp", "duration", "energy_consumed")
PARTS: dict[str, tuple[Kind, str]] = {
    "gpu_energy": ("gpu", "gpu_model"),
    "cpu_energy": ("cpu-package", "cpu_model"),
    "ram_energy": ("dram", ""),
}
POWERS = {"gpu_energy": "gpu_power", "cpu_energy": "cpu_power", "ram_energy": "ram_power"}
SUNDAY_NS, WEEK_NS, SET_BY_NS = 3 * DAY_NS, 7 * DAY_NS, 4 * HOUR_NS
"""1970 began on a Thursday. Nearly all clocks are set on a Sunday, from 00:00 (Chile) to 03:00 (Europe, Australia)."""

SUM_TOLERANCE = 0.01
"""The parts make up the total but for rounding; a larger difference is said."""

Version = tuple[int, ...]
PUE_IN_ENERGIES: Version = (2, 2, 3)
MEAN_POWERS: Version = (3, 2, 0)
PUE_IN_POWERS: Version = (3, 3, 1)
"""The first versions that multiply energies by PUE, give mean powers, and multiply powers by PUE."""


@dataclass(frozen=True)
class CarbonRun:
    """One run: its IT energies in J, powers in W and water in L, with the PUE taken out.

    None is what CodeCarbon did not measure; a power is also None where the version that says what it is is not known.
    """

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
    gpu_w: float | None = None
    cpu_w: float | None = None
    dram_w: float | None = None
    water_l: float | None = None
    mean_powers: bool = False


def fits(text: Text) -> bool:
    """Whether the header is that of CodeCarbon."""
    names = [name.strip() for name in text.first.split(",")]
    return set(NEEDED) <= set(names) and "emissions" in names


def read(text: Text) -> Recording:
    """Each run's devices with counters from 0 at its start to its energies at its end. Raises ``InputError``."""
    gathering = Gathering(text)
    units: dict[str, str] = {}
    rows, models = _rows(text, gathering)
    started: set[str] = set()
    for run in rows:
        energies = {"gpu_energy": run.gpu_j, "cpu_energy": run.cpu_j, "ram_energy": run.dram_j}
        powers = {"gpu_energy": run.gpu_w, "cpu_energy": run.cpu_w, "ram_energy": run.dram_w}
        for part, energy in energies.items():
            if energy is None:
                continue
            power = powers[part]
            kind = PARTS[part][0]
            device = gathering.device(f"{run.run}/{kind}", kind, model=models.get((run.line, part), ""))
            measured = {"energy_j": energy}
            if power is not None and not (run.mean_powers and device in started):
                measured["power_w"] = power
            units[device] = kind
            if device not in started:
                gathering.add(run.line, run.start_ns, device, {"energy_j": 0.0}, run.project)
                started.add(device)
            gathering.add(run.line, run.end_ns, device, measured, run.project)
    pues = sorted({run.pue for run in rows if run.pue is not None})
    origin: dict[str, object] = {
        "format": "CodeCarbon",
        "clock": gathering.stamps.clock,
        "pue_taken_out": pues,
    }
    water = {run.run: run.water_l for run in rows if run.water_l is not None}
    if water:
        origin["water_l"] = sum(water.values())
    return gathering.recording(origin, same_span=False, units=units)


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
    gathering.stamps = Stamps(text.zone, later)  # rows are appended as runs end
    names: list[str] = []
    header = 0
    runs: list[CarbonRun] = []
    models: dict[tuple[int, str], str] = {}
    folded: set[int] = set()
    undone: dict[str, list[int]] = {}
    for line, written in text.numbered():
        try:
            cells = next(csv.reader([written]))
        except csv.Error as error:
            gathering.fault(f"is no row of cells: {error}", line=line)
            continue
        if not names or "energy_consumed" in cells:
            names, header = [cell.strip() for cell in cells], line
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
        if "pue" not in names and _carries(PUE_IN_ENERGIES, row) and header not in folded:
            folded.add(header)
            gathering.fault("has no column 'pue': if one was set, it is folded into these energies", line=header)
        if run.pue not in (None, 1.0):
            undone.setdefault(_undone(run, row), []).append(line)
        runs.append(run)
        models.update({(line, part): row.get(model, "") for part, (_, model) in PARTS.items()})
    for reason, lines in undone.items():
        rows = f", of {len(lines):,} rows, the first here" if len(lines) > 1 else ""
        gathering.fault(f"{reason}{rows}", line=lines[0])
    if gathering.stamps.local and text.zone is None:
        runs = _undo_changes_of_clock(runs, gathering)
    if any(after.end_ns < before.end_ns for before, after in pairwise(runs)):
        gathering.fault("rows are not in the order of their ends; they were sorted")
    runs.sort(key=lambda run: run.end_ns)
    return _with_one_start(runs, gathering), models


def _run(line: int, row: dict[str, str], gathering: Gathering) -> CarbonRun:
    end_ns = gathering.stamps.iso_ns(_cell("timestamp", row))
    duration_s = _number("duration", row)
    if duration_s <= 0:
        raise ValueError("its duration is 0")
    pue = _number("pue", row) if row.get("pue") else None
    if pue is not None and pue < 1:
        raise ValueError(f"its PUE is {pue:g}, and none is below 1")
    folded = (pue or 1.0) if _carries(PUE_IN_ENERGIES, row) else 1.0
    energies = {part: _number(part, row) / folded * J_PER_KWH for part in PARTS if row.get(part)}
    total_j = _number("energy_consumed", row) / folded * J_PER_KWH
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
    gpu_w, cpu_w, dram_w = _powers(row, measured, pue, gathering, line)
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
        gpu_w,
        cpu_w,
        dram_w,
        water_l=_water_l(row, pue, total_j, gathering, line),
        mean_powers=_carries(MEAN_POWERS, row),
    )


def _version(row: dict[str, str]) -> Version | None:
    """The numbers of ``codecarbon_version``, such as '3.3.2' or '3.0.0rc1'; None where it says none."""
    found = re.match(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", row.get("codecarbon_version", ""))
    return tuple(int(number or 0) for number in found.groups()) if found else None


def _carries(since: Version, row: dict[str, str]) -> bool:
    """Whether the row is of a version from ``since`` on, or of none that it says."""
    version = _version(row)
    return version is None or version >= since


def _powers(
    row: dict[str, str], measured: dict[str, float], pue: float | None, gathering: Gathering, line: int
) -> list[float | None]:
    """IT powers of the GPUs, CPUs and DRAM that were measured, where the version says whether they carry a PUE."""
    if _version(row) is None and pue != 1.0:
        return [None] * len(PARTS)
    folded = (pue or 1.0) if _carries(PUE_IN_POWERS, row) else 1.0
    written = [_known(POWERS[part], row, gathering, line) if part in measured else None for part in PARTS]
    return [None if watts is None else watts / folded for watts in written]


def _water_l(row: dict[str, str], pue: float | None, total_j: float, gathering: Gathering, line: int) -> float | None:
    """Water on IT energy: without the PUE that is in CodeCarbon's."""
    written_l, wue = (_known(name, row, gathering, line) for name in ("water_consumed", "wue"))
    if written_l is None:
        return None
    water_l = written_l / (pue or 1.0)
    expected_l = water_l if wue is None else wue * total_j / J_PER_KWH
    if abs(water_l - expected_l) > SUM_TOLERANCE * max(water_l, expected_l):
        gathering.fault(f"its water is {water_l:.6g} L on IT energy, not the {expected_l:.6g} L of its WUE", line=line)
    return water_l


def _known(name: str, row: dict[str, str], gathering: Gathering, line: int) -> float | None:
    """A figure beside the energies, which stand without it; None where it is not given or no number."""
    try:
        return _number(name, row) if row.get(name) else None
    except ValueError as error:
        gathering.fault(f"{error}; it is left out", line=line)
        return None


def _undone(run: CarbonRun, row: dict[str, str]) -> str:
    """What the PUE was divided out of, in words."""
    version = row.get("codecarbon_version", "")[:20]
    what = ["energies"] if _carries(PUE_IN_ENERGIES, row) else []
    what += ["powers"] if version and _carries(PUE_IN_POWERS, row) else []
    what += ["water"] if run.water_l is not None else []
    by = f"CodeCarbon {version}" if _version(row) else "CodeCarbon of a version it does not say"
    if not what:
        return f"its PUE of {run.pue:g} is in no figure of {by}"
    return f"the PUE of {run.pue:g} that {by} has in its {_listed(what)} is divided out"


def _listed(words: list[str]) -> str:
    """Names in a sentence, as in 'energies, powers and water'."""
    return " and ".join([*([", ".join(words[:-1])] if words[1:] else []), words[-1]])


def _undo_changes_of_clock(runs: list[CarbonRun], gathering: Gathering) -> list[CarbonRun]:
    """Ends by a local clock, put right where it was set: durations tell how long runs took whatever clocks say.

    Within a run that has several rows that holds both ways; between runs, where one would begin within a few minutes of
    the end of the run before it if the clock was set back by an hour, and else would overlap it: and its end lies
    before that one's, or a night in which clocks are set lies between. A pause of an hour over such a night is told.
    """
    ahead_ns = 0
    starts: dict[str, CarbonRun] = {}
    result: list[CarbonRun] = []
    for run in runs:
        begin_ns, end_ns = run.start_ns + ahead_ns, run.end_ns + ahead_ns
        before = starts.get(run.run)
        if before is not None and run.total_j < before.total_j:
            before = None  # another run of the same name
        if before is not None:
            off_ns = before.start_ns - begin_ns
            changes = (change if off_ns > 0 else -change for change in CHANGES_NS)
            changed = next((change for change in changes if abs(off_ns - change) <= 2 * STAMP_NS), 0)
        else:
            last_ns = result[-1].end_ns if result else begin_ns
            follows = (change for change in CHANGES_NS if 0 <= begin_ns + change - last_ns + STAMP_NS <= ABOUT_NS)
            changed = next(
                (change for change in follows if end_ns < last_ns or _may_be_set(last_ns, end_ns + change)), 0
            )
            if may_be_set_forward(begin_ns - last_ns) and _may_be_set(last_ns, end_ns):
                reason = (
                    f"begins {(begin_ns - last_ns) / NS_PER_S:g} s after the end of the run before it, over a night in"
                    f" which clocks are set forward: if they were, {REMEDY}"
                )
                gathering.fault(reason, line=run.line)
        if changed:
            way = "back" if changed > 0 else "forward"
            reason = (
                f"the clock was set {way} by {abs(changed) / NS_PER_S / 60:g} min before this end: all ends from here"
                f" on are moved by it; {REMEDY}"
            )
            gathering.fault(reason, line=run.line)
            ahead_ns += changed
        moved = replace(run, start_ns=begin_ns + changed, end_ns=end_ns + changed)
        starts[run.run] = replace(before, total_j=run.total_j) if before is not None else moved
        result.append(moved)
    return result


def _may_be_set(after_ns: int, until_ns: int) -> bool:
    """Whether a Sunday between 00:00 and 04:00 of the local clock lies between two times: there clocks are set."""
    since_ns = (after_ns - SUNDAY_NS) % WEEK_NS
    return since_ns <= SET_BY_NS or after_ns - since_ns + WEEK_NS <= until_ns


def _cell(name: str, row: dict[str, str]) -> str:
    if name not in row:  # files are appended to each other under headers of their own
        raise ValueError(f"its header has no column '{name}'")
    return row[name]


def _number(name: str, row: dict[str, str]) -> float:
    cell = _cell(name, row)
    try:
        number = float(cell)
    except ValueError:
        raise ValueError(f"'{name}' is no number: {cell!r}") from None
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
