"""Phases of a project, and when operation has emitted what making the machines did."""

from __future__ import annotations

from sim.results.catalogue.quantity import At, Quantity, Table, table
from sim.results.formats import hours, percent

PHASES, BREAK_EVENS = "phase", "operation equals making"
"""Their tables, by the head of the first column."""

OF_A_PHASE = (
    Quantity("energy_kwh", "energy", "kWh", always=True, columns=(At(PHASES, "energy"),)),
    Quantity("operational_kg", "operational carbon", "kg", always=True, columns=(At(PHASES, "operational"),)),
    Quantity("embodied_kg", "embodied carbon", "kg", always=True, columns=(At(PHASES, "embodied"),)),
    Quantity("carbon_kg", "carbon", "kg", always=True),
    Quantity("energy_share", "share of the energy", columns=(At(PHASES, "of energy"),), form=percent, absent=""),
    Quantity("carbon_share", "share of the carbon", columns=(At(PHASES, "of carbon"),), form=percent, absent=""),
)
OF_USE = (
    Quantity(
        "use_s",
        "use until operation has emitted what making did",
        "s",
        always=True,
        columns=(At(BREAK_EVENS, "after a use of"),),
        form=hours,
        meaning="(time held x carbon of making a device, over all devices) / operational carbon; no lifetime is in it",
    ),
    Quantity("use_low_s", "the same at the low end of what making took", "s", always=True),
    Quantity("use_high_s", "the same at the high end of what making took", "s", always=True),
    Quantity(
        "of_lifetime", "share of the lifetime", always=True, columns=(At(BREAK_EVENS, "of lifetime"),), form=percent
    ),
)

PROJECT: tuple[Table, ...] = (
    table(
        "project.phases.*",
        *OF_A_PHASE,
        Quantity("share_of_phases", "share of the energy of all phases", form=percent),
        optional=True,
    ),
    table(
        "project.unallocated",
        *(Quantity(one.path, one.label, one.unit, always=one.always) for one in OF_A_PHASE),
        optional=True,
    ),
    table(
        "project",
        Quantity("energy_kwh", "energy of the project", "kWh", always=True),
        Quantity("carbon_kg", "carbon of the project", "kg", always=True),
        optional=True,
    ),
    table("break_even.workloads.*", *OF_USE, optional=True),
    table(
        "break_even.machines", *(Quantity(one.path, one.label, one.unit, always=True) for one in OF_USE), optional=True
    ),
)
