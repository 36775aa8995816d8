"""The columns of every table that a run writes, in words and with units: JSON Schemas of rows are made from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Column(NamedTuple):
    """A column: its kind as JSON has it, its words, its unit ("" where it has none), and whether a row may lack it."""

    kind: str
    words: str
    unit: str = ""
    may_lack: bool = False


def _text(words: str, *, may_lack: bool = False) -> Column:
    return Column("string", words, "", may_lack)


def _whole(words: str, unit: str = "", *, may_lack: bool = False) -> Column:
    return Column("integer", words, unit, may_lack)


def _real(words: str, unit: str = "", *, may_lack: bool = False) -> Column:
    return Column("number", words, unit, may_lack)


FROM_START = "from the start of the run"
STAMP = Column("string", "beginning, UTC, as date and time")
WHOSE = {
    "user": _text("user", may_lack=True),
    "account": _text("account", may_lack=True),
    "queue": _text("queue", may_lack=True),
}
OF_TRAININGS = {
    "workload": _text("workload"),
    "status": _text("how it ended"),
    "gpus": _whole("GPUs it asked for", may_lack=True),
    "submitted_s": _real(f"submitted, {FROM_START}", "s"),
    "started_s": _real(f"first started, {FROM_START}", "s", may_lack=True),
    "ended_s": _real(f"ended, {FROM_START}", "s", may_lack=True),
    "held_s": _real("time that it held machines", "s", may_lack=True),
    "work_s": _real("time that its work takes without a pause", "s", may_lack=True),
    "done_s": _real("work done and kept", "s", may_lack=True),
    "lost_s": _real("work done and lost", "s", may_lack=True),
    "interruptions": _whole("interruptions", may_lack=True),
    "checkpoints": _whole("checkpoints written", may_lack=True),
}
OF_ROWS = {
    "job": _text("its name in the trace, or its number", may_lack=True),
    "row": _whole("its row in the order of submission", may_lack=True),
    **WHOSE,
    "kind": _text("what sort of job", may_lack=True),
    "gpu_type": _text("GPU it asked for", may_lack=True),
    "pool": _text("pool it began in", may_lack=True),
    "gpu_milli": _whole("thousandths of a GPU it asked for", may_lack=True),
    "nodes": _whole("nodes it asked for", may_lack=True),
    "cpu_milli": _whole("thousandths of CPU cores it asked for", may_lack=True),
    "memory_mib": _whole("memory it asked for", "MiB", may_lack=True),
    "limit_s": _real("time limit", "s", may_lack=True),
    "deadline_s": _real(f"deadline, {FROM_START}", "s", may_lack=True),
    "wait_s": _real("from submission to first start", "s", may_lack=True),
    "queued_s": _real("time in the queue", "s", may_lack=True),
    "turnaround_s": _real("from submission to its end", "s", may_lack=True),
    "bounded_slowdown": _real("turnaround over run time, at least 1", may_lack=True),
    "gpu_hours": _real("GPU-hours it held", "h", may_lack=True),
    "stints": _whole("times it held machines", may_lack=True),
    "preemptions": _whole("times it was sent back to the queue", may_lack=True),
    "recorded_state": _text("how the trace says it ended", may_lack=True),
    "recorded_started_s": _real("start as the trace says", "s", may_lack=True),
    "recorded_ended_s": _real("end as the trace says", "s", may_lack=True),
    "recorded_nodes": _text("nodes it ran on as the trace says, a list of hosts", may_lack=True),
    "recorded_kwh": _real("energy as the trace says", "kWh", may_lack=True),
    "line": _whole("line in the trace", may_lack=True),
    "energy_kwh": _real("IT energy", "kWh", may_lack=True),
}
REQUEST_TIMES = {
    "arrival_ns": _whole(f"arrival, {FROM_START}", "ns"),
    "done_ns": _whole(f"end, {FROM_START}", "ns"),
}
OF_REQUESTS = {
    "start_ns": _whole(f"service begins, {FROM_START}", "ns", may_lack=True),
    "status": _text("how it ended", may_lack=True),
    "request": _whole("its number in the order of arrival", may_lack=True),
    "scheduled_ns": _whole(f"first scheduled, {FROM_START}", "ns", may_lack=True),
    "first_token_ns": _whole(f"first token, {FROM_START}", "ns", may_lack=True),
    "replica": _whole("replica that served it", may_lack=True),
    "prompt_tokens": _whole("tokens of its prompt", may_lack=True),
    "output_tokens": _whole("tokens of its answer", may_lack=True),
    "cached_tokens": _whole("tokens of its prompt found in the cache", may_lack=True),
    "preemptions": _whole("times it was preempted", may_lack=True),
    "attempts": _whole("times it was tried", may_lack=True),
    "prefill_j": _real("energy of its prefill", "J", may_lack=True),
    "decode_j": _real("energy of its decode", "J", may_lack=True),
    "overhead_j": _real("its share of energy at rest and of the rest of the machine", "J", may_lack=True),
}
AMOUNTS = {
    "it_kwh": _real("IT energy", "kWh"),
    "energy_kwh": _real("energy of the facility", "kWh"),
    "operational_kg": _real("operational carbon, by location", "kg"),
    "operational_market_kg": _real("operational carbon, by market", "kg", may_lack=True),
    "marginal_effect_kg": _real("marginal effect", "kg", may_lack=True),
    "embodied_kg": _real("embodied carbon", "kg"),
    "carbon_kg": _real("operational and embodied carbon", "kg"),
    "onsite_l": _real("on-site water", "L", may_lack=True),
    "offsite_l": _real("off-site water", "L", may_lack=True),
    "water_l": _real("water on site and off", "L", may_lack=True),
    "embodied_l": _real("embodied water", "L", may_lack=True),
    "cost": _real("energy cost, in the currency of the summary", may_lack=True),
    "carbon_cost": _real("carbon cost, in the currency of the summary", may_lack=True),
}

Columns = Mapping[str, Column]
TABLES: Mapping[str, tuple[str, Columns]] = {
    "ledger": (
        "energy by time bin, what drew it, and for whom",
        {
            "start": STAMP,
            "start_ns": _whole(f"beginning of the bin, {FROM_START}", "ns"),
            "end_ns": _whole("its end", "ns"),
            "site": _text("site"),
            "pool": _text("group of nodes"),
            "hardware": _text("profile"),
            "component": _text("component"),
            "owner": _text("workload, or nobody: unallocated"),
            "state": _text("what it did"),
            "energy_j": _real("energy", "J"),
            "slot_ns": _whole("slots held, times time", "ns"),
        },
    ),
    "jobs": (
        "a training, or a job of a workload of jobs",
        {**OF_TRAININGS, **OF_ROWS},
    ),
    "requests": ("a finished request", {"workload": _text("workload"), **REQUEST_TIMES, **OF_REQUESTS}),
    "trials": (
        "a trial of a campaign",
        {
            "workload": _text("workload"),
            "trial": _whole("its number"),
            "kind": _whole("its size among those of the campaign"),
            "size": _real("its work over that of the first size"),
            "gpus": _whole("GPUs it held"),
            "outcome": _text("how it ended"),
            "progress": _real("share of its work that was done"),
            "started_s": _real(f"started, {FROM_START}", "s", may_lack=True),
            "ended_s": _real(f"ended, {FROM_START}", "s", may_lack=True),
            "gpu_hours": _real("GPU-hours it held", "h"),
            "lost_gpu_hours": _real("GPU-hours of work lost", "h"),
            "evaluation_gpu_hours": _real("GPU-hours of evaluation", "h"),
            "energy_kwh": _real("energy", "kWh"),
            "evaluation_kwh": _real("energy of evaluation", "kWh"),
            "interruptions": _whole("interruptions"),
            "quality": _real("lower is better; ranks alone mean something", may_lack=True),
            "shown": _real("quality as last evaluated", may_lack=True),
        },
    ),
    "power_trace": (
        "a sample of a job's power, which holds until the next",
        {
            "start": STAMP,
            "start_ns": _whole(FROM_START, "ns"),
            "workload": _text("workload"),
            "gpu_w": _real("a GPU of the first pipeline stage", "W"),
            "node_w": _real("a node", "W"),
            "gpus_w": _real("all GPUs of the job", "W"),
            "it_w": _real("all IT booked to the job", "W"),
        },
    ),
    "stints": (
        "a time that a job held machines",
        {
            "workload": _text("workload"),
            "job": _text("its name"),
            "row": _whole("its row in the order of submission"),
            "start_ns": _whole(f"beginning, {FROM_START}", "ns"),
            "end_ns": _whole("end", "ns"),
            "outcome": _text("how it ended"),
            "nodes": Column("strings", "nodes that it held"),
            "milli": Column("integers", "thousandths of slots that it held on each"),
        },
    ),
    "iterations": (
        "an iteration of a replica of a service",
        {
            "workload": _text("workload"),
            "replica": _whole("replica, as requests have it"),
            "start_ns": _whole(f"beginning, {FROM_START}", "ns"),
            "end_ns": _whole("end", "ns"),
            "decodes": _whole("sequences that decode in it"),
            "prompts": _whole("prompts that are prefilled in it"),
            "prompt_tokens": _whole("tokens of these prompts"),
            "dynamic_j": _real("energy beyond what its GPUs draw while they wait", "J"),
        },
    ),
    "cluster": (
        "a time bin of a series of a cluster",
        {
            "series": _text("what: slots held, jobs waiting or running, power of a limit"),
            "of": _text("of which pool, workload or limit"),
            "start_ns": _whole(f"beginning, {FROM_START}", "ns"),
            "end_ns": _whole("end", "ns"),
            "mean": _real("mean of the bin"),
            "most": _real("most of it in the bin"),
            "limit": _real("how much there may be", may_lack=True),
        },
    ),
    "job_energy": (
        "a job and a time bin in which it held anything",
        {
            "row": _whole("its row in the order of submission"),
            "workload": _text("workload"),
            **WHOSE,
            "pool": _text("pool"),
            "start_ns": _whole(f"beginning of the bin, {FROM_START}", "ns"),
            "energy_j": _real("IT energy", "J"),
            "slot_s": _real("slots held, times time", "s"),
            "active_slot_s": _real("of it at work", "s"),
        },
    ),
    "attribution": (
        "what a job answers for",
        {"row": _whole("its row in the order of submission"), "workload": _text("workload"), **WHOSE, **AMOUNTS},
    ),
}
"""By the name of the file: what a row is, and its columns."""

NEEDED: Mapping[str, frozenset[str]] = {
    "jobs": frozenset(OF_TRAININGS),
    "requests": frozenset({"workload", *REQUEST_TIMES}),
    "attribution": frozenset({"row", "workload", "it_kwh", "energy_kwh", "operational_kg", "embodied_kg", "carbon_kg"}),
}
"""Columns that are there in every run, where some may not be; else all are."""
