"""Laws of job traces where they were not looked at: fitted to the first half of a trace, judged on the second.

Every family of run times is shown, that which ships and those that do not; and how long a million jobs take to draw.
The traces are in ../shared/data; without them only the last is measured.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.table import Row
from sim.build.jobs.generated import job_law
from sim.build.jobs.source import JobsAsked
from sim.rng import Streams
from sim.spec.generated_jobs import GeneratedJobs
from sim.units import DAY_NS, NS_PER_S
from sim.workload.jobs import fitting
from sim.workload.jobs.formats import Terms
from sim.workload.jobs.runtimes import RunLaw, mean_s
from sim.workload.jobs.sizes import MILLI, Sizes
from sim.workload.jobs.traces import read_jobs

JOBS = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "jobs"
TRACES = {
    "nasa-ipsc-1993": ("NASA-iPSC-1993-3.1-cln.swf.zip", Terms(processors="slots")),
    "alibaba-gpu-2023": ("alibaba_gpu_2023_pods.csv.gz", Terms()),
    "gaia-pai-1k": ("gaia_pai_1k.csv.gz", Terms(processors="slots", time_unit="seconds")),
}
SHIPPED = "two-lognormals"
"""The family that ships of every trace: the one that fits the first halves best."""


@dataclass(frozen=True, eq=False)
class Half:
    """Jobs of one half of a trace that took a GPU (or a processor) and ran for a second at least: columns (n,)."""

    run_s: fitting.Floats
    milli: fitting.Ints

    @property
    def gpus(self) -> fitting.Floats:
        """Of each job."""
        return self.milli / MILLI


def halves(trace: str) -> tuple[Half, Half]:
    """Both halves of a trace, by the order of submission."""
    file, terms = TRACES[trace]
    jobs = read_jobs(JOBS / file, terms=terms).table
    milli = np.maximum(jobs.gpus, 0) * MILLI + jobs.gpu_milli
    used = np.flatnonzero((milli > 0) & (jobs.run_ns >= NS_PER_S))
    first, second = np.split(used, [len(used) // 2])
    return tuple(Half(jobs.run_ns[rows] / NS_PER_S, milli[rows]) for rows in (first, second))  # type: ignore[return-value]  # two of them


@dataclass(frozen=True)
class Fitted:
    """What the first half of a trace gives."""

    sizes: Sizes
    exponent: float
    longest_s: float
    laws: dict[str, RunLaw]


def fitted(half: Half) -> Fitted:
    """The sizes and, of each family, the law of one GPU."""
    exponent = fitting.fitted_exponent(half.run_s, half.gpus)
    of_one = half.run_s / half.gpus**exponent
    laws = {name: family(of_one) for name, family in fitting.FAMILIES.items()}
    return Fitted(fitting.fitted_sizes(half.milli), exponent, float(half.run_s.max()), laws)


def judged(found: Fitted, half: Half) -> dict[str, tuple[float, float]]:
    """Of each family, on a half: the distance of run times brought to one GPU, and the mean run over that seen."""
    longer = half.gpus**found.exponent
    return {
        name: (
            fitting.distance(law, half.run_s / longer),
            float(np.mean(longer * mean_s(law, found.longest_s / longer)) / half.run_s.mean()),
        )
        for name, law in found.laws.items()
    }


def _of_traces() -> Iterator[Row]:
    for trace in TRACES:
        first, second = halves(trace)
        found = fitted(first)
        off = fitting.distance_of_sizes(found.sizes, second.milli)
        yield Row(f"{trace}: sizes, other half", off, "distance", note=f"{len(second.milli):,} jobs")
        inside, outside = judged(found, first), judged(found, second)
        for name, (distance, mean) in outside.items():
            ships = "ships; " if name == SHIPPED else ""
            note = f"{ships}{inside[name][0]:.3f} where fitted, mean run x {mean:.2f}"
            yield Row(f"{trace}: {name}, other half", distance, "distance", note=note)


MILLION = {
    "kind": "generated",
    "arrivals": {"kind": "poisson", "rate": "1000000 jobs/d", "until": "1 d"},
    "jobs": [
        {
            "name": "all",
            "share": 1,
            "gpus": {"kind": "fitted", "trace": "helios-2020"},
            "run": {"kind": "fitted", "trace": "helios-2020"},
        }
    ],
    "limits": {"kind": "tsafrir", "longest": "7 d", "killed": "10 %"},
    "accounts": [{"name": "all", "share": 1, "users": 1000, "zipf": 1.1}],
}


def rows(*, quick: bool) -> list[Row]:
    """The distances, and the time of a million jobs."""
    law = job_law(GeneratedJobs.model_validate(MILLION), JobsAsked("million", 0, DAY_NS, Streams(1)))
    law.draw()
    taken = []
    for _ in range(3 if quick else 9):
        began = time.perf_counter()
        law.draw()
        taken.append(time.perf_counter() - began)
    drawn = Row("a million jobs drawn", statistics.median(taken), "s", reach=3.0)
    if not JOBS.is_dir():
        print("the traces are not here (../shared/data): their rows are left out")
        return [drawn]
    return [*_of_traces(), drawn]
