"""A measured table of what single units of one model draw, from which a profile of how they differ is fitted.

CSV with a header: ``unit`` (which board or machine), ``load`` (0 at rest to 1 at full work, the same work for all) and
``power_w``; further columns are left alone, and rows stand in the order of time. See ``unit_effects`` for the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from sim.errors import InputError
from sim.measure.fit.measured_csv import has_columns, read_columns, refuse_rows
from sim.measure.fit.unit_effects import Readings, UnitEffects, fit_units, judged
from sim.possible import MEASURED_W
from sim.profiles.catalog import Catalog
from sim.profiles.machines.unit_factors import UnitsProfile
from sim.results.formats import number
from sim.results.tables import plain_table

COLUMNS = ("load", "power_w")
HELD_OUT = 0.3
"""Of each unit's readings the last share, which judges."""
SIGMAS = 2.0


@dataclass(frozen=True, eq=False)
class UnitsCalibration:
    """The fit to all readings, and its errors on later ones by earlier ones (None where these are too few)."""

    found: UnitEffects
    readings: Readings
    errors: Mapping[str, float] | None


def is_unit_table(path: Path) -> bool:
    """Whether the file's first line names the columns."""
    return has_columns(path, ("unit", *COLUMNS))


def read_unit_table(path: Path) -> Readings:
    """The table. Raises ``InputError`` naming each row that cannot be used."""
    names, values = read_columns(path, "unit", COLUMNS)
    nameless = np.array([not str(name).strip() for name in names])
    refuse_rows(path, values, {"load": (0.0, 1.0), "power_w": MEASURED_W}, nameless=nameless)
    known, unit = np.unique(names.astype(str), return_inverse=True)
    return Readings(unit.astype(np.int64), values["load"], values["power_w"], tuple(known.tolist()))


def calibrate_units(path: Path) -> UnitsCalibration:
    """The fleet and its units. Raises ``InputError`` for a table that does not tell enough."""
    readings = read_unit_table(path)
    try:
        return UnitsCalibration(fit_units(readings), readings, judged(readings, HELD_OUT))
    except (ValueError, np.linalg.LinAlgError) as error:
        raise InputError.one(str(path), str(error)) from None


def units_profile(
    path: Path, base: str, catalog: Catalog, name: str, today: datetime | None = None
) -> tuple[dict[str, Any], UnitsCalibration]:
    """The profile ``name`` of units of ``base``, a GPU or a node, as plain data. Raises ``InputError``."""
    kind = catalog.read(base).kind
    if kind not in ("gpu", "node"):
        raise InputError.one("--base", f"'{base}' is a {kind}: units are of a GPU, or of a node as a whole")
    made = calibrate_units(path)
    found, units = made.found, len(made.readings.names)
    note = f"Between {units} units by REML; single readings differ by {100 * found.noise:.2g} %."
    profile = {
        "kind": "units",
        "name": name,
        "title": f"Units of {base}, as measured",
        "of": kind,
        "measured_on": [base],
        "sources": {
            "table": {
                "title": f"Power of single units by load: {path.name}",
                "author": "the owner of the table",
                "year": (today if today is not None else datetime.now(UTC)).year,
                "locator": f"{len(made.readings.unit):,} readings of {units:,} units",
            }
        },
        "active": _spread(float(found.covariance[0, 0]), units, note),
        "idle": _spread(float(found.covariance[1, 1]), units, note),
        "correlation": {
            "value": round(found.correlation, 4),
            "source": "table",
            "confidence": "measured",
            "note": note,
        },
        "noise": {"value": f"{100 * min(found.noise, 1.0):.4g} %", "source": "table", "confidence": "measured"},
        "units": {
            unit: {"active": round(float(a), 6), "idle": round(float(i), 6)}
            for unit, a, i in zip(made.readings.names, found.active, found.idle, strict=True)
        },
        "fit": {
            "table": path.name,
            "readings": len(made.readings.unit),
            "idle_w": found.idle_w,
            "full_w": found.idle_w + found.rise_w,
            "exponent": found.exponent,
            "errors": dict(made.errors) if made.errors is not None else {},
        },
    }
    UnitsProfile.model_validate(profile)
    return profile, made


def _spread(variance: float, units: int, note: str) -> dict[str, Any]:
    """A coefficient of variation, with two standard errors of one that so many units tell."""
    cv = min(float(np.sqrt(max(variance, 0.0))), 1.0)
    error = SIGMAS * cv / np.sqrt(2.0 * max(units - 1, 1))
    shown = {"low": max(0.0, cv - error), "high": min(1.0, cv + error)}
    return {
        "value": f"{100 * cv:.4g} %",
        "source": "table",
        "confidence": "measured",
        **{end: f"{100 * value:.4g} %" for end, value in shown.items()},
        "note": note,
    }


def units_table(made: UnitsCalibration, shown: str) -> RenderableType:
    """The spread between units and within them, and how far knowing the unit helps."""
    found = made.found
    table = plain_table("constant", "value")
    table.add_row("units", f"{len(made.readings.names):,}")
    table.add_row("fleet at rest", f"{number(found.idle_w)} W")
    table.add_row("fleet at full load", f"{number(found.idle_w + found.rise_w)} W")
    for name, variance in zip(("above rest", "at rest"), np.diag(found.covariance), strict=True):
        table.add_row(f"between units, {name}", f"{100 * float(np.sqrt(max(variance, 0.0))):.2f} %")
    table.add_row("correlation of the two", f"{found.correlation:.2f}")
    table.add_row("readings of one unit", f"{100 * found.noise:.2f} %")
    if made.errors is None:
        note = "too few readings to hold any out: how wrong it is on others is not known"
    else:
        own, fleet = made.errors["own_unit"], made.errors["fleet"]
        note = f"later readings held out: {own:.1%} off by the unit's own factors, {fleet:.1%} by the fleet's mean"
    return Group(Text(shown, style="bold"), table, Text(note))
