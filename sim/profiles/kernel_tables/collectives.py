"""Measured collectives within a node, by how many values of 16 bits and over how many GPUs.

All-reduces as a framework launches them from a graph; gathering and scattering as NCCL does. Sizes of messages in the
tables count values, not bytes: rows of 8-bit values of the same size take half as long.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from sim.profiles.kernel_tables.curves import Answer, Curve, Floats
from sim.profiles.kernel_tables.tables import Shelf

Collective = Literal["all_reduce", "all_gather", "reduce_scatter", "alltoall"]


def collective(shelf: Shelf, name: Collective, values: Floats, gpus: int) -> Answer | None:
    """s of one collective of so many ``values`` in all; None where it was not measured over so many GPUs."""
    if name == "all_reduce":
        table = shelf.table("comm", "custom_allreduce_perf")
        if table is not None and "backend" in table:
            table = table.where(backend=f"{shelf.framework}_graph")
        table = table.where(num_gpus=gpus) if table is not None else None
    else:
        table = shelf.newest("comm", "nccl_perf", "nccl")
        table = table.where(op_name=name, nccl_dtype="half", num_gpus=gpus) if table is not None else None
    curve = Curve.of(table["message_size"], table["seconds"]) if table is not None else None
    if curve is None:
        return None
    least = float(curve.x[0])
    return curve.at(values, lambda size: np.maximum(size, least))
