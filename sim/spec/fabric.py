"""What joins the nodes of a pool: leaves and spines by rails, a fat tree, or a torus of the accelerators' own links.

Nothing has a default that would decide how long a step takes. Links within a node (or a rack whose accelerators share
one) are the GPU profile's. For scale: a transceiver of two ports of 400 Gbit/s draws 17 W (NVIDIA MMS4X00 data sheet),
170 pJ/B at full rate at either end of a cable.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.kinds import Choice
from sim.quantities import AtLeastOne, Duration, EnergyPerByte, PositiveByteRate, PositiveFraction
from sim.validation import Spec

MOST_ISLANDS = 1_000_000


class FabricSpec(Choice):
    """How accelerators of different nodes reach each other."""

    family: ClassVar[str] = "fabric"


class Ports(FabricSpec):
    """Of networks with switches: what each GPU's port does, and what the switches add.

    ``latency`` is that of a message from port to port, to which every switch on the way adds ``switch_latency``. Where
    switches reduce by themselves (SHARP), ``in_network`` is the share of the ports' rate at which they do.
    """

    bandwidth: PositiveByteRate = Field(description="Of one GPU's port, in one direction.")
    latency: Duration
    switch_latency: Duration
    energy_per_byte: EnergyPerByte
    in_network: PositiveFraction | None = Field(
        default=None, description="Share of the rate at which switches reduce; they do not, if absent."
    )


class Rail(Ports):
    """Rail-optimised leaves and spines: ports of the same rank in their nodes share a leaf, spines join the leaves."""

    example: ClassVar[dict[str, Any]] = {
        "bandwidth": "50 GB/s",
        "latency": "2 us",
        "switch_latency": "0.3 us",
        "energy_per_byte": "340 pJ/B",
        "nodes_per_leaf": 32,
        "oversubscription": 1.0,
    }

    nodes_per_leaf: int = Field(ge=1, le=MOST_ISLANDS, strict=True)
    oversubscription: AtLeastOne = Field(description="Of a leaf's uplinks: rate of its ports over theirs.")


class TierSpec(Spec):
    """``nodes`` under one block of switches, and what its uplinks are narrower by than what is below them."""

    nodes: int = Field(ge=1, le=MOST_ISLANDS, strict=True)
    oversubscription: AtLeastOne


class FatTree(Ports):
    """All ports of a node on one leaf, and blocks of switches above, tier by tier; what is above the last joins all."""

    example: ClassVar[dict[str, Any]] = {
        **{name: Rail.example[name] for name in ("bandwidth", "latency", "switch_latency", "energy_per_byte")},
        "tiers": [{"nodes": 2, "oversubscription": 1.0}, {"nodes": 384, "oversubscription": 7.0}],
    }

    tiers: list[TierSpec] = Field(min_length=1, max_length=6)

    @model_validator(mode="after")
    def _nested(self) -> FatTree:
        for lower, upper in pairwise(tier.nodes for tier in self.tiers):
            if upper <= lower or upper % lower:
                raise PydanticCustomError(
                    "tiers",
                    "each of its tiers must hold a whole number of those below it: {upper} nodes are not "
                    "several times {lower}",
                    {"upper": upper, "lower": lower},
                )
        return self


class TorusSpec(FabricSpec):
    """Accelerators joined to their neighbours along each side; the GPU profile's link is shared out among the sides.

    A side of more than two ``wraps`` around, or does not (a slice of a pod).
    """

    example: ClassVar[dict[str, Any]] = {"shape": [4, 4], "hop_latency": "1 us", "wraps": True}

    shape: list[Annotated[int, Field(ge=1, le=1024, strict=True)]] = Field(min_length=1, max_length=4)
    hop_latency: Duration
    wraps: bool = Field(strict=True)

    @property
    def gpus(self) -> int:
        """Accelerators of the whole torus."""
        return prod(self.shape)
