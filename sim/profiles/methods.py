"""Methods that change what work takes: what a source measured of them, as factors of work, time and power apart.

A method is data: quantisation, a training without backpropagation, fused kernels, a cache. Its factors are relative to
the same work without it. ``work`` is what is left to be done for the same result, ``time`` what a unit of it takes,
``power`` what one GPU draws in the mean while it is at work; energy is their product. They are apart because each
meets something else in a run: work and time lengthen what is held, idle parts and embodied carbon with it, and power
does not.

Several methods compose by multiplication: each does to what the others left what it did alone. Nothing says that this
holds, so it is told wherever it is assumed. Two of one family are no composition: the one takes the other's place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.profiles.sourced import Profile, Sourced, SourcedPower
from sim.quantities import PositiveRatio
from sim.validation import LONGEST_NAME, Spec

Family = Literal[
    "precision",
    "quantisation",
    "sparsity",
    "pruning",
    "low-rank",
    "training-rule",
    "kernels",
    "caching",
    "hardware",
    "architecture",
    "data",
]
"""What a method changes. A workload may have one of each: who trains by another rule does so once."""

Phase = Literal["training", "inference"]
SourcedRatio = Sourced[PositiveRatio]
Factor = Annotated[
    SourcedRatio | Literal["unknown"],
    Field(description="Relative to the same without the method, or 'unknown' where the source does not say."),
]
FACTORS = ("work", "time", "power", "power_saved")


class MeasuredOn(Spec):
    """Where the factors were seen: on GPUs whose profiles' names begin so, in a job or a replica of so many at most."""

    about: str = Field(min_length=3, max_length=1000)
    phases: list[Phase] = Field(min_length=1, max_length=2)
    gpus: list[str] = Field(max_length=100)
    most_gpus: int = Field(ge=1, le=10**7, strict=True)


class MethodProfile(Profile):
    """One method as its source measured it; ``power_saved`` in place of ``power`` where that gives watts of a GPU.

    ``significant`` is false where the source itself tells its difference from noise in no test. ``excludes`` are
    families that it leaves nothing for.
    """

    kind: Literal["method"]
    family: Family
    work: Factor
    time: Factor
    power: Factor | None = None
    power_saved: SourcedPower | None = None
    significant: bool = True
    excludes: list[Family] = Field(default_factory=list, max_length=20)
    measured_on: MeasuredOn
    note: str | None = None

    @model_validator(mode="after")
    def _power_once(self) -> MethodProfile:
        if (self.power is None) == (self.power_saved is None):
            raise PydanticCustomError("power", "needs either 'power' or 'power_saved'")
        return self

    @property
    def unknown(self) -> tuple[str, ...]:
        """Factors that its source does not tell."""
        return tuple(name for name in FACTORS if getattr(self, name) == "unknown")

    @property
    def ranges(self) -> tuple[tuple[str, float, float, float], ...]:
        """Each factor of which the source gives a range: its name, its low, its value and its high."""
        found = []
        for name in FACTORS:
            one = getattr(self, name)
            if isinstance(one, Sourced) and one.low is not None and one.high is not None and one.low < one.high:
                found.append((name, float(one.low), float(one.value), float(one.high)))
        return tuple(found)


@dataclass(frozen=True)
class Method:
    """A method as a run takes it; ``saved_w`` is of each GPU. ``measured_on`` and ``significant`` of one's own are
    not known."""

    name: str
    family: Family
    work: float
    time: float
    power: float = 1.0
    saved_w: float = 0.0
    excludes: tuple[Family, ...] = ()
    significant: bool = True
    measured_on: MeasuredOn | None = None

    def power_at(self, active_w: float) -> float:
        """What a GPU that draws ``active_w`` at work draws with it, relative to that."""
        return self.power * (1.0 - self.saved_w / active_w)


@dataclass(frozen=True)
class Effect:
    """What methods do together: factors of work, of the time of a unit of it, and of the power at work."""

    work: float = 1.0
    time: float = 1.0
    power: float = 1.0

    @property
    def longer(self) -> float:
        """Factor of the time at work."""
        return self.work * self.time

    @property
    def energy(self) -> float:
        """Factor of the energy of a GPU at work."""
        return self.longer * self.power


def together(methods: Iterable[Method], active_w: float) -> Effect:
    """All of ``methods`` on GPUs that draw ``active_w`` without them: the product of their factors, in any order."""
    effect = Effect()
    for method in methods:
        effect = Effect(effect.work * method.work, effect.time * method.time, effect.power * method.power_at(active_w))
    return effect


def contradictions(methods: tuple[Method, ...]) -> Iterator[tuple[int, str]]:
    """The places of methods that cannot stand beside one before them, and why."""
    for place, method in enumerate(methods):
        for other in methods[:place]:
            if other.family == method.family:
                yield place, f"'{method.name}' and '{other.name}' both change the {method.family}: choose one"
            elif method.family in other.excludes or other.family in method.excludes:
                yield place, f"'{method.name}' ({method.family}) leaves no room for '{other.name}' ({other.family})"


def beyond(method: Method, phase: Phase, gpu: str, gpus: int) -> Iterator[str]:
    """In what a use of a method lies outside of where it was measured, a phrase each."""
    if not method.significant:
        yield "is within the noise of its own source, which found no statistical significance"
    seen = method.measured_on
    if seen is None:
        return
    if phase not in seen.phases:
        yield f"was measured in {' and '.join(seen.phases)}, not in {phase}"
    if not any(gpu.startswith(name) for name in seen.gpus):
        on = ", ".join(seen.gpus) or "hardware that has no profile"
        yield f"was measured on {on}, not on {gpu}"
    if gpus > seen.most_gpus:
        yield f"was measured on {seen.most_gpus:,} GPUs at most, not on {gpus:,}"


MethodName = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
