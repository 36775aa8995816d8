"""Power of jobs within their steps, of which there may be millions of samples: none of their peaks is lost."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from sim.report.chart import Chart
from sim.report.charts.lines import line_chart
from sim.report.charts.times import Axis
from sim.results.results import Results

KILO = 1000.0


def power_within_steps(results: Results) -> list[Chart]:
    """All GPUs of each job that keeps its power over time, kW; none where none does."""
    table = results.trace_table
    if table is None:
        return []
    axis = Axis.of(results.energy.end_ns)
    charts = []
    for at, name in enumerate(pc.unique(table["workload"]).to_pylist()):
        rows = table.filter(pc.equal(table["workload"], name))
        begins, watts = rows["start_ns"].to_numpy(), rows["gpus_w"].to_numpy()
        spacing = begins[-1] - begins[-2] if len(begins) > 1 else results.energy.end_ns - begins[-1]
        edges_ns = np.append(begins, begins[-1] + max(int(spacing), 1))
        charts.append(
            line_chart(
                f"within-steps-{at}",
                f"Power of the GPUs of {name}",
                edges_ns,
                {name: watts / KILO},
                "kW",
                axis=axis,
                note=f"{len(begins):,} samples.",
            )
        )
    return charts
