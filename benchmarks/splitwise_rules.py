"""The scheduling rules of Splitwise-sim told again in a few lines, as a second opinion on its published result.

Written from reading its scheduler (Mutinifni/splitwise-sim, commit 3780880: join the shortest queue by pending prompt
tokens plus decoding requests; prompts first into a batch of at most 2,048 tokens, a longer one alone; decodes as far as
tokens remain; 1.1 x the prompt time where both meet), and its interpolation: *both* times by the tokens of the batch,
on an axis of prompt x batch size.
"""

from __future__ import annotations

import csv
import heapq
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sim.workload.requests import RequestChunk

MOST_TOKENS = 2048


@dataclass(eq=False)
class _Request:
    arrival_s: float
    prompt: int
    output: int
    emitted: int = 0
    ttft_s: float = 0.0
    e2e_s: float = 0.0


@dataclass(eq=False)
class _Instance:
    prompts: list[_Request] = field(default_factory=list)
    decodes: list[_Request] = field(default_factory=list)
    batch: list[tuple[bool, _Request]] = field(default_factory=list)
    pending: int = 0
    plan: int = 0
    began_s: float = 0.0
    step_s: float = 0.0
    steps: int = 0


def _medians(path: Path, hardware: str, tensor_parallel: int, column: str) -> tuple[list[int], list[float]]:
    found: dict[int, list[float]] = defaultdict(list)
    with path.open(newline="") as text:
        for row in csv.DictReader(text):
            if row["hardware"] == hardware and int(row["tensor_parallel"]) == tensor_parallel:
                found[int(row["prompt_size"]) * int(row["batch_size"])].append(float(row[column]) * 1e-3)
    tokens = sorted(found)
    return tokens, [float(np.median(found[n])) for n in tokens]


def _line(tokens: list[int], seconds: list[float], n: int) -> float:
    """Linear between the points and on beyond both ends, as scipy's interp1d extrapolates."""
    i = min(max(int(np.searchsorted(tokens, n)) - 1, 0), len(tokens) - 2)
    slope = (seconds[i + 1] - seconds[i]) / (tokens[i + 1] - tokens[i])
    return seconds[i] + (n - tokens[i]) * slope


class _Rules:
    def __init__(self, latencies: Path, hardware: str, tensor_parallel: int) -> None:
        self._prompt = _medians(latencies, hardware, tensor_parallel, "prompt_time")
        self._decode = _medians(latencies, hardware, tensor_parallel, "token_time")
        self.events: list[tuple[float, int, _Instance | None, int]] = []
        self._count = 0

    def push(self, time_s: float, instance: _Instance | None, plan: int) -> None:
        self._count += 1
        heapq.heappush(self.events, (time_s, self._count, instance, plan))

    def start(self, instance: _Instance, now_s: float) -> None:
        batch: list[tuple[bool, _Request]] = []
        tokens = 0
        for is_prompt, request in [*((True, q) for q in instance.prompts), *((False, q) for q in instance.decodes)]:
            size = request.prompt if is_prompt else 1
            if batch and tokens + size > MOST_TOKENS:
                if is_prompt:
                    continue
                break
            batch.append((is_prompt, request))
            tokens += size
        instance.batch = batch
        if not batch:
            return
        prompts = sum(is_prompt for is_prompt, _ in batch)
        step_s = _line(*(self._prompt if prompts else self._decode), tokens)
        instance.step_s = step_s * (1.1 if 0 < prompts < len(batch) else 1.0)
        instance.began_s, instance.plan = now_s, instance.plan + 1
        instance.steps = 1 if prompts else min(q.output - q.emitted for _, q in batch)
        self.push(now_s + instance.step_s * instance.steps, instance, instance.plan)

    def pause(self, instance: _Instance, now_s: float) -> None:
        if any(is_prompt for is_prompt, _ in instance.batch):
            return
        steps = int((now_s - instance.began_s) // instance.step_s) + 1
        if steps < instance.steps:
            instance.steps, instance.plan = steps, instance.plan + 1
            self.push(instance.began_s + instance.step_s * steps, instance, instance.plan)


def medians(trace: RequestChunk, latencies: Path, *, instances: int = 8) -> dict[str, float]:
    """Median TTFT, TPOT and E2E in s on a trace, on H100s with tensor parallel 8."""
    rules = _Rules(latencies, "h100-80gb", 8)
    columns = (trace.arrival_ns / 1e9, trace.prompt_tokens, trace.output_tokens)
    requests = [_Request(float(a), int(p), int(o)) for a, p, o in zip(*columns, strict=True)]
    pool = [_Instance() for _ in range(instances)]
    for i, request in enumerate(requests):
        rules.push(request.arrival_s, None, i)
    while rules.events:
        now_s, _, instance, plan = heapq.heappop(rules.events)
        if instance is None:
            request = requests[plan]
            instance = min(pool, key=lambda candidate: candidate.pending)
            instance.pending += request.prompt + 1
            instance.prompts.append(request)
            if not instance.batch:
                rules.start(instance, now_s)
            elif request.prompt <= MOST_TOKENS:
                rules.pause(instance, now_s)
        elif plan == instance.plan:
            _complete(instance, now_s)
            rules.start(instance, now_s)
    tpot = [(q.e2e_s - q.ttft_s) / (q.output - 1) for q in requests if q.output > 1]
    return {
        "ttft_s": float(np.median([q.ttft_s for q in requests])),
        "tpot_s": float(np.median(tpot)),
        "e2e_s": float(np.median([q.e2e_s for q in requests])),
    }


def _complete(instance: _Instance, now_s: float) -> None:
    for is_prompt, request in instance.batch:
        if is_prompt:
            request.emitted, request.ttft_s = 1, now_s - request.arrival_s
            instance.prompts.remove(request)
            instance.pending -= request.prompt
            if request.output > 1:
                instance.decodes.append(request)
        else:
            request.emitted += instance.steps
        if request.emitted >= request.output:
            request.e2e_s = now_s - request.arrival_s
            instance.pending -= 1
            if request in instance.decodes:
                instance.decodes.remove(request)
    instance.batch = []
