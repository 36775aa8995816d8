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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, repeat
from operator import attrgetter
from typing import NamedTuple, Protocol, TypeGuard

import numpy as np

from sim.engine.columns import Bools, Columns, Held, Ints, components_of, draws_of
from sim.engine.courses import Activity, Piece, draws_of_parts, parts_of, told_apart
from sim.engine.draws import CLOCKED_UP, UNALLOCATED, NodeHardware, NodeState, Share, node_draws
from sim.engine.meter import Draw, Recorder

SHARE = attrgetter("owner", "state", "slots", "gpu_w", "cpu_load")
FEWEST = 8
"""Nodes or spans that are worth arrays; fewer are worked out one by one."""


class Settled(NamedTuple):
    """What one node was until it settled. ``told`` is what each of its shares did, where that is known afterwards."""

    turn: int
    hardware: NodeHardware
    state: NodeState
    shares: tuple[Share, ...]
    told: tuple[Activity | None, ...] | None
    start_ns: int
    end_ns: int


class PatientRecorder(Recorder, Protocol):
    """A recorder that gives turns: it asks for what was left for it, and books that in turn."""

    @property
    def left(self) -> dict[tuple[str, NodeHardware], Later]:
        """Where nodes of each pool and kind leave what they drew."""

    def turn(self, pool: str, later: Later, end_ns: int, draws: int) -> int:
        """The turn of what is about to be left, with so many draws up to ``end_ns``."""


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
        width = len(shares) + 1
        parts = parts_of(told)
        draws = len(self._components) * width * (1 if told is None else width if parts == 1 else 2 * parts)
        turn = self._recorder.turn(self._pool, self, end_ns, draws)
        self._settled.append(Settled(turn, hardware, state, shares, told, start_ns, end_ns))

    def take(self) -> tuple[list[Columns], list[tuple[int, tuple[Draw, ...], int, int]]]:
        """All that was left since the last call: in columns, and one by one, with turn, draws, start and end in ns."""
        together: dict[tuple[int, bool, bool], list[Settled]] = {}
        apart: list[Settled] = []
        columns: list[Columns] = []
        kinds: dict[int, tuple[int, bool, bool]] = {}  # by identity: most nodes keep their shares while they are asked
        for one in self._settled:
            kind = kinds.get(id(one.shares))
            if kind is None:
                kind = kinds[id(one.shares)] = self._kind(one.shares)
            width, left, plain = kind
            if plain and parts_of(one.told) > 1:
                columns.append(self._in_parts(one))
            elif plain and one.state == "on" and (one.told is None or None not in one.told):
                together.setdefault((width, left, one.told is not None), []).append(one)
            else:
                apart.append(one)
        self._settled = []
        for (_, left, told), those in together.items():
            if len(those) < FEWEST:
                apart += those
            else:
                columns.append(self._in_columns(those, left=left, told=told))
        return columns, [
            (one.turn, *piece)
            for one in apart
            for piece in draws_in(one.hardware, one.state, one.shares, one.told, one.start_ns, one.end_ns)
        ]

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
            None,
            np.full(len(slots), one.turn),
            parts.start_ns,
            parts.end_ns,
        )

    def _kind(self, shares: tuple[Share, ...]) -> tuple[int, bool, bool]:
        """How many shares there are, whether slots are left, and whether all are of whole slots and on GPUs."""
        free, plain = self._hardware.slots, True
        for share in shares:
            free -= share.slots
            if share.milli or share.on_hosts or share.host_load:
                plain = False
        return len(shares), free > 0, plain

    def _in_columns(self, those: Sequence[Settled], *, left: bool, told: bool) -> Columns:
        which: dict[int, int] = {}
        of = np.array([which.setdefault(id(each.shares), len(which)) for each in those])
        alike = {id(each.shares): each.shares for each in those}
        shape = len(which), len(those[0].shares)
        flat = [SHARE(share) for number in which for share in alike[number]]
        owners, states, *rest = zip(*flat, strict=True) if flat else repeat((), 5)
        slots = np.array(rest[0], dtype=np.int64).reshape(shape)
        who: dict[tuple[str, str], int] = {}

        def codes(states: Iterable[str]) -> Ints:
            names = zip(owners, states, strict=False)
            return np.array([who.setdefault(name, len(who)) for name in names], dtype=np.int64).reshape(shape)

        start_ns = np.array([each.start_ns for each in those])
        end_ns = np.array([each.end_ns for each in those])
        one = np.arange(len(those))
        if told:
            at_work, loaded = codes(repeat("active")), codes(repeat("loaded"))
            told_of = zip(*chain.from_iterable(each.told for each in those if each.told is not None), strict=True)
            active_ns, *told_w = [np.array(values).reshape(len(those), shape[1]) for values in list(told_of)[:4]]
            active_w, loaded_w, cpu_load = (values.astype(np.float64) for values in told_w)
            one, active, start_ns, end_ns = _pieces(active_ns, start_ns, end_ns)
            slots, code = slots[of[one]], np.where(active, at_work[of[one]], loaded[of[one]])
            gpu_w = np.where(active, active_w[one], loaded_w[one])
            load, awake = cpu_load[one], np.ones_like(active)
        else:
            slots, code = slots[of], codes(states)[of]
            active = np.array([state == "active" for _, state in who], dtype=np.bool_)[code]
            awake = np.array([state in CLOCKED_UP for _, state in who], dtype=np.bool_)[code]
            gpu_w, load = (np.array(values, dtype=np.float64).reshape(shape)[of] for values in rest[1:])
        if left:
            nobody = who.setdefault((UNALLOCATED, "idle"), len(who))
            code = np.concatenate([code, np.full((len(code), 1), nobody)], axis=1)
        scale = np.array([each.hardware.gpu_scale for each in those])[one]
        offset_w = np.array([each.hardware.gpu_offset_w for each in those])[one]
        drawn = draws_of(self._hardware, Held(code, slots, active, awake, gpu_w, load, scale, offset_w))
        turn = np.array([each.turn for each in those])[one]
        return Columns(self._components, tuple(who), code, *drawn, turn, start_ns, end_ns)


def _pieces(active_ns: Ints, start_ns: Ints, end_ns: Ints) -> tuple[Ints, Bools, Ints, Ints]:
    """The pieces of spans (E,) of nodes whose shares were at work for ``active_ns`` (E, S): of which span each is (P,),
    which shares were at work (P, S), and when it began and ended (P,)."""
    edges = np.sort(np.concatenate([active_ns, (end_ns - start_ns)[:, None]], axis=1), axis=1)
    before = np.concatenate([np.zeros((len(edges), 1), dtype=np.int64), edges[:, :-1]], axis=1)
    span, edge = np.nonzero(edges > before)  # pieces, span by span
    ends = edges[span, edge]
    return span, active_ns[span] >= ends[:, None], start_ns[span] + before[span, edge], start_ns[span] + ends
