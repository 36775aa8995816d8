"""Laws of public traces: what sizes their jobs have, how long they run, and by which hours they come.

Two origins. Of ``philly-2017``, ``helios-2020``, ``acme-*`` and ``alibaba-pai-2020`` nobody needs the trace: moments
are published (Hu et al. 2024, data/cluster_summary.csv of AcmeTrace), and the laws are those that have them
(``fitting.from_moments``). They are exact where they were fitted (mean and median run, GPU time, mean size), and
nowhere else: how sizes spread beyond one GPU is assumed geometric. Of the others the first half of the jobs was fitted,
by the order of their submission, and the second half judged; ``note`` says how far off it is, and ``python -m
benchmarks job-laws`` shows all families.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sim.workload.jobs.runtimes import Lognormal, Mixture, RunLaw
from sim.workload.jobs.sizes import Sizes, powers_of_two

Confidence = Literal["cited", "derived", "assumed"]

ACME = "Hu et al. 2024, NSDI, arXiv:2403.07648; data/cluster_summary.csv of github.com/InternLM/AcmeTrace"
PODS = "Weng et al. 2023, USENIX ATC; cluster-trace-gpu-v2023/csv/openb_pod_list_default.csv of alibaba/clusterdata"
NASA = (
    "NASA-iPSC-1993-3.1-cln.swf, Parallel Workloads Archive; Feitelson and Nitzberg 1995, doi:10.1007/3-540-60153-8_38"
)
PAI_1K = "github.com/umassos/GAIA, pai_1k.csv: 1,000 jobs sampled from Alibaba's trace of 2020 (Weng et al. 2022, NSDI)"


@dataclass(frozen=True)
class Moments:
    """What is published of the GPU jobs of a trace: seconds, GPUs, GPU-seconds a job, and a share of one-GPU jobs."""

    mean_s: float
    median_s: float
    longest_s: float
    mean_gpus: float
    most_gpus: int
    mean_gpu_s: float
    single: float | None

    @property
    def sizes(self) -> Sizes:
        """The geometric law of powers of two."""
        return powers_of_two(self.mean_gpus, self.most_gpus, self.single)


@dataclass(frozen=True)
class FittedSizes:
    """A law of sizes, and where it comes from."""

    sizes: Sizes
    source: str
    confidence: Confidence
    note: str


@dataclass(frozen=True)
class FittedRuns:
    """A law of run times of one GPU, the exponent of the size, the longest run, s, and where they come from."""

    law: RunLaw
    exponent: float
    longest_s: float
    source: str
    confidence: Confidence
    note: str


@dataclass(frozen=True)
class FittedWeeks:
    """Weights of the local hours and weekdays (from Monday), the zone they are of, and where they come from."""

    hours: tuple[float, ...]
    days: tuple[float, ...]
    zone: str
    source: str
    confidence: Confidence
    note: str


MOMENTS: Mapping[str, Moments] = {
    "philly-2017": Moments(18006.055, 874.0, 4240676.0, 1.928, 128, 6894757531.0 / 112956, None),
    "helios-2020": Moments(6651.681, 206.0, 4320009.0, 3.716, 2048, 77997740131.0 / 1580464, None),
    "acme-seren-2023": Moments(1414.335, 122.0, 1209604.0, 5.68, 1024, 21510624587.0 / 663813, None),
    "acme-kalos-2023": Moments(1259.689, 124.0, 625740.0, 26.77, 1024, 5333180199.0 / 19907, 0.5),
}
"""As published: avg_run_time_gpu, med_run_time_gpu, max_run_time_gpu, avg_gpu_num, max_gpu, and the GPU time of jobs
that were completed, cancelled and failed, summed over gpu_job_num. A geometric law of Kalos would have a median of two
GPUs, and published is one: the least share of one-GPU jobs with that median is taken there."""

_GEOMETRIC = "mean and largest size as published; powers of two, each as much rarer than the last: assumed"
_SOLVED = "lognormal with the published mean and median run and GPU time a job, cut at the published longest run"


def _sizes(trace: str) -> FittedSizes:
    return FittedSizes(MOMENTS[trace].sizes, ACME, "derived", _GEOMETRIC)


def _runs(trace: str, median_s: float, sigma: float, exponent: float) -> FittedRuns:
    return FittedRuns(Lognormal(median_s, sigma), exponent, MOMENTS[trace].longest_s, ACME, "derived", _SOLVED)


def _counted(counts: Mapping[int, int]) -> Sizes:
    total = sum(counts.values())
    return Sizes(tuple(counts), tuple(count / total for count in counts.values()))


def fitted_sizes_of(trace: str) -> FittedSizes:
    """The law of sizes of a trace. Raises ``KeyError`` for one that has none here."""
    return _sizes(trace) if trace in MOMENTS else SIZES[trace]


SIZES: Mapping[str, FittedSizes] = {
    "alibaba-gpu-2023": FittedSizes(
        _counted(
            {
                50: 5, 110: 12, 140: 1, 160: 28, 220: 38, 230: 68, 270: 4, 320: 174, 330: 1, 350: 3, 370: 46, 440: 2,
                460: 88, 470: 168, 480: 8, 550: 71, 590: 19, 650: 57, 810: 500, 1000: 1768, 2000: 6, 4000: 5, 8000: 29,
            }
        ),
        PODS,
        "derived",
        "thousandths of a GPU of the first 3,101 GPU pods that ran; largest distance to the others 0.067",
    ),
    "nasa-ipsc-1993": FittedSizes(
        _counted({1000: 2595, 2000: 831, 4000: 1180, 8000: 869, 16000: 760, 32000: 1877, 64000: 660, 128000: 261}),
        NASA,
        "derived",
        "processors of the first 9,033 jobs that ran for a second; largest distance to the others 0.045",
    ),
    "gaia-pai-1k": FittedSizes(
        _counted({1000: 418, 2000: 43, 3000: 21, 4000: 18}),
        PAI_1K,
        "derived",
        "'cpus' of the first 500 jobs; largest distance to the others 0.046",
    ),
}  # fmt: skip

RUNS: Mapping[str, FittedRuns] = {
    "philly-2017": _runs("philly-2017", 709.954889, 2.52835323, 0.610716),
    "helios-2020": _runs("helios-2020", 176.352749, 2.69120246, 0.28504551),
    "acme-seren-2023": _runs("acme-seren-2023", 90.584047, 2.17137762, 0.43229692),
    "acme-kalos-2023": _runs("acme-kalos-2023", 68.2227096, 1.82943256, 0.57545592),
    "alibaba-pai-2020": FittedRuns(
        Lognormal(480.667, 2.22218909),
        0.0,
        626371.0,
        ACME,
        "derived",
        "lognormal with the published median and mean (4,787.109 s), cut at the longest; no GPU time is published, so "
        "that runs do not depend on the size",
    ),
    "alibaba-gpu-2023": FittedRuns(
        Mixture((0.13208106, 0.86791894), (Lognormal(186.638021, 0.21401626), Lognormal(910.007831, 2.0200650))),
        -0.14996154,
        12537496.0,
        PODS,
        "derived",
        "deletion - scheduled of the first 3,101 GPU pods, half of which serve; distance on the others 0.069 "
        "(lognormal 0.073, Weibull 0.154, exponential 0.794)",
    ),
    "nasa-ipsc-1993": FittedRuns(
        Mixture((0.27216455, 0.72783545), (Lognormal(20.8392344, 0.45242461), Lognormal(48.8108186, 1.84006288))),
        0.56331157,
        58929.0,
        NASA,
        "derived",
        "of the first 9,033 jobs; distance on the others 0.023 (lognormal 0.088, Weibull 0.132, exponential 0.425)",
    ),
    "gaia-pai-1k": FittedRuns(
        Mixture((0.24250677, 0.75749323), (Lognormal(492.11555, 0.35924466), Lognormal(6025.08301, 1.32456276))),
        0.04637154,
        214787.0,
        PAI_1K,
        "derived",
        "of the first 500 jobs; distance on the others 0.111 (lognormal 0.083, Weibull 0.144, exponential 0.287)",
    ),
}

WEEKS: Mapping[str, FittedWeeks] = {
    "nasa-ipsc-1993": FittedWeeks(
        (
            0.21, 0.07, 0.12, 0.08, 0.11, 0.20, 0.25, 0.46, 1.24, 1.61, 2.28, 2.37,
            1.93, 2.07, 1.89, 1.71, 1.87, 1.46, 1.44, 0.96, 0.79, 0.53, 0.21, 0.16,
        ),
        (1.14, 1.05, 1.34, 1.36, 1.26, 0.43, 0.43),
        "America/Los_Angeles",
        NASA,
        "derived",
        "starts (submissions are not recorded) in the first six weeks; root mean square error in the next six 0.26 by "
        "hours (0.80 if even) and 0.24 by days (0.46 if even)",
    ),
}  # fmt: skip
"""From the trace alone, in whole weeks, to two digits; builders bring each to a mean of exactly 1."""
