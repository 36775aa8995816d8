"""Measured tables as CSV with a header: told by their columns, their numbers read, and every bad row named."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from sim.errors import InputError, Problem
from sim.reading import open_text, read_text

Floats = npt.NDArray[np.float64]

MOST_PROBLEMS = 20


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


def refuse_rows(path: Path, usable: npt.NDArray[np.bool_], needs: str) -> None:
    """Raises ``InputError`` with the line of each row that is not ``usable``, the first twenty of them."""
    bad = np.flatnonzero(~usable)[:MOST_PROBLEMS]
    if len(bad):
        raise InputError([Problem(str(path), int(i) + 2, "", needs) for i in bad])
