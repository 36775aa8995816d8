"""What jobs drew as a table and back, and what each of them, each user, account and queue answers for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pyarrow as pa

from sim.accounting.attribution import Word
from sim.accounting.footprint import QUANTITIES
from sim.accounting.known import Known
from sim.accounting.ledger import Ledger
from sim.accounting.plan import AccountingPlan
from sim.errors import InputError
from sim.later import later
from sim.results.catalogue import grid
from sim.results.catalogue.accounts import MONEY, SHARERS
from sim.results.columns import numbers, texts
from sim.results.formats import Grid
from sim.units import G_PER_KG, J_PER_KWH
from sim.workload.job_energy import WHOSE
from sim.workload.jobs.table import UNKNOWN

with later():
    from sim.workload.job_energy import JobEnergy, JobLabels, JobsEnergy


if TYPE_CHECKING:
    from sim.accounting.attribution import Attribution, Shares
    from sim.workload.job_energy import Floats, Ints


MOST_NAMED = 50
"""Of users and so on that the summary names, largest first; the others are summed."""
MOST_ROWS = 5
"""Of them in a table that people read."""
_SUMMED = re.compile(r"\((\d+) others\)")
SUMS = ("energy_j", "slot_s", "active_slot_s")


def job_energy_table(jobs: JobsEnergy) -> pa.Table:
    """A row for each job and bin of the ledger in which it held anything.

    ``row`` is its row in the table of its workload, as in ``jobs.parquet``, ``start_ns`` the beginning of the bin from
    the start of the run, ``energy_j`` IT energy: the rows of a workload sum to its rows in the ledger.
    """
    energy, labels = jobs.energy, jobs.labels
    columns: dict[str, pa.Array] = {"row": numbers(labels.row[energy.job])}
    for word in WHOSE:
        columns[word] = _named(getattr(labels, word)[energy.job], labels.names[word])
    columns["pool"] = _named(energy.pool, energy.pools)
    columns["start_ns"] = numbers(energy.edges_ns[energy.bin])
    return pa.table(columns | {name: numbers(getattr(energy, name)) for name in SUMS})


def _named(codes: Ints, names: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(numbers(codes.astype(np.int32), codes == UNKNOWN), texts(names))


def jobs_energy_of(table: pa.Table, ledger: Ledger) -> JobsEnergy:
    """What jobs drew, back from its table; those without a row in it are not there.

    Raises ``InputError`` for a table that does not go with the ledger.
    """
    try:
        return _jobs_energy(table, ledger)
    except (pa.ArrowException, KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise InputError.one("job_energy.parquet", f"is none of this run: {str(error)[:200]}") from None


def _jobs_energy(table: pa.Table, ledger: Ledger) -> JobsEnergy:
    names, codes = {}, {}
    for word in (*WHOSE, "pool"):
        column = table[word]
        column = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        column = column.unify_dictionaries().combine_chunks()
        names[word] = tuple(column.dictionary.to_pylist())
        codes[word] = np.asarray(column.indices.fill_null(UNKNOWN)).astype(np.int64)
    row, start_ns = _ints(table, "row"), _ints(table, "start_ns")
    sums = {name: _floats(table, name) for name in SUMS}
    bins = np.searchsorted(ledger.edges_ns[:-1], start_ns)
    if not (ledger.edges_ns[:-1][np.minimum(bins, len(ledger.edges_ns) - 2)] == start_ns).all():
        raise ValueError("it has other bins than the ledger")
    if not all(np.isfinite(column).all() and (column >= 0.0).all() for column in sums.values()):
        raise ValueError("it has energies that are none")
    for word, known in (("pool", {key.pool for key in ledger.keys}), ("workload", {key.owner for key in ledger.keys})):
        if not {names[word][code] for code in np.unique(codes[word]).tolist()} <= known:
            raise ValueError(f"it has a {word} that the ledger has not")
    new = np.ones(len(row), dtype=np.bool_)
    new[1:] = (row[1:] != row[:-1]) | (codes["workload"][1:] != codes["workload"][:-1])
    job, at = np.cumsum(new) - 1, bins.astype(np.int64)
    energy = JobEnergy(names.pop("pool"), ledger.edges_ns, job, codes.pop("pool"), at, **sums)
    labels = JobLabels(row[new], **{word: column[new] for word, column in codes.items()}, names=names)
    return JobsEnergy(energy, labels)


def _ints(table: pa.Table, name: str) -> Ints:
    return np.asarray(table[name].to_numpy(), dtype=np.int64)


def _floats(table: pa.Table, name: str) -> Floats:
    return np.asarray(table[name].to_numpy(), dtype=np.float64)


def told_of(known: Known) -> Mapping[str, tuple[tuple[str, ...], float]]:
    """What is told of shares, by name: the quantities that it sums, and what one of its units is of them."""
    told: dict[str, tuple[tuple[str, ...], float]] = {
        "energy_kwh": (("energy_j",), J_PER_KWH),
        "operational_kg": (("operational_g",), G_PER_KG),
        "embodied_kg": (("embodied_g",), G_PER_KG),
        "carbon_kg": (("operational_g", "embodied_g"), G_PER_KG),
    }
    if "market_g" in known:
        told["operational_market_kg"] = (("market_g",), G_PER_KG)
    if "marginal_g" in known:
        told["marginal_effect_kg"] = (("marginal_g", "scope1_g"), G_PER_KG)
    onsite, offsite = "onsite_l" in known, "offsite_l" in known
    if onsite:
        told["onsite_l"] = (("onsite_l",), 1.0)
    if offsite:
        told["offsite_l"] = (("offsite_l",), 1.0)
    if onsite and offsite:
        told["water_l"] = (("onsite_l", "offsite_l"), 1.0)
    if "embodied_l" in known:
        told["embodied_l"] = (("embodied_l",), 1.0)
    if "cost" in known:
        told["cost"] = (("cost",), 1.0)
    if "carbon_cost" in known:
        told["carbon_cost"] = (("carbon_cost",), 1.0)
    return told


def _told(values: Floats, known: Known) -> dict[str, Floats]:
    """What is told of some (n, ``QUANTITIES``), by name (n,)."""
    return {
        name: np.asarray(sum(values[:, QUANTITIES.index(one)] for one in quantities) / unit)
        for name, (quantities, unit) in told_of(known).items()
    }


def attribution_table(found: Attribution) -> pa.Table:
    """A row for each job that ever held anything, with all that it answers for."""
    labels, n = found.labels, len(found.jobs)
    columns: dict[str, pa.Array] = {"row": numbers(labels.row[found.jobs])}
    for word in WHOSE:
        columns[word] = _named(getattr(labels, word)[found.jobs], labels.names[word])
    columns["it_kwh"] = numbers(found.it_j[:n] / J_PER_KWH)
    return pa.table(columns | {name: numbers(column) for name, column in _told(found.values[:n], found.known).items()})


def attribution_summary(found: Attribution, plan: AccountingPlan) -> dict[str, Any]:
    """Who answers for what: by workload, user, account and queue, largest first; and what stays nobody's.

    Each table and ``unallocated`` sum to the run.
    """
    summary: dict[str, Any] = {"idle": found.rule}
    if plan.currency is not None:
        summary["currency"] = plan.currency
    for word in get_args(Word):
        summary[f"by_{word}"] = _largest(found.by(word), found.known)
    nobody = _told(found.unallocated[None, :], found.known)
    summary["unallocated"] = {name: float(column[0]) for name, column in nobody.items()}
    return summary


def _largest(shares: Shares, known: Known) -> list[dict[str, Any]]:
    told = {"it_kwh": shares.it_j / J_PER_KWH, **_told(shares.values, known)}
    order = sorted(range(len(shares.names)), key=lambda i: (-told["energy_kwh"][i], shares.names[i]))
    rows = [
        {
            "name": shares.names[i],
            "jobs": int(shares.jobs[i]),
            **{name: float(column[i]) for name, column in told.items()},
        }
        for i in order[:MOST_NAMED]
    ]
    others = order[MOST_NAMED:]
    if others:
        sums = {name: float(column[others].sum()) for name, column in told.items()}
        rows.append({"name": f"({len(others)} others)", "jobs": int(shares.jobs[others].sum()), **sums})
    return rows


def attribution_grids(summary: Mapping[str, Any]) -> list[Grid]:
    """The largest users, accounts and queues, where there are several and some are known, and the others summed."""
    found = summary.get("attribution", {f"by_{word}": () for word in SHARERS})
    tables: list[Grid] = []
    for word in SHARERS:
        rows = found[f"by_{word}"]
        if len(rows) > 1 and any(not str(row["name"]).startswith("(") for row in rows):
            shown = [*rows[:MOST_ROWS], *_others(rows[MOST_ROWS:])]
            header, lines = _filled(grid(word, {row["name"]: row for row in shown}))
            money = found.get("currency")
            tables.append(([f"{name}, {money}" if name in MONEY and money else name for name in header], lines))
    return tables


def _others(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The sum of ``rows`` as one, of which the last may be of others already; none of none."""
    if len(rows) < 2:
        return [dict(row) for row in rows]
    further = _SUMMED.fullmatch(str(rows[-1]["name"]))
    count = len(rows) - 1 + (int(further[1]) if further is not None else 1)
    sums = {name: sum(row.get(name, 0) for row in rows) for row in rows for name in row if name != "name"}
    return [{"name": f"({count} others)", **sums}]


def _filled(table: Grid) -> Grid:
    """Without columns in which nothing stands."""
    header, rows = table
    there = [i for i in range(len(header)) if i == 0 or any(row[i] for row in rows)]
    return [header[i] for i in there], [[row[i] for i in there] for row in rows]
