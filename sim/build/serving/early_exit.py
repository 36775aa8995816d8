"""Early exits as written -> where requests leave, what is done until then, and what is drawn meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.build.traffic.routes import Between
from sim.kinds import builder
from sim.later import later
from sim.rng import Streams

with later():
    from sim.workload.early_exit import EarlyExits


if TYPE_CHECKING:
    from sim.spec.early_exit import EarlyExit


def early_exits(name: str, written: EarlyExit, streams: Streams) -> EarlyExits:
    """The exits of a service, whose requests draw their difficulty from a stream of its own."""
    exits = written.exits.values()
    drawn = builder(written.of)(written.of, Between(f"exits/{name}", {}, {}, streams)).drawn
    assert drawn is not None  # a column is refused where it is read
    return EarlyExits(
        names=tuple(written.exits),
        limits=tuple(one.up_to for one in exits),
        after=tuple(float(one.after) for one in exits),
        classifier=tuple(float(one.classifier) for one in exits),
        loads=(*(float(one.load) for one in exits), float(written.last_load)),
        drawn=drawn,
    )
