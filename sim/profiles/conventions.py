"""Accounting conventions as data: what counts, over which time, and what multiplies it, each term with its source.

A convention is what a paper, a tracker or a standard would have written down about a run, not what the run drew. Its
``lines`` say which components of a machine count, over which hours, and by which rule: what the meters read, or
something that stands for it. What no line counts is named in ``not_counted`` with the reason, never left out in
silence.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.profiles.machines.node import Component
from sim.profiles.sourced import Confidence, Name, Profile
from sim.quantities import (
    PUE,
    Bytes,
    CarbonIntensity,
    CarbonMass,
    Lifetime,
    NodePower,
    PositiveFraction,
    PowerPerByte,
    WaterIntensity,
)
from sim.validation import Spec

COMPONENTS: tuple[Component, ...] = ("gpu", "cpu", "dram", "storage", "nic", "fans", "board", "psu_loss")
Reason = Annotated[str, Field(min_length=5, max_length=1000)]
Dimms = Annotated[int, Field(ge=1, le=1024, strict=True)]

Over = Literal["reserved", "active", "idle", "unallocated", "all"]
"""Hours that count: those that somebody held a machine; of these, at work; those not at work, held or not; those that
nobody held; all."""


class Cited(Spec):
    """Where a term is written, and how sure that is. ``asked`` says what a scenario has to give, where a term leaves
    its number to the case, or may give in place of the number that is here."""

    source: str
    confidence: Confidence
    note: str | None = Field(default=None, max_length=2000)
    asked: str | None = Field(default=None, min_length=5, max_length=500)

    @model_validator(mode="after")
    def _explained(self) -> Cited:
        if self.confidence in ("derived", "assumed") and not self.note:
            raise PydanticCustomError("note", "a {c} term needs a note that says how", {"c": self.confidence})
        return self


class Metered(Spec):
    """What the meter of the component reads."""

    kind: Literal["metered"]


class Nameplate(Spec):
    """``share`` of the thermal design power of each GPU or socket, whatever it does; or of one of them a node."""

    kind: Literal["tdp"]
    share: PositiveFraction
    per: Literal["device", "node"] = "device"


class Mean(Spec):
    """So many W of each GPU, socket or node, whatever it does."""

    kind: Literal["mean"]
    per: Literal["gpu", "socket", "node"]
    power: NodePower | None = None


class PerByte(Spec):
    """So many W of each byte of the host's memory, whatever it does."""

    kind: Literal["per-byte"]
    power: PowerPerByte


class DimmStep(Spec):
    """The modules after those of the steps before, up to the ``up_to``-th: each draws ``share`` of a module's W."""

    up_to: Dimms
    share: PositiveFraction


class DimmGuess(Spec):
    """Memory of at most so many bytes is taken for so many modules."""

    up_to: Bytes
    modules: Dimms


class PerModule(Spec):
    """So many W of each module of memory, of which the number is guessed from the capacity.

    Up to the last of ``small`` it is looked up there. Beyond, modules are of the largest of ``sizes`` of which at least
    ``least_modules`` are needed, and at most ``most_modules`` are taken. Later modules draw less (``steps``), and all
    together ``least`` at least.
    """

    kind: Literal["per-module"]
    power: NodePower
    least: NodePower
    small: list[DimmGuess] = Field(min_length=1, max_length=32)
    sizes: list[Bytes] = Field(min_length=1, max_length=32)
    least_modules: Dimms
    most_modules: Dimms
    steps: list[DimmStep] = Field(min_length=1, max_length=32)

    @model_validator(mode="after")
    def _increasing(self) -> PerModule:
        for name, values in (
            ("small", [float(guess.up_to) for guess in self.small]),
            ("sizes", [float(size) for size in self.sizes]),
            ("steps", [float(step.up_to) for step in self.steps]),
        ):
            if values != sorted(set(values)):
                raise PydanticCustomError("order", "'{name}' must increase", {"name": name})
        if self.steps[-1].up_to < max(self.most_modules, *(guess.modules for guess in self.small)):
            raise PydanticCustomError("order", "'steps' must reach the most modules there can be")
        return self


class ByLoad(Spec):
    """``floor`` of a socket's TDP, and the rest of it by a power of the CPU's load."""

    kind: Literal["by-load"]
    floor: PositiveFraction
    exponent: Annotated[float, Field(ge=0.1, le=10.0)]


Count = Annotated[Metered | Nameplate | Mean | PerByte | PerModule | ByLoad, Field(discriminator="kind")]
TAKES: dict[str, tuple[Component, ...]] = {
    "tdp": ("gpu", "cpu"), "per-byte": ("dram",), "per-module": ("dram",), "by-load": ("cpu",)
}  # fmt: skip
"""Components that a rule can be about, where they are not all."""


class Line(Cited):
    """Components that count together, over which hours, and by which rule."""

    of: list[Component] = Field(min_length=1, max_length=len(COMPONENTS))
    over: Over
    count: Count

    @model_validator(mode="after")
    def _rule_fits(self) -> Line:
        wrong = sorted(set(self.of) - set(TAKES.get(self.count.kind, COMPONENTS)))
        if wrong:
            raise PydanticCustomError(
                "rule", "'{kind}' says nothing of {c}", {"kind": self.count.kind, "c": ", ".join(wrong)}
            )
        if isinstance(self.count, Mean):
            if (self.count.per == "gpu") != (self.of == ["gpu"]):
                raise PydanticCustomError("rule", "'per: gpu' goes with 'of: [gpu]', and with nothing else")
            if self.count.power is None and self.asked is None:
                raise PydanticCustomError("asked", "give 'power', or say in 'asked' what a scenario has to give")
        elif self.asked is not None:
            raise PydanticCustomError("asked", "only a mean power can be asked for")
        if len(self.of) > 1 and not isinstance(self.count, Metered | Mean):
            raise PydanticCustomError("rule", "one component a line, where it is not metered")
        return self


class Added(Cited):
    """A constant draw beside the machines' for as long as the run lasts, shared by the time for which GPUs are held."""

    power: NodePower | None = None

    @model_validator(mode="after")
    def _known_or_asked(self) -> Added:
        if self.power is None and self.asked is None:
            raise PydanticCustomError("asked", "give 'power', or say in 'asked' what a scenario has to give")
        return self


class Building(Cited):
    """What the building adds: what the scenario's own does (``site``), a PUE, or ``nothing``."""

    kind: Literal["site", "stated", "nothing"]
    pue: PUE | None = None

    @model_validator(mode="after")
    def _one_number(self) -> Building:
        _number_of_stated(self, self.pue, "pue")
        return self


class Intensity(Cited):
    """Carbon of a kWh: the grid's mean where the site is, its contracts' (``market``), the grid's marginal, or one."""

    kind: Literal["location", "market", "marginal", "stated"]
    intensity: CarbonIntensity | None = None

    @model_validator(mode="after")
    def _one_number(self) -> Intensity:
        _number_of_stated(self, self.intensity, "intensity")
        return self


class Water(Cited):
    """Water: what the scenario says of the site and its grid (``site``), litres a kWh (``stated``), or ``nothing``.

    Stated litres are of a kWh of IT, or of all that the site draws (``of: facility``).
    """

    kind: Literal["site", "stated", "nothing"]
    wue: WaterIntensity | None = None
    of: Literal["it", "facility"] | None = None

    @model_validator(mode="after")
    def _one_number(self) -> Water:
        _number_of_stated(self, self.wue, "wue")
        if (self.of is not None) != (self.kind == "stated"):
            raise PydanticCustomError("of", "'of' (it, facility) goes with 'stated' water, and must be there")
        return self


def _number_of_stated(term: Building | Intensity | Water, number: object, name: str) -> None:
    if term.kind != "stated" and (number is not None or term.asked is not None):
        raise PydanticCustomError("unused", "'{name}' and 'asked' count only where it is 'stated'", {"name": name})
    if term.kind == "stated" and number is None and term.asked is None:
        raise PydanticCustomError("asked", "give '{name}', or say in 'asked' what a scenario has to", {"name": name})


class Making(Cited):
    """Carbon of making the machines: as the scenario spreads it (``scenario``), by held time over the lifetime
    (``held-time``), by held time over the part of the lifetime that is expected to be held (``expected-utilisation``),
    all of it at once (``purchase``), or ``nothing``.

    ``gpu``, ``server``, ``lifetime`` take the place of the scenario's, and ``utilisation`` is of the third kind.
    """

    kind: Literal["scenario", "held-time", "expected-utilisation", "purchase", "nothing"]
    gpu: CarbonMass | None = None
    server: CarbonMass | None = None
    lifetime: Lifetime | None = None
    utilisation: PositiveFraction | None = None

    @model_validator(mode="after")
    def _known_or_asked(self) -> Making:
        expected = self.kind == "expected-utilisation"
        if self.asked is not None and not expected:
            raise PydanticCustomError("asked", "only an expected utilisation can be asked for")
        if expected and self.utilisation is None and self.asked is None:
            raise PydanticCustomError("asked", "give 'utilisation', or say in 'asked' what a scenario has to")
        if not expected and self.utilisation is not None:
            raise PydanticCustomError("unused", "'utilisation' counts only where it is expected")
        if self.kind in ("scenario", "nothing", "purchase") and self.lifetime is not None:
            raise PydanticCustomError("unused", "'lifetime' counts only where it spreads something")
        if self.kind in ("scenario", "nothing") and (self.gpu is not None or self.server is not None):
            raise PydanticCustomError("unused", "'gpu' and 'server' have no use here")
        return self


class Whose(Cited):
    """Whose work counts: everybody's, what serves (``runtime``), or what makes a model (``development``)."""

    kind: Literal["all", "runtime", "development"]


class Outside(Cited):
    """Whether networks between sites and users' devices count."""

    kind: Literal["counted", "nothing"]


class ConventionProfile(Profile):
    """What counts of a run, as somebody wrote it down."""

    kind: Literal["convention"]
    about: str = Field(min_length=10, max_length=2000)
    lines: dict[Name, Line] = Field(default_factory=dict)
    added: dict[Name, Added] = Field(default_factory=dict)
    not_counted: dict[Component, Reason] = Field(default_factory=dict)
    workloads: Whose
    building: Building
    intensity: Intensity
    water: Water
    embodied: Making
    outside: Outside

    @model_validator(mode="after")
    def _every_component_once(self) -> ConventionProfile:
        counted = {component for line in self.lines.values() for component in line.of}
        for component in COMPONENTS:
            if (component in counted) == (component in self.not_counted):
                raise PydanticCustomError(
                    "boundary",
                    "'{c}' must be in a line, or named in not_counted with the reason, and not both",
                    {"c": component},
                )
        twice = sorted(set(self.lines) & set(self.added))
        if twice:
            raise PydanticCustomError("name", "{n} names a line and what is added", {"n": ", ".join(twice)})
        if not self.lines and not self.added:
            raise PydanticCustomError("boundary", "counts nothing: give 'lines'")
        return self

    @model_validator(mode="after")
    def _water_of_its_building(self) -> ConventionProfile:
        if self.building.kind == "site":
            if self.water.of == "facility":
                raise PydanticCustomError(
                    "water", "water 'of: facility' needs a 'building' of a stated PUE, or 'nothing'"
                )
        elif self.water.kind == "site":
            raise PydanticCustomError("water", "the site's water needs the site's 'building'")
        return self

    @model_validator(mode="after")
    def _no_hour_twice(self) -> ConventionProfile:
        hours: dict[tuple[Component, str], str] = {}
        for name, line in self.lines.items():
            for component in line.of:
                for part in PARTS[line.over]:
                    other = hours.setdefault((component, part), name)
                    if other != name:
                        raise PydanticCustomError(
                            "boundary",
                            "'{a}' and '{b}' both count {c} while {part}",
                            {"a": other, "b": name, "c": component, "part": part},
                        )
        return self


PARTS: dict[Over, tuple[str, ...]] = {
    "reserved": ("at work", "held and not at work"),
    "active": ("at work",),
    "idle": ("held and not at work", "nobody's"),
    "unallocated": ("nobody's",),
    "all": ("at work", "held and not at work", "nobody's"),
}
"""The parts of time that hours are, of which each counts once at most."""
