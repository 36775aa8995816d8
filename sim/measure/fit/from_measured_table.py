"""A profile from a measured table: which kind of table it is, and what is calibrated from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import RenderableType

from sim.errors import InputError
from sim.measure.fit.calibrate import with_clock, with_load_curve
from sim.measure.fit.calibration_text import clock_table, load_table
from sim.measure.fit.clock import CURVE
from sim.measure.fit.measured_clocks import calibrate_clock, is_clock_table, read_clock_table
from sim.measure.fit.measured_loads import calibrate_load, is_load_table, read_load_table
from sim.measure.fit.measured_units import is_unit_table, units_profile, units_table
from sim.measure.fit.training_profile import Watch, calibrated_stack, stack_table
from sim.measure.fit.training_table import is_training_table
from sim.profiles.catalog import Catalog
from sim.profiles.machines.gpu import still_w

TABLES = (
    "CSV with the columns work, clock_mhz, cap_w, power_w, time_s (a GPU by clock and cap)",
    "machine, load, power_w (a CPU socket)",
    "unit, load, power_w (single units)",
    "training runs of Megatron-Bridge or LLM Foundry",
)
"""What tables there are, for who has none of them."""


def is_table(path: Path) -> bool:
    """Whether the file is a table by clock and cap, by load, of single units, or of training runs."""
    return is_clock_table(path) or is_load_table(path) or is_unit_table(path) or is_training_table(path)


def profile_from_table(
    path: Path, base: str | None, catalog: Catalog, name: str, watch: Watch = lambda *_: None
) -> tuple[dict[str, Any], RenderableType]:
    """The profile ``name`` as plain data, and what to show of it. Raises ``InputError``. ``watch`` hears how many fits
    of a long row of them are done, of how many."""
    if is_training_table(path):
        if base is None:
            raise InputError.one(
                str(path), "does not name its framework; give the training stack to start from: --base NAME"
            )
        stack, found = calibrated_stack(path, base, catalog, name, watch)
        return stack, stack_table(found, f"{name}, from {base}")
    if base is None:
        raise InputError.one(str(path), "does not name its hardware; give the profile to start from: --base NAME")
    shown = f"{name}, from {base}"
    if is_clock_table(path):
        gpu = catalog.gpu(base)
        loaded_w = float(gpu.power.loaded.value)
        table = read_clock_table(path)
        if len(table.work) < len(CURVE):
            message = f"needs {len(CURVE)} rows below its top clock and cap; it has {len(table.work)}"
            raise InputError.one(str(path), message)
        clock = calibrate_clock(table, loaded_w=loaded_w, clocked_w=loaded_w - still_w(gpu))
        return with_clock(catalog.path(base), clock, name=name, file=path.name), clock_table(clock, shown)
    if is_unit_table(path):
        profile, made = units_profile(path, base, catalog, name)
        return profile, units_table(made, shown)
    catalog.cpu(base)  # refuses what is no CPU
    load = calibrate_load(read_load_table(path))
    return with_load_curve(catalog.path(base), load, name=name, file=path.name), load_table(load, shown)
