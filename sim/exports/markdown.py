"""Statements for people: a heading, paragraphs and tables of Markdown, in which names that users gave do nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sim.exports.run import one_line

MARK = "<!-- written by coldaisle export -->"
_ACTIVE = re.compile(r"([\\`*_\[\]<>#|~&]|^[-+](?=\s))")


def inert(text: object) -> str:
    """Text as it stands: nothing in it is markup, in Markdown or in the HTML that becomes of it."""
    return _ACTIVE.sub(r"\\\1", one_line(str(text))).replace("\\<", "&lt;").replace("\\&", "&amp;")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; cells are inert."""
    lines = [header, ["---"] * len(header)]
    body = [[inert(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [*lines, *body])


def page(title: str, parts: Iterable[str]) -> str:
    """A page under one heading."""
    return "\n\n".join([MARK, f"# {inert(title)}", *filter(None, parts)]) + "\n"


def items(texts: Iterable[object]) -> str:
    """A list of points."""
    return "\n".join(f"- {inert(text)}" for text in texts)
