"""What a group of a layout meets on its way through a topology: the levels it crosses, in SI.

A group has ``gpus`` members. Levels nest: GPUs join to islands over their own link, islands to leaves over the network,
leaves over what lies above. Every collective is costed from these few numbers, whatever the topology behind them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Fabric = Literal["link", "network"]


@dataclass(frozen=True)
class Span:
    """One level that a group crosses: ``units`` of its GPUs (single ones, islands, leaves) are joined here.

    ``inside`` counts the group's GPUs in the smallest unit. ``unit_byte_per_s`` is what that unit sends to its
    neighbour in a ring, ``gpu_byte_per_s`` what each of its GPUs sends when all send evenly to all others, both in B/s
    in one direction while all groups of the layout do the same. A message takes ``latency_s`` once; a ring that visits
    all units takes ``steps`` of them. ``in_switch`` is the share of the rate that is left where the switches themselves
    reduce (0: they cannot). Over ``pcie`` protocols have other latencies.
    """

    fabric: Fabric
    units: int
    inside: int
    unit_byte_per_s: float
    gpu_byte_per_s: float
    latency_s: float
    steps: int
    in_switch: float = 0.0
    pcie: bool = False


@dataclass(frozen=True)
class Reach:
    """A group of ``gpus`` and the levels that it crosses, the innermost first; none where a GPU is alone."""

    gpus: int
    spans: tuple[Span, ...]

    @property
    def islands(self) -> int:
        """Islands of the accelerators' own link that hold members: 1 where the group stays on it."""
        return next((span.units for span in self.spans if span.fabric == "network"), 1)

    @property
    def beside(self) -> int:
        """Members in one island; the fewest where they differ by one."""
        return max(1, self.gpus // self.islands)

    @property
    def link(self) -> tuple[Span, ...]:
        """Levels of the accelerators' own link: one or none, or two where nodes have islands."""
        return tuple(span for span in self.spans if span.fabric == "link")

    @property
    def network(self) -> tuple[Span, ...]:
        """Levels of the network between islands."""
        return tuple(span for span in self.spans if span.fabric == "network")
