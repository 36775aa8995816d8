"""Facts about electricity: what a fuel emits and drinks per kWh, and what the average of a country or state emits.

A set of fuels is of one basis. ``life-cycle`` holds the making of fuels and plants, ``direct`` what leaves the stack;
numbers of the two are never combined. Water is consumption (not given back) or withdrawal (taken, most of it given
back). Whether the water that evaporates from a reservoir belongs to the electricity of its dam is disputed, and decides
the water of a region with hydropower; so it stands apart, and the user has to choose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.errors import InputError
from sim.profiles.sourced import Profile, Sourced
from sim.quantities import CarbonIntensity, WaterIntensity
from sim.validation import Spec

SourcedIntensity = Sourced[CarbonIntensity]
SourcedWater = Sourced[WaterIntensity]
Fuel = Annotated[str, Field(pattern=r"^[a-z][a-z-]*$")]
Basis = Literal["life-cycle", "direct"]
Hydro = Literal["without-reservoirs", "with-reservoirs"]
"""Whether the water that evaporates from reservoirs is counted as hydropower's."""


class FuelsProfile(Profile):
    """Named factors of fuels. ``hydro_reservoir`` is what a kWh of hydropower loses from reservoirs, where given."""

    kind: Literal["fuels"]
    basis: Basis | None = None
    carbon: dict[Fuel, SourcedIntensity] = Field(default_factory=dict)
    water_consumption: dict[Fuel, SourcedWater] = Field(default_factory=dict)
    water_withdrawal: dict[Fuel, SourcedWater] = Field(default_factory=dict)
    hydro_reservoir: SourcedWater | None = None

    @model_validator(mode="after")
    def _says_what_it_is(self) -> FuelsProfile:
        if bool(self.carbon) != (self.basis is not None):
            raise PydanticCustomError("basis", "needs a 'basis' (life-cycle or direct) with 'carbon', and only with it")
        if not (self.carbon or self.water_consumption or self.water_withdrawal):
            raise PydanticCustomError("empty", "needs 'carbon', 'water_consumption' or 'water_withdrawal'")
        return self


class Region(Spec):
    """The average electricity of a place in ``year``; ``ewif`` is the water its power stations consume."""

    title: str
    year: int = Field(ge=1990, le=2100)
    intensity: SourcedIntensity
    ewif: SourcedWater | None = None


class GridsProfile(Profile):
    """Averages of one basis, by the code of a region: ISO 3166-1 alpha-3 of a country, ``US-TX`` of a state."""

    kind: Literal["grids"]
    basis: Basis
    regions: dict[Annotated[str, Field(pattern=r"^[A-Z]{2,3}(-[A-Z0-9]{1,3})?$")], Region] = Field(min_length=1)


def carbon_factors(profile: FuelsProfile) -> Mapping[str, float]:
    """g/J by fuel. Raises ``InputError`` for a set without carbon."""
    if not profile.carbon:
        raise InputError.one(profile.name, "has water, and no carbon, of fuels")
    return {fuel: float(sourced.value) for fuel, sourced in profile.carbon.items()}


def water_factors(
    profile: FuelsProfile, *, hydro: Hydro, use: Literal["consumption", "withdrawal"] = "consumption"
) -> Mapping[str, float]:
    """L/J by fuel; of hydropower as ``hydro`` chooses, there being no right answer. Raises ``InputError``.

    The water of reservoirs is consumption; what withdrawal of a dam would be nobody defines, so that is refused.
    """
    table = profile.water_consumption if use == "consumption" else profile.water_withdrawal
    if not table:
        raise InputError.one(profile.name, f"has no water {use} of fuels")
    factors = {fuel: float(sourced.value) for fuel, sourced in table.items()}
    if hydro == "without-reservoirs":
        return factors
    if profile.hydro_reservoir is None or use == "withdrawal" or "hydro" not in factors:
        raise InputError.one(profile.name, f"has no {use} of water by reservoirs; choose hydro: without-reservoirs")
    dammed = factors["hydro"] + float(profile.hydro_reservoir.value)
    return factors | {"hydro": dammed, "hydro-reservoir": dammed, "hydro-run-of-river": factors["hydro"]}
