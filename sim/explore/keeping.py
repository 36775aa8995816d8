"""What a page keeps in its folder: a changed scenario as a file that ``check`` takes, and an answer as a report."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from sim.errors import InputError
from sim.explore.shelf import Shelf
from sim.loading.scenario import load_scenario
from sim.report.run import report
from sim.results.atomic import marked, write_text
from sim.results.charts import GENERATOR
from sim.results.files import to_yaml
from sim.results.results import Results
from sim.study.sweep.problems import problems_of
from sim.validation import LONGEST_NAME

MARK = "# Kept by coldaisle open"
"""Begins the files that may be written over."""
LONGEST_FILE = 100
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_FILE - 1}}}")


def keep_scenario(shelf: Shelf, base: Results, changes: Mapping[str, str], name: str) -> str:
    """Writes the scenario of ``base`` under ``changes`` as ``name``.yaml, and gives the name of the file.

    Raises ``InputError`` for what the scenario cannot be, for a name that is none, and for a file of somebody else.
    """
    path = _place(shelf, name, ".yaml")
    loaded = load_scenario(base.scenario, changes)
    problems = problems_of(loaded)
    if problems:
        raise InputError(problems)
    data = loaded.resolved()
    data.pop("published", None)  # a paper reports nothing of what was changed
    data["name"] = f"{data['name'][: LONGEST_NAME - LONGEST_FILE - 2]}: {path.stem}"
    told = "".join(f"#   {json.dumps(f'{at}={value}', ensure_ascii=True)}\n" for at, value in changes.items())
    changed = f"# Changed in it:\n{told}" if told else ""
    source = json.dumps(str(base.scenario["name"])[:LONGEST_NAME], ensure_ascii=True)
    write_text(f"{MARK}, from {source}.\n{changed}{to_yaml(data)}", path, ours=marked(MARK))
    return path.name


def keep_report(shelf: Shelf, answer: Results, name: str) -> str:
    """Writes the report of an answer as ``name``.html, and gives the name of the file. Raises as ``keep_scenario``."""
    path = _place(shelf, name, ".html")
    write_text(report(answer), path, ours=marked(GENERATOR))
    return path.name


def page_of_ours(shelf: Shelf, name: str) -> str:
    """A report that lies in the folder. Raises ``InputError`` for any other file."""
    path = _place(shelf, name.removesuffix(".html"), ".html")
    if not path.is_file() or not marked(GENERATOR)(path):
        raise InputError.one(path.name, "is no report of this command")
    return path.read_text(encoding="utf-8")


def _place(shelf: Shelf, name: str, ending: str) -> Path:
    """Where a file of that name goes: straight into the folder, and never through a link."""
    stem = name.removesuffix(ending)
    if _NAME.fullmatch(stem) is None:
        message = f"is no name of a file: give letters, digits, '.', '_' and '-', at most {LONGEST_FILE}"
        raise InputError.one(repr(name[:LONGEST_FILE]), message)
    path = shelf.root / f"{stem}{ending}"
    if path.is_symlink():
        raise InputError.one(path.name, "is a link, which may lead anywhere; choose another name")
    return path
