"""What a run rests on: every number with its source and how it is known, limits exceeded, and what is not modelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sim.errors import InputError
from sim.profiles.catalog import Catalog
from sim.profiles.ranges import numbers_of
from sim.report.parts import folded, items, note, table
from sim.report.validity import HEADER, beyond, ranges
from sim.results.environment import limit_remarks
from sim.results.formats import number
from sim.results.jobs import throttle_remarks
from sim.results.profile_tables import citation
from sim.results.results import Results

MEANS = {
    "measured": "measured or calibrated: read off meters, or fitted to such readings",
    "datasheet": "data sheet: as the maker states it",
    "cited": "cited: as a publication states it",
    "derived": "derived: computed from others, as its note says",
    "assumed": "assumed: nobody publishes it; its note says why this value",
}


def rests_on(results: Results) -> str:
    """The section as HTML."""
    told, counts, missing = _profiles(results.manifest)
    known = [[MEANS[name], str(count)] for name in MEANS if (count := counts.get(name))]
    parts = [
        "<h3>Numbers of the profiles</h3>",
        table(("how the numbers of this run's profiles are known", "how many"), known) if known else "",
        *(note(line) for line in missing),
        told,
        "<h3>What the scenario states</h3>",
        note("Chosen by the author of the scenario; stated without a source."),
        folded("All that the scenario states", table(("path", "value"), [*_flat(results.scenario)])),
        "<h3>Ranges in which the models are known to hold</h3>",
        _ranges(results),
        "<h3>Limits</h3>",
        items(limits(results)),
        "<h3>What is inside, and what is not</h3>",
        items(boundary(results.summary["boundary"])),
    ]
    return "".join(parts)


def _profiles(manifest: Mapping[str, Any]) -> tuple[str, Counter[str], list[str]]:
    """A folded table for each profile, how many numbers are known in which way, and profiles that are not here."""
    catalog, counts = Catalog(), Counter[str]()
    drawn, missing = [], []
    for name in [*manifest["profiles_sha256"], *manifest.get("convention_sha256", {})]:
        try:
            profile = catalog.read(name)
        except InputError:
            missing.append(
                f"The profile {name} is not among those of this installation, so its sources are not listed."
            )
            continue
        found = [*numbers_of(profile)]
        counts.update(sourced.confidence for _, sourced in found)
        rows = [
            [
                path,
                getattr(sourced.value, "text", str(sourced.value)),
                sourced.confidence,
                citation(profile.sources[sourced.source]),
                sourced.note or "",
            ]
            for path, sourced in found
        ]
        cited = [citation(source) for source in profile.sources.values()]
        body = table(("number", "value", "known as", "source", "note"), rows) if rows else items(cited)
        drawn.append(f'<div class="words">{folded(f"{profile.title} ({name})", body)}</div>')
    return "".join(drawn), counts, missing


def _flat(value: Any, path: str = "") -> Iterator[list[str]]:
    """Every value below a mapping by its dotted path."""
    pairs: list[tuple[str, Any]]
    if isinstance(value, Mapping) and value:
        pairs = [(str(name), item) for name, item in value.items()]
    elif isinstance(value, list) and value:
        pairs = [(str(at), item) for at, item in enumerate(value)]
    else:
        if value not in ({}, [], None):
            yield [path, str(value)]
        return
    for name, item in pairs:
        yield from _flat(item, f"{path}.{name}" if path else name)


def _ranges(results: Results) -> str:
    """Ranges by model, and where the run stood in them."""
    rows = ranges(results)
    return f'<div class="words">{table(HEADER, rows)}</div>' if rows else note("None of its models states a range.")


def limits(results: Results) -> list[str]:
    """Limits and ranges that were met or exceeded, and series with gaps, in sentences."""
    told = [*beyond(ranges(results)), *limit_remarks(results.summary), *throttle_remarks(results.summary)]
    for site, own in results.manifest.get("series", {}).items():
        told += [
            f"{site}: the series '{name}' was used as {_report(report)}."
            for name, report in own.items()
            if _report(report)
        ]
    return told or [
        "Nothing was asked beyond a limit. Models refuse what lies outside the range for which they are known to hold, "
        "so that no number here comes from beyond one."
    ]


def _report(report: Any) -> str:
    if not isinstance(report, Mapping):
        return ""
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in report.items() if value)


def boundary(told: Mapping[str, Any]) -> list[str]:
    """What is counted, and what is not, in sentences."""
    lines = [f"Accounting convention: {told['convention']}."]
    left_out = told.get("metered_but_not_counted_kwh")
    if left_out:
        named = ", ".join(f"{name.replace('_', ' ')} {number(kwh)} kWh" for name, kwh in left_out.items())
        lines.append(f"Metered ({number(told['metered_it_kwh'])} kWh in all) but not counted: {named}.")
    lines += [f"Of what is stored, {rule}." for rule in told.get("stored_energy", [])]
    lines += [f"Market-based, {rule}." for rule in told.get("market_based", [])]
    for node, reasons in told.get("not_metered", {}).items():
        lines += [f"Not metered in {node}: {part}, because {why}." for part, why in reasons.items()]
    return [*lines, f"Not modelled: {', '.join(told['not_modelled'])}."]
