"""How wrong the simulator is on measured data, each group of rows predicted from the others alone.

Every row is a group held out: a kernel, a network, a machine, a benchmark, a family of models. Beside each error stand
the naive guess and the noise of the data. ``python -m benchmarks accuracy`` prints them all.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.accuracy import (
    caps,
    clocks,
    collectives,
    decode_caps,
    kernel_times,
    kernels,
    load_curves,
    megatron,
    minimax,
    mlenergy,
    mpt_fsdp,
    power_traces,
    published_training,
    ranges,
    several_nodes,
    training_power,
)
from benchmarks.table import Row


def rows(*, quick: bool) -> Sequence[Row]:
    """One row for each measure; ``quick`` simulates fewer of the serving configurations."""
    found = [
        row for part in (clocks, caps, decode_caps, load_curves, training_power, power_traces) for row in part.rows()
    ]
    return [
        *found,
        *megatron.rows(),
        *mpt_fsdp.rows(),
        *published_training.rows(),
        *several_nodes.rows(),
        *collectives.rows(),
        *kernel_times.rows(),
        *kernels.rows(quick=quick),
        *minimax.rows(quick=quick),
        *mlenergy.rows(quick=quick),
        *ranges.rows(),
    ]
