"""Networks between users' devices and the machines of a scenario: energy by the byte, rates, and latency."""

from __future__ import annotations

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.quantities import ByteRate, Duration, EnergyPerByte
from sim.validation import Spec


class AccessNetwork(Spec):
    """What a device's bytes go over: energy of all equipment between it and the server, and the rates of one device."""

    energy: EnergyPerByte = Field(description="e.g. '0.03 kWh/GB'.")
    download: ByteRate = Field(description="e.g. '5 MB/s'.")
    upload: ByteRate

    @model_validator(mode="after")
    def _moves(self) -> AccessNetwork:
        if not (self.download and self.upload):
            raise PydanticCustomError("rate", "'download' and 'upload' must be above zero")
        return self


class NetworkWithLatency(AccessNetwork):
    """One whose way takes time as well, whatever is sent."""

    latency: Duration = Field(description="One way, e.g. '5 ms'.")
