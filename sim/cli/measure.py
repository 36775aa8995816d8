"""The commands of meters. Like ``sim.cli.command`` they read arguments, call the package and print."""

from __future__ import annotations

import math
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from sim.cli.completion import profile_names, scenario_names
from sim.cli.interrupts import hear_hang_ups
from sim.cli.options import JsonOption, SetOption, inert, show_tables, suggest, tell
from sim.cli.progress import counting, fitting, has_last_line, running
from sim.errors import InputError, QuantityError, RunError
from sim.instants import named_zone

if TYPE_CHECKING:
    from sim.measure.judge.recordings import Validation
    from sim.measure.meters.record import Progress


FITTED = "# Fitted by coldaisle calibrate, which writes over this file."
"""The first line of a fitted profile, by which calibrate knows its own."""
ZoneOption = Annotated[
    str | None,
    typer.Option("--zone", metavar="NAME", help="The zone of local times without an offset, such as Europe/Berlin."),
]


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command()(record)
    app.command()(calibrate)
    app.command()(validate)


def record(
    out: Annotated[Path, typer.Option("--out", metavar="FILE.parquet", help="Where to write the recording.")],
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="After --: run this, and stop when it ends.", show_default=False),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", metavar="N", help="How long; with a command at most, with --suite each step (10)."),
    ] = None,
    hz: Annotated[float, typer.Option("--hz", metavar="N", help="Samples a second.")] = 10.0,
    idle: Annotated[
        float, typer.Option("--idle", metavar="N", help="Seconds of baseline before and after a command or the suite.")
    ] = 3.0,
    suite: Annotated[bool, typer.Option("--suite", help="Run microbenchmarks on the first GPU (PyTorch).")] = False,
    power_caps: Annotated[
        bool, typer.Option("--power-caps", help="With --suite: also under lower power limits, put back afterwards.")
    ] = False,
) -> None:
    """Sample GPUs (NVML) and CPUs (RAPL) of this machine, alone or while a command runs."""
    from sim.measure.live import Wanted, failure, record_here, refuse_wrong
    from sim.measure.recording import write
    from sim.measure.recording_text import recording_table

    wanted = Wanted(out, hz, idle, seconds, suite, power_caps, command or ())
    refuse_wrong(wanted)
    hear_hang_ups()  # a closed terminal keeps what was sampled, too
    try:
        whole_s = None if suite or command else seconds  # what else is recorded ends by itself
        recording = record_here(wanted, watch=partial(_show_progress, whole_s) if has_last_line() else None)
    finally:
        if has_last_line():
            _overwrite("")
    write(recording, out)
    show_tables(recording_table(recording))
    tell(f"written to {out}")
    if recording.origin["interrupted"]:
        raise KeyboardInterrupt
    failed = failure(recording)
    if failed is not None:
        raise RunError(failed)


def calibrate(
    recordings: Annotated[
        list[Path], typer.Argument(metavar="RECORDING ...", help="Recordings of the suite, or a measured CSV.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="PROFILE.yaml", help="Where to write the profile.")],
    base: Annotated[
        str | None, typer.Option("--base", metavar="NAME", help="The profile that gives what no meter tells.")
    ] = None,
    stack: Annotated[
        str | None, typer.Option("--stack", metavar="TEXT", help="The software that was measured.")
    ] = None,
    zone: ZoneOption = None,
) -> None:
    """Fit a profile to recordings of known work or a measured table, and say how wrong it is on what was held out.

    Tables have the columns work, clock_mhz, cap_w, power_w, time_s (GPU); machine, load, power_w (CPU socket);
    unit, load, power_w (how the units of a --base differ); or those of Megatron-Bridge or LLM Foundry for training
    runs (a training stack).
    """
    from sim.measure.fit.calibrate import base_for
    from sim.measure.fit.calibrate import calibrate as fitted
    from sim.measure.fit.calibration_text import calibration_table
    from sim.measure.fit.from_measured_table import TABLES, is_table, profile_from_table
    from sim.measure.readers import read_recording
    from sim.profiles.catalog import Catalog
    from sim.results.atomic import marked, refuse_unusable, write_text
    from sim.results.files import to_yaml

    ours = marked(FITTED)
    refuse_unusable(out, folder=False, ours=ours)
    if out.suffix != ".yaml":
        raise InputError.one(str(out), "must end in .yaml: its name is the profile's")
    clock = _zone(zone)
    with running() as watch:
        if len(recordings) == 1 and is_table(recordings[0]):
            if clock is not None:
                raise InputError.one("--zone", "is for recordings with local times; a table has none")
            if watch is not None:
                watch.stage("fitting")
            counted = counting(watch, "fits")
            profile, shown = profile_from_table(recordings[0], base, Catalog(), out.stem, counted)
        else:
            read = {}
            for path in recordings:
                read[path.name] = read_recording(path, clock, besides=TABLES)
                if watch is not None:
                    watch.counted(len(read), len(recordings), "recordings")
            label, path = base_for(list(read.values()), Catalog(), base)
            if watch is not None:
                watch.stage("fitting")
            found = fitted(read, path, name=out.stem, stack=stack)
            profile, shown = found.profile, calibration_table(found, label, read)
    write_text(f"{FITTED}\n{to_yaml(profile)}", out, ours=ours)
    show_tables(shown)
    tell(f"written to {out}")
    suggest(f"coldaisle profiles {out.stem}   (once it lies in the folder that a scenario names as 'profiles')")


def validate(
    measurement: Annotated[
        Path,
        typer.Argument(
            metavar="MEASUREMENT", help="A recording or job trace, in any format it reads, or a measured CSV."
        ),
    ],
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario",
            metavar="FILE",
            help="Run this, and compare power over time, or jobs and machines.",
            autocompletion=scenario_names,
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help="Compare each phase of known work, or row of a table.",
            autocompletion=profile_names,
        ),
    ] = None,
    assignments: SetOption = None,
    workload: Annotated[
        str | None,
        typer.Option(
            "--workload", metavar="NAME", help="The workload that runs a job trace, where jobs are in several."
        ),
    ] = None,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            "--tolerance",
            metavar="NAME=PERCENT",
            help="Exit 1 past it: mape=10, energy=5, bias, peak, p95; wait=10, utilisation, makespan, wait_p90.",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.svg", help="Draw what was measured and what was simulated.")
    ] = None,
    zone: ZoneOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold the simulator against measured power, or against a job trace, and print how wrong it is.

    Recordings are coldaisle's own or of nvidia-smi, amd-smi, rocm-smi, Prometheus (DCGM, node_exporter, Kepler,
    Scaphandre), Zeus, CodeCarbon, MLPerf, Scaphandre, PowerJoular, EnergiBridge, turbostat or perf. Measured tables are
    those that calibrate reads; they are held against a --profile. Job traces are SWF, sacct and those of clusters;
    their jobs run in the scenario, and waits, slots held, makespan and energy are compared with what was recorded.
    """
    if scenario is not None and profile is None and _is_job_trace(measurement):
        _validate_jobs(measurement, scenario, assignments or [], workload, tolerance or [], plot, zone, as_json=as_json)
        return
    if workload is not None:
        raise InputError.one("--workload", "is for traces of jobs, which are held against a --scenario")
    from sim.measure.judge.validation_text import as_dict, exceeded, parse_tolerances, picture, validation_table
    from sim.results.atomic import marked, refuse_unusable, write_text
    from sim.results.charts import DRAWN
    from sim.results.files import to_json

    tolerances = parse_tolerances(tolerance or [])
    if (scenario is None) == (profile is None):
        raise InputError.one("validate", "needs either --scenario FILE or --profile NAME")
    drawn = marked(DRAWN)
    if plot is not None:
        refuse_unusable(plot, folder=False, ours=drawn)
    found = _held_against(measurement, _zone(zone), scenario, assignments or [], profile)
    if plot is not None:
        write_text(picture(found), plot, ours=drawn)
    if as_json:
        sys.stdout.write(to_json(as_dict(found)))
    else:
        show_tables(validation_table(found))
    past = exceeded(found, tolerances)
    if past:
        raise RunError("; ".join(past))


def _held_against(
    measurement: Path, clock: ZoneInfo | None, scenario: str | None, assignments: list[str], profile: str | None
) -> Validation:
    """What was measured beside a run of a scenario, or beside a profile. Raises ``InputError``."""
    from sim.loading.scenario import load_scenario, parse_assignments
    from sim.measure.fit.from_measured_table import TABLES
    from sim.measure.judge.measured_tables import against_table, is_table
    from sim.measure.judge.recordings import against_profile, against_run
    from sim.measure.readers import read_recording
    from sim.profiles.catalog import read_gpu
    from sim.running.run import run_loaded

    name = str(measurement)
    if is_table(measurement):
        if clock is not None:
            raise InputError.one("--zone", "is for recordings with local times; a table has none")
        if profile is None:
            raise InputError.one(name, "is a table, not power over time; hold it against a --profile NAME")
        return against_table(measurement, profile)
    if scenario is None:
        return against_profile(name, read_recording(measurement, clock, besides=TABLES), read_gpu(str(profile)))
    recording = read_recording(measurement, clock)
    with running() as watch:
        results = run_loaded(load_scenario(scenario, parse_assignments(assignments)), watch)
    return against_run(name, recording, results.energy, str(results.scenario["name"]))


def _is_job_trace(path: Path) -> bool:
    """Whether a file begins as a trace of jobs does."""
    from sim.workload.jobs.traces import is_job_trace

    try:
        return is_job_trace(path)
    except InputError:
        return False  # why it cannot be read, reading it as a recording will say


def _validate_jobs(
    trace: Path,
    scenario: str,
    assignments: list[str],
    workload: str | None,
    tolerance: list[str],
    plot: Path | None,
    zone: str | None,
    *,
    as_json: bool,
) -> None:
    from sim.loading.scenario import parse_assignments
    from sim.measure.judge.job_traces import compare
    from sim.measure.judge.job_traces_text import comparison_table, exceeded, parse_tolerances, picture
    from sim.results.atomic import marked, refuse_unusable, write_text
    from sim.results.charts import DRAWN
    from sim.results.files import to_json
    from sim.running.replay import replayed

    tolerances = parse_tolerances(tolerance)
    drawn = marked(DRAWN)
    if plot is not None:
        refuse_unusable(plot, folder=False, ours=drawn)
    _zone(zone)
    given = parse_assignments(assignments)
    with running() as watch:
        batch, name, node_map = replayed(scenario, trace, given, workload=workload, zone=zone, watch=watch)
    found = compare(str(trace), batch, name, node_map)
    if plot is not None:
        write_text(picture(found), plot, ours=drawn)
    if as_json:
        sys.stdout.write(to_json(found.as_dict()))
    else:
        show_tables(comparison_table(found))
    past = exceeded(found, tolerances)
    if past:
        raise RunError("; ".join(past))


def _zone(name: str | None) -> ZoneInfo | None:
    """The zone of that name. Raises ``InputError``."""
    if name is None:
        return None
    try:
        return named_zone(name)
    except QuantityError as error:
        raise InputError.one("--zone", str(error)) from None


def _show_progress(whole_s: float | None, progress: Progress) -> None:
    """How long it has sampled, of how long where that is known, and what the meters read."""
    powers = [
        f"{reading.device} {reading.values['power_w']:.0f} W"
        for reading in progress.readings
        if not math.isnan(reading.values["power_w"])
    ]
    done = f"{progress.seconds:.0f} s"
    if whole_s is not None:
        done = f"{progress.seconds:.0f} of {whole_s:.0f} s, {max(whole_s - progress.seconds, 0.0):.0f} s left"
    _overwrite("  ".join(filter(None, (done, progress.phase, *powers[:4]))))


def _overwrite(line: str) -> None:
    """The terminal's last line; one that has gone away ends no recording."""
    with suppress(OSError):
        sys.stderr.write(f"\r\x1b[K{fitting(inert(line))}")
        sys.stderr.flush()
