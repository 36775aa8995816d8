"""The command of the published record. Like ``sim.cli.command`` it reads arguments, calls the package and prints."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from sim.cli.completion import record_names
from sim.cli.options import say, show_tables
from sim.cli.progress import showing
from sim.errors import InputError


def register(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command()(reproduce)


def reproduce(
    records: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID]...",
            help="Records that ship, or scenario files that carry one; all, if absent.",
            autocompletion=record_names,
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Processes (one a core).", show_default=False)
    ] = None,
    only: Annotated[
        Literal["dynamics", "unit-checks"] | None, typer.Option("--only", help="Leave the others out.")
    ] = None,
    all_rows: Annotated[bool, typer.Option("--all", help="Show every row of outputs that have many.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Name the records, and run none.")] = False,
    sources: Annotated[
        bool, typer.Option("--sources", help="Show where each number of them is from; run none.")
    ] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print one table, a row a record.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout and nothing else.")] = False,
) -> None:
    """Run what papers published, and hold the results against it.

    Exit status 1: a run failed, or a number is missed without a reason given in its record.
    """
    from sim.published.records import read_records
    from sim.published.reproduce import as_dict, listed_dict, reproduce
    from sim.published.tables import list_table, markdown, reproduced_tables, source_tables
    from sim.published.used import sources_dict
    from sim.results.files import to_json
    from sim.study.processes import machine_workers

    forms = {"--list": listed, "--sources": sources, "--markdown": as_markdown}
    asked = [name for name, wish in forms.items() if wish]
    if as_markdown and as_json:
        asked.append("--json")
    if len(asked) > 1:
        raise InputError.one("reproduce", f"prints either {' or '.join(asked)}")
    wanted = read_records(records or [])
    if only is not None:
        every, wanted = wanted, [one for one in wanted if one.published.is_unit_check == (only == "unit-checks")]
        if not wanted:
            what = ", ".join(f"{one.id}: {', '.join(one.published.exercises)}" for one in every)
            raise InputError.one("reproduce", f"--only {only} leaves nothing of what is asked for  ({what})")
    if as_json and (listed or sources):
        told = [sources_dict(one) if sources else listed_dict(one) for one in wanted]
        sys.stdout.write(to_json({"records": told}))
        return
    if listed or sources:
        show_tables(source_tables(wanted) if sources else list_table(wanted))
        return
    with showing("runs") as shown:
        found = reproduce(wanted, workers or machine_workers(), watch=shown)
    if as_json:
        sys.stdout.write(to_json(as_dict(found)))
    elif as_markdown:
        say(markdown(found).rstrip("\n"))
    else:
        show_tables(reproduced_tables(found, all_rows=all_rows))
    if any(one.failed is not None or one.unexplained for one in found):
        raise typer.Exit(1)
