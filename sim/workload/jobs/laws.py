"""A trace of jobs by laws: kinds of jobs, who submits them, when, and what they say of how long they will run.

Everything is drawn as columns, from streams with names of their own: another law of limits changes no run, another kind
of job no other. Jobs are independent of one another but for the instants at which they come.

Left out: that a user's jobs resemble each other and follow each other's ends (thinking, feedback: who waits long
submits less), dependencies between jobs, and drift over months.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.rng import Stream
from sim.units import NS_PER_S
from sim.workload.exact import at_most_ns, dot
from sim.workload.jobs.arriving import Submissions
from sim.workload.jobs.limits import LimitLaw
from sim.workload.jobs.runtimes import RunLaw, mean_s
from sim.workload.jobs.sizes import MILLI, Sizes, one_of
from sim.workload.jobs.table import RECORDED, UNKNOWN, JobTable

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ends:
    """How many fail or are given up (``failed``, ``cancelled``), and whether they do so ``early``: at an instant of
    what would have been their run, each as likely. Else the law of runs is of all jobs, however they end."""

    failed: float
    cancelled: float
    early: bool

    @property
    def worked(self) -> float:
        """The share of its run that a job is at work, on average."""
        return 1.0 - (self.failed + self.cancelled) / 2.0 if self.early else 1.0


@dataclass(frozen=True)
class Deadlines:
    """``share`` of the jobs must be done ``low`` to ``high`` times their run after they were submitted."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Elastic:
    """``share`` of the jobs may have ``least`` to ``most`` times the GPUs that they ask for, whole ones."""

    share: float
    least: float
    most: float


@dataclass(frozen=True)
class Kind:
    """A kind of job: ``share`` of all. ``run`` is the law on one GPU, of g GPUs they run g**``exponent`` times as long,
    and none longer than ``longest_s``. ``spot`` and ``slack`` are shares of jobs; the latter may wait ``slack_ns``.

    ``nodes_of`` is how many GPUs of a node are asked for by jobs of whole multiples of it; 0 where they do not say.
    ``cpu_milli`` and ``memory_mib`` are of a GPU, or of a job that has none.
    """

    name: str
    share: float
    sizes: Sizes
    run: RunLaw
    exponent: float
    longest_s: float
    ends: Ends
    nodes_of: int
    cpu_milli: int
    memory_mib: int
    queue: str
    gpu_type: str
    priority: int
    spot: float
    deadlines: Deadlines
    slack: float
    slack_ns: int
    elastic: Elastic

    @property
    def mean_gpu_s(self) -> float:
        """GPU-seconds of work that a job brings on average, before any limit."""
        gpus = np.asarray(self.sizes.milli) / MILLI
        held = gpus > 0.0
        longer = np.where(held, gpus, 1.0) ** self.exponent
        means = longer * mean_s(self.run, self.longest_s / longer)
        return float(np.dot(self.sizes.shares, gpus * means)) * self.ends.worked


@dataclass(frozen=True)
class Account:
    """``share`` of the jobs are for an account, of whose ``users`` the k-th submits in proportion to k**-``zipf``."""

    name: str
    share: float
    users: int
    zipf: float


@dataclass(frozen=True)
class AtRate:
    """So many jobs/s, over a whole week."""

    per_s: float


@dataclass(frozen=True)
class OfLoad:
    """As many jobs as ask for ``utilisation`` of ``gpus`` GPUs over the time in which they are submitted."""

    utilisation: float
    gpus: int


@dataclass(frozen=True)
class JobLaw:
    """A law of jobs. Its streams are named after ``stream``."""

    kinds: tuple[Kind, ...]
    accounts: tuple[Account, ...]
    limits: LimitLaw
    submissions: Submissions
    volume: AtRate | OfLoad
    stream: Stream

    @property
    def mean_gpu_s(self) -> float:
        """GPU-seconds of work of a job, on average, before any limit."""
        return sum(kind.share * kind.mean_gpu_s for kind in self.kinds)

    @property
    def expected(self) -> float:
        """How many jobs it brings, on average."""
        until_s = self.submissions.until_ns / NS_PER_S
        if isinstance(self.volume, AtRate):
            return self.volume.per_s * until_s
        return self.volume.utilisation * self.volume.gpus * until_s / self.mean_gpu_s

    def draw(self) -> JobTable:
        """The table. ``recorded_state`` says which of them fail or are given up; nothing else is recorded of them."""
        if isinstance(self.volume, AtRate):
            submit_ns = self.submissions.at_rate(self.volume.per_s)
            return self._table(submit_ns, self._bodies(len(submit_ns)))
        asked_s = self.volume.utilisation * self.volume.gpus * self.submissions.until_ns / NS_PER_S
        count = int(1.5 * asked_s / self.mean_gpu_s) + 100
        while True:  # a heavy tail may bring less than its mean for long
            bodies = self._bodies(count)
            brought_s = np.cumsum(bodies.gpu_s)
            if brought_s[-1] >= asked_s:
                break
            count *= 2
        reached = int(np.searchsorted(brought_s, asked_s))
        without = brought_s[reached - 1] if reached else 0.0
        kept = reached + (brought_s[reached] - asked_s <= asked_s - without or not reached)
        submit_ns = self.submissions.so_many(kept)
        return self._table(submit_ns, bodies.first(len(submit_ns)))  # none where none can come while the run lasts

    def _rng(self, name: str) -> np.random.Generator:
        return self.stream.of(name)()

    def _bodies(self, count: int) -> _Bodies:
        """What so many jobs are like, whenever they come."""
        kind = one_of(tuple(one.share for one in self.kinds), self._rng("kinds").random(count))
        milli, run_ns = np.zeros(count, np.int64), np.zeros(count, np.int64)
        state = np.full(count, RECORDED.index("completed"), np.int64)
        for i, one in enumerate(self.kinds):
            rows = np.flatnonzero(kind == i)
            milli[rows] = one.sizes(self._rng(f"{one.name}/sizes"), len(rows))
            longer = np.where(milli[rows] > 0, milli[rows] / MILLI, 1.0) ** one.exponent
            run_s = longer * one.run.draw(one.longest_s / longer, self._rng(f"{one.name}/runs"))
            ended = one_of(
                (1.0 - one.ends.failed - one.ends.cancelled, one.ends.failed, one.ends.cancelled),
                self._rng(f"{one.name}/ends").random(len(rows)),
            )
            if one.ends.early:
                run_s = np.where(ended > 0, run_s * self._rng(f"{one.name}/early").random(len(rows)), run_s)
            state[rows] = np.array([RECORDED.index(name) for name in ("completed", "failed", "cancelled")])[ended]
            run_ns[rows] = np.maximum(1, at_most_ns(run_s * NS_PER_S))
        return _Bodies(kind, milli, run_ns, self.limits(run_ns, self._rng("limits")), state)

    def _table(self, submit_ns: Ints, bodies: _Bodies) -> JobTable:
        count = len(submit_ns)
        account, user, users = self._who(count)
        gpus, part = bodies.milli // MILLI, bodies.milli % MILLI
        whole = {name: np.array([getattr(kind, name) for kind in self.kinds])[bodies.kind] for name in _OF_KIND}
        nodes_of = whole["nodes_of"]
        spread = (nodes_of > 0) & (gpus >= nodes_of) & (gpus % np.maximum(nodes_of, 1) == 0)
        per = np.where(bodies.milli > 0, bodies.milli, MILLI)
        queues, types = _codes(kind.queue for kind in self.kinds), _codes(kind.gpu_type for kind in self.kinds)
        chosen = {name: self._rng(name).random(count) for name in ("spot", "deadlines", "slack", "elastic")}
        late = np.array([(k.deadlines.share, k.deadlines.low, k.deadlines.high) for k in self.kinds])[bodies.kind].T
        slack = np.ceil(bodies.run_ns * (late[1] + (late[2] - late[1]) * self._rng("times of deadlines").random(count)))
        due = submit_ns + at_most_ns(slack)
        grows = np.array([(k.elastic.share, k.elastic.least, k.elastic.most) for k in self.kinds])[bodies.kind].T
        elastic = (chosen["elastic"] < grows[0]) & (gpus > 0) & (part == 0)
        return JobTable(
            submit_ns=submit_ns,
            run_ns=bodies.run_ns,
            gpus=gpus,
            gpu_milli=part,
            nodes=np.where(spread, gpus // np.maximum(nodes_of, 1), UNKNOWN),
            cpu_milli=np.where(whole["cpu_milli"] > 0, whole["cpu_milli"] * per // MILLI, UNKNOWN),
            memory_mib=np.where(whole["memory_mib"] > 0, whole["memory_mib"] * per // MILLI, UNKNOWN),
            limit_ns=bodies.limit_ns,
            priority=whole["priority"],
            spot=(chosen["spot"] < whole["spot"]).astype(np.int64),
            deadline_ns=np.where(chosen["deadlines"] < late[0], due, UNKNOWN),
            slack_ns=np.where(chosen["slack"] < whole["slack"], whole["slack_ns"], 0),
            min_gpus=np.where(elastic, np.maximum(1, np.ceil(gpus * grows[1])).astype(np.int64), UNKNOWN),
            max_gpus=np.where(elastic, np.maximum(1, np.floor(gpus * grows[2])).astype(np.int64), UNKNOWN),
            user=user,
            account=account,
            queue=queues[1][bodies.kind],
            kind=bodies.kind,
            gpu_type=types[1][bodies.kind],
            recorded_state=bodies.state,
            names={
                "user": users,
                "account": tuple(account.name for account in self.accounts),
                "queue": queues[0],
                "kind": tuple(kind.name for kind in self.kinds),
                "gpu_type": types[0],
            },
        )

    def _who(self, count: int) -> tuple[Ints, Ints, tuple[str, ...]]:
        """For whom each job is, who submits it, and all users' names: ``account-1`` is an account's busiest."""
        if not self.accounts:
            return np.full(count, UNKNOWN), np.full(count, UNKNOWN), ()
        account = one_of(tuple(one.share for one in self.accounts), self._rng("accounts").random(count))
        drawn = self._rng("users").random(count)
        user = np.zeros(count, np.int64)
        first = 0
        for i, one in enumerate(self.accounts):
            rows = account == i
            shares = np.arange(1.0, one.users + 1.0) ** -one.zipf
            user[rows] = first + one_of(tuple(shares.tolist()), drawn[rows])
            first += one.users
        return account, user, tuple(f"{one.name}-{k}" for one in self.accounts for k in range(1, one.users + 1))


_OF_KIND = ("nodes_of", "cpu_milli", "memory_mib", "priority", "spot", "slack", "slack_ns")


@dataclass(frozen=True, eq=False)
class _Bodies:
    """Jobs without the instants at which they come: columns (n,)."""

    kind: Ints
    milli: Ints
    run_ns: Ints
    limit_ns: Ints
    state: Ints

    @property
    def gpu_s(self) -> Floats:
        """What each would take of GPUs before it ends or is killed, GPU-seconds (n,)."""
        held_ns = np.where(self.limit_ns == UNKNOWN, self.run_ns, np.minimum(self.run_ns, self.limit_ns))
        return self.milli / MILLI * (held_ns / NS_PER_S)

    def first(self, count: int) -> _Bodies:
        """The first so many."""
        return _Bodies(**{name: column[:count] for name, column in vars(self).items()})


def _codes(labels: Iterable[str]) -> tuple[tuple[str, ...], Ints]:
    """The different labels, and the code of each that was given; an empty one is unknown."""
    given = list(labels)
    names = tuple(dict.fromkeys(label for label in given if label))
    return names, np.array([names.index(label) if label else UNKNOWN for label in given], np.int64)


def offered_load(table: JobTable, gpus: int, duration_ns: int) -> float:
    """GPU time that jobs ask for, until they end or are killed, over that of ``gpus`` GPUs in ``duration_ns``.

    What is used is less: who comes late works beyond the end, and at first there is nobody.
    """
    milli = np.maximum(table.gpus, 0) * MILLI + table.gpu_milli
    held_ns = np.where(table.limit_ns == UNKNOWN, table.run_ns, np.minimum(table.run_ns, table.limit_ns))
    return dot(milli, held_ns) / (MILLI * gpus * duration_ns)
