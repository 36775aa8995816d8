"""The nodes of a pool, each made when something happens to it: until then one meter stands for all that are equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, overload

from sim.engine.clock import Clock
from sim.engine.machines.group import NodeGroup, SharedMeter
from sim.engine.machines.node import Node
from sim.engine.metering.deferred import is_patient
from sim.engine.metering.draws import NodeHardware
from sim.engine.metering.meter import Recorder

if TYPE_CHECKING:
    from sim.engine.machines.cohort import Cohort


class Nodes(Sequence[Node]):
    """``count`` nodes, of one ``hardware`` or each of its own: then all are made at once. All are on or off, as
    ``powered`` has it, but for the last, so many of which are ``cold``, and made at once, too."""

    def __init__(
        self,
        env: Clock,
        recorder: Recorder,
        pool: str,
        count: int,
        hardware: NodeHardware | Sequence[NodeHardware],
        powered: bool,
        cold: int = 0,
    ) -> None:
        self.pool = pool
        self.slots = (hardware if isinstance(hardware, NodeHardware) else hardware[0]).slots
        self._on_free: Callable[[Node], None] | None = None
        self._env = env
        self.recorder = recorder
        self._cohorts: list[Cohort] = []
        self._made: list[Node | None] = [None] * count
        first = hardware if isinstance(hardware, NodeHardware) else hardware[0]
        hot = count - cold if powered else 0
        self._meter = SharedMeter(recorder, pool, first, "on" if hot else "off", env.now_ns)
        for i in range(count) if not isinstance(hardware, NodeHardware) else range(hot, count) if hot else ():
            own = hardware if isinstance(hardware, NodeHardware) else hardware[i]
            if own is not first or (i < hot) != bool(hot):
                meter = SharedMeter(recorder, pool, own, "on" if i < hot else "off", env.now_ns)
                self._made[i] = Node(env, recorder, pool, i, meter)

    def __len__(self) -> int:
        return len(self._made)

    @overload
    def __getitem__(self, i: int) -> Node: ...
    @overload
    def __getitem__(self, i: slice) -> list[Node]: ...
    def __getitem__(self, i: int | slice) -> Node | list[Node]:
        if isinstance(i, slice):
            return self.at(range(len(self))[i])
        node = self._made[i]
        return node if node is not None else self._make(i)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.at(range(len(self))))

    def at(self, numbers: Sequence[int]) -> list[Node]:
        """Those with these numbers, in their order."""
        found = map(self._made.__getitem__, numbers)
        return [node if node is not None else self._make(i) for i, node in zip(numbers, found, strict=True)]

    def tell(self, on_free: Callable[[Node], None]) -> None:
        """Every node calls ``on_free`` from now on; those that are made already do so at once."""
        self._on_free = on_free
        for node in self._made:
            if node is not None:
                node.on_free = on_free
                on_free(node)

    @property
    def hardware(self) -> NodeHardware:
        """That of those that are not made yet."""
        return self._meter.hardware

    def let(self, cohort: Cohort) -> bool:
        """Whether a cohort has its nodes to itself from now on, until one of them is asked for."""
        numbers = cohort.numbers
        untouched = self._made[numbers.start : numbers.stop].count(None) == len(numbers)
        alone = all(
            numbers.stop <= other.numbers.start or other.numbers.stop <= numbers.start for other in self._cohorts
        )
        if not untouched or not alone or self._meter.since_ns < self._env.now_ns or not is_patient(self.recorder):
            return False
        self._cohorts.append(cohort)
        return True

    def let_go(self, cohort: Cohort) -> None:
        """The nodes of a cohort, if it has any to itself, are made from now on."""
        if cohort in self._cohorts:
            self._cohorts.remove(cohort)

    def settle(self) -> None:
        """Books everything drawn up to now, in the order of the nodes."""
        shared: dict[SharedMeter, None] = {}
        at = 0
        for cohort in sorted(self._cohorts, key=lambda cohort: cohort.numbers.start):
            self._settle(self._made[at : cohort.numbers.start], shared)
            cohort.settle()
            at = cohort.numbers.stop
        self._settle(self._made[at:], shared)
        for meter in shared:
            meter.since_ns = self._env.now_ns

    def _settle(self, nodes: Sequence[Node | None], shared: dict[SharedMeter, None]) -> None:
        """The same of some that no cohort has; those who share a meter are noted in ``shared``."""
        now_ns = self._env.now_ns
        for together, run in groupby(nodes, self._meters):
            if isinstance(together, SharedMeter):
                together.book(sum(1 for _ in run), now_ns)
                shared[together] = None
            elif isinstance(together, NodeGroup):
                together.settle()
            else:
                for node in run:
                    assert node is not None  # or it would share the meter of all
                    node.settle()

    def _meters(self, node: Node | None) -> SharedMeter | NodeGroup | None:
        """What meters it together with others; None if it has its own."""
        return self._meter if node is None else node.metered_by

    def _make(self, i: int) -> Node:
        for cohort in self._cohorts:
            if i in cohort.numbers:
                cohort.part()
                made = self._made[i]
                assert made is not None
                return made
        node = self._made[i] = Node(self._env, self.recorder, self.pool, i, self._meter)
        node.on_free = self._on_free
        return node
