"""What comes with the package, shown: ``coldaisle profiles``, ``scenarios`` and ``schema``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.completion import profile_names
from sim.cli.options import show_tables, suggest


def register(app: typer.Typer) -> None:
    """Adds the commands, in the order in which help lists them."""
    for command in (profiles, scenarios, schema):
        app.command()(command)


def profiles(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Show one profile with its sources, by its name, or one of your own by its file.",
            autocompletion=profile_names,
        ),
    ] = None,
) -> None:
    """List the hardware profiles, or show one with the source of every number."""
    from sim.profiles.catalog import Catalog, read_profile
    from sim.results.profile_tables import catalog_table, profile_tables

    if name is not None:
        own = Path(name)
        show_tables(profile_tables(read_profile(own) if own.suffix == ".yaml" else Catalog().read(name)))
    else:
        show_tables(catalog_table(Catalog()))
        suggest("coldaisle profiles NAME   (its numbers and their sources)")


def scenarios() -> None:
    """List the scenarios that come with the package."""
    from sim.loading.scenario import shipped_scenarios
    from sim.results.profile_tables import scenario_table

    show_tables(scenario_table(shipped_scenarios()))
    suggest("coldaisle run SCENARIO", "coldaisle init   (one of your own)")


def schema(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="'scenario', or the name of a file that is written.")
    ] = None,
    of: Annotated[str | None, typer.Option("--of", metavar="NAME", help="The same; an unknown one lists all.")] = None,
) -> None:
    """Write the JSON Schema of scenarios to stdout, for completion in editors, or that of any file that is written."""
    from sim.results.files import to_json

    asked = of or name or "scenario"
    if asked == "scenario":
        from sim.spec.schema import scenario_schema

        sys.stdout.write(to_json(scenario_schema()))
        return
    from sim.exports.schemas import schema_of

    sys.stdout.write(to_json(schema_of(asked)))
