"""In which order a campaign measured attention, where a file tells it, and by which GPU.

Every row is a task of a queue. Tasks are started shape by shape (formats of the cache together, or one after the
other), over prompts from the longest and the largest batch, over caches batch by batch from the shortest context; which
shapes, lengths and batches come first is read off the file, whose rows stand in the order of their ends. On H200 eight
lanes follow from it, as many as a node has GPUs, and six, seven or nine explain the watts of short kernels less well.
On B200 the last third of the rows ends in the order in which it was started: it was measured on one GPU alone. The file
of GB200 has been sorted, and its tasks are those of B200: they are taken as if started in that order, by two in turn.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.accuracy.kernel_lanes import in_turn, places
from benchmarks.accuracy.kernel_meter import Ints

SHAPE = ("num_heads", "num_key_value_heads", "head_dim", "window_size")
TASK = (*SHAPE, "batch_size", "isl", "step", "kv_cache_dtype")
FIRST_ROWS = 20


def attention_starts(table: pd.DataFrame) -> Ints:
    """The place of each row among the starts, from the rows in the order of their ends."""
    formats = table["kv_cache_dtype"]
    together = formats.head(FIRST_ROWS).nunique() > 1
    shape = table.groupby([*SHAPE] if together else ["kv_cache_dtype", *SHAPE], sort=False).ngroup()
    eight = np.asarray(formats == "fp8", dtype=np.int64)
    if (table["isl"] > 1).any():
        within = (_met(table["isl"]), -np.asarray(table["batch_size"], dtype=np.int64))
    else:
        within = (_met(table["batch_size"]), np.asarray(table["step"], dtype=np.int64))
    return places(np.asarray(shape, dtype=np.int64), *within, eight)


def attention_lanes(table: pd.DataFrame, gpus: int) -> Ints:
    """The lane of each row: of a node's GPUs up to the last row that ends out of turn, of one more after it."""
    late = np.flatnonzero(attention_starts(table) != np.arange(len(table)))
    last = int(late[-1]) + 1 if len(late) else 0
    lanes = np.full(len(table), gpus, dtype=np.int64)
    if last:
        lanes[:last] = in_turn(attention_starts(table.iloc[:last]), gpus)
    return lanes


def _met(column: pd.Series) -> Ints:
    """How many other values came before each row's own first did."""
    return np.asarray(pd.factorize(column)[0], dtype=np.int64)


def in_order_of(table: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``table`` as the same tasks were started in ``other``; those that are not there come last."""
    keys = list(TASK)
    place = other[keys].assign(place=attention_starts(other)).drop_duplicates(keys)
    found = table[keys].merge(place, on=keys, how="left")["place"].fillna(len(other))
    return table.iloc[np.argsort(found.to_numpy(), kind="stable")].reset_index(drop=True)
