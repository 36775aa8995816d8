"""Where in its pools a job starts: the placements that a scheduler may be given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.kinds import Choice
from sim.quantities import Bytes, PositiveDevicePower
from sim.validation import Spec


class PlacementSpec(Choice):
    """On which nodes of its pools a job starts."""

    family: ClassVar[str] = "placement"

    @property
    def names_pools(self) -> tuple[str, ...]:
        """Pools that it names, which must be there."""
        return ()


class AnyPlace(PlacementSpec):
    """Any slots of a pool, the fullest nodes first, as processors of a machine whose nodes do not matter."""


class PackedPlace(PlacementSpec):
    """As few nodes as can be: one node where a job fits on one, the fullest that has room; else whole nodes and a
    rest."""


class SpreadPlace(PlacementSpec):
    """The emptiest nodes first, so that jobs disturb each other least."""


class TopologyPlace(PlacementSpec):
    """A gang on one node, else in one rack, else in as few racks as can be."""

    most_racks: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        strict=True,
        description="A gang waits for so few; any number will do, if absent.",
    )


class BestFitPlace(PlacementSpec):
    """The node on which least of GPUs, CPUs and memory is left."""


class TypicalJob(Spec):
    """What a share of the jobs asks for of one node."""

    share: float = Field(gt=0.0, le=1e12, allow_inf_nan=False, description="Relative to the other shares.")
    gpus: int = Field(default=0, ge=0, le=10_000_000, strict=True)
    gpu_milli: int = Field(default=0, ge=0, lt=1000, strict=True, description="Thousandths of one GPU.")
    cpus: float = Field(ge=0.0, le=1e9, allow_inf_nan=False)
    memory: Bytes

    @model_validator(mode="after")
    def _one_of_them(self) -> TypicalJob:
        if self.gpus and self.gpu_milli:
            raise PydanticCustomError("parts", "asks for whole GPUs or for a part of one: 'gpus' or 'gpu_milli'")
        return self


class FgdPlace(PlacementSpec):
    """Fragmentation gradient descent: the node whose free GPUs stay of most use for the jobs that are typical."""

    example: ClassVar[Mapping[str, Any]] = {
        "typical": [
            {"share": 0.6, "gpu_milli": 500, "cpus": 4, "memory": "16 GiB"},
            {"share": 0.4, "gpus": 1, "cpus": 8, "memory": "32 GiB"},
        ]
    }

    typical: list[TypicalJob] = Field(min_length=1, description="What the jobs to come ask for.")


class HeadroomPlace(PlacementSpec):
    """Where shared limits of power leave most; a job waits where they do not leave enough for it."""

    example: ClassVar[Mapping[str, Any]] = {"slot": "450 W"}

    slot: PositiveDevicePower = Field(description="W at the plugs that a GPU (or socket) at work adds, host included.")


class LeastPowerPlace(PlacementSpec):
    """Efficient pools first, packed so that other nodes can sleep; none is woken while another pool has room."""

    example: ClassVar[Mapping[str, Any]] = {"order": ["dgx-a100"]}

    order: list[str] = Field(min_length=1, description="Pools, the one that needs least energy for its work first.")

    @property
    def names_pools(self) -> tuple[str, ...]:
        """The order."""
        return tuple(self.order)
