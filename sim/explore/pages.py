"""The pages that the server shows: a folder's runs and studies, one run with all that can be moved, one study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sim.explore.answers import compared, sees_its_sites
from sim.explore.beside import beside
from sim.explore.control import Control
from sim.explore.shelf import Entry, Shelf
from sim.report.headline import energy, numbers, sentence
from sim.report.page import Section, Served, page
from sim.report.parts import figure, items, note, text, text_of_prose
from sim.report.run import served, when, where
from sim.report.study import report as study_report
from sim.results.formats import mass
from sim.results.results import Results
from sim.spec.scenario import Scenario
from sim.study.sweep.folder import manifest_of, points_of

HERE = Path(__file__).parent / "assets"
UNKNOWN_SITES = (
    "Something in this scenario decides by what it sees of its grid. Another grid prices what was decided; 'Simulate "
    "anew' lets it decide again."
)


@cache
def _served() -> Served:
    return Served(
        script=(HERE / "explore.js").read_text(encoding="utf-8").strip(),
        style=(HERE / "explore.css").read_text(encoding="utf-8"),
    )


def _whole(title: str, sections: Sequence[Section], *, lead: str, data: Mapping[str, Any] | None = None) -> str:
    return page(title, sections, lead=lead, data=data, served=_served())


def folder_page(shelf: Shelf) -> str:
    """What lies in the folder: a card for each run and each study."""
    entries = shelf.entries()
    runs = [one for one in entries if not one.study]
    studies = [one for one in entries if one.study]
    lead = f'<p class="lede">{len(runs)} run{"" if len(runs) == 1 else "s"} in {text(str(shelf.root))}</p>'
    sections = []
    if runs:
        sections.append(Section("runs", "Runs", f'<ul class="cards">{"".join(map(_card, runs))}</ul>'))
    if studies:
        sections.append(Section("studies", "Studies", f'<ul class="cards">{"".join(map(_card, studies))}</ul>'))
    if not entries:
        lead += note("There is none yet: coldaisle run SCENARIO --out DIR puts one here; then load this page again.")
    return _whole("What if?", sections, lead=lead)


def _card(entry: Entry) -> str:
    said = ""
    if entry.summary is not None:
        try:
            kwh, kg = entry.summary["energy_kwh"]["facility"], entry.summary["carbon_kg"]["total"]
            said = f"{energy(float(kwh))}, {mass(float(kg))} CO2e"
        except (KeyError, TypeError, ValueError):
            said = "damaged; run it again"
    shown = f"<span>{escape(said)}</span>" if said else ""
    page_of = "study" if entry.study else "run"
    return f'<li><a href="/{page_of}?at={quote(entry.at, safe="")}">{text(entry.name)}</a>{shown}</li>'


def run_page(
    at: str,
    results: Results,
    controls: Sequence[Control],
    problems: Sequence[Mapping[str, str]],
    scenario: Scenario | None,
) -> str:
    """One run with its controls; without them where ``problems`` keep it from being changed."""
    back = '<p class="back"><a href="/">All runs and studies</a></p>'
    drawn = f'<div id="charts">{charts(results, None)}</div>'
    title = str(results.scenario["name"])
    if scenario is None:
        told = [f"{one['path']}: {one['message']}".removeprefix(": ") for one in problems]
        why = (
            f'<div class="warn" role="note">{note("This run can be looked at and not be changed:")}{items(told)}</div>'
        )
        said = f'<p class="lede">{text_of_prose(sentence(results))}</p>{numbers(results)}'
        return _whole(title, [], lead=f"{back}{why}{said}{drawn}")
    data = {
        "bench": {
            "run": at,
            "controls": [control.as_dict() for control in controls],
            "answer": compared(results, results),
            "name": _file_name(title),
            "uncertain": scenario.uncertainty is not None,
        }
    }
    remark = note(UNKNOWN_SITES) if sees_its_sites(scenario) else ""
    bench = _BENCH.replace("@remark", remark).replace("@drawn", drawn)
    return _whole(title, [], lead=back + bench, data=data)


def _file_name(title: str) -> str:
    """A name of a file to begin with."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in title.lower())
    return "-".join(part for part in plain[:40].split("-") if part) or "what-if"


_BENCH = """<p class="lede" id="sentence" aria-live="polite"></p>
<div class="bench">
<div id="numbers" class="answer-cards" role="region" aria-label="The answer beside the run" tabindex="0"></div>
<p id="without" class="note" aria-live="polite"></p>
<form id="moves" aria-label="What to move" autocomplete="off"><div class="row"><h2>Move</h2>
<button type="button" id="reset" disabled>As it was</button></div>
<div id="usual"></div>
<details id="more"><summary>All numbers and choices of the scenario</summary>
<label class="find">Find <input type="search" id="find" spellcheck="false"></label><div id="others"></div></details>
</form>
<div class="outcome">
<div id="problems" class="warn" role="alert" hidden></div>
<div id="needed" hidden><p id="why"></p></div>
<p class="acts"><button type="button" id="simulate">Simulate anew</button>
<button type="button" id="cancel" hidden>Cancel</button></p>
<div id="progress" hidden><progress max="1" value="0" aria-label="Simulation"></progress>
<output id="stage" aria-live="polite"></output></div>@remark
<div id="differences"></div>
<fieldset id="keep"><legend>Keep it</legend><label>Name <input id="name" spellcheck="false" maxlength="100"></label>
<button type="button" id="save">Save as a scenario file</button>
<button type="button" id="share">Share as a report</button>
<output id="kept" aria-live="polite"></output></fieldset>
@drawn</div></div>"""


def charts(answer: Results, base: Results | None) -> str:
    """The charts of an answer as HTML, after one of it beside its base."""
    both = beside(base, answer) if base is not None else None
    compared_with = figure(both) if both is not None else ""
    return (
        f"{compared_with}<h2>Where it goes</h2>{where(answer)}<h2>When</h2>{when(answer)}"
        f"<h2>How well it served</h2>{served(answer)}"
    )


def study_page(shelf: Shelf, at: str) -> str:
    """The page of a finished study, as it is reported. Raises ``InputError`` where there is none."""
    folder = shelf.inside(at)
    study = manifest_of(folder)
    return study_report(study, points_of(folder, study), folder=str(folder))


def fault_page(problems: Sequence[Mapping[str, str]]) -> str:
    """What could not be shown, and what to do about it."""
    told = items([f"{one['path']}: {one['message']}".removeprefix(": ") for one in problems])
    return _whole(
        "This could not be opened", [], lead=f'{told}<p class="back"><a href="/">All runs and studies</a></p>'
    )
