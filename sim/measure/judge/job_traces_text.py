"""A comparison of jobs with their trace, for a terminal and as a picture; and the tolerances it is held to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from sim.errors import InputError
from sim.measure.judge.job_places import Places
from sim.measure.judge.job_traces import JobComparison, Measure, PerJob
from sim.measure.judge.validation_text import spark
from sim.results.charts import lines
from sim.results.formats import count, hours, number, percent
from sim.results.tables import plain_table
from sim.units import HOUR_NS

WORDS = {
    "wait": "mean wait",
    "wait_p50": "wait p50",
    "wait_p90": "wait p90",
    "wait_p99": "wait p99",
    "utilisation": "share of slots held",
    "makespan": "first submission to last end",
    "energy": "energy that was metered",
    "nodes_per_job": "nodes of a job",
}
"""Measures by name, as people are shown them; the names are those of tolerances."""


def comparison_table(found: JobComparison) -> RenderableType:
    """What was recorded beside what was simulated, waits job by job, and slots held over time below each other."""
    table = plain_table("", "recorded", "simulated", "off")
    for name, one in found.measures.items():
        off = f"{100 * one.error:+.1f} %" if one.error is not None else "-"
        table.add_row(WORDS[name], _told(one, one.recorded), _told(one, one.simulated), off)
    series = found.over_time
    waits = [_waits(found.per_job)] if found.per_job is not None else []
    places = [_places(found.places)] if found.places is not None else []
    held = plain_table("slots held over time", "")
    held.add_row("mean absolute difference", percent(series.mean_absolute))
    held.add_row("correlation", _or_dash(series.correlation))
    jobs = ", ".join(f"{count(n)} {what}" for what, n in found.jobs.items() if n)
    title = Text(f"{found.file} against {found.against}", style="bold")
    remarks = [Text(remark, style="dim") for remark in found.remarks]
    return Group(title, Text(f"jobs: {jobs}"), table, *waits, held, _sparks(found), *places, *remarks)


def _waits(each: PerJob) -> RenderableType:
    waits = plain_table("waits job by job", "")
    waits.add_row("mean absolute error", hours(each.mean_absolute_s))
    waits.add_row("median absolute error", hours(each.median_absolute_s))
    waits.add_row("bias", hours(each.bias_s))
    waits.add_row("less than a minute off", percent(each.within_minute))
    waits.add_row("rank correlation", _or_dash(each.rank_correlation))
    waits.add_row("largest gap of the distributions", percent(each.distance))
    return waits


def _places(found: Places) -> RenderableType:
    where = plain_table("where jobs ran", "")
    where.add_row("jobs whose nodes are recorded", count(found.jobs))
    where.add_row("on as many nodes as recorded", percent(found.as_many))
    where.add_row("nodes they used, recorded and simulated", f"{count(found.used[0])}, {count(found.used[1])}")
    if found.by_node is not None:
        where.add_row("held of each node, mean absolute difference", percent(found.by_node.mean_absolute))
        where.add_row("  correlation over nodes", _or_dash(found.by_node.correlation))
    return where


def _told(one: Measure, value: float) -> str:
    if one.unit == "s":
        return hours(value)
    return f"{number(value)} {one.unit}" if one.unit else percent(value)


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _sparks(found: JobComparison) -> Text:
    series = found.over_time
    high = max(float(series.recorded.max()), float(series.simulated.max())) or 1.0
    rows = (("recorded ", series.recorded), ("simulated", series.simulated))
    text = "\n".join(f"{label}  {spark(values, high)}" for label, values in rows)
    return Text(f"{text}\nfrom 0 to {percent(high)} of the slots\n")


def picture(found: JobComparison) -> str:
    """Slots held over time as recorded and as simulated, an SVG that stands alone."""
    series = found.over_time
    shares = {"recorded": (100 * series.recorded).tolist(), "simulated": (100 * series.simulated).tolist()}
    return lines((series.edges_ns / HOUR_NS).tolist(), shares, "% of slots held", "hours from the start")


def parse_tolerances(words: Sequence[str]) -> dict[str, float]:
    """``['wait=10', 'utilisation=5']`` as shares; a number alone is of the mean wait. Raises ``InputError``."""
    wanted: dict[str, float] = {}
    for word in words:
        name, _, value = word.rpartition("=")
        try:
            most = float(value.removesuffix("%"))
        except ValueError:
            most = -1.0
        if (name or "wait") not in WORDS or not 0.0 <= most < float("inf"):
            message = f"'{word}' is no tolerance; write NAME=PERCENT with one of {', '.join(WORDS)}, e.g. wait=10"
            raise InputError.one("--tolerance", message)
        wanted[name or "wait"] = most / 100.0
    return wanted


def exceeded(found: JobComparison, tolerances: Mapping[str, float]) -> list[str]:
    """Each tolerance that the measures are past, in words. One of what was not recorded cannot be kept."""
    past = []
    for name, most in tolerances.items():
        one = found.measures.get(name)
        if one is None:
            past.append(f"{name} is not known of both the trace and the run, and {100 * most:g} % was allowed")
        elif one.error is None or abs(one.error) > most:
            off = f"{100 * abs(one.error):.1f} % off" if one.error is not None else "there, and not in the trace"
            past.append(f"{name} is {off}, and {100 * most:g} % was allowed")
    return past
