"""The pages of ``docs/`` say what is so: every path, name and command in them is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import typer

from sim.cli.command import app

ROOT = Path(__file__).resolve().parent.parent
GALLERY = sorted((ROOT / "docs" / "gallery").glob("*.md"))
WRITTEN = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *GALLERY]
LINK = re.compile(r"!?\[[^\]\n]*\]\(([^)\s]+)\)")
CELL = re.compile(r"^```\{code-cell\} ipython3\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "index.md")
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)|^\$ (.+)$", re.MULTILINE)
FOLDERS = ("sim", "tests", "docs", "benchmarks", "findings", "hardware_profiles", "scenarios")
NOT_IN_A_CHECKOUT = ("docs/_build/html", "sim/engine/kernels/kernels.so.1")
"""What a build makes."""


def fault(words: str) -> str | None:
    """What is wrong with a path, a name of Python or a command; None for one that is there, and for any other text."""
    first, *rest = words.split()
    if words.partition("/")[0] in FOLDERS and "/" in words and not rest:
        return None if (ROOT / words).exists() or words in NOT_IN_A_CHECKOUT else "no such file"
    if first == "make" and rest:
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        return None if rest[0] in targets else "no such target"
    if first == "coldaisle" and rest:
        commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
        return None if rest[0] in commands else "no such command"
    if words.startswith("python -m "):
        module = rest[1]
        there = (ROOT / module.replace(".", "/")).with_suffix(".py").is_file()
        if not there and not (ROOT / module.replace(".", "/") / "__main__.py").is_file():
            return "no such module"
        known = importlib.import_module(f"{module}.__main__").BENCHMARKS if module == "benchmarks" else rest[2:3]
        return None if not rest[2:] or rest[2] in known else "no such benchmark"
    if re.fullmatch(r"sim(\.\w+)+", words):
        module, _, name = words.rpartition(".")
        return None if hasattr(importlib.import_module(module), name) else "no such name"
    return None


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    named = [quoted or command for quoted, command in CODE.findall(text)]
    assert named
    faults = {words: why for words in named if (why := fault(words)) is not None}
    assert faults == {}


@pytest.mark.parametrize(
    "words",
    [
        "sim/spec/nothing.py",
        "make nothing",
        "coldaisle nothing x",
        "python -m benchmarks nothing",
        "python -m benchmarks.nothing",
        "sim.nothing",
    ],
)
def test_the_check_can_fail(words: str) -> None:
    assert fault(words) is not None


def test_every_room_is_told() -> None:
    """A package of sim that ARCHITECTURE does not name is a room nobody would find."""
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in (ROOT / "sim").glob("*/__init__.py")}
    rooms |= {path.name for path in (ROOT / "sim").iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert {room for room in rooms if f"sim/{room}" not in text} == set()


def anchors(page: Path) -> set[str]:
    """What may follow ``#`` in a link to a page: its headings, as GitHub names them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def dead_links(page: Path) -> list[str]:
    """Links of a page to files that are not there, or to headings that none of them has."""
    found = []
    for link in LINK.findall(
        re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    ):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.stem)
def test_its_links_lead_somewhere(page: Path) -> None:
    assert dead_links(page) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Here\n[a](#here) [b](#there) [c](page.md#here) [d](no.md) [e](https://example.org/no)\n")
    assert dead_links(page) == ["#there", "no.md"]


@pytest.mark.parametrize("page", [page for page in GALLERY if page.stem != "index"], ids=lambda page: page.stem)
def test_a_notebook_can_be_run_and_is_shown(page: Path) -> None:
    """The build of the pages executes it; here is what that build would not say: a cell that is text by mistake, and a
    notebook that no page leads to."""
    text = page.read_text(encoding="utf-8")
    cells = CELL.findall(text)
    assert cells
    assert text.count("```") == 2 * len(cells)
    assert text.startswith("---\nfile_format: mystnb\nkernelspec:\n")
    commands = [line[1:] for cell in cells for line in cell.splitlines() if line.startswith("!")]
    assert {line: why for line in commands if (why := fault(line)) is not None} == {}
    assert commands  # each walks through its question on the command line, too
    for cell in cells:
        if not cell.startswith("!"):
            compile(cell, page.name, "exec")
    assert f"\n{page.stem}\n" in (page.parent / "index.md").read_text(encoding="utf-8")


def test_the_picture_of_a_report_is_small() -> None:
    assert (ROOT / "docs" / "report.png").stat().st_size < 300_000
