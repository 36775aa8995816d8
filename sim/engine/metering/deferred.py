"""What nodes drew, kept until there is enough of it to be worked out at once, in columns.

A ledger has no need of a node's draws before it is read. So a node that settles leaves its state, its shares and the
span here and takes a turn in the recorder, which asks for all that was left when it wants it, and books it in turn:
the same bits as node by node. A recorder that looks at every booking (``progress``, ``tally``) has no turns to give,
and is told at once.

A holder may know only afterwards when it was at work (a compiled serving pool). Its span is then booked as one piece
at work and one piece loaded, so that a node of eight replicas that were at work for eight different times has nine
pieces, with eight shares in each; where edges of the ledger lie within, ``courses`` tells the joules apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple, Protocol, TypeGuard

import numpy as np

from sim.engine.metering.columns import Bools, Columns, Floats, Held, Ints, components_of, draws_of
from sim.engine.metering.courses import Activities, Activity, Piece, draws_of_parts, parts_of, told_apart
from sim.engine.metering.draws import CLOCKED_UP, NodeHardware, NodeState, Share, node_draws
from sim.engine.metering.meter import Draw, Recorder
from sim.engine.metering.share_columns import NOBODY, ShareColumns

_SHARES, _SCALE, _OFFSET_W = attrgetter("shares"), attrgetter("gpu_scale"), attrgetter("gpu_offset_w")
FEWEST = 8
"""Nodes or spans that are worth arrays; fewer are worked out one by one."""
AT_ONCE = 1 << 15
"""Draws of equal nodes that are worked out at once: more do not stay in the processor's caches."""


class Settled(NamedTuple):
    """What one node was until it settled. ``told`` is what each of its shares did, where that is known afterwards."""

    turn: int
    hardware: NodeHardware
    state: NodeState
    shares: tuple[Share, ...]
    told: tuple[Activity | None, ...] | None
    start_ns: int
    end_ns: int


class Alike(NamedTuple):
    """What N nodes of one kind were until they settled, one after the other: they were on, and one owner alone held
    them. All shares (P,) are as ``share`` but for their ``slots``, those of each node from ``first`` (N,) on; ``told``
    is what each did, where that is known afterwards."""

    hardware: NodeHardware
    share: Share
    first: Ints
    slots: Ints
    told: Activities | None
    start_ns: int
    end_ns: int


class Spans(NamedTuple):
    """When each of some bookings has its turn, and when what it is of began and ended."""

    turn: Ints
    start_ns: Ints
    end_ns: Ints


_settled: Callable[[tuple[Any, ...]], Settled] = partial(tuple.__new__, Settled)  # in half the time


class PatientRecorder(Recorder, Protocol):
    """A recorder that gives turns: it asks for what was left for it, and books that in turn."""

    @property
    def left(self) -> dict[tuple[str, NodeHardware], Later]:
        """Where nodes of each pool and kind leave what they drew."""

    def turn(self, pool: str, later: Later, end_ns: int, draws: int, count: int = 1) -> int:
        """The turn of what is about to be left, with so many draws up to ``end_ns``, or the first of so many turns."""


def is_patient(recorder: Recorder) -> TypeGuard[PatientRecorder]:
    """Whether a recorder gives turns."""
    return hasattr(recorder, "turn")


def pieces_of(
    shares: tuple[Share, ...], told: Sequence[Activity | None] | None, start_ns: int, end_ns: int
) -> Iterator[tuple[tuple[Share, ...], int, int]]:
    """Shares as they were in each piece of a span, and when it began and ended."""
    if told is None:
        yield shares, start_ns, end_ns
        return
    edges = {start_ns + one.active_ns for one in told if one is not None} | {end_ns}
    since_ns = start_ns
    for edge_ns in sorted(edge for edge in edges if edge > start_ns):
        yield (
            tuple(_was(share, one, edge_ns - start_ns) for share, one in zip(shares, told, strict=True)),
            since_ns,
            edge_ns,
        )
        since_ns = edge_ns


def draws_in(
    hardware: NodeHardware,
    state: NodeState,
    shares: tuple[Share, ...],
    told: Sequence[Activity | None] | None,
    start_ns: int,
    end_ns: int,
) -> list[Piece]:
    """What a node drew in each piece of a span, and when that began and ended."""
    whole = _whole(hardware, state, shares, told, start_ns, end_ns)
    if told is None or parts_of(told) == 1:
        return whole
    return draws_of_parts(told_apart(hardware, shares, told, whole), shares, hardware)


def _whole(
    hardware: NodeHardware,
    state: NodeState,
    shares: tuple[Share, ...],
    told: Sequence[Activity | None] | None,
    start_ns: int,
    end_ns: int,
) -> list[Piece]:
    return [
        (node_draws(hardware, state, was), since_ns, until_ns)
        for was, since_ns, until_ns in pieces_of(shares, told, start_ns, end_ns)
    ]


def _was(share: Share, told: Activity | None, until_ns: int) -> Share:
    if told is None:
        return share
    if told.active_ns >= until_ns:
        return replace(share, state="active", gpu_w=told.active_w, cpu_load=told.cpu_load)
    return replace(share, state="loaded", gpu_w=told.loaded_w, cpu_load=0.0)


class Later:
    """What nodes of one pool drew that are alike but for their units."""

    def __init__(self, recorder: PatientRecorder, pool: str, hardware: NodeHardware) -> None:
        self._recorder = recorder
        self._pool = pool
        self._hardware = hardware
        self._components = components_of(hardware)
        self._settled: list[Settled] = []
        self._alike: list[tuple[int, Alike]] = []  # and the first of its turns

    @classmethod
    def of(cls, recorder: PatientRecorder, pool: str, hardware: NodeHardware) -> Later:
        """Where such a node leaves what it drew."""
        model = hardware.as_model
        found = recorder.left.get((pool, model))
        if found is None:
            found = recorder.left[pool, model] = cls(recorder, pool, model)
        return found

    def leave(
        self,
        hardware: NodeHardware,
        state: NodeState,
        shares: tuple[Share, ...],
        told: tuple[Activity | None, ...] | None,
        start_ns: int,
        end_ns: int,
    ) -> None:
        """A node of some kind drew what follows from these between two instants."""
        draws = len(self._components) * (len(shares) + 1)
        if told is not None:
            parts = parts_of(told)
            draws *= len(shares) + 1 if parts == 1 else 2 * parts
        turn = self._recorder.turn(self._pool, self, end_ns, draws)
        self._settled.append(_settled((turn, hardware, state, shares, told, start_ns, end_ns)))

    def leave_alike(self, alike: Alike) -> None:
        """Nodes of some kind drew what follows from this."""
        edges, told = np.append(alike.first, len(alike.slots)), alike.told
        most = int(np.diff(edges).max()) + 1
        draws = len(self._components) * most * (most if told is not None else 1)
        step = max(1, AT_ONCE // draws)
        for i in range(0, len(alike.first), step):
            first = alike.first[i : i + step]
            there = slice(int(first[0]), int(edges[i + len(first)]))
            some = alike._replace(
                first=first - there.start,
                slots=alike.slots[there],
                told=told.at(there) if told is not None else None,
            )
            turn = self._recorder.turn(self._pool, self, alike.end_ns, draws * len(first), len(first))
            self._alike.append((turn, some))

    def take(self) -> tuple[list[Columns], list[tuple[int, tuple[Draw, ...], int, int]]]:
        """All that was left since the last call: in columns, and one by one, with turn, draws, start and end in ns."""
        together, self._alike = self._alike, []
        columns = [drawn for alike in together for drawn in self._of_alike(*alike)]
        settled, self._settled = self._settled, []
        if not settled:
            return columns, []
        shares = ShareColumns(list(map(_SHARES, settled)))
        width, plain, left = shares.width, shares.plain, shares.slots < self._hardware.slots
        apart: list[int] = []
        alike = plain & np.array([one.told is None and one.state == "on" for one in settled], dtype=np.bool_)
        kind = 2 * width + left
        for number in np.unique(kind[alike]).tolist():
            those = np.flatnonzero(alike & (kind == number))
            if len(those) < FEWEST:
                apart += those.tolist()
            else:
                columns.append(self._in_columns(settled, those, shares, left=bool(number % 2)))
        told: dict[int, list[int]] = {}
        for i in np.flatnonzero(~alike).tolist():
            one = settled[i]
            if plain[i] and parts_of(one.told) > 1:
                columns.append(self._in_parts(one))
            elif plain[i] and one.state == "on" and one.told is not None and None not in one.told:
                told.setdefault(int(kind[i]), []).append(i)
            else:
                apart.append(i)
        for number, some in told.items():
            if len(some) < FEWEST:
                apart += some
            else:
                columns.append(self._in_pieces(settled, np.array(some), shares, left=bool(number % 2)))
        return columns, [(settled[i].turn, *piece) for i in apart for piece in draws_in(*settled[i][1:])]

    def _in_parts(self, one: Settled) -> Columns:
        """A span with edges of the ledger within, whose shares are of whole slots."""
        assert one.told is not None
        whole = _whole(*one[1:])
        parts = told_apart(one.hardware, one.shares, one.told, whole)
        held = [share.slots for share in one.shares]
        slots = np.array([*held, one.hardware.slots - sum(held)])[parts.share]
        shape = (*parts.watts.shape, 1)
        return Columns(
            parts.components,
            parts.who,
            parts.code[:, None],
            parts.watts.reshape(shape),
            np.broadcast_to(slots[:, None, None], shape),
            np.full(len(slots), one.turn),
            parts.start_ns,
            parts.end_ns,
        )

    def _in_columns(self, settled: Sequence[Settled], those: Ints, shares: ShareColumns, *, left: bool) -> Columns:
        """Nodes whose shares say it all."""
        spans, scale, offset_w = _spans([settled[i] for i in those.tolist()])
        return self._drawn(shares.who, shares.held(those, scale, offset_w), spans, left=left)

    def _in_pieces(self, settled: Sequence[Settled], those: Ints, shares: ShareColumns, *, left: bool) -> Columns:
        """Nodes of whose shares it is known only afterwards when they were at work."""
        found = [settled[i] for i in those.tolist()]
        spans, scale, offset_w = _spans(found)
        held = shares.held(those, scale, offset_w)
        told_of = zip(*chain.from_iterable(each.told for each in found if each.told is not None), strict=True)
        active_ns, *told_w = [np.array(values).reshape(held.slots.shape) for values in list(told_of)[:4]]
        told = Activities(active_ns, *(values.astype(np.float64) for values in told_w))
        number: dict[str, int] = {}
        owner = np.array([number.setdefault(owner, len(number)) for owner, _ in shares.who])[held.code]
        return self._worked(tuple(number), held._replace(code=owner), told, spans, left=left)

    def _of_alike(self, turn: int, alike: Alike) -> Iterator[Columns]:
        """Nodes that are held by one owner, each of whose shares is in one state, or told of afterwards."""
        hardware, share, told = alike.hardware, alike.share, alike.told
        width = np.diff(alike.first, append=len(alike.slots))
        kind = 2 * width + (np.add.reduceat(alike.slots, alike.first) < hardware.slots)
        for number in np.unique(kind).tolist():
            nodes = np.flatnonzero(kind == number)
            at = alike.first[nodes][:, None] + np.arange(number // 2)
            held = Held(
                np.ones(at.shape, dtype=np.int64),
                alike.slots[at],
                np.full(at.shape, share.state == "active"),
                np.full(at.shape, share.state in CLOCKED_UP),
                np.full(at.shape, share.gpu_w),
                np.full(at.shape, share.cpu_load),
                np.full(len(nodes), hardware.gpu_scale),
                np.full(len(nodes), hardware.gpu_offset_w),
            )
            spans = Spans(turn + nodes, np.full(len(nodes), alike.start_ns), np.full(len(nodes), alike.end_ns))
            if told is None:
                yield self._drawn((NOBODY, (share.owner, share.state)), held, spans, left=bool(number % 2))
                continue
            held = held._replace(code=np.zeros_like(held.code))
            yield self._worked((share.owner,), held, told.at(at), spans, left=bool(number % 2))

    def _worked(self, owners: tuple[str, ...], held: Held, told: Activities, spans: Spans, *, left: bool) -> Columns:
        """Nodes each of whose shares was at work for so long as was ``told``, and then loaded; ``held.code`` says for
        which owner."""
        one, active, start_ns, end_ns = _pieces(told.active_ns, spans.start_ns, spans.end_ns)
        owner = held.code[one]
        was = Held(
            np.where(active, owner, owner + len(owners)) + 1,
            held.slots[one],
            active,
            np.ones_like(active),
            np.where(active, told.active_w[one], told.loaded_w[one]),
            told.cpu_load[one],
            held.gpu_scale[one],
            held.gpu_offset_w[one],
        )
        who = (NOBODY, *((owner, state) for state in ("active", "loaded") for owner in owners))
        return self._drawn(who, was, Spans(spans.turn[one], start_ns, end_ns), left=left)

    def _drawn(self, who: tuple[tuple[str, str], ...], held: Held, spans: Spans, *, left: bool) -> Columns:
        if left:  # slots that nobody holds
            nobody = np.full((len(held.code), 1), who.index(NOBODY))
            held = held._replace(code=np.concatenate([held.code, nobody], axis=1))
        drawn = draws_of(self._hardware, held)
        return Columns(self._components, who, held.code, *drawn, *spans)


def _spans(those: Sequence[Settled]) -> tuple[Spans, Floats, Floats]:
    """Their spans, and how the units of each draw."""
    turn, start_ns, end_ns = np.array([(one.turn, one.start_ns, one.end_ns) for one in those], dtype=np.int64).T
    kinds = [one.hardware for one in those]
    scale, offset_w = (np.array(list(map(field, kinds))) for field in (_SCALE, _OFFSET_W))
    return Spans(turn, start_ns, end_ns), scale, offset_w


def _pieces(active_ns: Ints, start_ns: Ints, end_ns: Ints) -> tuple[Ints, Bools, Ints, Ints]:
    """The pieces of spans (E,) of nodes whose shares were at work for ``active_ns`` (E, S): of which span each is (P,),
    which shares were at work (P, S), and when it began and ended (P,)."""
    edges = np.sort(np.concatenate([active_ns, (end_ns - start_ns)[:, None]], axis=1), axis=1)
    before = np.concatenate([np.zeros((len(edges), 1), dtype=np.int64), edges[:, :-1]], axis=1)
    span, edge = np.nonzero(edges > before)  # pieces, span by span
    ends = edges[span, edge]
    return span, active_ns[span] >= ends[:, None], start_ns[span] + before[span, edge], start_ns[span] + ends
