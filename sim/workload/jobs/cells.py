"""The rows of one block of a trace: their cells read as numbers, words and times, a whole column at once.

A cell that cannot be read makes its row one that cannot be used, with the reason; the first reason of a row is told.
What stands for "not known" in a column is named by whoever reads it, and never taken for a number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sim.units import MAX_NS, NS_PER_S
from sim.workload.jobs.lines import Table
from sim.workload.jobs.report import MOST_LINES, JobReport
from sim.workload.jobs.table import UNKNOWN
from sim.workload.trace_formats import BadRowError, short

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ABSENT = np.iinfo(np.int64).min
"""Of an instant in ns: the trace has none."""
MOST = 1 << 53
"""No count is larger: it would not be told apart from its neighbour."""
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"


class Cells:
    """Rows of ``file`` (n,), of which those in ``bad`` cannot be used."""

    def __init__(self, table: Table, file: str, report: JobReport) -> None:
        self._columns = {name: pc.utf8_trim_whitespace(column) for name, column in table.columns.items()}
        self._file = file
        self._report = report
        self._reasons: dict[int, str] = {}
        self.line = table.line
        self.bad: Bools = np.zeros(len(table.line), dtype=bool)
        self.odd = table.odd
        self._rows = len(table.line) + len(table.odd)

    def __len__(self) -> int:
        return len(self.line)

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def text(self, name: str) -> pa.StringArray:
        """The cells of a column as they are written, without spaces around them (n,)."""
        return self._columns[name]

    def complain(self, rows: Bools, told: Callable[[int], str]) -> None:
        """Rows (a mask (n,)) cannot be used, for the reason that ``told`` gives of each."""
        for row in np.flatnonzero(rows & ~self.bad).tolist():
            self._reasons[row] = told(row)
        self.bad |= rows

    def note(self, rows: Bools, rule: str) -> None:
        """A rule is applied to these rows, as far as they can be used."""
        lines = self.line[rows & ~self.bad]
        self._report.note(rule, lines[:MOST_LINES].tolist(), len(lines))

    def leave_out(self, rows: Bools, rule: str) -> None:
        """Rows that are no jobs, by a rule: as if they were not there, and before anything is read of the others."""
        self.note(rows, rule)
        if rows.any():
            kept = pa.array(~rows)
            self._columns = {name: column.filter(kept) for name, column in self._columns.items()}
            self.line, self.bad = self.line[~rows], self.bad[~rows]

    def is_one_of(self, name: str, words: Sequence[str]) -> Bools:
        """Which cells are one of ``words``."""
        found = pc.is_in(self._columns[name], value_set=pa.array(words, pa.string()))
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)

    def matches(self, name: str, pattern: str) -> Bools:
        """Which cells hold something of a regular expression."""
        found = pc.match_substring_regex(self._columns[name], pattern)
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)

    def numbers(self, name: str, unknown: Sequence[str] = ("",)) -> Floats:
        """Finite numbers (n,), NaN where the cell is one of ``unknown`` (and where its row cannot be used)."""
        column = self._columns[name]
        known = pc.if_else(pa.array(~self.is_one_of(name, unknown)), column, pa.scalar(None, pa.string()))
        try:
            values = pc.cast(known, pa.float64())
        except pa.ArrowInvalid:
            spelled = pc.match_substring_regex(known, _NUMBER)
            wrong = np.asarray(pc.fill_null(pc.invert(spelled), False).to_numpy(zero_copy_only=False), dtype=bool)
            self.complain(wrong, lambda row: f"{name} is no number: {short(repr(column[row].as_py()))}")
            values = pc.cast(pc.if_else(spelled, known, pa.scalar(None, pa.string())), pa.float64())
        numbers = np.array(values.to_numpy(zero_copy_only=False), dtype=np.float64)
        written = np.asarray(values.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
        endless = written & ~np.isfinite(numbers)
        if endless.any():
            self.complain(endless, lambda row: f"{name} is no finite number: {short(repr(column[row].as_py()))}")
            numbers[endless] = np.nan
        return numbers

    def counts(self, name: str, unknown: Sequence[str] = ("",), *, scale: int = 1, up: bool = False) -> Ints:
        """``scale`` times whole numbers of at least 0 (n,), UNKNOWN where the cell is one of ``unknown``.

        What is no whole number after scaling is a reason not to use the row, or with ``up`` rounded up.
        """
        return self.whole(name, self.numbers(name, unknown), scale=scale, up=up)

    def whole(self, name: str, numbers: Floats, *, scale: int = 1, up: bool = False) -> Ints:
        """As ``counts``, of numbers that were read already (NaN: not known)."""
        scaled = numbers * scale
        rounded = np.ceil(scaled - _CLOSE) if up else np.rint(scaled)
        known = ~np.isnan(scaled)
        wrong = known & (
            (scaled < 0) | (scaled > MOST) | (~np.isclose(scaled, rounded, rtol=0, atol=_CLOSE) & (not up))
        )
        if wrong.any():
            self.complain(wrong, lambda row: f"{name} of {numbers[row]:g} is no number of them that there can be")
        return np.where(known & ~wrong, rounded, UNKNOWN).astype(np.int64)

    def seconds(self, name: str, unknown: Sequence[str] = ("",), *, ns: int = NS_PER_S) -> Ints:
        """ns (n,) of times or durations in a unit of ``ns``, ABSENT where the cell is one of ``unknown``.

        Whole numbers are exact.
        """
        column = self._columns[name]
        try:
            known = pc.if_else(pa.array(~self.is_one_of(name, unknown)), column, pa.scalar(None, pa.string()))
            whole = pc.cast(known, pa.int64())
        except pa.ArrowInvalid:
            return self.ns_of(name, self.numbers(name, unknown), ns=ns)
        values = pc.fill_null(whole, 0).to_numpy(zero_copy_only=False)
        beyond = np.abs(values) >= MAX_NS // ns
        if beyond.any():
            return self.ns_of(name, self.numbers(name, unknown), ns=ns)
        written = np.asarray(whole.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
        return np.where(written, values * ns, ABSENT).astype(np.int64)

    def ns_of(self, name: str, numbers: Floats, *, ns: int = NS_PER_S) -> Ints:
        """As ``seconds``, of numbers that were read already (NaN: none)."""
        scaled = numbers * ns
        known = ~np.isnan(scaled)
        wrong = known & ~(np.abs(scaled) < MAX_NS)
        if wrong.any():
            self.complain(wrong, lambda row: f"{name} of {numbers[row]:g} lies beyond all time that can be simulated")
        return np.where(known & ~wrong, np.rint(np.where(wrong, 0.0, scaled)), ABSENT).astype(np.int64)

    def mapped(self, name: str, read: Callable[[str], float]) -> Floats:
        """What ``read`` makes of each text, asked once for each that there is; a ``ValueError`` of it is the reason."""
        encoded = self._columns[name].dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        values, reasons = np.full(len(texts), np.nan), {}
        for i, text in enumerate(texts):
            try:
                values[i] = read(text)
            except BadRowError as error:
                reasons[i] = str(error)
            except (ValueError, OverflowError):
                reasons[i] = f"{name} cannot be read: {short(repr(text))}"
        codes = encoded.indices.to_numpy(zero_copy_only=False)
        if reasons:
            self.complain(np.isin(codes, list(reasons)), lambda row: reasons[int(codes[row])])
        return np.asarray(values[codes], dtype=np.float64)

    def finish(self) -> None:
        """Tells the report of every row, and of every line that is none, in the order of the file."""
        said = [(int(self.line[row]), reason) for row, reason in self._reasons.items()]
        for one in self.odd:
            what = "is the last and was cut off: it has" if one.cut else "has"
            told = f"{what} {one.fields} fields where there are {len(self._columns)}: {short(one.text)}"
            said.append((one.line, told))
        self._report.rows += self._rows
        for line, reason in sorted(said):
            self._report.complain(self._file, line, reason)


_CLOSE = 1e-6
