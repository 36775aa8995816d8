"""A run as a trace that Perfetto opens (the JSON of Chrome's Trace Event Format): power, iterations, jobs and requests.

Counters hold the mean power of every component by time bin, what a cluster of jobs waited for and held, and power
within steps where a job keeps its trace. Slices are what held machines: trainings with their steps and the phases of a
step, jobs as rows on their nodes, requests on their replicas from being scheduled over the first token to the last,
and the iterations of replicas where ``outputs.iterations`` asked for them. Slices of one track never overlap: what ran
at the same time lies in lanes below each other. Times are microseconds from the start of the run.

Steps of a training are drawn where they fill the time that it held, so that each stands where it was; a job that failed
or wrote checkpoints did not keep when each step was. Requests are there where ``outputs.requests`` asked for them.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from sim.exports.run import Run
from sim.units import NS_PER_S, SECONDS_PER_NS

MOST_SLICES = 400_000
"""Of requests, and of jobs on their nodes; what begins later is left out, and an event in the trace says so."""
MOST_STEPS = 2_000
"""Of a training."""
STEPS_FILL = 1e-6
"""How closely steps make up the time that their job held, where each is drawn."""
NS_PER_US = 1000

Event = dict[str, Any]


class Slice(NamedTuple):
    """Something that lasted: ns from the start of the run, on a track of ``group``; ``inner`` lies within it."""

    group: str
    name: str
    start_ns: int
    end_ns: int
    about: Mapping[str, Any]
    inner: Sequence[tuple[str, int, int]] = ()


def trace(run: Run) -> dict[str, Any]:
    """The trace as plain data."""
    events: list[Event] = []
    processes = {"power": _power(run), "cluster": _cluster(run), "power within steps": _within_steps(run)}
    slices = {"trainings": _trainings(run), "jobs": _stints(run), "requests": _requests(run)}
    slices["iterations"] = _iterations(run)
    pid = 0
    for name, counters in processes.items():
        if counters:
            pid += 1
            events += [_named("process_name", pid, 0, name), *({**one, "pid": pid} for one in counters)]
    for name, (some, cut_ns) in slices.items():
        if some:
            pid += 1
            events += [_named("process_name", pid, 0, name), *_tracks(pid, some)]
            if cut_ns is not None:
                words = f"{name} that begin later are left out"
                events.append({"ph": "i", "s": "p", "name": words, "pid": pid, "tid": 0, "ts": _us(cut_ns)})
    about = {
        "generator": run.generator,
        "scenario": run.name,
        "scenario_sha256": run.results.manifest["scenario_sha256"],
        "start": run.start,
        "seed": run.results.manifest["seed"],
    }
    return {"otherData": about, "displayTimeUnit": "ms", "traceEvents": events}


def as_json(run: Run) -> str:
    """The trace as its file: an event a line."""
    whole = trace(run)
    head = {name: value for name, value in whole.items() if name != "traceEvents"}
    lines = ",\n".join(json.dumps(event, allow_nan=False, ensure_ascii=False) for event in whole["traceEvents"])
    return f'{json.dumps(head, ensure_ascii=False)[:-1]}, "traceEvents": [\n{lines}\n]}}\n'


def _us(ns: int) -> int:
    """Whole microseconds: who reads a fraction may cut it off, and what follows would overlap what it follows."""
    return (ns + NS_PER_US // 2) // NS_PER_US


def _named(what: str, pid: int, tid: int, name: str) -> Event:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}


def _counter(name: str, ns: int, values: Mapping[str, float]) -> Event:
    return {"ph": "C", "name": name, "ts": _us(ns), "args": dict(values)}


def _power(run: Run) -> list[Event]:
    """W by component and site in each bin, and 0 at the end."""
    ledger = run.results.energy
    seconds = np.diff(ledger.edges_ns) * SECONDS_PER_NS
    events: list[Event] = []
    for site in sorted({key.site for key in ledger.keys}):
        own = ledger.at(site, lambda _: True)
        watts = {name: energy_j / seconds for name, energy_j in sorted(own.by_component.items())}
        for i, start_ns in enumerate(ledger.edges_ns[:-1].tolist()):
            events.append(_counter(f"{site}, W", start_ns, {name: float(row[i]) for name, row in watts.items()}))
        events.append(_counter(f"{site}, W", ledger.end_ns, dict.fromkeys(watts, 0.0)))
    return events


def _cluster(run: Run) -> list[Event]:
    """What a cluster of jobs held, and how many waited and ran; means of bins."""
    table = run.results.cluster_table
    if table is None:
        return []
    columns = zip(*(table[name].to_pylist() for name in ("series", "of", "start_ns", "mean")), strict=True)
    return [_counter(f"{series}: {of}", start_ns, {"mean": mean}) for series, of, start_ns, mean in columns]


def _within_steps(run: Run) -> list[Event]:
    """W of a GPU and of all GPUs of jobs that keep their power over time; as many samples as slices may be."""
    table = run.results.trace_table
    if table is None:
        return []
    some = table.slice(0, MOST_SLICES)
    columns = zip(*(some[name].to_pylist() for name in ("workload", "start_ns", "gpu_w", "gpus_w")), strict=True)
    return [_counter(f"{name}, W", start_ns, {"gpu": gpu, "gpus": gpus}) for name, start_ns, gpu, gpus in columns]


Slices = tuple[list[Slice], int | None]


def _trainings(run: Run) -> Slices:
    """Gangs, with their steps where those fill the time that was held."""
    table = run.results.job_table
    rows = table.to_pylist() if "row" not in table.column_names else table.filter(table["row"].is_null()).to_pylist()
    end_s = run.results.energy.end_ns * SECONDS_PER_NS
    slices = []
    for row in rows:
        if row["started_s"] is None:
            continue
        start_ns, end_ns = _ns(row["started_s"]), _ns(end_s if row["ended_s"] is None else row["ended_s"])
        about = {name: value for name, value in row.items() if value is not None}
        step = run.summary["jobs"].get(row["workload"], {}).get("step", {})
        slices.append(Slice(row["workload"], row["workload"], start_ns, end_ns, about))
        slices += _steps(row, step, start_ns)
    return slices, None


def _steps(row: Mapping[str, Any], step: Mapping[str, Any], start_ns: int) -> Iterator[Slice]:
    """The first steps of a training, each with its phases one after the other."""
    if not step or row["interruptions"] or abs(step["steps"] * step["step_s"] / row["held_s"] - 1.0) > STEPS_FILL:
        return
    phases = step["step_split_s"]
    for number in range(min(int(step["steps"]), MOST_STEPS)):
        begin_s = number * step["step_s"]
        edges_s = np.cumsum([begin_s, *phases.values()]).tolist()
        inner = [(name, start_ns + _ns(edges_s[i]), start_ns + _ns(edges_s[i + 1])) for i, name in enumerate(phases)]
        group = f"{row['workload']}: iterations"
        yield Slice(group, f"step {number}", start_ns + _ns(begin_s), inner[-1][2], {}, inner)


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def _stints(run: Run) -> Slices:
    """Jobs as rows, on every node that they held."""
    table = run.results.stint_table
    if table is None:
        return [], None
    slices: list[Slice] = []
    for row in table.to_pylist():
        if len(slices) + len(row["nodes"]) > MOST_SLICES:
            return slices, row["start_ns"]
        about = {"job": row["job"], "workload": row["workload"], "outcome": row["outcome"]}
        for node, milli in zip(row["nodes"], row["milli"], strict=True):
            own = {**about, "slots": milli / 1000}
            slices.append(Slice(node, f"job {row['job']}", row["start_ns"], row["end_ns"], own))
    return slices, None


def _requests(run: Run) -> Slices:
    """Requests on their replicas: the prompt until the first token, and the tokens after it."""
    tables = run.results.request_table
    if tables is None:
        return [], None
    table = tables.table()
    kept = [name for name in _REQUEST if name in table.column_names]
    begins = "scheduled_ns" if "scheduled_ns" in kept else "start_ns"
    table = table.select(kept)
    order = np.argsort(pa.compute.fill_null(table[begins], 0).to_numpy(), kind="stable")
    rows = table.take(pa.array(order[: MOST_SLICES + 1])).to_pylist()
    slices = [one for row in rows[:MOST_SLICES] if (one := _request(row)) is not None]
    return slices, rows[-1][begins] if len(rows) > MOST_SLICES else None


def _iterations(run: Run) -> Slices:
    """Iterations by replica, one after the other."""
    table = run.results.iteration_table
    if table is None:
        return [], None
    slices = []
    for row in table.slice(0, MOST_SLICES).to_pylist():
        phases = [name for name, count in (("prefill", row["prompts"]), ("decode", row["decodes"])) if count]
        about = {name: row[name] for name in ("decodes", "prompts", "prompt_tokens", "dynamic_j")}
        group = f"{row['workload']}, replica {row['replica']}"
        slices.append(Slice(group, " and ".join(phases), row["start_ns"], row["end_ns"], about))
    cut = len(table) > MOST_SLICES or json.loads((table.schema.metadata or {}).get(b"cut", b"[]"))
    return slices, slices[-1].end_ns if cut and slices else None


_REQUEST = (
    "workload", "request", "status", "arrival_ns", "start_ns", "scheduled_ns", "first_token_ns", "done_ns", "replica",
    "prompt_tokens", "output_tokens", "cached_tokens", "preemptions", "prefill_j", "decode_j",
)  # fmt: skip


def _request(row: Mapping[str, Any]) -> Slice | None:
    """A request as a slice; None where nothing ever worked on it."""
    begin_ns = row.get("scheduled_ns") if row.get("scheduled_ns") is not None else row.get("start_ns")
    if begin_ns is None or row["done_ns"] <= begin_ns:
        return None
    first_ns = row.get("first_token_ns")
    inner = () if first_ns is None else (("prefill", begin_ns, first_ns), ("decode", first_ns, row["done_ns"]))
    replica = f", replica {row['replica']}" if row.get("replica") is not None else ""
    about = {name: value for name, value in row.items() if value is not None and not name.endswith("_ns")}
    about["waited_s"] = (begin_ns - row["arrival_ns"]) * SECONDS_PER_NS
    name = f"request {row['request']}" if row.get("request") is not None else "request"
    return Slice(f"{row['workload']}{replica}", name, begin_ns, row["done_ns"], about, inner)


def _tracks(pid: int, slices: Sequence[Slice]) -> Iterator[Event]:
    """Slices on tracks in which none overlaps another: lanes of each group, in the order in which they are needed."""
    groups: dict[str, list[Slice]] = {}
    for one in slices:
        groups.setdefault(one.group, []).append(one)
    tid = 0
    for group, own in groups.items():
        own.sort(key=lambda one: (one.start_ns, one.end_ns))
        lanes = lanes_of([(one.start_ns, one.end_ns) for one in own])
        most = max(lanes) + 1
        for lane in range(most):
            yield _named("thread_name", pid, tid + lane + 1, group if lane == 0 else f"{group} ({lane + 1})")
        for one, lane in zip(own, lanes, strict=True):
            yield _complete(pid, tid + lane + 1, one.name, one.start_ns, one.end_ns, one.about)
            for name, start_ns, end_ns in one.inner:
                if end_ns > start_ns:
                    yield _complete(pid, tid + lane + 1, name, start_ns, end_ns, {})
        tid += most


def lanes_of(intervals: Sequence[tuple[int, int]]) -> list[int]:
    """Lanes, as few as can be, in which none of some intervals overlap, which are in the order of their beginnings."""
    free: list[int] = []
    busy: list[tuple[int, int]] = []
    lanes = []
    for start_ns, end_ns in intervals:
        while busy and busy[0][0] <= start_ns:
            heapq.heappush(free, heapq.heappop(busy)[1])
        lane = heapq.heappop(free) if free else len(busy)
        lanes.append(lane)
        heapq.heappush(busy, (end_ns, lane))
    return lanes


def _complete(pid: int, tid: int, name: str, start_ns: int, end_ns: int, about: Mapping[str, Any]) -> Event:
    event: Event = {"ph": "X", "name": name, "pid": pid, "tid": tid, "ts": _us(start_ns)}
    event["dur"] = _us(end_ns) - _us(start_ns)
    return {**event, "args": dict(about)} if about else event
