"""How the units of a pool differ in what they draw: the same model, other watts."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from sim.kinds import Choice
from sim.quantities import Fraction


class UnitEffectSpec(Choice):
    """Factors of the units of a pool, each for the whole run."""

    family: ClassVar[str] = "unit effect"

    @property
    def profiles(self) -> tuple[str, ...]:
        """Names of those that it rests on."""
        return ()


class DrawnUnits(UnitEffectSpec):
    """Lognormal factors of mean 1, drawn by the seed: on what a unit draws above rest, and on what it draws at rest.

    A unit is a GPU, or a node as a whole. Both are coefficients of variation between units, ``correlation`` that of the
    two factors' logarithms. They multiply what boards of the model draw at their limit as well, where real ones would
    hold it and be slower.
    """

    example: ClassVar[dict[str, Any]] = {"of": "node", "active": "5 %", "idle": "3 %", "correlation": 0.5}

    of: Literal["gpu", "node"]
    active: Fraction = Field(description="E.g. '3 %'.")
    idle: Fraction
    correlation: float = Field(ge=-1.0, le=1.0)


class UnitsOfProfile(UnitEffectSpec):
    """Units as a profile knows them, which ``coldaisle calibrate`` fits to measurements: drawn by its law, or measured
    ones by name."""

    example: ClassVar[dict[str, Any]] = {"profile": "v100-gemm-2022"}

    profile: str = Field(description="A profile of kind 'units'.")
    units: Annotated[list[str], Field(min_length=1, max_length=1_000_000)] | None = Field(
        default=None,
        description="Measured units of the profile, one for each in the pool, in order; drawn by its law, if absent.",
    )

    @property
    def profiles(self) -> tuple[str, ...]:
        """The one it names."""
        return (self.profile,)
