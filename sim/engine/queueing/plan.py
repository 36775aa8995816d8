"""What replicas that share a queue are, and the rule by which there are more or fewer of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sim.engine.queueing.replica import UnderCap
    from sim.workload.early_exit import EarlyExits
    from sim.workload.provisioning import StartUp


class Replicas(Protocol):
    """Replicas in SI. W are of one GPU; ``factor`` begins the draws of the random factor, None where there is none.
    ``on_hosts``: they work on the CPUs alone, and the GPUs of their slots are idle."""

    @property
    def name(self) -> str:
        """Whom their energy is booked to."""

    @property
    def pool(self) -> str: ...
    @property
    def replicas(self) -> int: ...
    @property
    def gpus_per_replica(self) -> int: ...
    @property
    def first_ns(self) -> int: ...
    @property
    def further_ns(self) -> int: ...
    @property
    def factor(self) -> Callable[[], Callable[[], float]] | None: ...
    @property
    def max_batch(self) -> int: ...
    @property
    def max_wait_ns(self) -> int: ...
    @property
    def queue_limit(self) -> int | None: ...
    @property
    def start_up(self) -> StartUp: ...
    @property
    def active_w(self) -> float: ...
    @property
    def loaded_w(self) -> float: ...
    @property
    def cpu_load(self) -> float: ...
    @property
    def on_hosts(self) -> bool: ...
    @property
    def exits(self) -> EarlyExits | None: ...
    @property
    def scaling(self) -> Scaling | None: ...
    @property
    def under_cap(self) -> UnderCap | None:
        """None where caps are not allowed to touch them."""

    @property
    def by_size(self) -> tuple[tuple[int, float], ...]:
        """ns of a batch of 1, 2, ... requests and W of a GPU meanwhile, up to ``max_batch``; if empty, ``first_ns``,
        ``further_ns`` and ``active_w`` hold."""


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
