"""Reproduced records as tables: for a terminal of 80 columns, and as Markdown for pages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from sim.published.records import Record
from sim.published.reproduce import Line, Reproduced, counts
from sim.published.used import profiles_used
from sim.results.formats import number
from sim.results.tables import plain_table

MOST_ROWS = 6
"""Rows of one output that are shown each; of more only the worst."""
LONGEST_TITLE = 40


def reproduced_tables(found: Sequence[Reproduced], *, all_rows: bool = False) -> RenderableType:
    """Each record with its numbers, then how many came out."""
    parts: list[RenderableType] = []
    for one in found:
        parts += _record(one, all_rows=all_rows)
    parts.append(Text(f"{counted(found)}\n", style="bold"))
    return Group(*parts)


def counted(found: Sequence[Reproduced]) -> str:
    """``"38 of 41 within tolerance (20 of 22 that exercise dynamics, 18 of 19 unit checks)"``."""
    of = counts(found)
    text = f"{of['within']} of {of['records']} within tolerance"
    if of["dynamics"] and of["unit_checks"]:
        dynamics = f"{of['dynamics_within']} of {of['dynamics']} that exercise dynamics"
        text += f" ({dynamics}, {of['unit_checks_within']} of {of['unit_checks']} unit checks)"
    return text


def _record(one: Reproduced, *, all_rows: bool) -> Iterator[RenderableType]:
    published = one.record.published
    yield Text(f"{one.record.id}  {one.verdict}", style="bold" if one.verdict == "within" else "bold yellow")
    yield Text(f"{published.paper}{f', {published.where}' if published.where else ''} ({published.confidence})")
    yield Text(published.about, style="dim")
    if one.failed is not None:
        yield Text(f"failed: {one.failed}\n", style="red")
        return
    table = plain_table("", "published", "ours", "off by", "tolerance", "")
    table.columns[0].no_wrap = False
    table.columns[0].max_width = LONGEST_TITLE
    for line, said in _shown(one, all_rows=all_rows):
        style = "yellow" if line.verdict == "missed" else None
        table.add_row(
            said,
            _published(line),
            _number(line.ours),
            off_by(line),
            line.tolerance,
            "" if line.verdict == "within" else line.verdict,
            style=style,
        )
    yield table
    for estimate in one.estimates:
        yield Text(f"by the meters: {_with_unit(estimate.ours, estimate.unit)}; {estimate.gap}")
    for reason in dict.fromkeys(line.missed or "no reason is given" for line in one.lines if line.verdict == "missed"):
        yield Text(f"missed: {reason}", style="yellow")
    for name in one.needless:
        yield Text(f"{name}: the reason for a miss is not needed any more", style="yellow")
    if published.note:
        yield Text(f"note: {published.note}", style="dim")
    yield Text("")


def _shown(one: Reproduced, *, all_rows: bool) -> Iterator[tuple[Line, str]]:
    """The rows that are shown: of an output with many, the worst."""
    by_output: dict[str, list[Line]] = {}
    for line in one.lines:
        by_output.setdefault(line.output, []).append(line)
    for lines in by_output.values():
        if len(lines) <= MOST_ROWS or all_rows:
            for line in lines:
                yield line, line.title if line.run is None else f"{line.title}, {line.run}"
        else:
            worst, of = _worst(lines)
            said = f"worst of {of}" if of else f"first of {len(lines)}"
            yield worst, f"{worst.title}, {said}: {worst.run}"


def _worst(lines: Sequence[Line]) -> tuple[Line, int]:
    """The line that strains its tolerance most of those that are judged, and how many these are; the first line, and
    0, where none is."""
    judged = [line for line in lines if line.verdict != "not judged"]
    if not judged:
        return lines[0], 0
    return max(judged, key=lambda line: (line.verdict == "missed", line.strain)), len(judged)


def off_by(line: Line) -> str:
    """The difference as it is judged: in units for points, else as a percentage."""
    if line.tolerance.endswith(("point", "points")):
        near = min(max(line.ours, line.low), line.high)
        return f"{line.ours - near:+.3g}"
    if not math.isfinite(line.difference):
        return ""
    percent = 100 * line.difference
    return f"x {1 + line.difference:.3g}" if abs(percent) >= 1000 else f"{percent:+.{2 if abs(percent) < 10 else 3}g} %"


def _published(line: Line) -> str:
    if line.low == line.high:
        return _with_unit(line.low, line.unit)
    return f"{number(line.low)} to {_with_unit(line.high, line.unit)}"


def _number(value: float) -> str:
    return number(value) if math.isfinite(value) else "?"


def _with_unit(value: float, unit: str) -> str:
    return f"{_number(value)} {unit}".strip()


def markdown(found: Sequence[Reproduced]) -> str:
    """A table of all records with the number of each that strains its tolerance most, for a page."""
    rows = [
        "| record | what is compared | published | ours | off by | tolerance | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in found:
        if not one.lines:
            rows.append(f"| `{one.record.id}` | {_plain(one.failed or '')} | | | | | {one.verdict} |")
            continue
        worst, judged = _worst(one.lines)
        of = f" (worst of {judged})" if judged > 1 else ""
        what = f"{worst.title}{f', {worst.run}' if worst.run is not None else ''}{of}"
        verdict = one.verdict + (", unit check" if one.record.published.is_unit_check else "")
        cells = [_published(worst), _with_unit(worst.ours, worst.unit), off_by(worst), worst.tolerance, verdict]
        rows.append(f"| `{one.record.id}` | {' | '.join(map(_plain, [what, *cells]))} |")
    return "\n".join([*rows, "", counted(found) + "."]) + "\n"


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def list_table(records: Sequence[Record]) -> RenderableType:
    """The records: what each is of, and what of the platform it exercises. Their names are for copying, and whole."""
    table = plain_table("record", "paper", "exercises", wraps=True)
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "left"
    for record in records:
        table.add_row(record.id, record.published.paper, ", ".join(record.published.exercises))
    return table


def source_tables(records: Sequence[Record]) -> RenderableType:
    """Where the numbers of each record's scenario come from, and those of the profiles that it uses."""
    parts: list[RenderableType] = []
    for record in records:
        table = plain_table("number", "kind", "from", wraps=True)
        for column in table.columns:
            column.justify = "left"
        for where, constant in record.published.constants.items():
            table.add_row(where, constant.kind, constant.source)
        for used in profiles_used(record):
            own = used.from_paper(record.published.paper)
            itself = f" (from the paper itself: {', '.join(own)})" if own else ""
            table.add_row(used.name, used.kind, "; ".join(used.titles) + itself)
        parts += [Text(record.id, style="bold"), table]
    return Group(*parts)
