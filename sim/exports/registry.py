"""Every format by its name: what it is for, in which forms it comes, and who reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import RenderableType

from sim.errors import InputError
from sim.exports import codecarbon, crate, ghg, impact, markdown, openmetrics, perfetto, sci, sci_ai
from sim.exports.run import Run
from sim.results.atomic import Ours, marked, write_text
from sim.results.files import is_crate, read
from sim.results.tables import plain_table
from sim.study.sweep.folder import STUDY


@dataclass(frozen=True)
class Form:
    """One way to write a format: what makes the text, and what knows a file that may be written over."""

    of: Callable[[Run], str]
    ours: Ours


@dataclass(frozen=True)
class Format:
    """What others read. ``forms`` by the end of a file's name, of which the first is written where none is said."""

    name: str
    holds: str
    read_by: str
    forms: Mapping[str, Form]


_JSON, _MARKDOWN = marked('"generator": "coldaisle'), marked(markdown.MARK)

FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format(
            "codecarbon",
            "IT energy, emissions and water, a row a site",
            "CodeCarbon 3.x and what reads its emissions.csv",
            {".csv": Form(codecarbon.emissions_csv, codecarbon.is_ours)},
        ),
        Format(
            "impact-framework",
            "energy, carbon, water and SCI by workload",
            "if-run of the Impact Framework 1.x",
            {suffix: Form(impact.as_yaml, marked(impact.MARK)) for suffix in (".yml", ".yaml")},
        ),
        Format(
            "sci",
            "Software Carbon Intensity, boundary, sources",
            "people and programs (ISO/IEC 21031:2024)",
            {".json": Form(sci.as_json, _JSON), ".md": Form(sci.as_markdown, _MARKDOWN)},
        ),
        Format(
            "sci-ai",
            "SCI for AI of consumer and provider",
            "people and programs",
            {".json": Form(sci_ai.as_json, _JSON), ".md": Form(sci_ai.as_markdown, _MARKDOWN)},
        ),
        Format(
            "ghg",
            "GHG Protocol: scopes 1 to 3, hourly matching",
            "spreadsheets and people",
            {".csv": Form(ghg.as_csv, ghg.is_ours), ".md": Form(ghg.as_markdown, _MARKDOWN)},
        ),
        Format(
            "openmetrics",
            "every number of the summary, by labels",
            "Prometheus and others",
            {suffix: Form(openmetrics.snapshot, marked(openmetrics.MARK)) for suffix in (".prom", ".txt")},
        ),
        Format(
            "openmetrics-history",
            "power over time, by labels",
            "promtool tsdb create-blocks-from",
            {suffix: Form(openmetrics.history, marked(openmetrics.MARK)) for suffix in (".prom", ".txt")},
        ),
        Format(
            "perfetto",
            "power, steps, iterations, jobs and requests over time",
            "Perfetto, chrome://tracing",
            {".json": Form(perfetto.as_json, _JSON)},
        ),
        Format(
            "ro-crate",
            "what each file is, hashes, inputs; of a study, too",
            "RO-Crate 1.1",
            {".json": Form(lambda run: crate.as_json(run.folder), is_crate)},
        ),
    )
}


def format_of(name: str) -> Format:
    """A format by its name. Raises ``InputError`` that lists all of them."""
    if name not in FORMATS:
        raise InputError.one("--as", f"knows no format '{name}'; there are {', '.join(FORMATS)}")
    return FORMATS[name]


def exported(folder: Path, name: str, form: str | None = None) -> str:
    """What stands in ``folder``, in a format and a form of it. Raises ``InputError`` for what it lacks."""
    one = format_of(name)
    written = one.forms[next(iter(one.forms)) if form is None else form]
    if name == "ro-crate":
        return crate.as_json(folder)
    if (folder / STUDY).is_file():
        raise InputError.one(str(folder), f"holds a study; only ro-crate is of studies, and '{name}' is of one run")
    return written.of(Run(folder, read(folder)))


def export_to(folder: Path, name: str, out: Path) -> None:
    """Writes an export to a file, whole or not at all; over nothing but an earlier one of the same format.

    Raises ``InputError`` for a file that cannot be, ``RunError`` where the disk refuses.
    """
    one = format_of(name)
    if out.suffix not in one.forms:
        raise InputError.one("--out", f"'{out}' must end in {' or '.join(one.forms)} for '{name}'")
    if name == "ro-crate":
        crate.place(folder, out)
    write_text(exported(folder, name, out.suffix), out, ours=one.forms[out.suffix].ours)


def listing() -> RenderableType:
    """All formats as a table."""
    table = plain_table("format", "ends in", "holds", "read by", wraps=True)
    for column in table.columns[1:]:
        column.justify = "left"
    for one in FORMATS.values():
        table.add_row(one.name, " ".join(one.forms), one.holds, one.read_by)
    return table
