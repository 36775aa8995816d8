"""The page of one run: the questions people ask of it, in the order in which they ask."""

from __future__ import annotations

from sim.report.charts.power import power
from sim.report.charts.sankey import sankey
from sim.report.page import Section, page
from sim.report.parts import figure
from sim.results.results import Results


def report(results: Results) -> str:
    """One run as a page."""
    charts = [sankey(results), power(results)]
    return page(
        str(results.scenario["name"]),
        [Section("x", "X", "".join(figure(c) for c in charts if c))],
        data={"summary": results.summary},
    )
