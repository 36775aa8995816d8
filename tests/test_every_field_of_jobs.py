"""No field of jobs as rows, of what their machines share, or of limits of power is accepted and ignored: each changes
something in what the run it is in tells, or is refused.

``FELT`` has every field of every class that these are written with; a test holds it against the classes themselves.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.spec import generated_jobs, job_laws, placements, schedulers, sharing
from sim.spec import jobs as rows
from sim.spec import power_limits as power
from sim.spec.cluster import MIGSpec, NodePool
from sim.validation import Spec
from tests.job_worlds import jobs_scenario
from tests.small import small
from tests.spec_fields import all_below, without_row
from tests.test_serving_service import SMALL

Change = tuple[str, dict[str, Any], str]
"""World, what is changed in it, and below which path of the summary it is felt."""

W = "workloads.research"
KIND = f"{W}.source.jobs.0"
NODE = "cluster.nodes.0"
DOMAIN = "policies.0.domains.row"
SLOTS = {"kind": "powers-of-two", "mean": 3, "most": 16}
CAP = {"kind": "cap", "whom": "all", "floor": "40 %"}
ANSWERED = {"answer_time": "10 s", "release": {"below": "90 %", "after": "1 min"}}
BREAKER: dict[str, Any] = {
    "rating": "6 kW",
    "curve": {"kind": "thermal-magnetic", "holds": 1.05, "opens_at": 1.5, "after": "5 min", "at_once": 10},
    "reclose": "30 min",
}
ELECTRONIC = {"kind": "electronic", "pickup": 1.05, "opens_at": 1.5, "after": "5 min", "at_once": 10}


def world(**changes: Any) -> dict[str, Any]:
    """Two busy nodes for half a day, with things changed by their paths."""
    data = jobs_scenario()
    data["workloads"]["research"]["source"]["arrivals"]["rate"] = "8 jobs/h"
    return changed(data, changes)


def changed(data: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """With other values at some paths."""
    data = copy.deepcopy(data)
    for path, value in changes.items():
        at: Any = data
        *above, last = path.split(".")
        for name in above:
            at = at[int(name)] if isinstance(at, list) else at.setdefault(name, {})
        at[int(last) if isinstance(at, list) else last] = copy.deepcopy(value)
    return data


def limited(**domain: Any) -> dict[str, Any]:
    """The same under a limit of power."""
    return world(policies=[{"kind": "power-limits", "domains": {"row": {"per": "row"} | domain}}])


KINDS = [
    {**world()["workloads"]["research"]["source"]["jobs"][0], "name": name, "share": share}
    for name, share in (("train", 0.5), ("serve", 0.5))
]
TWO = {f"{W}.source.jobs": KINDS}
ELASTIC = {
    "cluster.scheduler": {"kind": "elastic", "every": "10 min"},
    f"{KIND}.elastic": {"share": 0.8, "least": 0.5, "most": 2},
    f"{W}.speed_up": {"kind": "amdahl", "parallel": 0.95},
}
PREEMPTED = {
    **TWO,
    "cluster.scheduler": {"kind": "priority", "preemption": "lower", "backfill": "greedy"},
    f"{W}.source.jobs.1.priority": 5,
}
SAVED = {**PREEMPTED, f"{W}.preemption": {"kind": "checkpoint", "save": "1 min", "restart": "2 min"}}
PARTS = {
    f"{KIND}.gpus": {"kind": "shares", "of": [{"gpus": 0.25, "share": 0.5}, {"gpus": 0.5, "share": 0.5}]},
    f"{W}.source.arrivals.rate": "30 jobs/h",
    f"{NODE}.count": 1,
}
BOTH = {
    "cluster.nodes": [
        {"profile": "dgx-a100", "count": 1, "name": "a100", "rack_nodes": 1},
        {"profile": "dgx-h100", "count": 1, "name": "h100"},
    ],
    f"{W}.pools": ["a100", "h100"],
    f"{W}.speeds": {"a100": 1, "h100": 2},
}
ODD = [{"gpus": 1, "share": 0.6}, {"gpus": 2, "share": 0.4}]
SHED = [CAP, {"kind": "pause", "whom": "all"}, {"kind": "shed", "whom": "all"}]
CALL = {"start": "3 h", "duration": "2 h", "limit": "5 kW", "notice": "30 min"}
HOURS = {
    "kind": "month-hours",
    "file": str(Path("scenarios/data/opposite_grids.csv").resolve()),
    "column": "east",
    "unit": "1 gCO2e/kWh",
}
SERVING = {**copy.deepcopy(SMALL), "duration": "4 min"}
WORLDS: dict[str, dict[str, Any]] = {
    "plain": world(),
    "elastic": world(**ELASTIC),
    "elastic, by a power": world(**{**ELASTIC, f"{W}.speed_up": {"kind": "power", "exponent": 0.8}}),
    "preempted": world(**PREEMPTED),
    "saved": world(**SAVED),
    "killed": world(**{f"{W}.source.limits": {"kind": "tsafrir", "longest": "6 h", "killed": 0.3}}),
    "carbon": world(
        **{
            "site.grid.intensity": HOURS,
            "cluster.scheduler": {"kind": "carbon-aware", "signal": "carbon", "then": {"kind": "easy"}},
        }
    ),
    "by kind": world(
        **TWO,
        **{
            f"{W}.load": {
                "kind": "by-kind",
                "kinds": {"train": {"kind": "measured", "active": "300 W"}},
                "other": {"kind": "measured", "active": "200 W"},
            }
        },
    ),
    "both": world(**BOTH),
    "islands": world(
        **{
            f"{NODE}.profile": "h100-pcie-bridged-server",
            f"{W}.communication": 0.1,
            f"{W}.source.jobs": [
                {**world()["workloads"]["research"]["source"]["jobs"][0], "gpus": {"kind": "shares", "of": ODD}}
            ],
        }
    ),
    "sleep": world(**{f"{NODE}.idle_timeout": "5 min", f"{W}.source.arrivals.rate": "1 jobs/h"}),
    "mps": world(**PARTS, **{f"{NODE}.sharing": {"kind": "mps", "contention": 0.1, "memory_bound": 0.5, "clients": 3}}),
    "sliced": world(
        **PARTS,
        **{f"{NODE}.sharing": {"kind": "time-slicing", "quantum": "2 ms", "switch": "0.4 ms", "replicas": 3}},
    ),
    "cut": world(**{f"{NODE}.mig": {"layout": ["3g.40gb", "3g.40gb"]}, f"{W}.load.active": "140 W"}),
    "row": limited(limit="6 kW", answers=SHED, **ANSWERED),
    "shed": changed(
        limited(
            limit="12 kW",
            changes=[{"at": f"{hour} h", "limit": "4 kW" if hour % 2 else "12 kW"} for hour in range(3, 9)],
            answers=[{"kind": "shed", "whom": "all"}],
            **ANSWERED,
        ),
        {f"{W}.preemption": SAVED[f"{W}.preemption"]},
    ),
    "kinds in a row": changed(
        world(**TWO, policies=limited(limit="5 kW", answers=SHED, **ANSWERED)["policies"]),
        {"policies.0.serving": ["serve"], **{f"{W}.source.jobs.{k}.gpus.most": 8 for k in (0, 1)}},
    ),
    "small row": {**small(), "policies": limited(limit="6.2 kW", answers=[CAP], **ANSWERED)["policies"]},
    "serving row": {**SERVING, "policies": limited(limit="6.5 kW", answers=[CAP], **ANSWERED)["policies"]},
    "changing row": limited(limit="6 kW", changes=[{"at": "4 h", "limit": "8 kW"}], answers=SHED, **ANSWERED),
    "called": limited(calls=[CALL], answers=SHED, **ANSWERED),
    "ramp": limited(ramp={"up": "1 kW/min", "step": "1 min"}),
    "breaker": limited(breaker=BREAKER),
    "electronic breaker": limited(breaker={**BREAKER, "curve": ELECTRONIC}),
    "deadlines": world(
        **{
            "cluster.scheduler": {"kind": "deadline", "urgency": "deadline", "late": "last", "backfill": "greedy"},
            f"{KIND}.deadline": {"share": 0.5, "low": 1.2, "high": 3},
        }
    ),
    "topology": world(
        **{
            f"{NODE}.count": 6,
            f"{NODE}.rack_nodes": 2,
            f"{KIND}.gpus": {"kind": "shares", "of": [{"gpus": 4, "share": 0.5}, {"gpus": 24, "share": 0.5}]},
            "cluster.scheduler": {"kind": "fifo", "placement": {"kind": "topology", "most_racks": 2}},
        }
    ),
}
BATCH = "batch.research"
LIMIT = "power_limits.domains"

FELT: dict[type[Spec], dict[str, Change]] = {
    rows.Jobs: {
        "pool": ("both", {f"{W}.pools": None, f"{W}.pool": "h100", f"{W}.speeds": {"h100": 2}}, BATCH),
        "pools": ("both", {f"{W}.pools": ["h100", "a100"]}, BATCH),
        "gpu_types": ("both", {f"{KIND}.gpu_type": "H", f"{W}.gpu_types": {"H": "h100"}}, BATCH),
        "node_map": ("both", {f"{W}.node_map": {"gpu[1-2]": "h100"}}, "refused"),  # drawn jobs ran nowhere before
        "speeds": ("both", {f"{W}.speeds.h100": 3}, BATCH),
        "load": ("plain", {f"{W}.load.active": "350 W"}, "energy_kwh.by_component.gpu"),
        "cpu_load": ("plain", {f"{W}.cpu_load": 0.9}, "energy_kwh.by_component.cpu"),
        "communication": ("islands", {f"{W}.communication": 0.5}, f"{BATCH}.gpu_hours"),
        "setup": ("plain", {f"{W}.setup": "5 min"}, f"{BATCH}.gpu_hours"),
        "time_limits": ("killed", {f"{W}.time_limits": "run-on"}, f"{BATCH}.killed"),
        "preemption": ("preempted", {f"{W}.preemption": SAVED[f"{W}.preemption"]}, f"{BATCH}.lost_gpu_hours"),
        "speed_up": ("elastic", {f"{W}.speed_up": {"kind": "power", "exponent": 0.5}}, BATCH),
    },
    rows.KillJob: {"then": ("preempted", {f"{W}.preemption": {"kind": "kill", "then": "gone"}}, f"{BATCH}.killed")},
    rows.SaveJob: {
        "save": ("saved", {f"{W}.preemption.save": "10 min"}, BATCH),
        "restart": ("saved", {f"{W}.preemption.restart": "10 min"}, BATCH),
        "every": ("shed", {f"{W}.preemption.every": "5 min"}, f"{BATCH}.lost_gpu_hours"),
    },
    rows.LoadByKind: {
        "kinds": ("by kind", {f"{W}.load.kinds.train.active": "310 W"}, "energy_kwh.by_component.gpu"),
        "other": ("by kind", {f"{W}.load.other": None}, "refused"),
    },
    rows.TraceLoad: {},
    rows.Amdahl: {"parallel": ("elastic", {f"{W}.speed_up.parallel": 0.7}, BATCH)},
    rows.Goodput: {"exponent": ("elastic, by a power", {f"{W}.speed_up.exponent": 0.5}, BATCH)},
    MIGSpec: {"layout": ("cut", {f"{NODE}.mig.layout": ["2g.20gb"] * 3}, BATCH)},
    sharing.ExclusiveSharing: {},
    sharing.InstanceSharing: {},
    sharing.MPSSharing: {
        "contention": ("mps", {f"{NODE}.sharing.contention": 0.0}, BATCH),
        "memory_bound": ("mps", {f"{NODE}.sharing.memory_bound": 0.1}, BATCH),
        "clients": ("mps", {f"{NODE}.sharing.clients": 1}, BATCH),
    },
    sharing.TimeSliceSharing: {
        "quantum": ("sliced", {f"{NODE}.sharing.quantum": "10 ms"}, BATCH),
        "switch": ("sliced", {f"{NODE}.sharing.switch": "1 ms"}, BATCH),
        "replicas": ("sliced", {f"{NODE}.sharing.replicas": 2}, BATCH),
    },
    power.PowerLimits: {
        "domains": ("row", {"policies.0.domains.row.limit": "7 kW"}, LIMIT),
        "serving": ("kinds in a row", {f"{DOMAIN}.answers.0.whom": "training"}, LIMIT),
        "priorities": ("small row", {"policies.0.priorities": {"api": 1}}, "power_limits.workloads"),
        "readings": ("serving row", {"policies.0.readings": "3 s"}, LIMIT),
    },
    power.PowerDomain: {
        "per": ("row", {f"{DOMAIN}.per": "node", f"{DOMAIN}.limit": "3 kW"}, LIMIT),
        "pools": ("row", {f"{DOMAIN}.pools": ["h100"]}, "refused"),
        "nodes": ("row", {f"{DOMAIN}.nodes": 1, f"{DOMAIN}.limit": "3 kW"}, LIMIT),
        "limit": ("row", {f"{DOMAIN}.limit": "7 kW"}, f"{LIMIT}.row"),
        "changes": ("changing row", {f"{DOMAIN}.changes": []}, f"{LIMIT}.row"),
        "calls": ("called", {f"{DOMAIN}.limit": "8 kW"}, f"{LIMIT}.row"),
        "answers": ("row", {f"{DOMAIN}.answers": [CAP]}, f"{LIMIT}.row"),
        "answer_time": ("row", {f"{DOMAIN}.answer_time": "30 s"}, f"{LIMIT}.row.longest_over_s"),
        "target": ("row", {f"{DOMAIN}.target": "92 %"}, f"{LIMIT}.row"),
        "release": ("row", {f"{DOMAIN}.release.below": "80 %"}, f"{LIMIT}.row"),
        "ramp": ("ramp", {f"{DOMAIN}.ramp.up": "2 kW/min"}, f"{LIMIT}.row"),
        "breaker": ("breaker", {f"{DOMAIN}.breaker.rating": "12 kW"}, f"{LIMIT}.row.trips"),
    },
    power.CapAnswer: {
        "whom": ("kinds in a row", {f"{DOMAIN}.answers.0.whom": "training"}, LIMIT),
        "floor": ("row", {f"{DOMAIN}.answers.0.floor": "60 %"}, LIMIT),
    },
    power.PauseAnswer: {"whom": ("kinds in a row", {f"{DOMAIN}.answers.1.whom": "training"}, LIMIT)},
    power.ShedAnswer: {
        "whom": (
            "kinds in a row",
            {f"{DOMAIN}.answers": [{"kind": "shed", "whom": "serving"}]},
            LIMIT,
        )
    },
    power.Release: {
        "below": ("row", {f"{DOMAIN}.release.below": "80 %"}, LIMIT),
        "after": ("row", {f"{DOMAIN}.release.after": "20 min"}, LIMIT),
    },
    power.LimitChange: {
        "at": ("changing row", {f"{DOMAIN}.changes.0.at": "9 h"}, LIMIT),
        "limit": ("changing row", {f"{DOMAIN}.changes.0.limit": "9 kW"}, LIMIT),
    },
    power.PowerCall: {
        "start": ("called", {f"{DOMAIN}.calls.0.start": "4 h"}, LIMIT),
        "duration": ("called", {f"{DOMAIN}.calls.0.duration": "1 h"}, LIMIT),
        "limit": ("called", {f"{DOMAIN}.calls.0.limit": "4 kW"}, LIMIT),
        "notice": ("called", {f"{DOMAIN}.calls.0.notice": "0 s"}, LIMIT),
    },
    power.RampSpec: {
        "up": ("ramp", {f"{DOMAIN}.ramp.up": "2 kW/min"}, LIMIT),
        "step": ("ramp", {f"{DOMAIN}.ramp.step": "2 min"}, LIMIT),
    },
    power.BreakerSpec: {
        "rating": ("breaker", {f"{DOMAIN}.breaker.rating": "5 kW"}, LIMIT),
        "curve": ("breaker", {f"{DOMAIN}.breaker.curve": ELECTRONIC}, LIMIT),
        "reclose": ("breaker", {f"{DOMAIN}.breaker.reclose": "1 h"}, LIMIT),
    },
    power.ThermalMagneticCurve: {
        "holds": ("breaker", {f"{DOMAIN}.breaker.curve.holds": 1.4}, LIMIT),
        "opens_at": ("breaker", {f"{DOMAIN}.breaker.curve.opens_at": 1.2}, LIMIT),
        "after": ("breaker", {f"{DOMAIN}.breaker.curve.after": "20 min"}, LIMIT),
        "at_once": (
            "breaker",
            {f"{DOMAIN}.breaker.curve": {**BREAKER["curve"], "opens_at": 1.2, "at_once": 1.21}},
            LIMIT,
        ),
    },
    power.ElectronicCurve: {
        "pickup": ("electronic breaker", {f"{DOMAIN}.breaker.curve.pickup": 1.49}, LIMIT),
        "opens_at": ("electronic breaker", {f"{DOMAIN}.breaker.curve.opens_at": 1.2}, LIMIT),
        "after": ("electronic breaker", {f"{DOMAIN}.breaker.curve.after": "20 min"}, LIMIT),
        "at_once": (
            "electronic breaker",
            {f"{DOMAIN}.breaker.curve": {**ELECTRONIC, "opens_at": 1.2, "at_once": 1.21}},
            LIMIT,
        ),
    },
    generated_jobs.GeneratedJobs: {
        "arrivals": ("plain", {f"{W}.source.arrivals.rate": "5 jobs/h"}, f"{BATCH}.jobs"),
        "jobs": ("plain", TWO, BATCH),
        "limits": (
            "plain",
            {f"{W}.source.limits": {"kind": "none"}, "cluster.scheduler.candidates": "shortest"},
            BATCH,
        ),
        "accounts": ("plain", {f"{W}.source.accounts.0.users": 9}, f"{BATCH}.users"),
    },
    generated_jobs.JobKind: {
        "name": ("plain", {f"{KIND}.name": "x"}, f"{BATCH}.by_kind_gpu_hours"),
        "share": ("plain", {**TWO, f"{KIND}.share": 0.3, f"{W}.source.jobs.1.share": 0.7}, BATCH),
        "gpus": ("plain", {f"{KIND}.gpus.mean": 2}, BATCH),
        "run": ("plain", {f"{KIND}.run.median": "9 min"}, BATCH),
        "size_exponent": ("plain", {f"{KIND}.size_exponent": 0.3}, BATCH),
        "longest": ("plain", {f"{KIND}.longest": "4 h"}, BATCH),
        "ends": ("plain", {f"{KIND}.ends": {"failed": 0.2, "cancelled": 0.2, "at": "any-instant"}}, BATCH),
        "per_node": ("plain", {f"{KIND}.per_node": 2}, BATCH),
        "cores": ("plain", {f"{KIND}.cores": 30}, BATCH),
        "memory": ("plain", {f"{KIND}.memory": "400 GiB"}, BATCH),
        "queue": ("plain", {f"{KIND}.queue": "q"}, f"{BATCH}.by_queue_gpu_hours"),
        "gpu_type": ("both", {f"{KIND}.gpu_type": "H", f"{W}.gpu_types": {"H": "h100"}}, BATCH),
        "priority": ("preempted", {f"{W}.source.jobs.1.priority": 0}, BATCH),
        "spot": (
            "plain",
            {f"{KIND}.spot": 0.5, "cluster.scheduler": {"kind": "spot", "regular": {"kind": "easy"}}},
            BATCH,
        ),
        "deadline": ("deadlines", {f"{KIND}.deadline": None}, BATCH),
        "slack": ("carbon", {f"{KIND}.slack": {"share": 0.5, "wait": "6 h"}}, BATCH),
        "elastic": ("elastic", {f"{KIND}.elastic": None}, BATCH),
    },
    generated_jobs.JobElasticity: {
        "share": ("elastic", {f"{KIND}.elastic.share": 0.2}, BATCH),
        "least": ("elastic", {f"{KIND}.elastic.least": 1}, BATCH),
        "most": ("elastic", {f"{KIND}.elastic.most": 4}, BATCH),
    },
    generated_jobs.JobDeadline: {
        "share": ("deadlines", {f"{KIND}.deadline.share": 0.9}, BATCH),
        "low": ("deadlines", {f"{KIND}.deadline.low": 2}, BATCH),
        "high": ("deadlines", {f"{KIND}.deadline.high": 6}, BATCH),
    },
    placements.TopologyPlace: {
        "most_racks": ("topology", {"cluster.scheduler.placement.most_racks": 1}, f"{BATCH}.refused"),
    },
    schedulers.EasyBackfill: {"candidates": ("plain", {"cluster.scheduler.candidates": "shortest"}, BATCH)},
}
POOL: dict[str, Change] = {
    "keep_warm": ("sleep", {f"{NODE}.keep_warm": 1}, "energy_kwh.by_component"),
    "rack_nodes": ("topology", {f"{NODE}.rack_nodes": 1}, BATCH),
    "sharing": ("mps", {f"{NODE}.sharing": {"kind": "mig"}}, BATCH),
    "mig": ("cut", {f"{NODE}.mig": None}, BATCH),
}
"""Of a pool, what is of jobs and of shared power; the rest is tested elsewhere."""
ROOTS: tuple[type[Spec], ...] = (rows.Jobs, power.PowerLimits)
ELSEWHERE = {"TraceJobs", "ThroughputLoad", "MeasuredLoad", "NameplateLoad"}
"""Tested with the sources of jobs and with workloads; laws of sizes, runs and limits, with the laws of jobs."""


def _written() -> set[type[Spec]]:
    first: list[type[Spec]] = [*ROOTS, *sharing.SharingSpec.alternatives(), MIGSpec]
    return all_below(first, _is_elsewhere)


def _is_elsewhere(spec: type[Spec]) -> bool:
    of_laws = spec.__module__ in (job_laws.__name__, generated_jobs.__name__) and spec not in FELT
    return of_laws or spec.__name__ in ELSEWHERE


def test_every_field_has_its_row() -> None:
    missing = []
    for spec in _written():
        missing += without_row(spec, FELT.get(spec, {}))
        assert spec in FELT, spec
    assert not missing
    assert set(POOL) <= set(NodePool.model_fields)


def numbers(value: Any, path: str = "") -> dict[str, float]:
    """All numbers of a summary by their paths."""
    if isinstance(value, Mapping):
        return {at: n for name, below in value.items() for at, n in numbers(below, f"{path}.{name}").items()}
    return {path.removeprefix("."): float(value)} if isinstance(value, int | float) else {}


@cache
def _unchanged(name: str) -> dict[str, float]:
    return numbers(sim.run(copy.deepcopy(WORLDS[name])).summary)


ROWS = [(spec.__name__, name, change) for spec, fields in FELT.items() for name, change in fields.items()]
ROWS += [("NodePool", name, change) for name, change in POOL.items()]


@pytest.mark.parametrize(("spec", "name", "change"), ROWS, ids=[f"{spec}.{name}" for spec, name, _ in ROWS])
def test_no_field_is_accepted_and_ignored(spec: str, name: str, change: Change) -> None:
    """Its change is refused, or felt where it should be."""
    which, changes, felt = change
    data = changed(WORLDS[which], changes)
    if felt == "refused":
        assert sim.check(data), (spec, name)
        return
    before = {path: n for path, n in _unchanged(which).items() if path.startswith(felt)}
    after = {path: n for path, n in numbers(sim.run(data).summary).items() if path.startswith(felt)}
    assert after, f"nothing is told below {felt}"
    assert before != pytest.approx(after, rel=1e-9)
