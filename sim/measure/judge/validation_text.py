"""A validation for a terminal, as data, and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.text import Text

from sim.errors import InputError
from sim.measure.judge.recordings import Validation
from sim.results.charts import lines
from sim.results.formats import number
from sim.results.tables import plain_table

Floats = npt.NDArray[np.float64]

SHADES = " ▁▂▃▄▅▆▇█"
UNKNOWN = "·"
"""Drawn where power was not measured."""
PLOT_COLUMNS = 60
MOST_PHASES = 40


def validation_table(found: Validation) -> RenderableType:
    """What was compared, its errors, and both series drawn below each other (or both values of each phase)."""
    table = plain_table("error", "value", "")
    errors = found.errors
    table.add_row("mean absolute (MAPE)", f"{100 * errors.mape:.1f} %", "")
    table.add_row("median absolute", f"{100 * errors.median_ape:.1f} %", "")
    table.add_row("root mean square", f"{number(errors.rmse)} W", "")
    table.add_row("bias", f"{100 * errors.bias:+.1f} %", "of mean power")
    table.add_row("energy", f"{100 * errors.energy:+.1f} %", "of the sum")
    table.add_row("peak", f"{100 * errors.peak:+.1f} %", "")
    table.add_row("95th percentile", f"{100 * errors.p95:+.1f} %", "")
    if errors.autocorrelation is not None:
        table.add_row("autocorrelation", f"{errors.autocorrelation:.2f}", "largest gap, over lags of up to a quarter")
    title = Text(f"{found.file} against {found.against}: {found.judged}", style="bold")
    parts: list[RenderableType] = [title, table]
    parts.append(_sparks(found) if found.edges_s is not None else _phases(found))
    parts += [Text(remark, style="dim") for remark in found.remarks]
    return Group(*parts)


def _sparks(found: Validation) -> Text:
    high = float(max(found.predicted_w.max(), np.nanmax(found.measured_w)))
    known = ~np.isnan(found.measured_w)
    rows = (("measured ", found.measured_w), ("simulated", found.predicted_w))
    text = "\n".join(
        f"{label}  {spark(series, high)}  {number(float(series[known].mean()))} W" for label, series in rows
    )
    gaps = "" if known.all() else f"; {UNKNOWN} where it was not measured, which the means leave out"
    return Text(f"{text}\nfrom 0 to {number(high)} W{gaps}\n")


def spark(series: Floats, high: float) -> str:
    """A series as a line of shades, from 0 to ``high``."""
    parts = np.array_split(series, min(PLOT_COLUMNS, len(series)))
    return "".join(UNKNOWN if np.isnan(part).any() else _shade(float(part.mean()) / high) for part in parts)


def _shade(share: float) -> str:
    return SHADES[round(share * (len(SHADES) - 1))]


def _phases(found: Validation) -> RenderableType:
    table = plain_table("phase", "measured", "predicted", "error")
    rows = zip(found.labels, found.measured_w, found.predicted_w, strict=True)
    for label, measured, predicted in list(rows)[:MOST_PHASES]:
        off = f"{100 * (predicted / measured - 1):+.1f} %"
        table.add_row(label, f"{number(float(measured))} W", f"{number(float(predicted))} W", off)
    return table


def as_dict(found: Validation) -> dict[str, Any]:
    """The validation as plain data, for ``--json``; what was not measured is null."""
    return {
        "file": found.file,
        "against": found.against,
        "judged": found.judged,
        "errors": found.errors.as_dict(),
        "remarks": list(found.remarks),
        "labels": list(found.labels),
        "predicted_w": found.predicted_w.tolist(),
        "measured_w": [None if np.isnan(watts) else watts for watts in found.measured_w.tolist()],
    }


def picture(found: Validation) -> str:
    """Measured and predicted series as an SVG: power over time, or over the phases in their order."""
    if found.edges_s is not None:
        edges, label = found.edges_s, "seconds from the start"
    else:
        edges, label = np.arange(len(found.labels) + 1, dtype=np.float64), "phases"
    series = {"measured": found.measured_w.tolist(), "simulated": found.predicted_w.tolist()}
    return lines(edges.tolist(), series, "W", label)


def parse_tolerances(words: Sequence[str]) -> dict[str, float]:
    """``['mape=10', 'energy=5']`` as shares. Raises ``InputError`` for an unknown name or no percentage."""
    known = ("mape", "median_ape", "bias", "energy", "peak", "p95")
    wanted: dict[str, float] = {}
    for word in words:
        name, _, value = word.rpartition("=")
        name = name or "mape"
        try:
            percent = float(value.removesuffix("%"))
        except ValueError:
            percent = -1.0
        if name not in known or not 0.0 <= percent < float("inf"):
            message = f"'{word}' is no tolerance; write NAME=PERCENT with one of {', '.join(known)}, e.g. mape=10"
            raise InputError.one("--tolerance", message)
        wanted[name] = percent / 100.0
    return wanted


def exceeded(found: Validation, tolerances: Mapping[str, float]) -> list[str]:
    """Each tolerance that the errors are past, in words."""
    return [
        f"{name} is {100 * abs(value):.1f} %, and {100 * most:g} % was allowed"
        for name, most in tolerances.items()
        if abs(value := getattr(found.errors, name)) > most
    ]
