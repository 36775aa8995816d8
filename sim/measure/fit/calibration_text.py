"""A calibration for a terminal: what was fitted, how sure it is, and how wrong it is on what was held out."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from sim.measure.alike_faults import lines
from sim.measure.fit.calibrate import Calibrated
from sim.measure.fit.gpu import MOST_PER_BYTE, MOST_PER_FLOP
from sim.measure.fit.measured_clocks import ClockCalibration
from sim.measure.fit.measured_loads import LoadCalibration
from sim.measure.recording import Recording
from sim.results.formats import number
from sim.results.tables import plain_table

PICO = 1e-12


def load_table(found: LoadCalibration, name: str) -> RenderableType:
    """The constants of a load curve, and how well each machine is told by the others."""
    table = plain_table("constant", "value", "standard error")
    table.add_row("idle", f"{number(found.idle_w)} W", "")
    table.add_row("full", f"{number(found.full_w)} W", "")
    table.add_row("exponent", number(found.fit.values["exponent"]), number(found.fit.spread["exponent"]))
    if found.held_out is None:
        note = "too little of other machines: how wrong the exponent is elsewhere is not known"
    else:
        note = f"each machine held out in turn: {found.held_out.mape:.1%} off"
    return Group(Text(name, style="bold"), table, Text(note))


def clock_table(found: ClockCalibration, name: str) -> RenderableType:
    """The constants of a clock curve, and how well each work is told by the others."""
    table = plain_table("constant", "value", "standard error")
    for key, value in found.fit.values.items():
        table.add_row(key.replace("_", " "), number(value), number(found.fit.spread[key]))
    if found.power is None or found.time is None:
        note = "too little of other kinds of work: how wrong the curve is elsewhere is not known"
    else:
        note = f"each work held out in turn: power {found.power.mape:.1%} off, time {found.time.mape:.1%} off"
    return Group(Text(name, style="bold"), table, Text(note))


def calibration_table(found: Calibrated, base: str, recordings: Mapping[str, Recording]) -> RenderableType:
    """Constants with their standard errors, the errors on fitted and on held-out phases, and what went wrong."""
    table = plain_table("constant", "value", "standard error", "unit")
    spread = found.fit.spread
    for name, value in found.fit.values.items():
        scale, unit = (1.0, "W") if name in ("idle", "loaded") else (PICO, "pJ/B" if name == "byte" else "pJ/FLOP")
        untold = spread[name] > 0.5 * (MOST_PER_BYTE if name == "byte" else MOST_PER_FLOP)
        error = "not told by the data" if unit != "W" and untold else number(spread[name] / scale)
        table.add_row(name.replace("/", " "), number(value / scale), error, unit)
    notes = [f"fitted on {len(found.profile['calibration']['fitted'])} phases: {100 * found.fitted.mape:.1f} % off"]
    if found.held_out is not None:
        held = len(found.profile["calibration"]["held_out"])
        notes.append(f"held out {held} phases: {100 * found.held_out.mape:.1f} % off")
    else:
        notes.append("nothing was held out: how wrong it is elsewhere is not known")
    if found.fleet is not None:
        notes.append(f"{len(found.fleet.units)} units, which differ by {100 * found.fleet.spread:.1f} %")
    for name, recording in recordings.items():
        notes += [f"{name}: is not complete"] if not recording.complete else []
        notes += [f"{name}: {line}" for line in lines(recording.faults)]
    title = Text(f"{found.profile['name']}, from {base}", style="bold")
    return Group(title, table, Text("\n".join(notes)))
