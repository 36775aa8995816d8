"""How the units of one model differ in what they draw, as published or as fitted to measurements of single units."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sim.profiles.sourced import Profile, Sourced
from sim.quantities import Fraction
from sim.validation import Spec

Factor = Annotated[float, Field(gt=0.0, le=10.0)]
Correlation = Annotated[float, Field(ge=-1.0, le=1.0)]
Error = Annotated[float, Field(ge=0.0, le=1e6)]
Watts = Annotated[float, Field(gt=0.0, le=1e9)]


class UnitFactors(Spec):
    """What one unit draws relative to its fleet's mean: above rest, and at rest; drawn towards 1 as far as its own
    measurements are noisy beside the spread of the fleet."""

    active: Factor
    idle: Factor


class UnitsFit(Spec):
    """What a fit to measured units rests on, and how wrong it is.

    ``idle_w`` and ``full_w`` are the fleet's mean at load 0 and 1, ``exponent`` the shape between them (see
    ``power_laws.devices.load_rise``). ``errors`` are mean absolute relative errors of readings that were held out: of a
    unit's later readings by its own factors (``own_unit``) and by the fleet's mean (``fleet``).
    """

    table: str
    readings: Annotated[int, Field(ge=1, le=10**12, strict=True)]
    idle_w: Watts
    full_w: Watts
    exponent: Annotated[float, Field(gt=0.0, le=5.0)]
    errors: dict[Literal["own_unit", "fleet"], Error] = Field(default_factory=dict)


class UnitsProfile(Profile):
    """Units of one model, GPUs or whole nodes: the coefficients of variation of their factors (of power above rest,
    and at rest) between units, and the correlation of the factors' logarithms. ``noise`` is that of one reading around
    its unit. ``units`` are measured ones, by name. ``measured_on`` are beginnings of names of the profiles of GPUs or
    nodes whose units were measured; none where nothing is said."""

    kind: Literal["units"]
    of: Literal["gpu", "node"]
    active: Sourced[Fraction]
    idle: Sourced[Fraction]
    correlation: Sourced[Correlation]
    noise: Sourced[Fraction] | None = None
    measured_on: Annotated[list[str], Field(max_length=100)] = Field(default_factory=list)
    units: dict[Annotated[str, Field(max_length=200)], UnitFactors] = Field(default_factory=dict)
    fit: UnitsFit | None = None
