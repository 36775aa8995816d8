"""Small tables of jobs, pools for them, and a run of both."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.accounting.bins import Bins
from sim.accounting.job_tally import JobTally
from sim.accounting.recorder import LedgerRecorder
from sim.engine.fleet.logged import FleetNodes, PowerStates
from sim.engine.fleet.metering import meter
from sim.engine.fleet.plan import JobsPlan, Keeps, PoolForJobs, UnderCap
from sim.engine.fleet.scheduling import Scheduler
from sim.engine.plans import Policies, Workloads
from sim.engine.world import Outcome, Pool, simulate
from sim.rng import Streams
from sim.units import HOUR_NS
from sim.workload.job_energy import JobEnergy
from sim.workload.jobs.table import JobTable, Loads
from tests.worlds import hardware


def table(submit: Sequence[int], run: Sequence[int], gpus: Sequence[int], **columns: Any) -> JobTable:
    """Jobs in the order given."""
    given = {name: np.array(values) for name, values in columns.items() if name not in ("names", "loads", "job_id")}
    rest = {name: columns[name] for name in ("names", "loads", "job_id") if name in columns}
    needed = {"submit_ns": submit, "run_ns": run, "gpus": gpus}
    return JobTable(**{name: np.array(values, np.int64) for name, values in needed.items()}, **given, **rest)  # type: ignore[arg-type]  # columns by name


def plan(
    jobs: JobTable,
    pools: Mapping[str, float] | None = None,
    *,
    name: str = "batch",
    keeps: Keeps | None = None,
    watts: float = 400.0,
    under_cap: UnderCap | None = None,
    **fields: Any,
) -> JobsPlan:
    """All jobs may stand in all pools (name -> speed)."""
    pools = pools if pools is not None else {"a": 1.0}
    n = len(jobs)
    return JobsPlan(
        name=name,
        table=jobs,
        slots=jobs.gpus,
        choices=(tuple(pools),),
        choice=np.zeros(n, np.int64),
        pools={pool: PoolForJobs(speed, 90.0, 50.0, under_cap, None) for pool, speed in pools.items()},
        active_w={pool: np.full(n, watts) for pool in pools},
        cpu_load=np.full(n, 0.25),
        keeps=keeps if keeps is not None else Keeps(saves=False),
        **fields,
    )


def pool(name: str = "a", count: int = 2, *, logged: bool = True, **fields: Any) -> Pool:
    """Steady nodes, metered by the log unless said otherwise."""
    return Pool(
        name,
        fields.pop("hardware", hardware()),
        count,
        True,
        fields.pop("idle_timeout_ns", None),
        logged=logged,
        **fields,
    )


def run(
    pools: Sequence[Pool],
    plans: Sequence[JobsPlan],
    scheduler: Scheduler | None = None,
    duration_ns: int | None = None,
    **more: Any,
) -> tuple[Outcome, LedgerRecorder]:
    """What became of the jobs, and the ledger that grew meanwhile."""
    bins = Bins(HOUR_NS, [])
    recorder = LedgerRecorder({one.name: "site" for one in pools}, bins)
    outcome = simulate(
        pools,
        Workloads(rows=plans),
        Policies(scheduler, **more),
        duration_ns=duration_ns,
        streams=Streams(1),
        recorder=JobTally(recorder, bins),
    )
    return outcome, recorder


def book_log(
    pools: Sequence[Pool],
    plans: Sequence[JobsPlan],
    outcome: Outcome,
    recorder: LedgerRecorder,
    loads: Loads | None = None,
) -> JobEnergy:
    """Books what nodes without meters drew, from the log of who held them."""
    assert outcome.allocations is not None
    pool_of = np.repeat(np.arange(len(pools)), [one.count for one in pools]).astype(np.int64)
    nodes = FleetNodes(
        pools=tuple(one.name for one in pools),
        pool_of=pool_of,
        hardware=tuple(one.hardware for one in pools),
        kind_of=pool_of,
        logged=np.repeat([one.logged for one in pools], [one.count for one in pools]),
    )
    return meter(
        outcome.allocations,
        nodes,
        PowerStates.always_on(),
        owners=[one.name for one in plans],
        owner_of=np.repeat(np.arange(len(plans)), [len(one.table) for one in plans]).astype(np.int64),
        loads=loads,
        end_ns=outcome.end_ns,
        recorder=recorder,
    )


JOBS: dict[str, Any] = {
    "name": "jobs",
    "seed": 1,
    "start": "2025-03-03T00:00:00Z",
    "duration": "12 h",
    "site": {
        "grid": {"intensity": "400 gCO2e/kWh", "price": "0.2 USD/kWh"},
        "facility": {"kind": "fixed-pue", "pue": 1.25},
        "water": {"wue": "1.8 L/kWh", "ewif": "3.1 L/kWh"},
    },
    "cluster": {"nodes": [{"profile": "dgx-a100", "count": 2, "name": "a100"}], "scheduler": {"kind": "easy"}},
    "workloads": {
        "research": {
            "kind": "jobs",
            "source": {
                "kind": "generated",
                "arrivals": {"kind": "poisson", "rate": "4 jobs/h"},
                "jobs": [
                    {
                        "name": "experiment",
                        "share": 1,
                        "gpus": {"kind": "powers-of-two", "mean": 3, "most": 16},
                        "run": {"kind": "lognormal", "median": "10 min", "mean": "1 h"},
                        "longest": "6 h",
                    }
                ],
                "limits": {"kind": "multiple", "most": 2},
                "accounts": [
                    {"name": "vision", "share": "60 %", "users": 3, "zipf": 1.0},
                    {"name": "physics", "share": "40 %", "users": 2, "zipf": 1.0},
                ],
            },
            "load": {"kind": "measured", "active": "300 W"},
            "cpu_load": 0.2,
        }
    },
    "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
}


def jobs_scenario(**accounting: Any) -> dict[str, Any]:
    """Half a day of jobs on two nodes, with things changed in its accounting."""
    return copy.deepcopy(JOBS | {"accounting": JOBS["accounting"] | accounting})
