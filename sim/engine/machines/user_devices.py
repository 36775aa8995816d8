"""Users' devices and the networks they are on, while requests of theirs are executed: what each does, and its joules.

What a device draws follows from what it does at an instant, the first of USES that is true of it, so that two requests
of one device do not draw twice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Sequence
from itertools import accumulate, count

import simpy

from sim.engine.clock import Clock
from sim.engine.metering.meter import Draw, Recorder
from sim.units import SECONDS_PER_NS
from sim.workload.rounds import SOURCES
from sim.workload.split_records import STANDBY, USES
from sim.workload.stages import DeviceKind, Move

DEVICES, WAN = SOURCES


class UserDevices:
    """All devices by number, those of one kind together."""

    def __init__(self, env: Clock, kinds: Sequence[DeviceKind], owner: str, pool: str, recorder: Recorder) -> None:
        self._env = env
        self._kinds = kinds
        self._owner = owner
        self._pool = pool
        self._recorder = recorder
        self._ends = list(accumulate(kind.count for kind in kinds))
        self._free_ns: dict[int, int] = {}
        self._busy: dict[int, list[int]] = {}
        self._numbers = [[0, 0, 0, kind.count] for kind in kinds]
        self._since_ns = [0] * len(kinds)
        self.joules = {(kind.name, use): 0.0 for kind in kinds for use in USES}

    def kind_of(self, device: int) -> int:
        """The kind of a device."""
        return bisect_right(self._ends, device)

    def turn_ns(self, device: int, work_ns: int) -> int:
        """Takes the next turn of a device for ``work_ns``; says how long until then."""
        now_ns = self._env.now_ns
        start_ns = max(now_ns, self._free_ns.get(device, 0))
        self._free_ns[device] = start_ns + work_ns
        return start_ns - now_ns

    def becomes(self, device: int, before: int, after: int) -> None:
        """A request of a device has it do something else; STANDBY is nothing."""
        busy = self._busy.setdefault(device, [0] * STANDBY)
        was = _use(busy)
        if before != STANDBY:
            busy[before] -= 1
        if after != STANDBY:
            busy[after] += 1
        now = _use(busy)
        if now != was:
            kind = self.kind_of(device)
            self._settle(kind)
            self._numbers[kind][was] -= 1
            self._numbers[kind][now] += 1

    def settle(self) -> None:
        """Books what all have drawn until now."""
        for kind in range(len(self._kinds)):
            self._settle(kind)

    def _settle(self, number: int) -> None:
        now_ns, since_ns, kind = self._env.now_ns, self._since_ns[number], self._kinds[number]
        if now_ns == since_ns:
            return
        self._since_ns[number] = now_ns
        draws = []
        for use, devices, watts in zip(range(len(USES)), self._numbers[number], kind.watts, strict=True):
            if devices and (use != STANDBY or kind.kept):
                draws.append(Draw(kind.name, DEVICES, self._owner, USES[use], devices * watts, devices))
                self.joules[kind.name, USES[use]] += devices * watts * ((now_ns - since_ns) * SECONDS_PER_NS)
        if draws:
            self._recorder.record(self._pool, draws, since_ns, now_ns)


def _use(busy: Sequence[int]) -> int:
    return next((use for use, requests in enumerate(busy) if requests), STANDBY)


class InTransit:
    """What is under way over networks: joules by the kind of device it is for, and bytes to and from devices."""

    def __init__(self, env: Clock, kinds: Sequence[str], owner: str, pool: str, recorder: Recorder) -> None:
        self._env = env
        self._kinds = kinds
        self._owner = owner
        self._pool = pool
        self._recorder = recorder
        self._number = count()
        self._open: dict[int, tuple[int, Move, int]] = {}
        self.joules = dict.fromkeys(kinds, 0.0)
        self.byte = {"up": 0.0, "down": 0.0}

    def carry(self, kind: int, move: Move) -> Generator[simpy.Event, object, None]:
        """Passes the bytes of a move, latency apart."""
        number = next(self._number)
        self._open[number] = (kind, move, self._env.now_ns)
        yield self._env.wait(move.pass_ns)
        self._book(*self._open.pop(number))

    def settle(self) -> None:
        """Books what has passed of moves that are not over."""
        for kind, move, start_ns in self._open.values():
            self._book(kind, move, start_ns)
        self._open.clear()

    def _book(self, kind: int, move: Move, start_ns: int) -> None:
        now_ns = self._env.now_ns
        passed = (now_ns - start_ns) / move.pass_ns
        if move.way is not None:
            self.byte[move.way] += move.byte * passed
        if move.joules and passed:
            watts = move.joules / (move.pass_ns * SECONDS_PER_NS)
            self.joules[self._kinds[kind]] += move.joules * passed
            draw = Draw(self._kinds[kind], WAN, self._owner, USES[0], watts, 0)
            self._recorder.record(self._pool, [draw], start_ns, now_ns)
