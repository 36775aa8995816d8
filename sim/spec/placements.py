"""Where in its pools a job starts: the placements that a scheduler may be given."""

from __future__ import annotations

from typing import ClassVar, Literal

from sim.kinds import Choice


class PlacementSpec(Choice):
    """On which nodes of its pools a job starts."""

    family: ClassVar[str] = "placement"


class AnyPlace(PlacementSpec):
    """Any slots of a pool, the fullest nodes first, as processors of a machine whose nodes do not matter."""

    kind: Literal["anywhere"]


class PackedPlace(PlacementSpec):
    """As few nodes as can be: one node where a job fits on one, the fullest that has room; else whole nodes and a
    rest."""

    kind: Literal["packed"]
