"""Small fleets under shared limits of power, straight to the engine, with a meter that knows nothing of the limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sim.engine.fleet.plan import JobsPlan, Keeps, PoolForJobs
from sim.engine.fleet.power.ladder import Answer
from sim.engine.fleet.power.plan import DomainPlan, PowerPlan
from sim.engine.metering.draws import NodeHardware, Rest, Supply
from sim.engine.metering.meter import Draw
from sim.engine.plans import Policies, Workloads
from sim.engine.queueing.service import ServicePlan
from sim.engine.world import Outcome, Pool, simulate
from sim.rng import Streams
from sim.signals import Signal
from sim.units import NS_PER_S
from sim.workload.jobs.table import JobTable
from sim.workload.provisioning import StartUp

BOARD_W, LOADED_W, IDLE_W = 700.0, 120.0, 60.0
HARDWARE = NodeHardware(
    name="node",
    slots=8,
    gpu="gpu",
    gpu_idle_w=IDLE_W,
    sockets=2,
    cpu_idle_w=80.0,
    cpu_full_w=300.0,
    cpu_exponent=0.8,
    parts=(Rest("dram", 40.0, 90.0),),
    supply=Supply(8000.0, (0.1, 0.5, 1.0), (0.9, 0.96, 0.94)),
    standby_w=20.0,
    boot_ns=60 * NS_PER_S,
    boot_w=700.0,
    shutdown_ns=30 * NS_PER_S,
    shutdown_w=400.0,
)
LADDER = (
    Answer("cap", "training", 0.4),
    Answer("cap", "serving", 0.6),
    Answer("pause", "training"),
    Answer("shed", "all"),
)


def half_as_fast_at_half_the_power(active_w: float, cap_w: float) -> tuple[float, float]:
    """A law of caps that can be done in the head: the rate is the square root of the dynamic power left."""
    return float(np.sqrt((cap_w - LOADED_W) / (active_w - LOADED_W))), cap_w


class Meter:
    """What each pool draws over time, from what is booked alone: edges, and W between them."""

    def __init__(self) -> None:
        self._spans: list[tuple[str, int, int, float]] = []

    def record(self, pool: str, draws: Sequence[Draw], start_ns: int, end_ns: int, count: int = 1) -> None:
        """Books every draw."""
        self._spans.append((pool, start_ns, end_ns, count * sum(draw.watts for draw in draws)))

    def steps(self, *pools: str) -> tuple[np.ndarray, np.ndarray]:
        """Instants of change (k + 1,), and W of all nodes of ``pools`` (of all) from each to the next (k,)."""
        spans = [span[1:] for span in self._spans if not pools or span[0] in pools]
        starts, ends, watts = (np.array(column) for column in zip(*spans, strict=True))
        edges = np.unique(np.concatenate([starts, ends]))
        change = np.zeros(len(edges))
        np.add.at(change, np.searchsorted(edges, starts), watts)
        np.add.at(change, np.searchsorted(edges, ends), -watts)
        return edges, np.cumsum(change)[:-1]

    @property
    def joules(self) -> float:
        """All of it."""
        return sum(watts * (end - start) / NS_PER_S for _, start, end, watts in self._spans)

    def longest_over_s(self, limit_w: float, *pools: str) -> float:
        """The longest time at a stretch above a limit, s."""
        edges, watts = self.steps(*pools)
        longest, since = 0, None
        for start, end, w in zip(edges[:-1].tolist(), edges[1:].tolist(), watts.tolist(), strict=True):
            since = (since if since is not None else start) if w > limit_w * (1 + 1e-7) else None
            longest = max(longest, end - since if since is not None else 0)
        return longest / NS_PER_S


def plan(
    jobs: Sequence[Mapping[str, float]],
    keeps: Keeps | None = None,
    setup_s: float = 0.0,
    pools: tuple[str, ...] = ("gpus",),
) -> JobsPlan:
    """Rows: ``at`` s, ``run`` s, ``gpus``, and where they matter ``watts``, ``priority`` and ``serves``."""
    jobs = sorted(jobs, key=lambda job: job["at"])
    n = len(jobs)
    table = JobTable(
        submit_ns=np.array([round(job["at"] * NS_PER_S) for job in jobs], np.int64),
        run_ns=np.array([round(job["run"] * NS_PER_S) for job in jobs], np.int64),
        gpus=np.array([int(job["gpus"]) for job in jobs], np.int64),
        priority=np.array([int(job.get("priority", 0)) for job in jobs], np.int64),
        kind=np.array([int(job.get("serves", 0)) for job in jobs], np.int64),
        names={"kind": ["train", "serve"]},
    )
    return JobsPlan(
        name="research",
        table=table,
        slots=table.gpus,
        choices=(pools,),
        choice=np.zeros(n, np.int64),
        pools={pool: PoolForJobs(1.0, LOADED_W, IDLE_W, half_as_fast_at_half_the_power, None) for pool in pools},
        active_w={pool: np.array([float(job.get("watts", 650.0)) for job in jobs]) for pool in pools},
        cpu_load=np.full(n, 0.1),
        keeps=keeps or Keeps(False),
        setup_ns=round(setup_s * NS_PER_S),
    )


def domain(first: int, last: int, limit_w: float, pools: Sequence[str] = ("gpus",), **more: object) -> DomainPlan:
    """Nodes ``first`` to ``last`` (not included) of each of ``pools`` (the one, if absent), together under a limit."""
    given: dict[str, object] = {
        "answers": LADDER,
        "answer_ns": 10 * NS_PER_S,
        "target": 0.97,
        "release": 0.9,
        "release_ns": 60 * NS_PER_S,
    }
    limit = more.pop("limit", None) or (Signal.constant(limit_w, "W") if limit_w < np.inf else None)
    name, nodes = "+".join(pools), tuple((pool, first, last) for pool in pools)
    return DomainPlan(name, "row", nodes, limit, **{**given, **more})  # type: ignore[arg-type]  # fields by name, of several types


def service(arrivals_s: Sequence[float], **changes: object) -> ServicePlan:
    """One replica of eight GPUs, ten seconds a request, whose pace under a cap can be done in the head."""
    values: dict[str, object] = {
        "name": "api",
        "pool": "gpus",
        "replicas": 1,
        "gpus_per_replica": 8,
        "arrivals_ns": np.array([round(at * NS_PER_S) for at in sorted(arrivals_s)], np.int64),
        "open_until_ns": 0,
        "first_ns": 10 * NS_PER_S,
        "further_ns": 0,
        "factor": None,
        "max_batch": 1,
        "max_wait_ns": 0,
        "queue_limit": None,
        "start_up": StartUp(0, 0),
        "active_w": 650.0,
        "loaded_w": LOADED_W,
        "cpu_load": 0.0,
        "under_cap": lambda active_w, cap_w: half_as_fast_at_half_the_power(active_w, min(cap_w, active_w)),
    }
    return ServicePlan(**{**values, **changes})  # type: ignore[arg-type]  # fields by name, of several types


def run(
    jobs: JobsPlan | None,
    domains: Sequence[DomainPlan],
    nodes: int = 2,
    duration_s: float | None = 7200.0,
    services: Sequence[ServicePlan] = (),
    hardware: NodeHardware = HARDWARE,
    **more: object,
) -> tuple[Outcome, Meter]:
    """The outcome, and what a meter saw."""
    meter = Meter()
    names = tuple(dict.fromkeys([*(jobs.pools if jobs is not None else ()), *(one.pool for one in services)]))
    pools = [Pool(name, hardware, nodes, powered=True, idle_timeout_ns=None) for name in names]
    boards_w = dict.fromkeys(names, BOARD_W)
    power = PowerPlan(tuple(domains), frozenset({"serve"}), boards_w, more.pop("gpu_cap_w", {}))  # type: ignore[arg-type]  # fields by name, of several types
    outcome = simulate(
        pools,
        Workloads(services=services, rows=[jobs] if jobs is not None else []),
        Policies(power=power if domains or power.gpu_cap_w else None, **more),  # type: ignore[arg-type]  # fields by name, of several types
        duration_ns=round(duration_s * NS_PER_S) if duration_s is not None else None,
        streams=Streams(1),
        recorder=meter,
    )
    return outcome, meter
