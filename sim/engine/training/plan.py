"""What a training job is to do: its gang, its work, its checkpoints, and the power of its GPUs in each state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sim.engine.training.recovery import RecoveryPlan
    from sim.workload.schedule import Schedule


@dataclass(frozen=True)
class TrainingPlan:
    """A job in SI. ``work_ns`` is the productive time its whole gang needs; W are of one GPU.

    The gang stands still for ``checkpoint_ns`` at each checkpoint, which is safe ``checkpoint_behind_ns`` later: the
    rest of it is written beside the work. ``waiting_w`` is drawn by a GPU that waits for others in a collective.

    ``under_cap`` gives the rate of work (0..1) and the W at work under a cap of so many W; None where caps are not
    allowed to touch it. ``is_set_up``: the first gang it gets is one on which it has nothing to set up. ``on_hosts``:
    it works on the CPUs alone, and the GPUs of its slots are idle. ``straddling`` is what is left of the rate of work
    where its gang lies on more islands of its nodes than it needs.
    """

    name: str
    pool: str
    gpus: int
    work_ns: int
    submit_ns: int
    setup_ns: int
    checkpoint_every_ns: int | None
    checkpoint_ns: int
    time_limit_ns: int | None
    on_failure: Literal["restart", "abort"]
    active_w: float
    loaded_w: float
    cpu_load: float
    schedule: Schedule | None = None
    under_cap: Callable[[float], tuple[float, float]] | None = None
    checkpoint_behind_ns: int = 0
    waiting_w: float = 0.0
    idle_w: float = 0.0
    recovery: RecoveryPlan | None = None
    is_set_up: bool = False
    on_hosts: bool = False
    straddling: float = 1.0

    @property
    def save_ns(self) -> int:
        """How long it takes until its state is safe; 0 where it keeps none."""
        return self.checkpoint_ns + self.checkpoint_behind_ns if self.checkpoint_every_ns is not None else 0
