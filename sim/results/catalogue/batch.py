"""What happened to jobs as rows: how they ended, how long they waited, what they held, and for whom."""

from __future__ import annotations

from sim.results.catalogue.quantity import LATER, STATISTICS, TEXT, At, Quantity, Table, table
from sim.results.formats import count, hours, percent, ratio

ENDED, USE, SHARED = "jobs of", "use by", "energy and shares of"
"""Tables of workloads of jobs, by the head of their first column."""
SHARES = ("user", "account", "queue", "kind", "outcome")
"""By what GPU-hours are told."""
WAITING = {"wait_s": "waited", "turnaround_s": "turnaround", "bounded_slowdown": "bounded slowdown"}
"""Distributions over jobs, and what people are shown them as."""
SPREAD = (*STATISTICS, "max")
_COMPARED = {
    ("wait_s", "mean"): 1,
    ("wait_s", "p50"): 2,
    ("wait_s", "p99"): 3,
    ("bounded_slowdown", "mean"): 4,
}


def _spread(name: str, unit: str, meaning: str) -> Table:
    word = WAITING[name]
    statistics = (
        Quantity(one, f"{word} {one}", unit, always=one not in LATER, compared=_COMPARED.get((name, one), 0))
        for one in SPREAD
    )
    return table(f"batch.*.{name}", *statistics, unit=unit, optional=True, word=word, meaning=meaning)


BATCH: tuple[Table, ...] = (
    table(
        "batch.*",
        Quantity("jobs", "jobs submitted", always=True, columns=(At(ENDED, "jobs"),), form=count),
        Quantity("completed", "jobs completed", always=True, compared=9, columns=(At(ENDED, "done"),), form=count),
        Quantity("killed", "jobs killed", always=True, columns=(At(ENDED, "killed"),), form=count),
        Quantity("cancelled", "jobs cancelled", always=True, columns=(At(ENDED, "cancelled"),), form=count),
        Quantity(
            "refused",
            "jobs refused",
            always=True,
            columns=(At(ENDED, "refused"),),
            form=count,
            meaning="they ask for more than the cluster has, so that they could never start",
        ),
        Quantity("unfinished", "jobs not done by the end", always=True, columns=(At(ENDED, "open"),), form=count),
        Quantity(
            "never_started", "jobs that never started", always=True, columns=(At(ENDED, "unstarted"),), form=count
        ),
        Quantity("preemptions", "jobs preempted", always=True, columns=(At(ENDED, "preempted"),), form=count),
        Quantity("resizes", "jobs grown or shrunk", always=True),
        Quantity("failures", "jobs stopped by faults", always=True),
        Quantity("deadlines", "jobs with a deadline"),
        Quantity("deadlines_missed", "deadlines missed", columns=(At(ENDED, "late"),), form=count),
        optional=True,
    ),
    _spread("wait_s", "s", "submission to first start, of jobs that started"),
    _spread("turnaround_s", "s", "submission to end, of jobs that started and ended"),
    _spread(
        "bounded_slowdown",
        "",
        "turnaround / max(time by itself, 10 s), at least 1 (Feitelson and Rudolph 1998)",
    ),
    table(
        "batch.*",
        Quantity(
            "utilisation",
            "slots held",
            always=True,
            compared=5,
            columns=(At(USE, "held"),),
            form=percent,
            meaning="GPU-hours that jobs held / GPU-hours of their pools over the run; sockets in pools without GPUs",
        ),
        Quantity(
            "at_work_utilisation",
            "slots at work",
            always=True,
            columns=(At(USE, "at work"),),
            form=percent,
            meaning="the same without boots, checkpoints, restarts and pauses",
        ),
        Quantity(
            "offered_load",
            "offered load",
            columns=(At(USE, "asked for"),),
            form=percent,
            meaning="GPU time that jobs ask for, until they end or are killed, over that of their pools: also of those "
            "that work beyond the run",
        ),
        Quantity("gpu_hours", "GPU-hours held", "GPU-hours", always=True, compared=6, columns=(At(USE, "GPU-hours"),)),
        Quantity("at_work_gpu_hours", "GPU-hours at work", "GPU-hours", always=True),
        Quantity("capacity_gpu_hours", "GPU-hours there were", "GPU-hours", always=True),
        Quantity(
            "lost_gpu_hours",
            "GPU-hours lost",
            "GPU-hours",
            always=True,
            columns=(At(USE, "lost"),),
            meaning="work that was thrown away or done again, after preemptions and faults",
        ),
        Quantity("killed_gpu_hours", "GPU-hours of jobs that were killed", "GPU-hours", always=True),
        Quantity("queue_length_mean", "mean queue", always=True, columns=(At(USE, "mean queue"),), form=ratio),
        Quantity("queue_length_max", "longest queue", always=True, columns=(At(USE, "longest"),), form=count),
        Quantity(
            "makespan_s",
            "makespan",
            "s",
            compared=7,
            columns=(At(USE, "makespan"),),
            form=hours,
            meaning="first submission to last end",
        ),
        Quantity("energy_kwh", "energy of jobs", "kWh", columns=(At(SHARED, "energy"),)),
        Quantity(
            "energy_kwh_per_gpu_hour", "energy per GPU-hour", "kWh", compared=8, columns=(At(SHARED, "per GPU-hour"),)
        ),
        Quantity("source_notes.[]", "what was made of odd rows of its trace, and what was left out", kind=TEXT),
        Quantity("users", "users"),
        Quantity(
            "fairness_of_shares",
            "fairness of shares",
            form=ratio,
            columns=(At(SHARED, "fair shares"),),
            meaning="Jain's index over users of GPU-hours held: 1 where all had the same, 1/n where one had all",
        ),
        Quantity(
            "fairness_of_slowdown",
            "fairness of slowdown",
            form=ratio,
            columns=(At(SHARED, "fair slowdown"),),
            meaning="Jain's index over users of the mean bounded slowdown of their jobs",
        ),
        *(Quantity(f"by_{label}_gpu_hours.*", f"GPU-hours by {label}", "GPU-hours") for label in SHARES),
        optional=True,
    ),
)
