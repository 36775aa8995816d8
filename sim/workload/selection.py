"""Who of many trials goes on, by what they show on the way: rules of early stopping as state without a clock.

A trial trains up to a *rung*, a share of its whole training, and shows a number there, of which lower is better. A rule
names the next trial to train and says after each report whether it trains on at once, rests, or is stopped.

Successive halving is Jamieson and Talwalkar 2016 (arXiv:1502.07943) with the resources of Li et al. 2018, Hyperband
(arXiv:1603.06560, algorithm 1): n_k = floor(n eta^-k) trials reach rung k. Without waiting for a rung to be full it is
ASHA (Li et al. 2018, arXiv:1810.05934, algorithm 2). The median rule is that of Golovin et al. 2017, Google Vizier
(doi:10.1145/3097983.3098043, section 3.2), of single values instead of running means.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar, Literal, NamedTuple, Protocol

Verdict = Literal["on", "rest", "done", "stop"]


class Turn(NamedTuple):
    """A trial, by its number, and the rung up to which it is to train."""

    trial: int
    rung: int


class Selector(Protocol):
    """A rule at work. ``stopped`` are the trials that it will not train any further."""

    @property
    def stopped(self) -> set[int]: ...

    def next(self) -> Turn | None:
        """Whom to train now; None while that depends on those who are at it, or where all is done."""

    def report(self, turn: Turn, shown: float) -> Verdict:
        """Takes what a trial shows at a rung: it trains ``on`` to the next, or gives its GPUs back: to ``rest`` for
        now, ``done`` with its training, or for good."""


class Rule(Protocol):
    """A rule before it begins: a value. ``rungs`` are rising shares of the whole training, the last of them 1."""

    @property
    def rungs(self) -> tuple[float, ...]: ...

    @property
    def ranks(self) -> bool:
        """Whether it judges trials by what they show."""

    def begun(self) -> Selector:
        """The rule from its start."""


def ladder(eta: int, rungs: int) -> tuple[float, ...]:
    """Shares of the whole training, each ``eta`` times the one before; the last is 1."""
    return tuple(float(eta) ** (k + 1 - rungs) for k in range(rungs))


def best(shown: Iterable[tuple[float, int]], count: int) -> list[int]:
    """The ``count`` trials of the lowest numbers; of equals the earlier."""
    return [trial for _, trial in sorted(shown)[:count]]


@dataclass(frozen=True)
class Throughout:
    """No trial is stopped: random search, a grid, an ensemble, a series of fine-tunings."""

    trials: int
    ranks: ClassVar[bool] = False

    @property
    def rungs(self) -> tuple[float, ...]:
        """The whole."""
        return (1.0,)

    def begun(self) -> Selector:
        """One after the other."""
        return _Brackets(iter([(self.trials,)]), 1)


@dataclass(frozen=True)
class Halving:
    """Successive halving of ``trials``, of which the best 1/``eta`` go on from each of ``steps`` rungs."""

    trials: int
    eta: int
    steps: int
    ranks: ClassVar[bool] = True

    @property
    def rungs(self) -> tuple[float, ...]:
        """Shares of the whole training."""
        return ladder(self.eta, self.steps)

    def begun(self) -> Selector:
        """One bracket."""
        return _Brackets(iter([_sizes(self.trials, self.eta, self.steps)]), self.steps)


@dataclass(frozen=True)
class Hyperband:
    """Successive halving in brackets, from many trials of little training to few of the whole, one after another."""

    eta: int
    steps: int
    ranks: ClassVar[bool] = True

    @property
    def rungs(self) -> tuple[float, ...]:
        """Shares of the whole training."""
        return ladder(self.eta, self.steps)

    @property
    def brackets(self) -> tuple[tuple[int, ...], ...]:
        """Trials at each of their rungs: bracket s begins with ceil(steps / (s + 1) x eta^s) at the rung s + 1 from
        the last."""
        begun = ((s, -(-self.steps * self.eta**s // (s + 1))) for s in reversed(range(self.steps)))
        return tuple(_sizes(count, self.eta, s + 1) for s, count in begun)

    def begun(self) -> Selector:
        """Its brackets, the one of most trials first."""
        return _Brackets(iter(self.brackets), self.steps)


def _sizes(trials: int, eta: int, steps: int) -> tuple[int, ...]:
    return tuple(trials // eta**k for k in range(steps))


class _Brackets:
    """Brackets one after another; those of a rung are judged when all have shown what they can."""

    def __init__(self, brackets: Iterator[Sequence[int]], steps: int) -> None:
        self._brackets = brackets
        self._steps = steps
        self._begun = 0
        self._sizes: Sequence[int] = ()
        self._rung = 0  # within the bracket
        self._queue: deque[int] = deque()
        self._shown: list[tuple[float, int]] = []
        self.stopped: set[int] = set()
        self._open()

    def _open(self) -> None:
        self._sizes = next(self._brackets, ())
        self._rung = 0
        self._shown = []
        if self._sizes:
            self._queue.extend(range(self._begun, self._begun + self._sizes[0]))
            self._begun += self._sizes[0]

    def next(self) -> Turn | None:
        """The next of the rung."""
        if not self._queue:
            return None
        return Turn(self._queue.popleft(), self._steps - len(self._sizes) + self._rung)

    def report(self, turn: Turn, shown: float) -> Verdict:
        """The last one of a rung decides who goes on."""
        self._shown.append((shown, turn.trial))
        last = self._rung == len(self._sizes) - 1
        if len(self._shown) == self._sizes[self._rung]:
            self._judge()
        return "done" if last else "rest"

    def _judge(self) -> None:
        if self._rung == len(self._sizes) - 1:
            self._open()
            return
        self._rung += 1
        on = best(self._shown, self._sizes[self._rung])
        self.stopped |= {trial for _, trial in self._shown}.difference(on)
        self._queue.extend(sorted(on))
        self._shown = []


@dataclass(frozen=True)
class Asha:
    """Asynchronous successive halving: a trial goes on as soon as it is of the best 1/``eta`` its rung has seen."""

    trials: int
    eta: int
    steps: int
    ranks: ClassVar[bool] = True

    @property
    def rungs(self) -> tuple[float, ...]:
        """Shares of the whole training."""
        return ladder(self.eta, self.steps)

    def begun(self) -> Selector:
        """Nothing seen yet."""
        return _Asha(self)


class _Asha:
    def __init__(self, rule: Asha) -> None:
        self._rule = rule
        self._begun = 0
        self._shown: list[list[tuple[float, int]]] = [[] for _ in range(rule.steps)]  # of each rung, the best first
        self._resting: list[list[tuple[float, int]]] = [[] for _ in range(rule.steps)]  # those of them not promoted
        self.stopped: set[int] = set()  # none while any that rests may still be promoted

    def next(self) -> Turn | None:
        """The highest promotion that there is, else a new trial."""
        for rung in reversed(range(self._rule.steps - 1)):
            shown, resting = self._shown[rung], self._resting[rung]
            if resting and bisect_left(shown, resting[0]) < len(shown) // self._rule.eta:
                return Turn(resting.pop(0)[1], rung + 1)
        if self._begun == self._rule.trials:
            return None
        self._begun += 1
        return Turn(self._begun - 1, 0)

    def report(self, turn: Turn, shown: float) -> Verdict:
        """Remembers it."""
        insort(self._shown[turn.rung], (shown, turn.trial))
        insort(self._resting[turn.rung], (shown, turn.trial))
        return "done" if turn.rung == self._rule.steps - 1 else "rest"


@dataclass(frozen=True)
class Median:
    """A trial that shows worse than the median of those before it, at the same share of its training, is stopped.

    Looked at every ``every`` of the training from ``grace`` on, once ``least`` others have been there.
    """

    trials: int
    grace: float
    every: float
    least: int
    ranks: ClassVar[bool] = True

    @property
    def rungs(self) -> tuple[float, ...]:
        """Shares of the whole training at which trials are looked at, and its end."""
        count = max(0, round((1.0 - self.grace) / self.every))
        looks = (self.grace + i * self.every for i in range(count + 1))
        return (*(share for share in looks if share < 1.0 - 1e-9), 1.0)

    def begun(self) -> Selector:
        """Nothing seen yet."""
        return _Median(self)


class _Median:
    def __init__(self, rule: Median) -> None:
        self._rule = rule
        self._begun = 0
        self._last = len(rule.rungs) - 1
        self._shown: list[list[float]] = [[] for _ in rule.rungs]
        self.stopped: set[int] = set()

    def next(self) -> Turn | None:
        """A new trial, while there are any."""
        if self._begun == self._rule.trials:
            return None
        self._begun += 1
        return Turn(self._begun - 1, 0)

    def report(self, turn: Turn, shown: float) -> Verdict:
        """Holds it against those before."""
        if turn.rung == self._last:
            return "done"
        before = self._shown[turn.rung]
        worse = len(before) >= self._rule.least and shown > median(before)
        before.append(shown)
        if worse:
            self.stopped.add(turn.trial)
        return "stop" if worse else "on"
