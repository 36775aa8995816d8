"""What replicas that share a queue are, and the rule by which there are more or fewer of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.engine.queueing.replica import UnderCap
    from sim.workload.early_exit import EarlyExits
    from sim.workload.provisioning import StartUp


@dataclass(frozen=True)
class Scaling:
    """A rule that keeps ``target`` requests, waiting or served, at each replica; ``initial`` of them from the start.

    The number wanted is replicas x load / target, rounded up, as the Horizontal Pod Autoscaler has it, and none is
    changed within a tenth of the target; ``least``, and one while there is a request, at the least. Down only after
    ``settle_ns`` of wanting less. Whoever goes finishes its batch first.
    """

    least: int
    initial: int
    target: float
    interval_ns: int
    settle_ns: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Replicas:
    """Replicas in SI, whose energy is booked to ``name``. W are of one GPU.

    A request takes ``first_ns`` alone, ``further_ns`` more for each further one of its batch, times a random factor of
    mean 1; ``factor`` begins its draws, None where there is none. ``by_size`` holds, where batches take times of their
    own, ns of a batch of 1, 2, ... requests and W of a GPU meanwhile, up to ``max_batch``. ``on_hosts``: they work on
    the CPUs alone, and the GPUs of their slots are idle. ``under_cap`` None: caps are not allowed to touch them.
    """

    name: str
    pool: str
    replicas: int
    gpus_per_replica: int
    first_ns: int
    further_ns: int
    factor: Callable[[], Callable[[], float]] | None
    max_batch: int
    max_wait_ns: int
    queue_limit: int | None
    start_up: StartUp
    active_w: float
    loaded_w: float
    cpu_load: float
    on_hosts: bool = False
    exits: EarlyExits | None = None
    scaling: Scaling | None = None
    by_size: tuple[tuple[int, float], ...] = ()
    under_cap: UnderCap | None = None
