"""A route whose places take requests in turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim.build.traffic.routes import Between
from sim.spec.routes import RouteRule
from sim.workload.requests import RequestChunk
from sim.workload.routing import Sharing, Together

Ints = npt.NDArray[np.int64]


class InTurn(RouteRule):
    """To one place after the other; conversations stay where they began."""

    kind: Literal["in-turn"]


@dataclass(frozen=True)
class Turns:
    """So many places."""

    places: int

    def begun(self) -> Sharing:
        """Counts on from chunk to chunk."""
        together, count = Together(), 0

        def share(chunk: RequestChunk) -> Ints:
            nonlocal count
            turn = (count + np.arange(len(chunk), dtype=np.int64)) % self.places
            count += len(chunk)
            return together.keep(chunk.session, lambda _: turn)

        return share


def in_turn(_by: InTurn, between: Between) -> Turns:
    """Between all places of the route."""
    return Turns(len(between.to))
