"""How joules become footprints: conventions, lifetimes, amortisation, the functional unit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.profiles.sourced import Name
from sim.quantities import PUE, CarbonCost, CarbonIntensity, Lifetime, NodePower, PositiveFraction, WaterIntensity
from sim.spec.embodied import Embodied
from sim.validation import LONGEST_NAME, Spec

PhaseName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _-]*$", max_length=LONGEST_NAME)]


class PhysicalConvention(Spec):
    """Every metered joule counts, once."""

    kind: Literal["physical"] = "physical"


class Luccioni2023Convention(Spec):
    """The BLOOM study's: reserved GPU time at TDP, plus constant infrastructure and idle power beside it."""

    kind: Literal["luccioni-2023"]
    infrastructure: NodePower
    idle: NodePower


class Given(Spec):
    """What a convention asks of the case: numbers that its profile leaves open. ``power`` is by the name of a line."""

    power: dict[Name, NodePower] = Field(default_factory=dict)
    pue: PUE | None = None
    intensity: CarbonIntensity | None = None
    wue: WaterIntensity | None = None
    utilisation: PositiveFraction | None = None


class ProfileConvention(Spec):
    """A convention that a profile states, term by term: those that ship are in ``hardware_profiles/conventions``."""

    kind: Literal["profile"]
    profile: Name
    given: Given = Field(default_factory=Given)


class FunctionalUnit(Spec):
    """What the SCI is per: ``count`` requests, images, output tokens, tokens trained on, GPU-hours,
    user-hours, trials, rounds or runs of ``of``."""

    of: str = Field(description="A workload; or a route, of which what users got answered is counted.")
    per: Literal["request", "image", "output-token", "trained-token", "gpu-hour", "user-hour", "trial", "round", "run"]
    count: float = Field(default=1.0, gt=0, le=1e15)
    images_per_request: float | None = Field(default=None, gt=0, le=1e6, description="Needed per image.")
    users: float | None = Field(default=None, gt=0, le=1e12, description="Served at a time; needed per user-hour.")

    @model_validator(mode="after")
    def _says_how_many(self) -> FunctionalUnit:
        for per, name in (("image", "images_per_request"), ("user-hour", "users")):
            if (self.per == per) != (getattr(self, name) is not None):
                if self.per == per:
                    raise PydanticCustomError("unit", "needs '{name}'", {"name": name})
                raise PydanticCustomError("unit", "'{name}' counts only per {per}", {"name": name, "per": per})
        return self


class CarbonPrice(Spec):
    """What a mass of CO2e costs: a tax, an allowance such as the EU's, or a price of one's own.

    ``scopes`` says of what. Most prices of electricity hold what its stations paid already: scope 2 beside such a price
    is an internal price, or counted twice.
    """

    price: CarbonCost
    scopes: Annotated[list[Literal[1, 2, 3]], Field(min_length=1, max_length=3)] = Field(
        description="Of which scopes: 1 (fuel burnt on site), 2 (electricity), 3 (making, networks, users' devices)."
    )
    base: Literal["location", "market"] | None = Field(
        default=None, description="By which method scope 2 is counted; needed with scope 2, and only there."
    )
    sites: list[str] | None = Field(default=None, min_length=1, description="Where it is due; everywhere, if absent.")

    @model_validator(mode="after")
    def _says_of_what(self) -> CarbonPrice:
        if len({*self.scopes}) < len(self.scopes):
            raise PydanticCustomError("scopes", "names a scope twice: it would be charged twice")
        if (2 in self.scopes) != (self.base is not None):
            if self.base is None:
                raise PydanticCustomError("base", "needs 'base' for scope 2: location or market")
            raise PydanticCustomError("base", "'base' counts scope 2, which is not among its 'scopes'")
        return self


class Attribution(Spec):
    """What jobs, and users, accounts and queues answer for: their own, and by a rule what nobody held.

    ``apart`` leaves that nobody's. ``by-use`` gives it in each bin to those who were on the same pool, by the energy
    that they drew there; ``by-reservation`` by the slots that they held, at work or not.
    """

    idle: Literal["apart", "by-use", "by-reservation"] = "apart"


class Accounting(Spec):
    """Lifetimes have no default: they decide the embodied share."""

    gpu_lifetime: Lifetime | None = Field(default=None, description="We do not guess a lifetime: give e.g. '5 years'.")
    server_lifetime: Lifetime = Field(description="We do not guess a lifetime: give e.g. '6 years'.")
    device_lifetime: Lifetime | None = Field(
        default=None, description="Of users' devices, whose making does not count without it; e.g. '3 years'."
    )
    convention: Annotated[
        PhysicalConvention | Luccioni2023Convention | ProfileConvention, Field(discriminator="kind")
    ] = Field(default_factory=PhysicalConvention)
    embodied: Embodied = Field(default_factory=Embodied)
    functional_unit: FunctionalUnit | None = None
    attribution: Attribution = Field(default_factory=Attribution)
    carbon_price: CarbonPrice | None = Field(
        default=None, description="A cost of carbon beside that of energy, e.g. {price: 75 EUR/tCO2e, scopes: [1]}."
    )
    phases: dict[PhaseName, list[str]] = Field(
        default_factory=dict,
        max_length=100,
        description="A project's phases (experiments, training, inference), each with its workloads; all of them once.",
    )
    break_even: bool = Field(
        default=False, description="Tells after how much use operation has emitted what making the machines did."
    )
    outside: dict[str, dict[str, CarbonIntensity]] = Field(
        default_factory=dict,
        description="Carbon intensity where users' devices are (federated, split), by workload and kind of device.",
    )
