"""Measured tables as CSV with a header: told by their columns, their numbers read, and every bad row named."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from sim.complaints import Complaints
from sim.errors import InputError
from sim.reading import open_text, read_text

Floats = npt.NDArray[np.float64]


def has_columns(path: Path, names: Sequence[str]) -> bool:
    """Whether the file's first line names all of the columns."""
    try:
        with open_text(path) as text:
            found = {name.strip() for name in text.readline(4096).split(",")}
    except InputError:
        return False
    return set(names) <= found


def read_columns(path: Path, label: str, numbers: Sequence[str]) -> tuple[npt.NDArray[np.object_], dict[str, Floats]]:
    """The labels, and the numbers, NaN where a cell is none. Raises ``InputError`` for no CSV or no rows."""
    try:
        text = io.StringIO(read_text(path), newline="")
        table = pd.read_csv(text, dtype=str, keep_default_na=False, engine="c")
    except (ValueError, OverflowError) as error:  # pandas' ParserError is a ValueError
        raise InputError.one(str(path), f"cannot be read as CSV: {error}") from None
    text.seek(0)  # what the header says: pandas calls the second of two otherwise
    header = pd.read_csv(text, dtype=str, keep_default_na=False, engine="c", header=None, nrows=1)
    written = [str(name).strip() for name in header.iloc[0]]
    table.columns = [name.strip() for name in table.columns]
    twice = [name for name in (label, *numbers) if written.count(name) > 1]
    if twice:
        raise InputError.one(str(path), f"has two columns '{twice[0]}'", line=1)
    absent = [name for name in (label, *numbers) if name not in table.columns]
    if absent:
        raise InputError.one(str(path), f"has no column '{absent[0]}'", line=1)
    if not len(table):
        raise InputError.one(str(path), "holds no rows")
    values = {name: pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64) for name in numbers}
    return table[label].to_numpy(dtype=object), values


def refuse_rows(
    path: Path,
    numbers: Mapping[str, Floats],
    possible: Mapping[str, tuple[float, float]],
    *,
    remedies: Mapping[str, str] = MappingProxyType({}),
    nameless: npt.NDArray[np.bool_] | None = None,
) -> None:
    """Raises ``InputError`` with every row that has no number, or one out of what is ``possible``, and its column.

    ``remedies`` say what to write, by column; rows that are ``nameless`` have no label.
    """
    complaints = Complaints(str(path))
    for name, (low, high) in possible.items():
        within = (numbers[name] >= low) & (numbers[name] <= high)
        for row in np.flatnonzero(~within).tolist():
            value = float(numbers[name][row])
            found = "is empty or no number" if np.isnan(value) else f"is {value:g}"
            told = f"{name} {found}; it must be from {low:g} to {high:,.0f}{remedies.get(name, '')}"
            complaints.add(row + 2, told)
    for row in np.flatnonzero(nameless).tolist() if nameless is not None else ():
        complaints.add(row + 2, "has no name in its first column")
    complaints.raise_if_any()
