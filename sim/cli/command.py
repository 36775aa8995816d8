"""The command. It reads arguments, calls the package, prints, and turns errors into exit statuses; no logic lives here.

Exit status: 0 done; 1 the run failed; 2 the input is wrong; 3 a twin has drifted (``follow``); 130 interrupted.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli import explain as cli_explain
from sim.cli import explore as cli_explore
from sim.cli import export as cli_export
from sim.cli import follow as cli_follow
from sim.cli import measure as cli_measure
from sim.cli import published as cli_published
from sim.cli import report as cli_report
from sim.cli import shipped as cli_shipped
from sim.cli import starters as cli_starters
from sim.cli import study as cli_study
from sim.cli import uncertain as cli_uncertain
from sim.cli.completion import run_folders, scenario_names
from sim.cli.faults import columns, describe
from sim.cli.interrupts import interrupted, interrupts, stop_if_interrupted
from sim.cli.options import JsonOption, QuietOption, SetOption, say, show_tables, suggest, tell
from sim.cli.progress import counting, running, showing
from sim.cli.wording import flowing, say_plainly, what_is_missing
from sim.errors import ColdaisleError, InputError

if TYPE_CHECKING:
    from sim.errors import Problem
    from sim.loading.scenario import Loaded
    from sim.results.results import Results

INTERRUPTED = 130

app = typer.Typer(
    name="coldaisle",
    help="What an ML data center will cost in energy, carbon and water, before it is built.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"coldaisle {version('coldaisle')}")
        raise typer.Exit


@app.callback()
def _command(
    _show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


ScenarioArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="A YAML file, or the name of a shipped scenario.",
        autocompletion=scenario_names,
    ),
]
OutOption = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write the run's files to this folder.")]


def _show(results: Results, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        from sim.results.files import to_json

        sys.stdout.write(to_json(results.summary))
    elif not quiet:
        from sim.results.sparkline import power_line
        from sim.results.tables import TERMINAL, run_tables

        width = min(TERMINAL, get_terminal_size().columns) - 1
        power = power_line(results.energy, encoding=sys.stdout.encoding or "ascii", width=width)
        show_tables(run_tables(results.scenario["name"], results.summary, power))


def _tell(loaded: Loaded) -> None:
    """Says what is unusual about a scenario."""
    for remark in loaded.remarks():
        tell(f"note: {remark}")
    if loaded.bin_chosen is not None:
        tell(f"note: {loaded.bin_chosen}")


def _write(results: Results, out: Path | None, *, quiet: bool) -> None:
    stop_if_interrupted()
    if out is not None:
        from sim.results.files import write

        write(results, out)
        if not quiet:
            tell(f"written to {out}")


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
    from sim.loading.scenario import load_scenario, parse_assignments
    from sim.results.files import refuse_bad_target
    from sim.running.run import engine_notice, run_loaded

    if out is not None:
        refuse_bad_target(out)
    overrides = parse_assignments(assignments or [])
    if seed is not None:
        overrides["seed"] = str(seed)
    with running():
        loaded = load_scenario(scenario, overrides)
    _tell(loaded)
    if (told := engine_notice(loaded)) is not None:
        tell(told)
    with running() as watch:
        results = run_loaded(loaded, watch)
    if loaded.scenario.uncertainty is not None:
        from sim.study.processes import machine_workers
        from sim.study.uncertain.propagate import with_intervals

        with showing("draws") as shown:
            results = with_intervals(loaded, results, workers or machine_workers(), watch=shown)
    _write(results, out, quiet=quiet or as_json)
    _show(results, as_json=as_json, quiet=quiet)
    _suggest_after_run(scenario, out, quiet=quiet or as_json)


def _suggest_after_run(scenario: str, out: Path | None, *, quiet: bool) -> None:
    if quiet:
        return
    if out is None:
        suggest(f"coldaisle run {shlex.quote(scenario)} --out DIR   (keeps the results)")
    else:
        kept = shlex.quote(str(out))
        suggest(
            f"coldaisle report {kept}", f"coldaisle explain {kept} carbon_kg.total", f"coldaisle compare {kept} DIR2"
        )


@app.command()
def check(
    scenarios: Annotated[
        list[str],
        typer.Argument(
            metavar="SCENARIO...",
            help="YAML files, or names of shipped scenarios.",
            autocompletion=scenario_names,
        ),
    ],
    assignments: SetOption = None,
) -> None:
    """Name every problem of scenarios, with its line; exit 2 if there is any."""
    from sim.loading.scenario import load_scenario, parse_assignments
    from sim.study.sweep.problems import problems_of

    overrides = parse_assignments(assignments or [])
    problems: list[Problem] = []
    for scenario in scenarios:
        try:
            loaded = load_scenario(scenario, overrides)
        except InputError as error:
            problems += error.problems
            continue
        found = problems_of(loaded)
        problems += found
        if not found:
            _tell(loaded)
            say(f"{loaded.source}: no problems")
    if problems:
        raise InputError(problems)
    suggest(f"coldaisle run {shlex.quote(scenarios[0])} --out DIR")


@app.command()
def account(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder of a finished run.", autocompletion=run_folders)
    ],
    assignments: SetOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Price a finished run anew, under another grid, price, PUE or convention; simulates nothing."""
    from sim.loading.scenario import parse_assignments
    from sim.results.files import read, refuse_bad_target
    from sim.running.run import reprice

    if out is not None:
        refuse_bad_target(out)
    with running() as watch:
        finished = read(folder)
        if watch is not None:
            watch.stage("accounting")
        results = reprice(finished, parse_assignments(assignments or []))
        if "uncertainty" in results.scenario:
            from sim.study.uncertain.propagate import repriced_intervals

            results = repriced_intervals(results, counting(watch, "draws"))
    if "intervals_left_out" in results.manifest:
        tell(f"without intervals: {results.manifest['intervals_left_out']}")
    _write(results, out, quiet=quiet or as_json)
    _show(results, as_json=as_json, quiet=quiet)
    if out is not None and not (quiet or as_json):
        suggest(f"coldaisle compare {shlex.quote(str(folder))} {shlex.quote(str(out))}")


@app.command()
def compare(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR DIR2 ...", help="Folders of finished runs.", autocompletion=run_folders),
    ],
    as_json: JsonOption = False,
) -> None:
    """Show how runs differ from the first, by component."""
    from sim.results.compare import Comparison
    from sim.results.files import read, to_json

    if len(folders) < 2:
        raise InputError.one("compare", "needs two or more folders of finished runs")
    first, *others = [read(folder) for folder in folders]
    comparison = Comparison.of(first, others, [*map(str, folders)])
    if as_json:
        sys.stdout.write(to_json(comparison.as_dict()))
        return
    from sim.report.changed import ABSENT, NAMING, changes
    from sim.report.work import basis
    from sim.results.tables import comparison_tables

    told = [[row for row in changes((first, other)) if row[0] not in NAMING] for other in others]
    changed = [[tuple("not given" if one == ABSENT else one for one in row) for row in rows] for rows in told]
    show_tables(comparison_tables(comparison, [*map(str, folders)], changed))
    if not basis([run.summary for run in (first, *others)]).whole:
        tell(
            "these runs did unlike work, and whole runs were subtracted; 'coldaisle report' says on which basis they "
            "can be compared, per unit of work or not at all"
        )
    if comparison.unlike_carbon:
        tell(comparison.unlike_carbon)
    suggest(f"coldaisle report {shlex.join(map(str, folders))}")


cli_shipped.register(app)
cli_starters.register(app)
cli_explain.register(app)
cli_report.register(app)
cli_explore.register(app)
cli_export.register(app)
cli_measure.register(app)
cli_follow.register(app)
cli_study.register(app)
cli_published.register(app)
cli_uncertain.register(app)
for _registered in app.registered_commands:
    _registered.help = flowing(_registered.callback)


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


def _end(arguments: list[str]) -> tuple[int, str, BaseException | None]:
    """Runs the command: its exit status, what to say of it on standard error, and what it failed by."""
    try:
        status = app(args=arguments, standalone_mode=False)
        sys.stdout.flush()
        return (status if isinstance(status, int) else 0), "", None
    except InputError as error:
        return 2, describe(error, columns()), error
    except ColdaisleError as error:
        return 1, f"coldaisle: {error}", error
    except BrokenPipeError:  # the reader of a pipe has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0, "", None
    except OSError as error:  # standard output, or a file that went away
        where = f"{error.filename}: " if error.filename is not None else "standard output: "
        return 1, f"coldaisle: {where}{error.strerror or error}", error
    except MemoryError as error:
        return 1, "coldaisle: not enough memory for this run; try a longer outputs.bin", error
    except typer.Abort as error:
        return INTERRUPTED, "", error
    except Exception as error:  # a defect of ours: say so, and how to see more
        if type(error).__module__.startswith(("click", "typer")) and hasattr(error, "show"):
            say_plainly(error)
            error.show()
            return getattr(error, "exit_code", 2), what_is_missing(error), None
        from sim.kinds import at_fault

        blamed = at_fault(error)
        if blamed is not None:
            return 2, f"{describe(blamed, columns())}\nRun with --debug to see where.", error
        message = f"coldaisle: internal error: {type(error).__name__}: {error}\nRun with --debug to see where."
        return 1, message, error


def _suggest_after_failure(arguments: list[str], failure: BaseException | None) -> None:
    """Where problems have lines, the file is to be changed; else it is the command."""
    if not isinstance(failure, InputError) or not arguments:
        return
    files = [problem.file for problem in failure.problems if problem.line is not None]
    if files and files[0].endswith((".yaml", ".yml")) and arguments[0] in ("run", "check"):
        suggest(f"mend {shlex.quote(files[0])}, then coldaisle check {shlex.quote(files[0])}")
    else:
        suggest(f"coldaisle {arguments[0]} --help")


def main() -> None:
    """Runs what the arguments ask for, and ends the process with its status."""
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)  # what follows belongs to another program
    arguments, others = _spread_set(sys.argv[1:end]), sys.argv[end:]
    debug = "--debug" in arguments
    try:
        with interrupts():
            status, message, failure = _end([*(word for word in arguments if word != "--debug"), *others])
            if interrupted():  # whatever it then failed by
                status = INTERRUPTED
    except KeyboardInterrupt as error:
        status, message, failure = INTERRUPTED, "", error
    if status == INTERRUPTED:
        message = "coldaisle: interrupted"
    if debug and failure is not None:
        raise failure
    if message:
        tell(message)
        _suggest_after_failure(arguments, failure)
    sys.exit(status)
