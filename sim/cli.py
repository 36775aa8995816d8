"""The command. It reads arguments, calls the package, prints, and turns errors into exit statuses; no logic lives here.

Exit status: 0 done; 1 the run failed; 2 the input is wrong; 130 interrupted.
"""

from __future__ import annotations

import math
import os
import signal
import sys
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim import cli_study, cli_uncertain
from sim.errors import ColdaisleError, InputError, RunError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sim.measure.record import Progress
    from sim.results.results import Results

app = typer.Typer(
    name="coldaisle",
    help="What an ML data center will cost in energy, carbon and water, before it is built.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"coldaisle {version('coldaisle')}\n")
        raise typer.Exit


@app.callback()
def _command(
    _show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A YAML file, or the name of a shipped scenario.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a value, e.g. site.grid.intensity='57 gCO2e/kWh'."),
]
OutOption = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write the run's files to this folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON to stdout and nothing else.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Print no tables.")]


def _print(renderable: RenderableType) -> None:
    from rich.console import Console

    Console(soft_wrap=False, highlight=False).print(renderable)


def _show(results: Results, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        from sim.results.files import to_json

        sys.stdout.write(to_json(results.summary))
    elif not quiet:
        from sim.results.tables import run_tables

        _print(run_tables(results.scenario["name"], results.summary))


def _write(results: Results, out: Path | None, *, quiet: bool) -> None:
    if out is not None:
        from sim.results.files import write

        write(results, out)
        if not quiet:
            sys.stderr.write(f"written to {out}\n")


@app.command()
def run(
    scenario: ScenarioArgument,
    out: OutOption = None,
    assignments: SetOption = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Override the scenario's seed.")] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, help="Processes for uncertain draws that decide the run."),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Simulate a scenario and print its footprint."""
    from sim.results.files import refuse_bad_target
    from sim.runner import compiles_first, run_loaded
    from sim.spec.loader import load_scenario, parse_assignments

    if out is not None:
        refuse_bad_target(out)
    overrides = parse_assignments(assignments or [])
    if seed is not None:
        overrides["seed"] = str(seed)
    loaded = load_scenario(scenario, overrides)
    if sys.stderr.isatty() and compiles_first(loaded):
        sys.stderr.write("compiling the serving engine: up to a minute, this once\n")
    results = run_loaded(loaded)
    if loaded.scenario.uncertainty is not None:
        from sim.study.processes import machine_workers
        from sim.study.propagate import with_intervals

        results = with_intervals(loaded, results, workers or machine_workers())
    _write(results, out, quiet=quiet or as_json)
    _show(results, as_json=as_json, quiet=quiet)


@app.command()
def check(scenario: ScenarioArgument, assignments: SetOption = None) -> None:
    """Name every problem of a scenario, with its line; exit 2 if there is any."""
    from sim.runner import unseen_signals
    from sim.spec.loader import load_scenario, parse_assignments

    loaded = load_scenario(scenario, parse_assignments(assignments or []))
    unseen = unseen_signals(loaded)
    if unseen:
        raise InputError(unseen)
    sys.stdout.write(f"{loaded.source}: no problems\n")


@app.command()
def account(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a finished run.")],
    assignments: SetOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Price a finished run anew, under another grid, price, PUE or convention; simulates nothing."""
    import sim
    from sim.results.files import read, refuse_bad_target
    from sim.spec.loader import parse_assignments

    if out is not None:
        refuse_bad_target(out)
    results = sim.account(read(folder), set=parse_assignments(assignments or []))
    if "intervals_left_out" in results.manifest:
        sys.stderr.write(f"without intervals: {results.manifest['intervals_left_out']}\n")
    _write(results, out, quiet=quiet or as_json)
    _show(results, as_json=as_json, quiet=quiet)


@app.command()
def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR DIR2 ...", help="Folders of finished runs.")],
    as_json: JsonOption = False,
) -> None:
    """Show how runs differ from the first, by component."""
    from sim.results.compare import Comparison
    from sim.results.files import read, to_json

    if len(folders) < 2:
        raise InputError.one("compare", "needs two or more folders of finished runs")
    first, *others = [read(folder) for folder in folders]
    comparison = Comparison.of(first, others)
    if as_json:
        sys.stdout.write(to_json(comparison.as_dict()))
        return
    from sim.results.tables import comparison_tables

    _print(comparison_tables(comparison))


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR ...", help="Folders of finished runs.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="Where to write the page.")] = Path(
        "report.html"
    ),
) -> None:
    """Write one or more runs as a single HTML page, with charts and what is outside their boundary."""
    from sim.results.atomic import write_text
    from sim.results.files import read
    from sim.results.report import report as page

    write_text(page([read(folder) for folder in folders]), out)
    sys.stderr.write(f"written to {out}\n")


@app.command()
def profiles(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Show one profile with its sources.")] = None,
) -> None:
    """List the hardware profiles, or show one with the source of every number."""
    from sim.profiles.catalog import Catalog
    from sim.results.profile_tables import catalog_table, profile_tables

    catalog = Catalog()
    _print(catalog_table(catalog) if name is None else profile_tables(catalog.read(name)))


@app.command()
def scenarios() -> None:
    """List the scenarios that come with the package."""
    from sim.results.profile_tables import scenario_table
    from sim.spec.loader import shipped_scenarios

    _print(scenario_table(shipped_scenarios()))


@app.command()
def schema() -> None:
    """Write the JSON Schema of scenarios to stdout, for completion in editors."""
    from sim.results.files import to_json
    from sim.spec.schema import scenario_schema

    sys.stdout.write(to_json(scenario_schema()))


@app.command()
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
    from sim.measure.recording_table import recording_table

    wanted = Wanted(out, hz, idle, seconds, suite, power_caps, command or ())
    refuse_wrong(wanted)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _terminated)  # a closed terminal keeps what was sampled, too
    try:
        recording = record_here(wanted, watch=_show_progress if sys.stderr.isatty() else None)
    finally:
        if sys.stderr.isatty():
            _overwrite("")
    write(recording, out)
    _print(recording_table(recording))
    sys.stderr.write(f"written to {out}\n")
    if recording.origin["interrupted"]:
        raise KeyboardInterrupt
    failed = failure(recording)
    if failed is not None:
        raise RunError(failed)


@app.command()
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
) -> None:
    """Fit a profile to recordings of known work or a measured table, and say how wrong it is on what was held out.

    Tables have the columns work, clock_mhz, cap_w, power_w, time_s (GPU), or machine, load, power_w (CPU socket).
    """
    from sim.measure.calibrate import base_for
    from sim.measure.calibrate import calibrate as fitted
    from sim.measure.calibration_table import calibration_table
    from sim.measure.from_table import is_table, profile_from_table
    from sim.measure.readers import read_recording
    from sim.profiles.catalog import Catalog
    from sim.results.atomic import refuse_unusable, write_text
    from sim.results.files import to_yaml

    refuse_unusable(out, folder=False)
    if out.suffix != ".yaml":
        raise InputError.one(str(out), "must end in .yaml: its name is the profile's")
    if len(recordings) == 1 and is_table(recordings[0]):
        profile, shown = profile_from_table(recordings[0], base, Catalog(), out.stem)
    else:
        read = {path.name: read_recording(path) for path in recordings}
        label, path = base_for(list(read.values()), Catalog(), base)
        found = fitted(read, path, name=out.stem, stack=stack)
        profile, shown = found.profile, calibration_table(found, label)
    write_text(to_yaml(profile), out)
    _print(shown)
    sys.stderr.write(f"written to {out}\n")


@app.command()
def validate(
    measurement: Annotated[
        Path, typer.Argument(metavar="MEASUREMENT", help="A recording, in any format it reads, or a measured CSV.")
    ],
    scenario: Annotated[
        str | None, typer.Option("--scenario", metavar="FILE", help="Run this, and compare power over time.")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option("--profile", metavar="NAME", help="Compare each phase of known work, or row of a table."),
    ] = None,
    assignments: SetOption = None,
    tolerance: Annotated[
        list[str] | None,
        typer.Option("--tolerance", metavar="NAME=PERCENT", help="Exit 1 past it: mape=10, energy=5, bias, peak, p95."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.svg", help="Draw measured and simulated power.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Hold the simulator against measured power, and print how wrong it is.

    Measured tables are those that calibrate reads; they are held against a --profile.
    """
    from sim.measure.readers import read_recording
    from sim.measure.validate import against_profile, against_run
    from sim.measure.validate_table import against_table, is_table
    from sim.measure.validation_table import as_dict, exceeded, parse_tolerances, picture, validation_table
    from sim.profiles.catalog import read_gpu
    from sim.results.atomic import write_text
    from sim.results.files import to_json
    from sim.runner import run_loaded
    from sim.spec.loader import load_scenario, parse_assignments

    tolerances = parse_tolerances(tolerance or [])
    if (scenario is None) == (profile is None):
        raise InputError.one("validate", "needs either --scenario FILE or --profile NAME")
    if is_table(measurement):
        if profile is None:
            raise InputError.one(str(measurement), "is a table, not power over time; hold it against a --profile NAME")
        found = against_table(measurement, profile)
    elif scenario is not None:
        recording = read_recording(measurement)
        results = run_loaded(load_scenario(scenario, parse_assignments(assignments or [])))
        found = against_run(str(measurement), recording, results.energy, str(results.scenario["name"]))
    else:
        found = against_profile(str(measurement), read_recording(measurement), read_gpu(str(profile)))
    if plot is not None:
        write_text(picture(found), plot)
    if as_json:
        sys.stdout.write(to_json(as_dict(found)))
    else:
        _print(validation_table(found))
    past = exceeded(found, tolerances)
    if past:
        raise RunError("; ".join(past))


cli_study.register(app)
cli_uncertain.register(app)


def _show_progress(progress: Progress) -> None:
    powers = [
        f"{reading.device} {reading.values['power_w']:.0f} W"
        for reading in progress.readings
        if not math.isnan(reading.values["power_w"])
    ]
    _overwrite(f"{progress.seconds:.0f} s  {progress.phase}  {'  '.join(powers[:4])}")


def _overwrite(line: str) -> None:
    """The terminal's last line; one that has gone away ends no recording."""
    with suppress(OSError):
        sys.stderr.write(f"\r\x1b[K{line[:78]}")
        sys.stderr.flush()


def describe(error: InputError) -> str:
    """Every problem under its file, in the order of its lines."""
    blocks = []
    for file, group in groupby(error.problems, key=lambda problem: problem.file):
        problems = list(group)
        lines = [f"{file}: {len(problems)} problem{'s' if len(problems) > 1 else ''}"]
        width = max(len(problem.path) for problem in problems)
        for problem in problems:
            line = str(problem.line) if problem.line is not None else ""
            lines.append(f"{line:>5}  {problem.path:<{width}}  {problem.message}".rstrip())
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def _spread_set(arguments: list[str]) -> list[str]:
    """``--set A=1 B=2`` as ``--set A=1 --set B=2``: one word may be followed by several assignments."""
    spread: list[str] = []
    taking = False
    for argument in arguments:
        if argument == "--set":
            taking = True
            spread.append(argument)
        elif taking and "=" in argument and not argument.startswith("-"):
            spread += [argument] if spread[-1] == "--set" else ["--set", argument]
        else:
            taking = False
            spread.append(argument)
    return spread


def _terminated(_number: int, _frame: object) -> None:
    """A polite kill ends like Ctrl-C: whatever is being written is cleared away on the way out."""
    raise KeyboardInterrupt


def main() -> None:
    """The entry point of the ``coldaisle`` command."""
    signal.signal(signal.SIGTERM, _terminated)
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)  # what follows belongs to another program
    arguments, others = _spread_set(sys.argv[1:end]), sys.argv[end:]
    debug = "--debug" in arguments
    try:
        status = app(args=[*(word for word in arguments if word != "--debug"), *others], standalone_mode=False)
        sys.stdout.flush()
        sys.exit(status if isinstance(status, int) else 0)
    except InputError as error:
        status, message = 2, describe(error)
        failure: BaseException = error
    except ColdaisleError as error:
        status, message, failure = 1, f"coldaisle: {error}", error
    except typer.Abort as error:
        status, message, failure = 130, "coldaisle: interrupted", error
    except KeyboardInterrupt as error:
        status, message, failure = 130, "coldaisle: interrupted", error
    except BrokenPipeError:  # the reader of a pipe has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:  # standard output, or a file that went away
        status, message, failure = 1, f"coldaisle: {error.strerror or error}", error
    except MemoryError as error:
        status, message, failure = 1, "coldaisle: not enough memory for this run; try a longer outputs.bin", error
    except Exception as error:  # a defect of ours: say so, and how to see more
        if type(error).__module__.startswith(("click", "typer")) and hasattr(error, "show"):
            error.show()
            sys.exit(getattr(error, "exit_code", 2))
        status, message, failure = (
            1,
            f"coldaisle: internal error: {type(error).__name__}: {error}\nRun with --debug to see where.",
            error,
        )
    if debug:
        raise failure
    sys.stderr.write(message + "\n")
    sys.exit(status)
