"""Kernels of a board of one kind as a law of watts and the meter explain them, and how a campaign went on between them.

How it went on (``Habit``) is the one that explains the known shapes' readings best: of products always the second
itself, since all that ran is known; of the rest the second itself or a longer queue. What was compiled just before
follows from a published rule (``kernel_compiling``), and where known shapes' readings tell it, from them: a tiling of
so many rows and columns is compiled for a depth or is not, and the same is true of depths held out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.kernel_meter import Habit, queue_w, shares
from benchmarks.accuracy.kernel_rows import B200, BOARDS, COMPILE_S, H200, KINDS, Board, read
from benchmarks.accuracy.kernel_second import Second
from benchmarks.accuracy.kernel_table import Kernels
from sim.profiles.kernels.power import KernelPower, power_w

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

QUICK_SHARE = 0.25
PAUSES_S = (0.003, 0.01, 0.03, 0.1, 0.3, 0.7, 1.5)
SPANS_S = (0.3, 0.7, 1.5, 4.0, 12.0)
PAUSE_SHARES = (0.0, 0.08, 0.2)
HOSTS_S = (5e-5, 4e-4, 1e-3, 2.5e-3)
"""What a launch one by one takes of modules and kernels that a framework calls: how many launches a run has, within a
graph, is decided from a few of these."""
SECONDS = {"gemm": (0.03, 0.05, 0.07, 0.1), "": (0.03, 0.06, 0.1, 0.15, 0.3)}
"""Pauses where the second itself is taken, of products and of other kinds."""
BLURS = (0.0, 0.3, 0.6)
SEQUENCES_S = (0.0, 1.5e-4)
"""For each sequence of a batch whose queries and cache are filled."""
FIRST_S = 1e-3
"""Of the first launch of attention, for which memory is got."""
TELLING_W = 30.0
"""A reading tells whether a kernel was compiled before it, if it were so much lower then."""
ROUNDS = 2
APART = 4
"""Every so many rows are tried with and without a pause at once, so that the past of each stays as it is."""


@dataclass
class Case:
    """Kernels of a board of one kind: which shapes are known, which operands are unfilled, and how the campaign went
    on between them. ``compiled`` are the rows before which a kernel was compiled. ``meter`` is kept for the habit
    that it is of, ``meter_of``."""

    board: Board
    kind: str
    kernels: Kernels
    known: Mask
    unfilled: Mask
    compiled: Mask
    habit: Habit = field(default_factory=lambda: Habit(0.05, 0.0, 0.0))
    meter: Callable[[Floats], Floats] | None = None
    meter_of: tuple[Habit, Mask] | None = None

    @property
    def judged(self) -> Mask:
        """Rows of shapes held out."""
        return np.asarray(self.kernels.measured & ~self.known)

    def toggle(self, law: Mapping[str, float]) -> Floats:
        """Share of the energy of real data that each row's operands take."""
        if self.kind.startswith("mla"):
            return np.full(len(self.kernels), law["module"])
        if self.kind == "context_attention":
            return np.full(len(self.kernels), law["cache"])
        return np.where(self.unfilled, law["unfilled"], 1.0)

    def power(self, law: Mapping[str, float], rest_w: float) -> KernelPower:
        """Of this board."""
        return KernelPower(
            rest_w, law["active"] * self.board.multiprocessors, law["e16"] * 1e-12, law["width"], law["l2"] * 1e-12,
            law["hbm"] * 1e-12, law["score"] * 1e-12, self.board.limit_w,
        )  # fmt: skip

    def beyond(self, law: Mapping[str, float], rest_w: float) -> Floats:
        """W that the kernels draw beyond rest."""
        d = self.kernels
        watts = power_w(d.work, d.seconds, self.power(law, rest_w), busy=d.busy, toggle=self.toggle(law))
        return np.asarray(watts) - rest_w

    def pauses(self, habit: Habit, compiled: Mask) -> Floats:
        """s before each row's warm-up: seconds where its kernel is compiled first."""
        other = (self.kernels.runs.queue > 0) & (habit.other_s > 0.0)
        pause_s = np.where(other, habit.other_s, habit.pause_s + habit.sequence_s * self.kernels.sequences)
        return np.where(compiled, COMPILE_S, pause_s)

    def reading(self, law: Mapping[str, float], rest_w: float) -> Floats:
        """What the meter shows, W."""
        return self.shown(self.beyond(law, rest_w), rest_w)

    def shown(self, beyond: Floats, rest_w: float) -> Floats:
        """What the meter shows of kernels that draw so much ``beyond`` rest, W."""
        of = self.meter_of
        if self.meter is None or of is None or of[0] != self.habit or of[1] is not self.compiled:
            self.meter = _meter(self.kernels, self.habit, self.pauses(self.habit, self.compiled))
            self.meter_of = (self.habit, self.compiled)
        return rest_w + self.meter(beyond)


def _meter(kernels: Kernels, habit: Habit, pause_s: Floats) -> Callable[[Floats], Floats]:
    """What is shown beyond rest of what is drawn beyond it."""
    if not habit.span_s:
        return Second(kernels.runs, pause_s, habit).shown
    own, before = shares(kernels.runs.loop_s, kernels.runs.warm_s, pause_s)

    def shown(beyond: Floats) -> Floats:
        past = queue_w(beyond, kernels.runs, kernels.runs.lane, pause_s, habit)
        return np.asarray(own * beyond + before * past + (1.0 - own - before) * habit.pause_w)

    return shown


def is_known(shapes: Sequence[str] | npt.NDArray[np.str_]) -> Mask:
    """Whether constants may be fitted to a shape: about half, by a hash of its name."""
    names, index = np.unique(np.asarray(shapes), return_inverse=True)
    even = [hashlib.sha256(str(name).encode()).digest()[0] % 2 == 0 for name in names]
    return np.asarray(np.array(even, dtype=np.bool_)[index])


def unfilled(board: Board, kind: str, kernels: Kernels) -> Mask:
    """Rows of products whose weights stayed zeros: of never filled weights, those of the largest matrices."""
    if kind != "gemm":
        return np.zeros(len(kernels), dtype=np.bool_)
    n, k = (np.array([int(s.split("/")[i]) for s in kernels.shape]) for i in (0, 1))
    never = np.isin(kernels.words, ["bfloat16", "fp8"])
    if board is H200:
        return np.asarray(never & (k == 65536))
    return np.asarray(never & (n == 65536) & (k >= (10240 if board is B200 else 16384)))


def cases(*, quick: bool, boards: Sequence[Board] = BOARDS, kinds: Sequence[str] = tuple(KINDS)) -> list[Case]:
    """All files that are here."""
    found = []
    for board, kind in product(boards, kinds):
        kernels = read(board, kind, share=QUICK_SHARE if quick else 1.0)
        if kernels is not None:
            known = is_known(kernels.shape) & kernels.measured
            found.append(Case(board, kind, kernels, known, unfilled(board, kind, kernels), kernels.paused))
    return found


def find_habit(case: Case, law: Mapping[str, float], rest_w: float) -> None:
    """How the campaign went on, from the known shapes' readings."""
    beyond = case.beyond(law, rest_w)
    _best(case, beyond, rest_w)
    if case.kernels.eager.any():
        for _ in range(ROUNDS):
            case.compiled = _told_by_readings(case, beyond, rest_w)
        _best(case, beyond, rest_w)


def _best(case: Case, beyond: Floats, rest_w: float) -> None:
    least = np.inf
    found = case.habit, case.kernels
    for kernels, habit in _habits(case):
        shown = rest_w + _meter(kernels, habit, case.pauses(habit, case.compiled))(beyond)
        error = float(np.abs(shown / kernels.watts - 1.0)[case.known].mean())
        if error < least:
            least, found = error, (habit, kernels)
    case.habit, case.kernels = found
    case.meter = None


def _habits(case: Case) -> Iterator[tuple[Kernels, Habit]]:
    """All that are tried."""
    d = case.kernels
    if case.kind == "gemm":
        others = SECONDS["gemm"] if d.runs.queue.any() else (0.0,)
        for pause, blur, other in product(SECONDS["gemm"], BLURS, others):
            yield d, Habit(pause, 0.0, 0.0, blur, other_s=other)
        return
    many = bool(d.sequences.any())
    seconds = [d.launched(HOSTS_S[0], FIRST_S)] if many else [d.launched(host_s) for host_s in HOSTS_S]
    each = SEQUENCES_S if many else SEQUENCES_S[:1]
    for kernels, pause, blur, sequence in product(seconds, SECONDS[""], BLURS, each):
        for share in PAUSE_SHARES[:2]:
            yield kernels, Habit(pause, share * case.board.limit_w, 0.0, blur, sequence)
    for host_s in HOSTS_S:
        kernels = d.launched(host_s)
        for pause, span, share in product(PAUSES_S, SPANS_S, PAUSE_SHARES):
            yield kernels, Habit(pause, share * case.board.limit_w, span)


def _told_by_readings(case: Case, beyond: Floats, rest_w: float) -> Mask:
    """Rows before which a kernel was compiled: as known shapes of their tiling have it in the sum, else by the rule."""
    d, rows = case.kernels, np.flatnonzero(case.kernels.eager)
    off = {}
    shown = {}
    for paused in (False, True):
        shown[paused] = np.full(len(d), np.nan)
        for first in range(APART):
            tried = case.compiled.copy()
            tried[rows[first::APART]] = paused
            one = replace(case, compiled=tried, meter=None)
            shown[paused][rows[first::APART]] = one.shown(beyond, rest_w)[rows[first::APART]]
        off[paused] = np.abs(np.log(shown[paused] / d.watts))
    telling = case.known & d.eager & (np.abs(shown[True] - shown[False]) > TELLING_W)
    votes = np.bincount(
        d.tiling[telling], (off[False] - off[True])[telling], minlength=int(d.tiling.max(initial=0)) + 1
    )
    told = np.bincount(d.tiling[telling], minlength=len(votes)) > 0
    return np.asarray(d.eager & np.where(told[d.tiling], votes[d.tiling] > 0.0, d.paused))
