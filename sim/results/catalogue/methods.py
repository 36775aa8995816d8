"""What methods did to work that was given."""

from __future__ import annotations

from sim.results.catalogue.quantity import TEXT, At, Quantity, Table, table
from sim.results.formats import ratio

METHODS = "methods of"
"""Their table, by the head of the first column."""

OF_METHODS: tuple[Table, ...] = (
    table(
        "methods.*",
        Quantity("applied.[]", "method", kind=TEXT, always=True),
        Quantity("work", "work left by methods", always=True, columns=(At(METHODS, "work"),), form=ratio),
        Quantity("time", "time of a unit of work", always=True, columns=(At(METHODS, "time"),), form=ratio),
        Quantity("power", "power at work", always=True, columns=(At(METHODS, "power"),), form=ratio),
        Quantity(
            "energy",
            "energy at work",
            always=True,
            columns=(At(METHODS, "energy"),),
            form=ratio,
            meaning="of a GPU at work with the methods of a workload, relative to without: work x time x power",
        ),
        Quantity("assumed.[]", "assumed beyond what was measured", kind=TEXT),
        optional=True,
    ),
)
