"""How jobs that ask for parts of a GPU share one: by instances (MIG), at once (MPS), one after the other, or not."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from sim.kinds import Choice
from sim.quantities import Duration, Fraction, PositiveDuration

MPS_CLIENTS = 48
"""What one server takes since Volta (NVIDIA, Multi-Process Service)."""


class SharingSpec(Choice):
    """How jobs share one GPU."""

    family: ClassVar[str] = "sharing"


class ExclusiveSharing(SharingSpec):
    """One job a GPU, however small the part of it that it asked for."""


class InstanceSharing(SharingSpec):
    """Each job on the smallest instance (MIG) that has what it asked for, where the profile of the GPU names slices."""


class MPSSharing(SharingSpec):
    """All jobs at once. ``contention`` is what a byte of others costs a job beyond its part of the bandwidth.

    No measurement that gives it alone is known to us: Li et al. (arXiv:2207.11428) let every further job cost 15 %, and
    Villarrubia et al. (2026, arXiv:2604.22430, abstract) lose about 30 % where memory is contended.
    """

    example: ClassVar[dict[str, Any]] = {"contention": 0.15, "memory_bound": 0.5}

    contention: Fraction = Field(
        description="For what others' traffic displaces from the cache; 0 to 30 % is published."
    )
    memory_bound: Fraction = Field(
        description="Of what a job does on its part of the GPU, how much is memory's; the rest is the multiprocessors'."
    )
    clients: int = Field(default=MPS_CLIENTS, ge=1, le=1000, strict=True)


class TimeSliceSharing(SharingSpec):
    """One job after the other. Where another has work, each ``quantum`` is followed by a ``switch``.

    On an A30 with four jobs that fill it, 16 % of products and 19 % of traffic are lost at a quantum of 1/480 s: 0.4 ms
    a switch (Colfax Research, "Sharing NVIDIA GPUs at the System Level", 2024). CUDA offers 2, 10 and 30 ms.
    """

    example: ClassVar[dict[str, Any]] = {"quantum": "2 ms", "switch": "0.4 ms", "replicas": 4}

    quantum: PositiveDuration
    switch: Duration = Field(description="Lost at each change of the job; 0.4 ms on an A30.")
    replicas: int = Field(ge=1, le=1000, strict=True, description="Jobs that may share one GPU.")
