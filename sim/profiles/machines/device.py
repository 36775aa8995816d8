"""Profiles of devices that stand with users or at the edge of a network: a phone, a board computer, a camera's module.

Watts are of the whole device, as a meter at its supply reads them, and not of its parts: that is what is published of
such devices. Screens and peripherals count as far as the source says that they were on.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.profiles.machines.gpu import Precision
from sim.profiles.sourced import Embodied, Profile, SourcedPower, SourcedRate
from sim.validation import Spec


class WholeDevicePower(Spec):
    """W of the whole device: on and doing nothing, at inference, and while its radio sends or receives."""

    idle: SourcedPower
    working: SourcedPower
    transferring: SourcedPower

    @model_validator(mode="after")
    def _rises(self) -> WholeDevicePower:
        if not self.idle.value <= min(self.working.value, self.transferring.value):
            raise PydanticCustomError("order", "needs idle <= working and idle <= transferring")
        return self


class DeviceProfile(Profile):
    """One device. ``peak`` is of what it infers on, GPU, CPU or other, where the maker or a paper says it."""

    kind: Literal["device"]
    power: WholeDevicePower
    peak: dict[Precision, SourcedRate] = Field(default_factory=dict)
    embodied: Embodied
