"""What the replicas of a pool have drawn: sums, read at any instant, and notes of them at edges of the ledger."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sim.engine.metering.courses import Course
from sim.engine.serving.plan import Ints
from sim.engine.serving.replicas import Pool, ReplicaGroup, Sums
from sim.units import J_PER_NJ, NS_PER_S
from sim.workload.exact import total

Floats = npt.NDArray[np.float64]
WRAP = 1 << 64


class Drawn:
    """ns in iterations, dynamic nJ and nJ of hand-overs of each replica since the start: (replicas, 3).

    Sums of a year may pass 2**63 and wrap around; differences of two within a span are right all the same.
    """

    def __init__(self, lanes: Sequence[range], pool: Pool) -> None:
        self._lanes = lanes
        self._first = np.array([own.start for own in lanes])
        self._single = all(len(own) == 1 for own in lanes)
        self._pool = pool
        self.sums: Ints = np.zeros((len(lanes), 3), dtype=np.int64)
        self._listed: list[Sums] | None = None  # the same, until all of them change
        self._noted_ns: list[int] = []
        self._notes: list[Ints] = []
        self.dynamic_nj = 0
        """Of all replicas."""

    def of(self, index: int) -> Sums:
        """The sums of a replica, as they are now."""
        return self.all()[index]

    def all(self) -> list[Sums]:
        """The same of all of them."""
        if self._listed is None:
            self._listed = list(map(tuple, self.sums.tolist()))
        return self._listed

    def take(self, index: int) -> None:
        """Asks the pool what a replica has drawn."""
        for lane in self._lanes[index]:
            taken = self._pool.take_energy(lane)
            if any(taken):
                self.sums[index] += taken
                if self._listed is not None:
                    self._listed[index] = tuple(self.sums[index].tolist())
                self.dynamic_nj += taken[1]

    def take_all(self) -> None:
        """Asks it of all of them at once."""
        self._listed = None
        taken = self._pool.take_all()
        self.sums += taken if self._single else np.add.reduceat(taken, self._first, axis=0)
        self.dynamic_nj += total(taken[:, 1])

    def note(self, now_ns: int) -> None:
        """Remembers the sums as they are at an edge of the ledger."""
        self._noted_ns.append(now_ns)
        self._notes.append(self.sums.copy())

    def forget_notes(self) -> None:
        """All nodes have settled."""
        self._noted_ns, self._notes = [], []

    def has_notes(self, start_ns: int, end_ns: int) -> bool:
        """Whether edges lie within a span."""
        return bisect_right(self._noted_ns, start_ns) < bisect_left(self._noted_ns, end_ns)

    def between(self, index: int, start_ns: int, end_ns: int) -> tuple[list[int], list[Ints]]:
        """The edges within a span, and a replica's sums then."""
        inside = slice(bisect_right(self._noted_ns, start_ns), bisect_left(self._noted_ns, end_ns))
        return self._noted_ns[inside], [note[index] for note in self._notes[inside]]


def drawn_between(before: Sums, now: Sums) -> Sums:
    """What a replica has drawn in between."""
    first, second, third = [b - a if b >= a else b - a + WRAP for a, b in zip(before, now, strict=True)]
    return first, second, third


def at_work(drawn: Sums, span_ns: int, group: ReplicaGroup) -> tuple[int, float, float]:
    """Of a replica that has ``drawn`` so much in a span: ns at work, and W of each GPU then and for hand-overs.

    Pipeline lanes overlap; together they cannot be at work for longer than the span.
    """
    lanes_ns, dynamic_nj, link_nj = drawn
    active_ns = min(lanes_ns, span_ns)
    dynamic_w = dynamic_nj * J_PER_NJ * NS_PER_S / group.gpus
    link_w = link_nj * J_PER_NJ * NS_PER_S / group.gpus / span_ns
    at_work_w = dynamic_w / active_ns if active_ns else 0.0
    if group.lanes > 1:
        at_work_w += float(waiting_stages_w(lanes_ns, active_ns, group))
    return active_ns, group.loaded_w + link_w + at_work_w, link_w


def all_at_work(drawn: Ints, span_ns: int, group: ReplicaGroup) -> tuple[Ints, Floats, Floats]:
    """The same of many (P, 3) of a group, to the bit."""
    lanes_ns, dynamic_nj, link_nj = drawn.T
    active_ns = np.minimum(lanes_ns, span_ns)
    dynamic_w = dynamic_nj * J_PER_NJ * NS_PER_S / group.gpus
    link_w = link_nj * J_PER_NJ * NS_PER_S / group.gpus / span_ns
    at_work_w = np.divide(dynamic_w, active_ns, out=np.zeros(len(active_ns)), where=active_ns > 0)
    if group.lanes > 1:
        at_work_w += waiting_stages_w(lanes_ns, active_ns, group)
    return active_ns, group.loaded_w + link_w + at_work_w, link_w


def waiting_stages_w(lanes_ns: int | Ints, active_ns: int | Ints, group: ReplicaGroup) -> Floats:
    """W of each GPU, in the mean over the time at work, for stages that wait while another stage works.

    A lane's iteration is at one stage at a time, so that every lane at work keeps one stage busy; the others poll.
    """
    busy = np.asarray(lanes_ns) / (group.lanes * np.maximum(active_ns, 1))
    return np.where(np.asarray(active_ns) > 0, group.polling_w * np.maximum(1.0 - busy, 0.0), 0.0)


def course_of(drawn: Ints, edges_ns: Ints, active_ns: int, group: ReplicaGroup) -> Course:
    """The course (n,) of a replica that has ``drawn`` (n, 3) between edges (n + 1,), and was at work for ``active_ns``.

    Where its lanes overlap, what they were at work for beyond the time of a part counts in the first parts with room.
    """
    spans_ns = np.diff(edges_ns)
    own_ns = np.minimum(drawn[:, 0], spans_ns)
    room_ns = spans_ns - own_ns
    own_ns += np.clip(active_ns - own_ns.sum() - (np.cumsum(room_ns) - room_ns), 0, room_ns)
    dynamic_w, link_w = drawn[:, 1:].T * (J_PER_NJ * NS_PER_S / group.gpus)
    loaded_w = group.loaded_w + link_w / spans_ns
    active_w = loaded_w + np.divide(dynamic_w, own_ns, out=np.zeros(len(spans_ns)), where=own_ns > 0)
    active_w += waiting_stages_w(drawn[:, 0], own_ns, group)
    return Course(edges_ns, own_ns, active_w, loaded_w)


def handed(course: Course, joules: float, group: ReplicaGroup) -> list[tuple[int, float]]:
    """``joules`` of hand-overs outside of iterations, told at the ends of the parts of a course that they fell into."""
    ends_ns = course.edges_ns[1:]
    parts = (course.loaded_w - group.loaded_w) * (np.diff(course.edges_ns) - course.active_ns)
    return list(zip(ends_ns.tolist(), (parts * (joules / parts.sum())).tolist(), strict=True))
