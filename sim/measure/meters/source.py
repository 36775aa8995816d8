"""What a meter must offer to be sampled: its devices and their readings at a moment. NVML and RAPL are such sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, Protocol

from sim.measure.recording import Device, Fault

Stamp = Callable[[], int]
"""The time now, in ns since 1970; never goes back."""

State = Literal["", "idle", "loaded", "busy"]
"""Of a GPU: no context, a context at 0 % utilization, kernels running; '' where the meter cannot tell."""


@dataclass(frozen=True)
class Reading:
    """One device at one moment. ``values`` has columns of ``MEASURED``; those it lacks were not read."""

    time_ns: int
    device: str
    values: Mapping[str, float]
    state: State = ""


class Source(Protocol):
    """Meters of one kind, opened and ready. A device that is lost drops out; the others go on."""

    @property
    def name(self) -> str:
        """Name of the meter in messages: NVML, RAPL."""

    @property
    def devices(self) -> Sequence[Device]:
        """All devices there were when it was opened."""

    @property
    def faults(self) -> Sequence[Fault]:
        """What could not be read so far, each thing once."""

    @property
    def lost(self) -> bool:
        """Whether a device vanished while it was sampled."""

    @property
    def origin(self) -> Mapping[str, Any]:
        """What to say of it in a recording's origin."""

    def sample(self, stamp: Stamp) -> Iterable[Reading]:
        """Every device that is left, once, each with the time of its reading."""

    def close(self) -> None:
        """Lets the meter go."""


@dataclass(frozen=True)
class Missing:
    """A source that could not be opened, and why, in words for the user."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def hashed(identity: str) -> str:
    """Sixteen hex digits that tell things apart without naming them."""
    return sha256(identity.encode()).hexdigest()[:16]
