"""Methods that a workload uses, whose work is given and not modelled: by profile, or with factors of one's own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from sim.later import later
from sim.plain import as_mapping
from sim.profiles.methods import Family, MethodName
from sim.quantities import PositiveRatio
from sim.validation import Spec

with later():
    from sim.profiles.methods import Method


class OwnMethod(Spec):
    """A method with factors of one's own; ``source`` says where they come from."""

    name: MethodName
    family: Family = Field(description="What it changes; one of each family, at most.")
    work: PositiveRatio = Field(description="Work that is left for the same result, relative to without it.")
    time: PositiveRatio = Field(description="Time of a unit of work, likewise.")
    power: PositiveRatio = Field(description="Mean power of a GPU at work, likewise.")
    source: str = Field(min_length=3, max_length=1000)

    @property
    def method(self) -> Method:
        """As a run takes it."""
        return Method(self.name, self.family, float(self.work), float(self.time), float(self.power))


class CompletedMethod(Spec):
    """A method by its profile, with those factors that its source does not tell."""

    profile: MethodName
    work: PositiveRatio | None = None
    time: PositiveRatio | None = None
    power: PositiveRatio | None = None

    @property
    def name(self) -> str:
        """That of the profile."""
        return self.profile


def _form(value: object) -> str:
    known = as_mapping(value)
    if isinstance(value, OwnMethod | CompletedMethod):
        return "@own" if isinstance(value, OwnMethod) else "@completed"
    return "@word" if known is None else "@completed" if "profile" in known else "@own"


MethodChoice = Annotated[
    Annotated[MethodName, Tag("@word")]
    | Annotated[OwnMethod, Tag("@own")]
    | Annotated[CompletedMethod, Tag("@completed")],
    Discriminator(_form),
]


def name_of(choice: MethodChoice) -> str:
    """What a method is called."""
    return choice if isinstance(choice, str) else choice.name


def profile_of(choice: MethodChoice) -> str | None:
    """The profile of a method; None for one of one's own."""
    return None if isinstance(choice, OwnMethod) else name_of(choice)


Methods = Annotated[
    list[MethodChoice],
    Field(
        default_factory=list, max_length=20, description="By the names of their profiles, or with one's own factors."
    ),
]
