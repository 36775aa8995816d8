"""No field is accepted and ignored: whatever may be written of a training is changed once, and a result changes.

``FELT`` has every field of every class that a training job, its fabric, its failures, a campaign or a federated
training is written with; a test holds it against the classes themselves, so that a new field cannot be forgotten.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

import sim
from sim import kinds
from sim.profiles.machines import failures as parts
from sim.results.results import Results
from sim.spec import campaign, compression, factors, failures, federated, networks, traces, training
from sim.spec import fabric as fabrics
from sim.spec.workloads import Checkpoint, Training
from sim.validation import Spec
from tests.small import small
from tests.spec_fields import all_below, below, without_row
from tests.training_worlds import failing_world, training_world

MIXTURE = {
    "model": "gpt-oss-20b",
    "precision": "bf16",
    "recompute": "full",
    "parallel": {"expert": 8, "shard": "optimizer"},
}
HOURS = {"kind": "gpu-hours", "gpu_hours": 9, "load": {"kind": "measured", "active": "350 W"}}
METHOD = {"name": "mine", "family": "kernels", "work": 1, "time": 0.5, "power": 1, "source": "a test"}
LADDER = {"eta": 3, "rungs": 3, "promoted": "continue", "noise": 0.5}
SYNCHRONOUS = {"kind": "synchronous", "clients": 20, "over_selection": 0.5, "deadline": "100 s", "least": 0.9}
SMALL: dict[str, Any] = {"model": "llama-3.2-1b", "parallel": {"shard": "none"}}
RAIL = {**fabrics.Rail.example, "kind": "rail"}
FAT_TREE = {
    **{name: fabrics.FatTree.example[name] for name in ("bandwidth", "latency", "switch_latency", "energy_per_byte")},
    "kind": "fat-tree",
    "tiers": [{"nodes": 2, "oversubscription": 1}, {"nodes": 4, "oversubscription": 2}],
}
TORUS = {"kind": "torus", "shape": [4, 4, 4], "hop_latency": "1 us", "wraps": True}


def _jobs(workload: str, written: dict[str, Any]) -> dict[str, Any]:
    data = small() | {"workloads": {workload: written}}
    data.pop("duration")
    return data


def _search(**changes: Any) -> dict[str, Any]:
    """27 trials of two kinds, one of which grows."""
    grows = [{"at": 0.2, "gpus": 2, "work": {**HOURS, "gpu_hours": 12}}]
    written = {
        "kind": "campaign",
        "pool": "dgx-a100",
        "trials": [{"share": 0.5, "gpus": 1, "work": HOURS}, {"share": 0.5, "gpus": 1, "work": HOURS, "growth": grows}],
        "size": {"kind": "lognormal", "cv": 0.5},
        "selection": {"kind": "successive-halving", "trials": 27, **LADDER},
        "at_once": 8,
        "evaluation": {"each": 0.01, "last": 0.1},
        "budget": {"gpu_hours": 1000},
        "cpu_load": 0.1,
        "setup": "1 min",
        "checkpoint": {"every": "1 h", "write": "20 s"},
    }
    data = _jobs("llama", {**written, **changes})
    data["cluster"]["nodes"].append({"profile": "dgx-h100", "count": 2})
    return data


def _fleet(**changes: Any) -> dict[str, Any]:
    """50 rounds of 20 phones of two kinds."""
    written = {
        "kind": "federated",
        "server": {"pool": "dgx-a100", "slots": 2, "cpu_load": 0.3, "per_round": "5 s", "per_update": "20 ms"},
        "devices": {
            "home": {"share": 0.75, "network": "wifi", "training": "4 W", "idle": "1 W", "samples_per_second": 20},
            "away": {"share": 0.25, "network": "mobile", "training": "3 W", "idle": "1 W", "samples_per_second": 10},
        },
        "networks": {
            "wifi": {"energy": "0.03 kWh/GB", "download": "5 MB/s", "upload": "1 MB/s"},
            "mobile": {"energy": "0.14 kWh/GB", "download": "2 MB/s", "upload": "0.5 MB/s"},
        },
        "samples": 1000,
        "spread": {"kind": "lognormal", "cv": 0.5},
        "drop_out": 0.1,
        "download": "20 MB",
        "upload": "10 MB",
        "aggregation": {**SYNCHRONOUS, "between": "10 s"},
        "rounds": 50,
    }
    data = _jobs("llama", {**written, **changes})
    data["cluster"]["nodes"].append({"profile": "dgx-h100", "count": 2})
    data["accounting"]["outside"] = {"llama": {"home": "430 gCO2e/kWh", "away": "700 gCO2e/kWh"}}
    return data


def _failing(**part: Any) -> dict[str, Any]:
    """The world in which everything fails; ``part`` is a switch, and the whole list in place of the others."""
    world = failing_world(steps=4000)
    world["duration"] = "3 d"
    node = world["cluster"]["nodes"][0]
    node["failures"]["repairs"] = {"gpu": "1 h"}
    if part:
        node["failures"] = {"kind": "components", "repair": "30 min", "parts": {"part": part}}
    return world


def _fabric(written: Mapping[str, Any] | None = None, **work: Any) -> dict[str, Any]:
    """Data-parallel sums over eight nodes."""
    world = training_world(**work)
    if written is not None:
        world["cluster"]["nodes"][0]["fabric"] = dict(written)
    return world


def _smoothed(**smoothing: Any) -> dict[str, Any]:
    world = training_world()
    world["workloads"]["llama"]["smoothing"] = smoothing
    return world


def _traced(**trace: Any) -> dict[str, Any]:
    world = training_world()
    world["workloads"]["llama"]["trace"] = trace
    return world


def _saving(**checkpoint: Any) -> dict[str, Any]:
    world = _failing()
    world["workloads"]["llama"]["checkpoint"] = checkpoint
    return world


WORLDS: dict[str, dict[str, Any]] = {
    "failing trials": _search(failed={"share": 0.4, "within": 1.0}),
    "model": training_world(),
    "recomputed": training_world(recompute="full"),
    "mixture": training_world(**MIXTURE),
    "sharded": training_world(**{**MIXTURE, "parallel": {"expert": 8, "shard": "parameters"}}),
    "offloaded": training_world(optimizer={"name": "adam"}),
    "adapters": training_world(lora={"rank": 16}),
    "loaded": training_world(loading={"tokens_per_second": 50_000}),
    "evaluated": training_world(evaluation={"every": 10, "tokens": 10**6}),
    "tokens": {},
    "rail": _fabric(),
    "summing": _fabric(**SMALL),
    "few on a leaf": _fabric({**RAIL, "nodes_per_leaf": 2, "oversubscription": 4.0}, **SMALL),
    "fat-tree": _fabric(FAT_TREE),
    "torus": _fabric(TORUS, **MIXTURE),
    "failing": _failing(),
    "herd": _failing(),
    "device": _failing(kind="device", per="gpu", mtbf="500 h", shape=0.7, fleet="new", shows="crash"),
    "switch": _failing(kind="switch", nodes=2, mtbf="60 h", shape=2.0, fleet="new", shows="crash"),
    "process": _failing(kind="process", per="gpu", mtbf="500 h", shape=0.7, fleet="new", shows="crash"),
    "slowdown": _failing(kind="slowdown", per="node", mtbf="60 h", shape=0.7, fleet="new", rate=0.9),
    "saving": _saving(every="1 h", write="2 min", stall="30 s"),
    "traced": _traced(start="1 min", window="20 s", resolution="10 ms"),
    "floor": _smoothed(kind="floor", share=0.9),
    "ramp-limit": _smoothed(kind="ramp-limit", ramp="500 W/s"),
    "search": _search(),
    "hyperband": _search(selection={"kind": "hyperband", **LADDER}),
    "asha": _search(selection={"kind": "asha", "trials": 27, **LADDER}),
    "all": _search(selection={"kind": "all", "trials": 9}),
    "median": _search(
        selection={"kind": "median", "trials": 27, "grace": 0.2, "every": "20 %", "least": 3, "noise": 0.5}
    ),
    "log-uniform": _search(size={"kind": "log-uniform", "low": 0.5, "high": 2}),
    "choice": _search(size={"kind": "choice", "values": [0.5, 2], "weights": [1, 1]}),
    "fleet": _fleet(),
    "buffered": _fleet(aggregation={"kind": "buffered", "at_once": 20, "buffer": 10, "deadline": "100 s"}),
    "by clients": _fleet(rounds={"at_large": 20, "critical_clients": 10}),
}
_tokens = training_world(tokens=100 * 128 * 8192)
del _tokens["workloads"]["llama"]["work"]["steps"]
WORLDS["tokens"] = _tokens
WORLDS["herd"]["cluster"]["nodes"][0]["failures"] = {
    "kind": "components",
    "repair": "1 h",
    "profile": "llama-3-herd",
    "parts": {"gpu": {"kind": "device", "per": "gpu", "mtbf": "300 h", "shows": "crash"}},
}
WORLDS["herd"]["workloads"]["llama"]["recovery"]["detection"]["silent"] = "1 h"

JOB = "workloads.llama"
WORK = f"{JOB}.work"
STEP = "jobs.llama.step"
POOL = "cluster.nodes.0"
PART = f"{POOL}.failures.parts.part"
SELECTION = f"{JOB}.selection"

Change = tuple[str, dict[str, Any], str]
"""A world, what is set in it, and below which path of the summary a number becomes another one; ``refused`` where the
field only says what must be so."""

PARTS: dict[str, Change] = {
    "mtbf": ("device", {f"{PART}.mtbf": "300 h"}, "jobs.llama.interruptions"),
    "shape": ("device", {f"{PART}.shape": 3.0}, "jobs.llama.interruptions"),
    "fleet": ("device", {f"{PART}.fleet": "settled"}, "jobs.llama.interruptions"),
}


def _part(world: str, **more: Change) -> dict[str, Change]:
    return {name: (world, changes, felt) for name, (_, changes, felt) in PARTS.items()} | more


def _rungs(world: str) -> dict[str, Change]:
    return {
        "eta": (world, {f"{SELECTION}.eta": 2}, "campaigns.llama.gpu_hours"),
        "rungs": (world, {f"{SELECTION}.rungs": 2}, "campaigns.llama.gpu_hours"),
        "promoted": (world, {f"{SELECTION}.promoted": "anew"}, "campaigns.llama.gpu_hours"),
        "noise": (world, {f"{SELECTION}.noise": 5}, "campaigns.llama"),
    }


def _ports(world: str, written: Mapping[str, Any]) -> dict[str, Change]:
    """``written`` are the ports' own; the switches' reduce only where sums are whole."""
    fabric = f"{POOL}.fabric"
    return {
        "bandwidth": (world, {f"{fabric}.bandwidth": "100 GB/s"}, f"{STEP}.step_s"),
        "latency": (world, {f"{fabric}.latency": "20 us"}, f"{STEP}.step_s"),
        "switch_latency": (world, {f"{fabric}.switch_latency": "5 us"}, f"{STEP}.step_s"),
        "energy_per_byte": (world, {f"{fabric}.energy_per_byte": "700 pJ/B"}, f"{STEP}.gpu_energy_kwh.network"),
        "in_network": ("summing", {fabric: {**written, "in_network": 0.9}}, f"{STEP}.exposed_s.data"),
    }


FELT: dict[type[Spec], dict[str, Change]] = {
    training.ModelWork: {
        "model": ("recomputed", {f"{WORK}.model": "llama-2-70b"}, f"{STEP}.step_s"),
        "stack": ("model", {f"{WORK}.stack": "fsdp-2024"}, f"{STEP}.step_s"),
        "precision": ("recomputed", {f"{WORK}.precision": "bf16"}, f"{STEP}.step_s"),
        "sequence": ("model", {f"{WORK}.sequence": 4096}, f"{STEP}.throughput_tok_per_s"),
        "global_batch": ("model", {f"{WORK}.global_batch": 256}, f"{STEP}.throughput_tok_per_s"),
        "micro_batch": ("recomputed", {f"{WORK}.micro_batch": 2}, f"{STEP}.step_s"),
        "gradient_accumulation": ("model", {f"{WORK}.gradient_accumulation": 32}, "refused"),
        "steps": ("model", {f"{WORK}.steps": 200}, "jobs.llama.makespan_s"),
        "tokens": ("tokens", {f"{WORK}.tokens": 1e9}, "jobs.llama.makespan_s"),
        "recompute": ("model", {f"{WORK}.recompute": "selective"}, f"{STEP}.hfu"),
        "as_of": ("model", {f"{WORK}.as_of": 2025.0}, f"{STEP}.step_s"),
        "offload": ("model", {f"{WORK}.offload": "optimizer"}, f"{STEP}.step_s"),
        "mtp_modules": (
            "recomputed",
            {f"{WORK}.mtp_modules": 1, f"{WORK}.parallel.chunks": 1, f"{WORK}.parallel.uneven": True},
            f"{STEP}.model_tflops_per_gpu",
        ),
    },
    training.Parallel: {
        "data": ("model", {f"{WORK}.parallel.data": 4}, "refused"),
        "tensor": ("model", {f"{WORK}.parallel.tensor": 8}, f"{STEP}.step_s"),
        "pipeline": ("recomputed", {f"{WORK}.parallel.pipeline": 4}, f"{STEP}.step_split_s.bubble"),
        "chunks": ("model", {f"{WORK}.parallel.chunks": 1}, f"{STEP}.step_split_s.bubble"),
        "context": ("model", {f"{WORK}.parallel.context": 2}, f"{STEP}.step_s"),
        "expert": ("mixture", {f"{WORK}.parallel.expert": 16}, f"{STEP}.step_s"),
        "expert_tensor": ("mixture", {f"{WORK}.parallel.expert_tensor": 2}, f"{STEP}.step_s"),
        "sequence": ("recomputed", {f"{WORK}.parallel.sequence": False}, f"{STEP}.step_s"),
        "shard": ("mixture", {f"{WORK}.parallel.shard": "parameters"}, f"{STEP}.step_s"),
        "shard_gpus": ("sharded", {f"{WORK}.parallel.shard_gpus": 8}, f"{STEP}.step_s"),
        "uneven": ("model", {f"{WORK}.parallel.chunks": 6, f"{WORK}.parallel.uneven": False}, "refused"),
    },
    training.Optimizer: {
        "name": ("offloaded", {f"{WORK}.optimizer.name": "lion"}, f"{STEP}.step_split_s.optimizer"),
        "moments": ("offloaded", {f"{WORK}.optimizer.moments": "bf16"}, f"{STEP}.step_split_s.optimizer"),
        "master": ("offloaded", {f"{WORK}.optimizer.master": "none"}, f"{STEP}.step_split_s.optimizer"),
        "gradients": ("offloaded", {f"{WORK}.optimizer.gradients": "bf16"}, f"{STEP}.exposed_s.data"),
    },
    training.Adapters: {"rank": ("adapters", {f"{WORK}.lora.rank": 256}, f"{STEP}.hfu")},
    training.Loading: {
        "tokens_per_second": ("loaded", {f"{WORK}.loading.tokens_per_second": 40_000}, f"{STEP}.step_split_s.stall")
    },
    training.Evaluation: {
        "every": ("evaluated", {f"{WORK}.evaluation.every": 20}, f"{STEP}.evaluation_s"),
        "tokens": ("evaluated", {f"{WORK}.evaluation.tokens": 2 * 10**6}, f"{STEP}.evaluation_s"),
    },
    Checkpoint: {
        "every": ("saving", {f"{JOB}.checkpoint.every": "2 h"}, "jobs.llama.checkpoints"),
        "write": ("saving", {f"{JOB}.checkpoint.write": "20 min"}, "jobs.llama.lost_gpu_hours"),
        "stall": ("saving", {f"{JOB}.checkpoint.stall": "1 min"}, "jobs.llama.time_split_s.checkpoints"),
    },
    traces.FloorSmoothing: {"share": ("floor", {f"{JOB}.smoothing.share": 0.5}, "energy_kwh.by_component.gpu")},
    traces.RampSmoothing: {"ramp": ("ramp-limit", {f"{JOB}.smoothing.ramp": "50 W/s"}, "energy_kwh.by_component.gpu")},
    traces.Trace: {
        "start": ("traced", {f"{JOB}.trace.start": "63 s"}, "trace"),
        "window": ("traced", {f"{JOB}.trace.window": "30 s"}, "trace"),
        "resolution": ("traced", {f"{JOB}.trace.resolution": "20 ms"}, "trace"),
        "meter": ("traced", {f"{JOB}.trace.meter": "1 s"}, "trace"),
    },
    fabrics.Rail: {
        **_ports("rail", RAIL),
        "nodes_per_leaf": ("few on a leaf", {f"{POOL}.fabric.nodes_per_leaf": 8}, f"{STEP}.step_s"),
        "oversubscription": ("few on a leaf", {f"{POOL}.fabric.oversubscription": 8}, f"{STEP}.step_s"),
    },
    fabrics.FatTree: _ports("fat-tree", FAT_TREE),
    fabrics.TierSpec: {
        "nodes": ("fat-tree", {f"{POOL}.fabric.tiers.1.nodes": 8}, f"{STEP}.step_s"),
        "oversubscription": ("fat-tree", {f"{POOL}.fabric.tiers.1.oversubscription": 8}, f"{STEP}.step_s"),
    },
    fabrics.TorusSpec: {
        "shape": ("torus", {f"{POOL}.fabric.shape": [8, 8]}, f"{STEP}.step_s"),
        "hop_latency": ("torus", {f"{POOL}.fabric.hop_latency": "20 us"}, f"{STEP}.step_s"),
        "wraps": ("torus", {f"{POOL}.fabric.wraps": False}, f"{STEP}.step_s"),
    },
    failures.ComponentFailures: {
        "profile": ("herd", {f"{POOL}.failures.profile": "meta-rsc-1"}, "jobs.llama.expected_mtbf_s"),
        "repair": ("failing", {f"{POOL}.failures.repair": "20 h"}, "jobs.llama.makespan_s"),
        "repairs": ("failing", {f"{POOL}.failures.repairs.gpu": "20 h"}, "jobs.llama.makespan_s"),
    },
    failures.SpareNodes: {
        "count": ("failing", {f"{POOL}.spares.count": 2, f"{POOL}.count": 10}, "jobs.llama.makespan_s"),
        "state": ("failing", {f"{POOL}.spares.state": "hot"}, "energy_kwh.by_component.gpu"),
        "replace": ("failing", {f"{POOL}.spares.replace": "1 h"}, "jobs.llama.makespan_s"),
    },
    failures.Detection: {
        "crash": ("failing", {f"{JOB}.recovery.detection.crash": "30 min"}, "jobs.llama.time_split_s.detection"),
        "hang": ("failing", {f"{JOB}.recovery.detection.hang": "40 min"}, "jobs.llama.time_split_s.detection"),
        "silent": ("failing", {f"{JOB}.recovery.detection.silent": "1 h"}, "jobs.llama.time_split_s.lost"),
        "slow": ("failing", {f"{JOB}.recovery.detection.slow": "2 h"}, "jobs.llama.slowed_by_stragglers_s"),
    },
    failures.RecoveryTimes: {
        name: ("failing", {f"{JOB}.recovery.{name}": "15 min"}, "jobs.llama.time_split_s.restarts")
        for name in ("schedule", "load", "warm_up")
    },
    failures.PlannedStops: {
        "every": ("failing", {f"{JOB}.recovery.planned.every": "5 h"}, "jobs.llama.planned_stops"),
        "takes": ("failing", {f"{JOB}.recovery.planned.takes": "1 h"}, "jobs.llama.time_split_s.planned_stops"),
    },
    parts.Device: _part(
        "device",
        per=("device", {f"{PART}.per": "node"}, "jobs.llama.interruptions"),
        shows=("device", {f"{PART}.shows": "hang"}, "jobs.llama.time_split_s.detection"),
    ),
    parts.Switch: _part(
        "switch",
        nodes=("switch", {f"{PART}.nodes": 4}, "jobs.llama.interruptions"),
        shows=("switch", {f"{PART}.shows": "hang"}, "jobs.llama.time_split_s.detection"),
        mtbf=("switch", {f"{PART}.mtbf": "20 h"}, "jobs.llama.interruptions"),
        shape=("switch", {f"{PART}.shape": 0.5}, "jobs.llama.interruptions"),
    ),
    parts.Process: _part(
        "process",
        per=("process", {f"{PART}.per": "node"}, "jobs.llama.interruptions"),
        shows=("process", {f"{PART}.shows": "hang"}, "jobs.llama.time_split_s.detection"),
    ),
    parts.Slowdown: _part(
        "slowdown",
        per=("slowdown", {f"{PART}.per": "gpu"}, "jobs.llama.interruptions"),
        rate=("slowdown", {f"{PART}.rate": 0.5}, "jobs.llama.slowed_by_stragglers_s"),
        mtbf=("slowdown", {f"{PART}.mtbf": "20 h"}, "jobs.llama.interruptions"),
    ),
    campaign.CampaignSpec: {
        "pool": ("search", {f"{JOB}.pool": "dgx-h100"}, "energy_kwh.by_component"),
        "at_once": ("search", {f"{JOB}.at_once": 2}, "campaigns.llama.makespan_s"),
        "cpu_load": ("search", {f"{JOB}.cpu_load": 0.9}, "energy_kwh.by_component.cpu"),
        "start_after": ("search", {f"{JOB}.start_after": "2 h"}, "simulated_s"),
        "setup": ("search", {f"{JOB}.setup": "10 min"}, "campaigns.llama.gpu_hours"),
    },
    campaign.TrialKind: {
        "share": ("search", {f"{JOB}.trials.0.share": 0.9, f"{JOB}.trials.1.share": 0.1}, "campaigns.llama.gpu_hours"),
        "gpus": ("search", {f"{JOB}.trials.0.gpus": 2}, "campaigns.llama.makespan_s"),
        "work": ("search", {f"{JOB}.trials.0.work.gpu_hours": 12}, "campaigns.llama.gpu_hours"),
        "methods": ("search", {f"{JOB}.trials.0.methods": [METHOD]}, "campaigns.llama.gpu_hours"),
    },
    campaign.FailedRuns: {
        "share": ("failing trials", {f"{JOB}.failed.share": 0.9}, "campaigns.llama.failed"),
        "within": ("failing trials", {f"{JOB}.failed.within": 0.1}, "campaigns.llama.by_outcome_gpu_hours"),
    },
    compression.Pruning: {
        "layers": ("model", {f"{WORK}.pruning": {"layers": 40}}, f"{STEP}.step_s"),
        "networks": ("model", {f"{WORK}.pruning": {"networks": 0.5}}, f"{STEP}.step_s"),
        "heads": ("model", {f"{WORK}.pruning": {"heads": 0.5}}, f"{STEP}.step_s"),
    },
    campaign.Growth: {
        "at": ("search", {f"{JOB}.trials.1.growth.0.at": 0.1}, "campaigns.llama.gpu_hours"),
        "gpus": ("search", {f"{JOB}.trials.1.growth.0.gpus": 4}, "campaigns.llama.energy_kwh"),
        "work": ("search", {f"{JOB}.trials.1.growth.0.work.gpu_hours": 40}, "campaigns.llama.gpu_hours"),
    },
    campaign.EvaluationSpec: {
        "each": ("search", {f"{JOB}.evaluation.each": 0.2}, "campaigns.llama.gpu_hours"),
        "last": ("search", {f"{JOB}.evaluation.last": 0.9}, "campaigns.llama.gpu_hours"),
    },
    campaign.GPUBudget: {"gpu_hours": ("search", {f"{JOB}.budget.gpu_hours": 20}, "campaigns.llama.gpu_hours")},
    campaign.AllTrials: {"trials": ("all", {f"{SELECTION}.trials": 12}, "campaigns.llama.gpu_hours")},
    campaign.SuccessiveHalving: {
        **_rungs("search"),
        "trials": ("search", {f"{SELECTION}.trials": 18}, "campaigns.llama.gpu_hours"),
    },
    campaign.AsynchronousHalving: {
        **_rungs("asha"),
        "trials": ("asha", {f"{SELECTION}.trials": 18}, "campaigns.llama.gpu_hours"),
    },
    campaign.HyperbandSelection: _rungs("hyperband"),
    campaign.MedianStopping: {
        "trials": ("median", {f"{SELECTION}.trials": 18}, "campaigns.llama.gpu_hours"),
        "grace": ("median", {f"{SELECTION}.grace": 0.7}, "campaigns.llama.gpu_hours"),
        "every": ("median", {f"{SELECTION}.every": "70 %"}, "campaigns.llama.gpu_hours"),
        "least": ("median", {f"{SELECTION}.least": 20}, "campaigns.llama.gpu_hours"),
        "noise": ("median", {f"{SELECTION}.noise": 5}, "campaigns.llama"),
    },
    factors.ConstantFactor: {},
    factors.ExponentialFactor: {},
    factors.LognormalFactor: {"cv": ("search", {f"{JOB}.size.cv": 0.1}, "campaigns.llama.gpu_hours")},
    factors.LogUniformFactor: {
        "low": ("log-uniform", {f"{JOB}.size.low": 0.1}, "campaigns.llama.gpu_hours"),
        "high": ("log-uniform", {f"{JOB}.size.high": 4}, "campaigns.llama.gpu_hours"),
    },
    factors.ChosenFactor: {
        "values": ("choice", {f"{JOB}.size.values": [0.5, 4]}, "campaigns.llama.gpu_hours"),
        "weights": ("choice", {f"{JOB}.size.weights": [5, 1]}, "campaigns.llama.gpu_hours"),
    },
    federated.FederatedSpec: {
        "samples": ("fleet", {f"{JOB}.samples": 500}, "federated.llama.devices_kwh"),
        "drop_out": ("fleet", {f"{JOB}.drop_out": 0.3}, "federated.llama.wasted_share"),
        "download": ("fleet", {f"{JOB}.download": "40 MB"}, "federated.llama.network_kwh"),
        "upload": ("fleet", {f"{JOB}.upload": "20 MB"}, "federated.llama.network_kwh"),
        "rounds": ("fleet", {f"{JOB}.rounds": 40}, "federated.llama.makespan_s"),
        "start_after": ("fleet", {f"{JOB}.start_after": "2 h"}, "simulated_s"),
    },
    federated.AggregationServer: {
        "pool": ("fleet", {f"{JOB}.server.pool": "dgx-h100"}, "energy_kwh.by_component"),
        "slots": ("fleet", {f"{JOB}.server.slots": 4}, "federated.llama.server_kwh"),
        "cpu_load": ("fleet", {f"{JOB}.server.cpu_load": 0.9}, "federated.llama.server_kwh"),
        "per_round": ("fleet", {f"{JOB}.server.per_round": "50 s"}, "federated.llama.makespan_s"),
        "per_update": ("fleet", {f"{JOB}.server.per_update": "2 s"}, "federated.llama.makespan_s"),
    },
    federated.DeviceKind: {
        "share": ("fleet", {f"{JOB}.devices.home.share": 0.5, f"{JOB}.devices.away.share": 0.5}, "federated.llama"),
        "network": ("fleet", {f"{JOB}.devices.home.network": "mobile"}, "federated.llama.network_kwh"),
        "profile": (
            "fleet",
            {f"{JOB}.devices.home.profile": "jetson-nano", f"{JOB}.devices.home.training": None},
            "federated.llama.devices_kwh",
        ),
        "training": ("fleet", {f"{JOB}.devices.home.training": "8 W"}, "federated.llama.devices_kwh"),
        "idle": ("fleet", {f"{JOB}.devices.home.idle": "2 W"}, "federated.llama.devices_kwh"),
        "samples_per_second": (
            "fleet",
            {f"{JOB}.devices.home.samples_per_second": 40},
            "federated.llama.makespan_s",
        ),
    },
    networks.AccessNetwork: {
        "energy": ("fleet", {f"{JOB}.networks.wifi.energy": "0.06 kWh/GB"}, "federated.llama.network_kwh"),
        "download": ("fleet", {f"{JOB}.networks.wifi.download": "1 MB/s"}, "federated.llama.makespan_s"),
        "upload": ("fleet", {f"{JOB}.networks.wifi.upload": "0.3 MB/s"}, "federated.llama.makespan_s"),
    },
    federated.SynchronousRounds: {
        "clients": ("fleet", {f"{JOB}.aggregation.clients": 10}, "federated.llama"),
        "over_selection": ("fleet", {f"{JOB}.aggregation.over_selection": 2}, "federated.llama.wasted_share"),
        "deadline": ("fleet", {f"{JOB}.aggregation.deadline": "5 min"}, "federated.llama.makespan_s"),
        "least": ("fleet", {f"{JOB}.aggregation.least": 0.5}, "federated.llama.makespan_s"),
        "between": ("fleet", {f"{JOB}.aggregation.between": "1 min"}, "federated.llama.makespan_s"),
    },
    federated.BufferedRounds: {
        "at_once": ("buffered", {f"{JOB}.aggregation.at_once": 40}, "federated.llama.makespan_s"),
        "buffer": ("buffered", {f"{JOB}.aggregation.buffer": 20}, "federated.llama.makespan_s"),
        "deadline": ("buffered", {f"{JOB}.aggregation.deadline": "5 min"}, "federated.llama"),
    },
    federated.RoundsByClients: {
        "at_large": ("by clients", {f"{JOB}.rounds.at_large": 40}, "federated.llama.makespan_s"),
        "critical_clients": ("by clients", {f"{JOB}.rounds.critical_clients": 40}, "federated.llama.makespan_s"),
    },
}
ROOTS: tuple[type[Spec], ...] = (training.ModelWork, campaign.CampaignSpec, federated.FederatedSpec)
FAMILIES = ("fabric", "failures")
OF_JOBS = ("checkpoint", "recovery", "smoothing", "trace")
"""Fields of a training job that this is about; what is there of every job is tested elsewhere."""
ELSEWHERE = {"InlineModel", "GPUHours", "Steps", "OwnMethod", "CompletedMethod"}
"""Methods and their factors are in ``test_methods``.

Architectures change FLOP and memory in ``test_training_flops``; work of other kinds is tested with its own."""


def _written() -> set[type[Spec]]:
    """All classes that a training, its fabric and failures, a campaign and a federated training are written with."""
    first: list[type[Spec]] = [*ROOTS, failures.SpareNodes]
    first += [kind.spec for family in FAMILIES for kind in kinds.kinds(family)]
    first += [each for name in OF_JOBS for each in below(Training.model_fields[name].annotation)]
    return all_below(first, lambda spec: spec.__name__ in ELSEWHERE)


def _plain(spec: type[Spec]) -> type[Spec]:
    """Of a generic class the one that its fields are told of."""
    origin = spec.__pydantic_generic_metadata__["origin"]
    return spec if origin is None or not issubclass(origin, Spec) else origin


def test_every_field_has_its_row() -> None:
    """Whatever is written with a class of its own has that class's rows in its place."""
    missing = []
    for spec in _written():
        missing += without_row(spec, FELT.get(_plain(spec), {}))
        assert _plain(spec) in FELT, spec
    assert not missing


def numbers(value: Any, path: str = "") -> dict[str, float]:
    """All numbers of a summary by their paths."""
    if isinstance(value, Mapping):
        return {at: n for name, below in value.items() for at, n in numbers(below, f"{path}.{name}").items()}
    if isinstance(value, list):
        return {at: n for i, below in enumerate(value) for at, n in numbers(below, f"{path}.{i}").items()}
    return {path.removeprefix("."): float(value)} if isinstance(value, int | float) else {}


@cache
def _unchanged(world: str) -> Results:
    return sim.run(copy.deepcopy(WORLDS[world]))


def _below_path(results: Results, felt: str) -> dict[str, float]:
    if felt == "trace":
        table = results.power_trace()
        return {
            "first": float(table["gpu_w"].iloc[0]),
            "spread": float(table["gpu_w"].std()),
            "rows": float(len(table)),
        }
    found = numbers(results.summary)
    return {path: n for path, n in found.items() if path == felt or path.startswith(f"{felt}.")}


ROWS = [(spec.__name__, name, change) for spec, fields in FELT.items() for name, change in fields.items()]


@pytest.mark.parametrize(("spec", "name", "change"), ROWS, ids=[f"{spec}.{name}" for spec, name, _ in ROWS])
def test_no_field_is_accepted_and_ignored(spec: str, name: str, change: Change) -> None:
    """Its change is refused, or felt where it should be."""
    world, changes, felt = change
    if felt == "refused":
        assert sim.check(copy.deepcopy(WORLDS[world]), set=changes), (spec, name)
        return
    before = _below_path(_unchanged(world), felt)
    after = _below_path(sim.run(copy.deepcopy(WORLDS[world]), set=changes), felt)
    assert after, f"nothing is told below {felt}"
    assert before != pytest.approx(after, rel=1e-9)
