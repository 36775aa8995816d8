"""A number that says where it comes from and how sure it is; a profile with a bare number is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.plain import as_mapping, as_text
from sim.quantities import (
    ByteRate,
    Bytes,
    CarbonMass,
    DevicePower,
    EnergyPerByte,
    EnergyPerOperation,
    Frequency,
    NodePower,
    OperationRate,
    PositiveDuration,
    PositiveFraction,
    PowerPerByte,
)
from sim.validation import LONGEST_NAME, Spec

Confidence = Literal["measured", "datasheet", "cited", "derived", "assumed"]
Value = TypeVar("Value")


class Source(Spec):
    """Where numbers come from: enough for a reader to find the page."""

    title: str = Field(min_length=3)
    author: str = Field(min_length=2)
    year: int = Field(ge=1970, le=2100)
    locator: str | None = None
    url: str | None = None
    doi: str | None = None
    arxiv: str | None = None


class Sourced(Spec, Generic[Value]):
    """``value`` with its ``source`` (a key of the profile's ``sources``) and how it is known.

    ``low`` and ``high`` bound it where the source gives a range; ``note`` shows the arithmetic of a derived number.
    """

    value: Value
    source: str
    confidence: Confidence
    low: Value | None = None
    high: Value | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Sourced[Value]:
        value: Any = self.value
        if (self.low is not None and self.low > value) or (self.high is not None and self.high < value):
            raise PydanticCustomError("order", "its value must lie between its low and its high")
        if self.confidence in ("derived", "assumed") and not self.note:
            raise PydanticCustomError("note", "a {c} number needs a note that says how", {"c": self.confidence})
        return self


SourcedPower = Sourced[DevicePower]
SourcedNodePower = Sourced[NodePower]
SourcedFrequency = Sourced[Frequency]
SourcedRate = Sourced[OperationRate]
SourcedBytes = Sourced[Bytes]
SourcedByteRate = Sourced[ByteRate]
SourcedEnergyPerOperation = Sourced[EnergyPerOperation]
SourcedEnergyPerByte = Sourced[EnergyPerByte]
SourcedPowerPerByte = Sourced[PowerPerByte]
SourcedDuration = Sourced[PositiveDuration]
SourcedExponent = Sourced[PositiveFraction]
SourcedMass = Sourced[CarbonMass]


class Embodied(Spec):
    """Cradle-to-gate carbon as a range, because no vendor gives one number that others confirm."""

    low: SourcedMass
    central: SourcedMass
    high: SourcedMass

    @model_validator(mode="after")
    def _ordered(self) -> Embodied:
        if not self.low.value <= self.central.value <= self.high.value:
            raise PydanticCustomError("order", "low, central and high must not decrease")
        return self


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=LONGEST_NAME)]


class Profile(Spec):
    """What all profiles share. Every ``source`` inside must be one of ``sources``."""

    if TYPE_CHECKING:
        kind: str

    name: Name
    title: str = Field(max_length=1000)
    sources: dict[str, Source] = Field(min_length=1)

    @model_validator(mode="after")
    def _every_source_is_named(self) -> Profile:
        missing = sorted({key for key in _cited(self) if key not in self.sources})
        if missing:
            raise PydanticCustomError("source", "cites {m}, which its 'sources' do not name", {"m": ", ".join(missing)})
        return self


def _cited(value: Any) -> list[str]:
    fields = vars(value) if isinstance(value, Spec) else {}
    own = as_text(fields.get("source"))
    inner = value if isinstance(value, list | tuple) else (as_mapping(value) or fields).values()
    return [*([] if own is None else [own]), *(key for item in inner for key in _cited(item))]
