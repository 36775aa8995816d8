"""The machines: pools of equal nodes, how they are powered, and how often they break."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.documents import KeyPath
from sim.kinds import Choice
from sim.later import later
from sim.quantities import Duration
from sim.validation import LONGEST_NAME, Spec

with later():
    from sim.spec.fabric import FabricSpec
    from sim.spec.failures import NodesFail, SpareNodes
    from sim.spec.sharing import SharingSpec
    from sim.spec.unit_effects import UnitEffectSpec


MOST_NODES = 100_000


class Wanted(NamedTuple):
    """GPUs that a workload may come to hold at once in one pool; in the only one with GPUs, where none is named.

    ``field`` names one of several groups of replicas, and is empty where a workload is all of one kind. Slots of
    ``any_node`` may be sockets of a node without GPUs. ``sockets`` above 0: it asks for ``gpus`` times so many sockets
    of hosts instead, and for the slots that go with them.
    """

    field: str
    pool: str | None
    gpus: int
    any_node: bool = False
    sockets: int = 0


class MIGSpec(Spec):
    """Each GPU cut into instances, all of one kind: a slot of the pool is then an instance, and its GPU too.

    What is asked of a GPU of such a pool, in watts, in hours or in numbers, is asked of an instance.
    """

    layout: list[str] = Field(
        min_length=1, max_length=16, description="The instances on each GPU, e.g. [3g.40gb, 3g.40gb]."
    )

    @model_validator(mode="after")
    def _of_one_kind(self) -> MIGSpec:
        if len(set(self.layout)) > 1:
            raise PydanticCustomError(
                "mig", "the slots of a pool are of one size: give all instances of 'layout' the same kind"
            )
        return self

    @property
    def instance(self) -> str:
        """The kind of its instances."""
        return self.layout[0]


class NodePool(Spec):
    """``count`` nodes of one profile. ``name`` defaults to the profile's and must be unique in the cluster."""

    profile: str = Field(description="A profile of kind 'node', e.g. dgx-h100.")
    count: int = Field(ge=1, le=MOST_NODES, strict=True)
    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=LONGEST_NAME)
    site: str | None = Field(default=None, description="Where it stands; needed where the scenario has several sites.")
    initially: Literal["on", "off"] = "on"
    idle_timeout: Duration | None = Field(
        default=None, description="Idle nodes shut down after this long; never, if absent."
    )
    keep_warm: int = Field(
        default=0,
        ge=0,
        le=MOST_NODES,
        strict=True,
        description="So many idle nodes stay on, whatever 'idle_timeout' says.",
    )
    failures: NodesFail | None = None
    spares: SpareNodes | None = Field(default=None, description="Which of them stand in for others; none, if absent.")
    rack_nodes: int | None = Field(
        default=None, ge=1, le=MOST_NODES, strict=True, description="Nodes in a rack; all in one, if absent."
    )
    mig: MIGSpec | None = Field(default=None, description="How its GPUs are cut (MIG); they are whole, if absent.")
    sharing: SharingSpec | None = Field(
        default=None,
        description="How jobs that ask for parts of a GPU share one; absent: nobody disturbs anybody, as long as the "
        "parts add up.",
    )
    unit_effect: UnitEffectSpec | None = Field(
        default=None,
        description="How its units differ in what they draw; as its GPUs' profile says ('unit_spread'), if absent.",
    )
    fabric: FabricSpec | None = Field(
        default=None, description="What joins its nodes; needed where a model is trained on more than share a link."
    )

    @property
    def label(self) -> str:
        """What the pool is called."""
        return self.name if self.name is not None else self.profile

    @property
    def given_away(self) -> int:
        """Nodes that work is placed on: all but the spares."""
        return self.count - (self.spares.count if self.spares is not None else 0)

    @model_validator(mode="after")
    def _joined_whole(self) -> NodePool:
        if self.mig is not None and self.fabric is not None:
            raise PydanticCustomError("mig", "'fabric' joins whole GPUs: instances of 'mig' do not reach each other")
        if self.mig is not None and self.sharing is not None:
            raise PydanticCustomError("mig", "'sharing' is of whole GPUs; 'mig' has cut these already")
        return self

    @model_validator(mode="after")
    def _nodes_left(self) -> NodePool:
        if self.given_away < 1:
            raise PydanticCustomError("spares", "has no more nodes than spares: 'count' includes them")
        return self


class SchedulerSpec(Choice):
    """Who of those that wait for GPUs gets them next."""

    family: ClassVar[str] = "scheduler"

    @property
    def looks_at(self) -> tuple[str, ...]:
        """The signals that it looks at, of the site of each pool: ``carbon``, ``marginal`` or ``price``."""
        return ()

    @property
    def names_pools(self) -> tuple[str, ...]:
        """Pools that it names, which must be there."""
        return ()

    @property
    def names_of_jobs(self) -> tuple[tuple[KeyPath, str, tuple[str, ...]], ...]:
        """Users, accounts or queues that it names: where below it, which of these, and their names."""
        return ()


class Cluster(Spec):
    """All pools, and the scheduler of their GPUs."""

    nodes: list[NodePool] = Field(min_length=1)
    scheduler: SchedulerSpec | None = Field(
        default=None, description="Who of those that wait starts next; {kind: fifo}, if absent."
    )
