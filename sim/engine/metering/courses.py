"""What holders of a node's slots did in a span of which they know only afterwards, and in the bins within it.

The joules of a span are those of its means, whatever edges of the ledger lie within: what is not linear in the power of
a node (supplies, the CPUs' curve) must not see an output option. The edges only tell when they were drawn: GPUs by what
each drew in each part, the other components by the time at work and loaded in it, and supplies by what they fed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.engine.metering.draws import UNALLOCATED, NodeHardware, Share
from sim.engine.metering.meter import Draw
from sim.workload.allocations import MILLI

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Piece = tuple[tuple[Draw, ...], int, int]
"""What a node drew, and when that began and ended."""


class Course(NamedTuple):
    """A span in parts (n,) between edges of the ledger (n + 1,), its own ends among them: as ``Activity``, of each."""

    edges_ns: Ints
    active_ns: Ints
    active_w: Floats
    loaded_w: Floats


class Activity(NamedTuple):
    """What a holder's slots did in a span of time: ns at work, W of each GPU while at work and while only loaded.

    Its ``course`` says so between edges of the ledger, where there are any within; the times in it add up.
    """

    active_ns: int
    active_w: float
    loaded_w: float
    cpu_load: float
    course: Course | None = None


class Activities(NamedTuple):
    """What many did in one span: of each what ``Activity`` says, all of one shape. They have no course."""

    active_ns: Ints
    active_w: Floats
    loaded_w: Floats
    cpu_load: Floats

    def at(self, which: slice | Ints) -> Activities:
        """What some of them did."""
        return Activities(self.active_ns[which], self.active_w[which], self.loaded_w[which], self.cpu_load[which])


def parts_of(told: Sequence[Activity | None] | None) -> int:
    """In how many parts a span is known; 1 where no edge lies within."""
    courses = [one.course for one in told or () if one is not None]
    return max((len(course.active_ns) for course in courses if course is not None), default=1)


class Parts(NamedTuple):
    """Draws (N,) of one share, or of slots that nobody holds, in one state, each between two instants.

    ``code`` says which of ``who`` it is of, ``share`` which share, or how many there are; ``watts`` are (N, C).
    """

    components: tuple[tuple[str, str], ...]
    who: tuple[tuple[str, str], ...]
    code: Ints
    share: Ints
    watts: Floats
    start_ns: Ints
    end_ns: Ints


def told_apart(
    hardware: NodeHardware, shares: Sequence[Share], told: Sequence[Activity | None], whole: Sequence[Piece]
) -> Parts:
    """The joules of the pieces of a span of a node that is on, owner by owner and state by state, in its parts."""
    start_ns, end_ns = whole[0][1], whole[-1][2]
    rows: dict[tuple[str, str], int] = {}
    at: dict[tuple[str, str], int] = {}
    for draws, _, _ in whole:
        for draw in draws:
            rows.setdefault((draw.hardware, draw.component), len(rows))
            at.setdefault((draw.owner, draw.state), len(at))
    joules = np.zeros((len(rows), len(at)))  # in W x ns
    for draws, since_ns, until_ns in whole:
        for draw in draws:
            cell = rows[draw.hardware, draw.component], at[draw.owner, draw.state]
            joules[cell] += draw.watts * (until_ns - since_ns)
    spells = [_spells(*one, at, start_ns, end_ns) for one in zip(shares, told, strict=True)]
    of = [(i, *spell) for i, own in enumerate(spells) for spell in own]
    amounts = [share.amount for share in shares]
    free = hardware.slots - sum(amounts)
    nobody = at.get((UNALLOCATED, "idle"))
    if nobody is not None:
        amounts.append(free)
        of.append((len(shares), nobody, np.array([start_ns]), np.array([end_ns]), np.ones(1)))
    sizes = [len(begin) for _, _, begin, _, _ in of]
    share, code = (np.repeat([spell[i] for spell in of], sizes) for i in (0, 1))
    begin_ns, until, gpu_w = (np.concatenate(columns) for columns in list(zip(*of, strict=True))[2:])
    amount, spans_ns = np.array(amounts)[share], until - begin_ns

    def spread(row: int, weight: Floats) -> Floats:
        """The joules of a component, in proportion to ``weight`` (N,)."""
        sums = np.bincount(code, weight * spans_ns, len(at))
        rate = np.divide(joules[row], sums, out=np.zeros(len(at)), where=sums > 0.0)
        return np.asarray(weight * rate[code])

    watts = np.empty((len(code), len(rows)))
    for (_, component), row in rows.items():
        if component == "gpu" and hardware.gpu is not None:
            own_w = gpu_w * hardware.gpu_scale + hardware.gpu_offset_w
            watts[:, row] = spread(row, amount * np.where(share < len(shares), own_w, 1.0))
        elif component == "psu_loss":
            watts[:, row] = spread(row, watts[:, :row].sum(axis=1))
        else:
            watts[:, row] = spread(row, amount)
    return Parts(tuple(rows), tuple(at), code, share, watts, begin_ns, until)


def _spells(
    share: Share, told: Activity | None, at: dict[tuple[str, str], int], start_ns: int, end_ns: int
) -> list[tuple[int, Ints, Ints, Floats]]:
    """When a share was in which state, and W of each of its GPUs then."""
    if told is None:
        when = np.array([start_ns]), np.array([end_ns])
        return [(at[share.owner, share.state], *when, np.array([share.gpu_w]))]
    course = told.course
    if course is None:
        edges_ns = np.array([start_ns, end_ns])
        course = Course(edges_ns, np.array([told.active_ns]), np.array([told.active_w]), np.array([told.loaded_w]))
    begin_ns, end = course.edges_ns[:-1], course.edges_ns[1:]
    until_ns = begin_ns + course.active_ns
    worked, rested = until_ns > begin_ns, until_ns < end
    found = []
    if worked.any():
        found.append((at[share.owner, "active"], begin_ns[worked], until_ns[worked], course.active_w[worked]))
    if rested.any():
        found.append((at[share.owner, "loaded"], until_ns[rested], end[rested], course.loaded_w[rested]))
    return found


def draws_of_parts(parts: Parts, shares: Sequence[Share], hardware: NodeHardware) -> list[Piece]:
    """The same as draws, one after the other."""
    milli = sum(share.slots * MILLI + share.milli for share in shares)
    held = [*((share.slots, share.milli) for share in shares), divmod(hardware.slots * MILLI - milli, MILLI)]
    draws = []
    for code, share, watts in zip(parts.code.tolist(), parts.share.tolist(), parts.watts.tolist(), strict=True):
        (owner, state), (slots, rest) = parts.who[code], held[share]
        named = zip(parts.components, watts, strict=True)
        draws.append(tuple([Draw(*component, owner, state, w, slots, rest) for component, w in named]))
    return list(zip(draws, parts.start_ns.tolist(), parts.end_ns.tolist(), strict=True))
