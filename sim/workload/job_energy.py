"""What jobs drew, bin by bin, and whose jobs they are: all that accounts need to know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.workload.jobs.table import UNKNOWN, JobTable

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

WHOSE = ("workload", "user", "account", "queue")
"""What jobs are told apart by, apart from themselves."""
COLUMNS = ("job", "pool", "bin", "energy_j", "slot_s", "active_slot_s")
"""Of their energy."""


@dataclass(frozen=True, eq=False)
class JobEnergy:
    """Sparse columns, a row for each job and bin of the ledger in which it held anything, in that order.

    ``job`` counts over all tables of the run, ``pool`` is a code into ``pools``, ``bin`` one between ``edges_ns``.
    ``energy_j`` is IT energy: what the job drew itself, and its share of the rest of its nodes. The rows of a
    workload's jobs sum to its rows in the ledger. ``slot_s`` is slots held times seconds, ``active_slot_s`` those of
    them in which the job was at work.
    """

    pools: tuple[str, ...]
    edges_ns: Ints
    job: Ints
    pool: Ints
    bin: Ints
    energy_j: Floats
    slot_s: Floats
    active_slot_s: Floats

    def __len__(self) -> int:
        return len(self.job)

    def joules(self, jobs: int) -> Floats:
        """IT energy of each of ``jobs`` jobs over the whole run, J (jobs,)."""
        return np.bincount(self.job, weights=self.energy_j, minlength=jobs).astype(np.float64)

    def of(self, first: int, jobs: int) -> Floats:
        """IT energy of the ``jobs`` jobs from ``first`` on, J (jobs,)."""
        begin, end = np.searchsorted(self.job, (first, first + jobs))
        own = slice(begin, end)
        return np.bincount(self.job[own] - first, weights=self.energy_j[own], minlength=jobs).astype(np.float64)


def merged(one: JobEnergy, other: JobEnergy) -> JobEnergy:
    """What jobs drew in two parts of a fleet of the same pools and bins; no job drew in both in one bin."""
    if not len(one) or not len(other):
        return one if len(one) else other
    columns = {name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in COLUMNS}
    order = np.lexsort((columns["pool"], columns["bin"], columns["job"]))
    return JobEnergy(one.pools, one.edges_ns, **{name: column[order] for name, column in columns.items()})


_BETWEEN = "\t"
"""Of the name of a workload and the number of a job."""


def owner_of_job(workload: str, job: int) -> str:
    """Whose slots are a job's, where they must be told from those of others of its workload."""
    return f"{workload}{_BETWEEN}{job}"


def job_of_owner(owner: str) -> tuple[int | None, str]:
    """The job that an owner is and its workload, or None and the owner."""
    workload, between, job = owner.partition(_BETWEEN)
    return (int(job), workload) if between else (None, owner)


@dataclass(frozen=True, eq=False)
class JobLabels:
    """Whose each job of a run is: codes (jobs,) into ``names`` by the same word; UNKNOWN where a trace does not say.

    ``row`` is the job's row in the table of its workload.
    """

    row: Ints
    workload: Ints
    user: Ints
    account: Ints
    queue: Ints
    names: Mapping[str, Sequence[str]]

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, eq=False)
class JobsEnergy:
    """What the jobs of a run drew, and whose they are."""

    energy: JobEnergy
    labels: JobLabels


def labels_of(tables: Sequence[tuple[str, JobTable]]) -> JobLabels:
    """Whose the jobs of some workloads are, their tables one after the other as the run numbers them.

    Users of one name in two tables are one user.
    """
    codes: dict[str, list[Ints]] = {word: [np.empty(0, np.int64)] for word in ("row", *WHOSE)}
    known: dict[str, dict[str, int]] = {word: {} for word in WHOSE}
    for workload, table in tables:
        codes["row"].append(np.arange(len(table), dtype=np.int64))
        codes["workload"].append(np.full(len(table), known["workload"].setdefault(workload, len(known["workload"]))))
        for word in WHOSE[1:]:
            own = [known[word].setdefault(name, len(known[word])) for name in table.names.get(word, ())]
            of_code = np.array([*own, UNKNOWN], dtype=np.int64)  # UNKNOWN is -1, the last
            codes[word].append(of_code[getattr(table, word)])
    columns = {word: np.concatenate(parts).astype(np.int64) for word, parts in codes.items()}
    return JobLabels(**columns, names={word: tuple(names) for word, names in known.items()})
