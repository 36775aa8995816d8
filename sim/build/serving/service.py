"""A serving workload's spec -> the integers its engine reads, and the stream of requests it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sim.build.power.caps import FiniteChanges, cap_at
from sim.build.resolved import Resolved
from sim.build.serving.attention import query_rows
from sim.build.serving.deployment import Deployment
from sim.build.serving.feasibility import LONGEST_PROMPT
from sim.build.traffic.requests import Asked, request_source
from sim.engine.serving import plan as p
from sim.engine.serving.keep import Keep, KeepAll, KeepSample
from sim.engine.serving.plan import Settings, StepCost
from sim.engine.serving.replicas import ReplicaGroup
from sim.engine.serving.service import ServingPlan
from sim.later import later
from sim.rng import Streams
from sim.spec.provisioning import ColdStart
from sim.spec.requests import ClosedLoopUsers
from sim.spec.scenario import Outputs, Sample
from sim.spec.serving import Serving
from sim.spec.steps import KernelSteps
from sim.training.power import polling_w
from sim.units import J_PER_NJ, NS_PER_S
from sim.workload.replay import Replay
from sim.workload.requests import RequestSource

if TYPE_CHECKING:
    from sim.build.serving.kernel_steps import Kind


with later():
    from sim.build.serving.kernel_steps import known_shares
    from sim.build.serving.provisioning import from_image
    from sim.engine.serving.scaling import Autoscale
    from sim.workload.prefixes import KvBlocks
    from sim.workload.provisioning import StartUp


PREFILL = {"chunked": p.CHUNKED, "prioritized": p.PRIORITIZED, "mixed": p.MIXED, "static": p.STATIC}
ROLES = {"replicas": p.ANY, "prefill": p.PREFILL, "decode": p.DECODE}


def serving_plan(
    name: str,
    spec: Serving,
    resolved: Resolved,
    streams: Streams,
    limits: Mapping[str, Sequence[FiniteChanges]],
    source: RequestSource | None = None,
    *,
    rows: bool,
) -> ServingPlan:
    """The plan of a workload that has passed its checks. ``limits`` are caps by policy, by the field of replicas.

    ``source`` are the requests it is sent, where these are not its own; with ``rows`` each leaves one.
    """
    assert spec.arrivals is not None
    parts = resolved.parts
    duration_ns = parts.duration_ns
    if source is None:
        asked = Asked(name, spec.lengths, spec.prefix, parts.start_ns, duration_ns, streams)
        source = request_source(spec.arrivals, asked)
    caching = spec.batching.prefix_cache and source.block_tokens > 0
    found = resolved.deployments[name]
    by_policy = {change_ns for each in limits.values() for caps in each for change_ns, _ in caps}
    changes = sorted({*by_policy, *(t for d in found.values() for t in _cap_times(d))} - {0})
    costs: list[StepCost] = []
    groups: list[ReplicaGroup] = []
    for field, deployment in found.items():
        pool = resolved.pools[name][field]
        longest = _longest_prompt(spec, deployment, source)
        groups.append(_group(field, deployment, changes, costs, pool, limits.get(field, ()), longest))
    return ServingPlan(
        name=name,
        settings=_settings(spec, found, streams(f"serving/{name}"), caching=caching, rows=rows),
        groups=tuple(groups),
        step_costs=tuple(costs),
        cap_changes_ns=tuple(changes),
        autoscale=_autoscale(spec),
        source=KvBlocks(source, spec.batching.block_tokens) if caching else source,
        open_until_ns=duration_ns,
        engine=spec.engine,
        skipped_rows=source.trace.report.skipped if isinstance(source, Replay) else 0,
        trace_problems=tuple(map(str, source.trace.report.problems)) if isinstance(source, Replay) else (),
        step_shares=_step_shares(spec, found),
    )


def _step_shares(spec: Serving, found: Mapping[str, Deployment]) -> dict[str, dict[str, float]]:
    """How the times of iterations are known, where kernels were measured: of decodes and of prompts, on whose GPUs they
    run."""
    if not isinstance(spec.step_time, KernelSteps):
        return {}
    of_kind: dict[Kind, Deployment | None] = {
        "decode": found.get("decode", found.get("replicas")),
        "prompt": found.get("prefill", found.get("replicas")),
    }
    return {
        kind: asdict(known_shares(spec.step_time, deployment, kind))
        for kind, deployment in of_kind.items()
        if deployment is not None
    }


def kept(outputs: Outputs, name: str, streams: Streams) -> Callable[[], Keep]:
    """Begins to keep what a scenario wants kept of finished requests."""
    wanted = outputs.requests
    if isinstance(wanted, Sample):
        return partial(KeepSample, wanted.sample, int(streams(f"outputs/{name}").integers(2**62)))
    return KeepAll


def _cap_times(deployment: Deployment) -> list[int]:
    return [int(change.after) for change in deployment.replicas.cap_changes or ()]


def _group(
    field: str,
    deployment: Deployment,
    changes: list[int],
    costs: list[StepCost],
    pool: str,
    limits: Sequence[FiniteChanges],
    longest: int,
) -> ReplicaGroup:
    spec, replicas = deployment.spec, deployment.replicas
    times = _cap_times(deployment)
    caps = deployment.caps()
    starts = times if times and times[0] == 0 else [0, *times]
    under_cap = CostUnderCap(deployment, longest)
    by_cap: dict[float, int] = {}
    schedule, caps_w = [], []
    for change_ns in [0, *changes]:
        cap_w = next(cap for start, cap in reversed(list(zip(starts, caps, strict=True))) if start <= change_ns)
        cap_w = min([cap_w, *(cap for each in limits if (cap := cap_at(each, change_ns)) is not None)])
        if cap_w not in by_cap:
            by_cap[cap_w] = len(costs)
            costs.append(under_cap(cap_w))
        schedule.append(by_cap[cap_w])
        caps_w.append(float(cap_w))
    between, most = replicas.range, replicas.most
    least = between.min if between is not None else most
    initial = between.initial if between is not None and between.initial is not None else least
    return ReplicaGroup(
        role=ROLES[field],
        pool=pool,
        initial=initial,
        least=least,
        most=most,
        gpus=replicas.gpus,
        lanes=replicas.pipeline_parallel,
        kv_blocks=deployment.kv_blocks(),
        costs=tuple(schedule),
        caps_w=tuple(caps_w),
        under_cap=under_cap,
        loaded_w=float(deployment.gpu.power.loaded.value),
        polling_w=_polling_w(deployment) if replicas.pipeline_parallel > 1 else 0.0,
        cpu_load=float(spec.cpu_load),
        start_up=_start_up(spec, deployment),
    )


def _polling_w(deployment: Deployment) -> float:
    """What a GPU draws beyond loaded that waits for another stage: the kernel that receives polls, as in training."""
    return polling_w(deployment.gpu) - float(deployment.gpu.power.loaded.value)


@dataclass(frozen=True, eq=False)
class CostUnderCap:
    """What an iteration of a deployment costs under a cap of so many W on each GPU."""

    deployment: Deployment
    longest_prompt: int

    def __call__(self, cap_w: float) -> StepCost:
        """The cost, as the engine takes it."""
        cost = self.deployment.cost(cap_w, self.longest_prompt)
        return StepCost.of(cost.table, cost.slope, self.deployment.ranks, query_rows(self.deployment))


def _longest_prompt(spec: Serving, deployment: Deployment, source: RequestSource) -> int:
    """Tokens of the longest prompt that there may be: what fits, and of a trace what it asks for. Answers count, since
    who is preempted computes them again. A closed batch is padded, and may hold more than it is asked."""
    fits = int(min(deployment.longest_context(), LONGEST_PROMPT))
    if isinstance(source, Replay) and spec.batching.prefill != "static":
        return min(fits, source.longest_sequence())
    return fits


def _start_up(spec: Serving, deployment: Deployment) -> StartUp:
    written = spec.start_up
    if not isinstance(written, ColdStart):
        return StartUp(int(written), int(written))
    weights_bytes = deployment.weights_bytes_per_gpu() * deployment.replicas.gpus
    return from_image(written, weights_bytes)


def _autoscale(spec: Serving) -> Autoscale | None:
    rule = spec.autoscale
    return Autoscale(rule.on, rule.target, int(rule.interval), int(rule.settle)) if rule is not None else None


def _settings(
    spec: Serving, found: Mapping[str, Deployment], rng: np.random.Generator, *, caching: bool, rows: bool
) -> Settings:
    batching, client, slo = spec.batching, spec.client, spec.slo
    kv_blocks = min(deployment.kv_blocks() for deployment in found.values())
    counted = [deployment.blocks for deployment in found.values()]
    guess = spec.speculative
    loop = spec.arrivals if isinstance(spec.arrivals, ClosedLoopUsers) else None
    return Settings(
        max_num_seqs=batching.max_num_seqs,
        max_num_batched_tokens=batching.max_num_batched_tokens,
        prefill=PREFILL[batching.prefill],
        block_tokens=batching.block_tokens,
        watermark_blocks=int(batching.watermark * kv_blocks),
        swap=batching.preemption == "swap",
        hash_blocks=int(caching),  # ``KvBlocks`` gives the ids of single KV blocks
        window=max(deployment.model.window for deployment in found.values()),
        chunked=any(deployment.model.chunked for deployment in found.values()),
        kv_full=counted[0].full,
        kv_windowed=counted[0].windowed,
        kv_window_blocks=counted[0].window_blocks,
        kv_state=max(each.state for each in counted),
        draft_tokens=guess.draft_tokens if guess is not None else 0,
        accept=tuple(int(guess.acceptance ** (i + 1) * 2.0**53) for i in range(guess.draft_tokens)) if guess else (),
        router=p.ROUTERS[spec.routing],
        queue_limit=-1 if spec.queue_limit is None else spec.queue_limit,
        timeout_ns=-1 if client.timeout is None else int(client.timeout),
        retries=client.retries,
        backoff_ns=int(client.backoff),
        priorities=spec.priorities,
        concurrency=loop.concurrency if loop is not None else 0,
        think_ns=int(loop.think_time) if loop is not None else 0,
        **_hand_over(spec, found),
        slo_ttft_ns=-1 if slo is None or slo.ttft is None else int(slo.ttft),
        slo_tpot_ns=-1 if slo is None or slo.tpot is None else int(slo.tpot),
        slo_e2e_ns=-1 if slo is None or slo.e2e is None else int(slo.e2e),
        seed=int(rng.integers(2**63)),
        rows=rows,
    )


def _hand_over(spec: Serving, found: Mapping[str, Deployment]) -> dict[str, int]:
    """What handing a sequence over to decode takes: all that is kept of it. All GPUs of a replica send at once."""
    network, prefill = spec.network, found.get("prefill")
    if network is None or prefill is None:
        return {}
    keeps = prefill.kept()
    ns_per_byte = NS_PER_S / (float(network.bandwidth) * prefill.replicas.tensor_parallel)
    nj_per_byte = float(network.energy_per_byte) / J_PER_NJ
    if not prefill.blocks.windowed:
        keeps = keeps.as_if_full()
    return {
        "transfer_ns": int(network.latency) + round(keeps.state * ns_per_byte),
        "transfer_per_token": round(keeps.full * ns_per_byte * (1 << p.FRACTION_BITS)),
        "transfer_per_window_token": round(keeps.windowed * ns_per_byte * (1 << p.FRACTION_BITS)),
        "transfer_nj": round(keeps.state * nj_per_byte),
        "transfer_nj_per_token": round(keeps.full * nj_per_byte),
        "transfer_nj_per_window_token": round(keeps.windowed * nj_per_byte),
    }
