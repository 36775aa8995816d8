"""Which pool a job goes to that may choose, decided once at submission from forecasts of every site's signal.

The scenario that comes out has concrete pools, and the job starts after its data has arrived. The decision belongs to
the run: pricing it under other grids moves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.build.resolved import Resolved
from sim.build.training.gangs import gang_in
from sim.documents import KeyPath
from sim.errors import SignalRangeError
from sim.later import later
from sim.quantities import Nanoseconds
from sim.rng import Streams
from sim.signals import Signal
from sim.units import BYTES_PER_GB, J_PER_KWH, NS_PER_S, SECONDS_PER_NS

with later():
    from sim.build.power.loads import job_ns
    from sim.spec.workloads import Training


if TYPE_CHECKING:
    from sim.spec.schedules import LowestPlace


@dataclass(frozen=True)
class Moved:
    """A job that was placed: where, what was forecast of each pool (g/J or currency/J), and what moving its data took.

    ``watts`` are drawn over the network from ``start_ns`` to ``end_ns``; equal where nothing is moved.
    """

    workload: str
    pool: str
    signal: str
    forecasts: Mapping[str, float]
    start_ns: int
    end_ns: int
    moved_bytes: float
    watts: float
    egress: float
    currency: str

    def as_dict(self) -> dict[str, Any]:
        """For the summary; the signal per kWh."""
        seconds = (self.end_ns - self.start_ns) * SECONDS_PER_NS
        return {
            "pool": self.pool,
            "signal": self.signal,
            "forecast_mean_per_kwh": {pool: value * J_PER_KWH for pool, value in self.forecasts.items()},
            "transfer_s": seconds,
            "moved_gb": self.moved_bytes / BYTES_PER_GB,
            "network_kwh": self.watts * seconds / J_PER_KWH,
            "egress": {"cost": self.egress, "currency": self.currency},
        }


class UnplacedError(Exception):
    """Where in the scenario what keeps jobs from being placed stands, and what it is."""

    def __init__(self, *problems: tuple[KeyPath, str]) -> None:
        self.problems = problems
        super().__init__(*problems)


def placed(
    resolved: Resolved, signals: Mapping[str, Mapping[str, Signal]], streams: Streams
) -> tuple[Resolved, tuple[Moved, ...]]:
    """The scenario with every job in a pool, and the jobs that chose theirs.

    Raises ``UnplacedError`` where a site has no such signal, or one that is too short for the forecast.
    """
    jobs: dict[str, Training] = {}
    moves: list[Moved] = []
    problems: list[tuple[KeyPath, str]] = []
    for name, job in resolved.jobs.items():
        if job.place is not None:
            try:
                made = _placed(name, job, job.place, resolved, signals, streams)
            except UnplacedError as error:
                problems += error.problems
                continue
            after = Nanoseconds.of(made.end_ns, f"{made.end_ns * SECONDS_PER_NS} s")
            jobs[name] = job.model_copy(update={"pool": made.pool, "place": None, "start_after": after})
            moves.append(made)
    if problems:
        raise UnplacedError(*problems)
    return resolved.with_jobs(jobs), tuple(moves)


def _placed(
    name: str,
    job: Training,
    place: LowestPlace,
    resolved: Resolved,
    signals: Mapping[str, Mapping[str, Signal]],
    streams: Streams,
) -> Moved:
    from sim.build.jobs.schedules import forecaster
    from sim.workload import schedule as decide

    path: KeyPath = ("workloads", name, "place")
    transfer_ns = round(float(place.transfer.data) / float(place.transfer.bandwidth) * NS_PER_S)
    submit_ns = int(job.start_after)
    forecasts, begins = {}, {}
    for label in place.pools:
        site = resolved.sites[label]
        truth = signals[site].get(place.signal)
        if truth is None:
            raise UnplacedError(((*path, "signal"), f"the grid of '{site}' has no {place.signal}"))
        gang, mtbf_ns = gang_in(job, label, resolved), resolved.machines[label].mtbf_ns(resolved.gang_slots(job, label))
        needs_ns = job_ns(job, gang, mtbf_ns)
        begin_ns = begins[label] = submit_ns + (transfer_ns if label != place.home else 0)
        rng = streams(f"place/{name}/{label}")
        try:
            forecast = forecaster(place.forecast).made(truth, submit_ns, begin_ns + needs_ns, rng)
            forecasts[label] = decide.mean_over(forecast, np.array([[begin_ns, begin_ns + needs_ns]]))
        except SignalRangeError as error:
            message = f"the {place.signal} of '{site}' is too short to forecast the job: {error}"
            raise UnplacedError(((*path, "forecast"), message)) from None
    chosen = min(place.pools, key=lambda label: forecasts[label])
    moved = float(place.transfer.data) if chosen != place.home else 0.0
    watts = moved * float(place.transfer.energy) / (transfer_ns * SECONDS_PER_NS) if moved and transfer_ns else 0.0
    cost = place.transfer.cost
    return Moved(
        name,
        chosen,
        place.signal,
        forecasts,
        submit_ns,
        begins[chosen],
        moved,
        watts,
        egress=moved * float(cost),
        currency=cost.currency,
    )
