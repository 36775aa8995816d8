"""The shell of every page: one HTML file that holds all it needs, asks for nothing, runs the scripts it names.

The scripts are Vega and Vega-Lite with the interpreter of Vega's expressions, so that the policy of the page need not
allow ``eval``; the policy names each script by its hash, and allows no request whatever.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from sim.report.parts import data_block, text
from sim.results.charts import GENERATOR

HERE = Path(__file__).parent
SCRIPTS = ("vendor/vega.min.js", "vendor/vega-lite.min.js", "vendor/vega-interpreter.min.js", "assets/page.js")
STYLES = "assets/page.css"
THEME = '<button type="button" id="theme" hidden>Dark colours</button>'


@dataclass(frozen=True)
class Section:
    """One question of a page and its answer: ``name`` is its anchor, ``body`` is HTML made by ``sim.report.parts``."""

    name: str
    title: str
    body: str


@dataclass(frozen=True)
class Served:
    """What a page that a server gives has besides: a script, which may ask that server and no other, and a style."""

    script: str
    style: str


def page(
    title: str,
    sections: Sequence[Section],
    *,
    lead: str = "",
    data: Mapping[str, Any] | None = None,
    more: tuple[str, ...] = (),
    served: Served | None = None,
    headed: bool = True,
) -> str:
    """A whole page. ``lead`` is HTML that stands before all sections; ``data`` maps names to plain data that the page
    carries as it is (``application/json``), such as the summary of a run; ``more`` are scripts beside those of all. A
    page that is ``served`` may ask its server; any other asks nobody. A page that is not ``headed`` has its title
    in its lead, and nothing to go to."""
    script = None if served is None else served.script
    style = styles() + ("" if served is None else served.style)
    links = "".join(f'<li><a href="#{section.name}">{escape(section.title)}</a></li>' for section in sections)
    bodies = "".join(
        f'<section id="{section.name}" aria-labelledby="{section.name}-head">'
        f'<h2 id="{section.name}-head">{escape(section.title)}</h2>{section.body}</section>'
        for section in sections
    )
    heading = f"<h1>{text(title)}</h1>" if headed else "<span></span>"
    ways = f'<nav aria-label="Sections"><ul>{links}</ul></nav>' if headed else ""
    blocks = "".join(data_block(value, name=name) for name, value in (data or {}).items())
    short = title if len(title) <= 120 else title[:119] + "…"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"{GENERATOR}"
        f'<meta http-equiv="Content-Security-Policy" content="{policy(more, script)}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{escape(short)}</title><style>{style}</style></head><body>"
        '<a class="skip" href="#main">Skip to the content</a>'
        f"<header>{heading}{THEME}</header>{ways}"
        f'<main id="main" tabindex="-1">{lead}{bodies}</main>'
        f"{blocks}{''.join(f'<script>{each}</script>' for each in scripts(more, script))}</body></html>\n"
    )


def styles() -> str:
    """How every page looks; its first rule names the colours by day."""
    return _read(STYLES)


@cache
def scripts(more: tuple[str, ...] = (), served: str | None = None) -> tuple[str, ...]:
    """What pages run, in order, ``more`` after those of all, and last what a server gives. References to maps of
    sources are left out: nothing is asked for."""
    read = tuple(_read(name).partition("//# sourceMappingURL=")[0].strip() for name in (*SCRIPTS, *more))
    return read if served is None else (*read, served)


@cache
def policy(more: tuple[str, ...] = (), served: str | None = None) -> str:
    """The content security policy of a page: the scripts that it runs, its styles, and nothing from anywhere but, for
    the script of a page that is ``served``, from who served it."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts(more, served)
    )
    asks = " connect-src 'self';" if served is not None else ""
    return (
        f"default-src 'none'; script-src {hashes};{asks} style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )


@cache
def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
