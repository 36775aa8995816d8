"""Every format by its name: what it is for, in which forms it comes, and who reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sim.errors import InputError
from sim.exports import codecarbon, ghg, markdown, sci, sci_ai
from sim.exports.run import Run
from sim.results.atomic import Ours, marked
from sim.results.files import read

JSON_MARK, MARKDOWN_MARK = '"generator": "coldaisle', markdown.MARK


@dataclass(frozen=True)
class Format:
    """``forms`` write a run, by the end of the file's name; the first is written where none is said. ``ours`` knows a
    file that may be written over."""

    name: str
    title: str
    read_by: str
    forms: Mapping[str, Callable[[Run], str]]
    ours: Mapping[str, Ours]


FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format(
            "codecarbon",
            "IT energy, emissions and on-site water, a row a site",
            "CodeCarbon 3.x, and whatever reads its emissions.csv",
            {".csv": codecarbon.emissions_csv},
            {".csv": codecarbon.is_ours},
        ),
        Format(
            "sci",
            "Software Carbon Intensity, with boundary and sources",
            "people, and programs (ISO/IEC 21031:2024)",
            {".json": sci.as_json, ".md": sci.as_markdown},
            {".json": marked(JSON_MARK), ".md": marked(MARKDOWN_MARK)},
        ),
        Format(
            "sci-ai",
            "SCI for AI, of consumer and provider",
            "people, and programs",
            {".json": sci_ai.as_json, ".md": sci_ai.as_markdown},
            {".json": marked(JSON_MARK), ".md": marked(MARKDOWN_MARK)},
        ),
        Format(
            "ghg",
            "GHG Protocol: scopes 1, 2 and 3, hourly matching",
            "spreadsheets, and people",
            {".csv": ghg.as_csv, ".md": ghg.as_markdown},
            {".csv": ghg.is_ours, ".md": marked(MARKDOWN_MARK)},
        ),
    )
}


def format_of(name: str) -> Format:
    """A format by its name. Raises ``InputError`` that lists all of them."""
    if name not in FORMATS:
        raise InputError.one("--as", f"knows no format '{name}'; there are {', '.join(FORMATS)}")
    return FORMATS[name]


def form_of(one: Format, out: Path | None) -> str:
    """The form that a file's name asks for; the first where there is no file. Raises ``InputError`` for another."""
    if out is None:
        return next(iter(one.forms))
    if out.suffix not in one.forms:
        raise InputError.one("--out", f"'{out}' must end in {' or '.join(one.forms)} for '{one.name}'")
    return out.suffix


def exported(folder: Path, name: str, form: str) -> str:
    """The run in ``folder`` in a format and one of its forms. Raises ``InputError`` for what the run lacks."""
    return format_of(name).forms[form](Run(folder, read(folder)))
