"""The end of a study in 80 columns: what was done, saved and failed, and the points that came out best."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from heapq import nsmallest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sim.profiles.catalog import Catalog
from sim.profiles.intensity_bases import unlike_points
from sim.results.catalogue import columns_of
from sim.results.catalogue.accounts import STUDY
from sim.results.formats import flow, number, percent
from sim.results.tables import PlainTable
from sim.study.sweep.parts import POINTS, is_part
from sim.study.sweep.rows import DONE

if TYPE_CHECKING:
    from sim.study.sweep.finished import StudyResults
    from sim.study.sweep.front import Front

BEST, REASONS, MOST_ROWS = 5, 5, 20
HEADING = 14
"""Letters of a heading on one line, where its words allow it."""
PROMISED = re.compile(r"serving\..+\.goodput_share")
MISSED = 0.01
"""Percentiles that are promised are mostly the 99th."""


def study_tables(results: StudyResults) -> RenderableType:
    """Everything the command prints."""
    progress = results.progress
    dataset = _Points(results.folder / POINTS)
    parts: list[RenderableType] = [Text(results.study["name"]), Text("")]
    counts = [
        f"{progress.points:,} point{'s' if progress.points != 1 else ''}",
        f"{progress.points - progress.failed:,} done",
    ]
    if progress.failed:
        counts.append(f"{progress.failed:,} failed")
    parts += [Text(", ".join(counts)), *(Text(line) for line in saved(results))]
    best = _best(dataset, results)
    if best is not None:
        parts += [Text(""), best]
    parts += [Text(line) for line in (*_promises(dataset), *unlike_carbon(results.study)) if line]
    absent = [name for name in results.study["study"].get("outputs") or () if name not in dataset.kinds]
    if absent:
        parts += [Text(""), Text(f"no point has such a result: {', '.join(absent)}; without 'outputs', all are there")]
    reasons = failures(dataset)
    if reasons:
        parts += [Text(""), Text("failed:")]
        parts += [Padding(Text(f"{count:,} x {why}"), (0, 0, 0, 2)) for why, count in reasons[:REASONS]]
        if len(reasons) > REASONS:
            parts.append(Text(f"  and {len(reasons) - REASONS:,} other reasons"))
    return Group(*parts)


def front_tables(front: Front) -> RenderableType:
    """The points that no other beats, those best in the first result first."""
    shown = front.axes[:3]
    table = PlainTable(box=None, pad_edge=True)
    columns = ["point", *shown, *(goal.column for goal in front.goals)]
    _columns(table, columns)
    for row in front.points.slice(0, MOST_ROWS).to_pylist():
        table.add_row(*(_shown(row[name]) for name in columns))
    goals = ", ".join(map(str, front.goals))
    parts: list[RenderableType] = [Text(f"{front.name}: {goals}", style="bold"), table]
    if front.points.num_rows > MOST_ROWS:
        parts.append(Text(f"and {front.points.num_rows - MOST_ROWS:,} more; --out FILE.csv has them all"))
    left = []
    if front.failed:
        left.append(f"{front.failed:,} failed")
    if front.without:
        left.append(f"{front.without:,} have no such result")
    count = front.points.num_rows
    note = f"{count:,} of {front.compared:,} points {'is' if count == 1 else 'are'} beaten by no other"
    note += f"; {', '.join(left)}" if left else ""
    if len(front.axes) > len(shown):
        note += f"; not shown: {', '.join(map(_short, front.axes[3:]))}"
    return Group(*parts, Text(note, style="dim"))


def saved(results: StudyResults) -> list[str]:
    """How many simulations were run, how many were not, and why not."""
    how = results.progress
    lines = [f"{how.began_with:,} {'was' if how.began_with == 1 else 'were'} done before"] if how.began_with else []
    shared = how.points - how.refused - how.identical - how.simulations
    why = []
    if how.identical:
        why.append(f"{how.identical:,} {'is' if how.identical == 1 else 'are'} the same as another")
    if shared > 0:
        why.append(f"{shared:,} {'differs' if shared == 1 else 'differ'} from another only in what is priced")
    if how.found:
        why.append(f"{how.found:,} {'was' if how.found == 1 else 'were'} in the cache")
    spared = how.identical + max(0, shared) + how.found
    lines.append(f"{how.simulated:,} simulated, {spared:,} simulation{'s' if spared != 1 else ''} saved")
    lines += [f"  {reason}" for reason in why]
    return lines


class _Points:
    """The dataset of a study, read column by column and part by part. ``pyarrow.dataset`` would load pandas."""

    def __init__(self, folder: Path) -> None:
        import pyarrow.parquet as pq

        self._parts = sorted(path for path in folder.iterdir() if is_part(path.name))
        self.kinds = {field.name: str(field.type) for field in pq.read_schema(self._parts[0])}
        """The type of each column."""

    def rows(self, columns: Sequence[str], *, done: bool) -> Iterator[tuple[Any, ...]]:
        """Values of these columns at the points that are done, or at those that are not, a part at a time.

        Plain values: arrow's functions take longer to be loaded than the points of most studies to be looked at.
        """
        import pyarrow.parquet as pq

        for part in self._parts:
            with pq.ParquetFile(part) as file:
                told = file.read(columns=[*dict.fromkeys([*columns, "status"])]).to_pydict()
            for status, *values in zip(told["status"], *(told[name] for name in columns), strict=True):
                if (status == DONE) is done:
                    yield tuple(values)


def _best(dataset: _Points, results: StudyResults) -> Table | None:
    names = dataset.kinds
    wanted = results.study["study"].get("outputs") or [one.path for _, one in columns_of(STUDY)]
    shown = [name for name in wanted if name in names and names[name] in ("double", "int64")]
    if not shown:
        return None
    axes = [f"axis.{path}" for paths in results.study["axes"].values() for path in paths]
    axes = [axis for axis in axes if axis in names][:3]
    shares = [name for name in names if PROMISED.fullmatch(name)][:1]
    columns = ["point", *axes, *(shown[:2] if not shares or shares[0] in shown[:2] else (*shown[:1], *shares))]
    least = columns.index(shown[0])

    def place(row: tuple[Any, ...]) -> tuple[Any, ...]:
        absent = row[least] is None or row[least] != row[least]
        return absent, 0.0 if absent else row[least], row[0]

    rows = nsmallest(BEST, dataset.rows(columns, done=True), key=place)
    if not rows:
        return None
    table = PlainTable(title=f"least {shown[0]}", title_justify="left", title_style="", box=None, pad_edge=True)
    _columns(table, columns)
    for row in rows:
        table.add_row(*map(_shown, row))
    return table


def _promises(dataset: _Points) -> Iterator[str]:
    """Of services with an objective: how many points do not keep it, as the least of a result may be of those that
    answer too late."""
    for column in filter(PROMISED.fullmatch, dataset.kinds):
        service = column.rpartition(".")[0]
        late = [1.0 - share for (share,) in dataset.rows([column], done=True) if share is not None]
        beyond = sum(share > MISSED for share in late)
        if beyond:
            yield (
                f"{beyond:,} of {len(late):,} points miss the slo of {service} in more than {percent(MISSED)} of "
                f"answers, up to {percent(max(late))}, and may be among the least"
            )


def unlike_carbon(study: Mapping[str, Any]) -> list[str]:
    """What is wrong where carbon of points of a study is on unlike bases."""
    return unlike_points(study["study"].get("axes") or {}, Catalog())


def _short(name: str) -> str:
    """The end of a path says what it is; its beginning where."""
    parts = name.removeprefix("axis.").split(".")
    return ".".join(parts[-2:]) if not name.startswith("axis.") else parts[-1]


def _columns(table: Table, names: Sequence[str]) -> None:
    """A column for each, its heading on several lines where it is long; neither that nor a value is cut."""
    for name in names:
        parts = [part if len(part) <= HEADING else part.replace("_", "_.") for part in _short(name).split(".")]
        heading = "\n".join(".".join(parts).split("."))
        of_axis = name.startswith("axis.")
        table.add_column(heading, justify="left" if of_axis else "right", overflow="fold", no_wrap=not of_axis)


def _shown(value: Any) -> str:
    """A value as a cell; of a mapping along an axis what a scenario says."""
    if value is None:
        return ""
    if isinstance(value, float):
        return number(value)
    text = str(value)
    return flow(json.loads(text)) if text.startswith(("{", "[")) else text


def failures(dataset: _Points) -> list[tuple[str, int]]:
    """Why points failed, and how many for that reason, the commonest first."""
    rows = dataset.rows(["status", "error"], done=False)
    reasons = Counter(f"{status}: {str(error).splitlines()[0] if error else ''}" for status, error in rows)
    return sorted(reasons.items(), key=lambda reason: (-reason[1], reason[0]))
