"""Small serving worlds for tests: step costs, traces and settings, at random or by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from sim.engine.serving import plan
from sim.engine.serving.fast import FastPool
from sim.engine.serving.plan import Settings, StepCost
from sim.engine.serving.reference.pool import ReferencePool
from sim.workload.requests import RequestChunk
from sim.workload.routers import ROUTERS

Ints = npt.NDArray[np.int64]
MS = 1_000_000 << plan.FRACTION_BITS


class Pool(Protocol):
    """What the tests use of a pool."""

    def advance(self, until_ns: int, *, idle_ends: bool = False) -> int: ...
    def open(self, index: int) -> None: ...
    def start(self, index: int) -> None: ...
    def drain(self, index: int) -> None: ...
    def kill(self, index: int) -> None: ...
    def pause(self, index: int) -> None: ...
    def resume(self, index: int) -> None: ...
    def set_cost(self, index: int, cost: int) -> None: ...
    def load(self, index: int) -> tuple[int, int, int, int]: ...
    def take_energy(self, index: int) -> tuple[int, int, int]: ...
    def take_all(self) -> Ints: ...
    def take_rows(self) -> Ints: ...
    def next_event_ns(self) -> int: ...
    @property
    def passed(self) -> int: ...
    @property
    def is_over(self) -> bool: ...
    @property
    def in_system(self) -> int: ...
    @property
    def late(self) -> int: ...
    @property
    def counts(self) -> dict[str, int]: ...
    @property
    def sketches(self) -> Ints: ...


Engine = Callable[..., Pool]
ENGINES: dict[str, Engine] = {"reference": ReferencePool, "fast": FastPool}


def linear_cost(
    *,
    fixed_ms: float = 10.0,
    per_token_ms: float = 0.02,
    per_read_ns: float = 0.0,
    per_pair_ns: float = 0.0,
    tokens: int = 4096,
    joules: float = 2.0,
) -> StepCost:
    """An iteration that takes a fixed time, and a time per token and per context token."""
    n = np.arange(tokens + 1)
    table = np.zeros((3, tokens + 1, 4), dtype=np.int64)
    table[:, :, plan.MEMORY] = np.rint((fixed_ms + per_token_ms * n) * MS)
    table[:, :, plan.ENERGY] = round(joules * 1e9)
    slope = np.zeros((4, 7), dtype=np.int64)
    slope[plan.MEMORY, plan.READ] = round(per_read_ns * (1 << plan.FRACTION_BITS))
    slope[plan.MEMORY, plan.PAIR] = round(per_pair_ns * (1 << plan.FRACTION_BITS))
    return StepCost(table, slope)


def chunk(
    arrival_ns: Sequence[int] | Ints,
    prompt: Sequence[int] | Ints,
    output: Sequence[int] | Ints,
    session: Sequence[int] | None = None,
    priority: Sequence[int] | None = None,
    hashes: Sequence[Sequence[int]] | None = None,
) -> RequestChunk:
    """Requests in the form of the engines."""
    n = len(arrival_ns)
    lists = hashes if hashes is not None else [()] * n
    starts = np.concatenate([[0], np.cumsum([len(ids) for ids in lists])]).astype(np.int64)
    return RequestChunk(
        arrival_ns=np.asarray(arrival_ns, dtype=np.int64),
        prompt_tokens=np.asarray(prompt, dtype=np.int64),
        output_tokens=np.asarray(output, dtype=np.int64),
        session=np.asarray(session if session is not None else np.full(n, -1), dtype=np.int64),
        priority=np.asarray(priority if priority is not None else np.zeros(n), dtype=np.int64),
        prefix_start=starts,
        prefix_hashes=np.asarray([i for ids in lists for i in ids], dtype=np.int64),
    )


def build(
    engine: str,
    settings: Settings,
    chunks: Sequence[RequestChunk],
    *,
    costs: Sequence[StepCost] | None = None,
    roles: Sequence[int] = (plan.ANY,),
    cost_of: Sequence[int] | None = None,
    blocks: int | Sequence[int] = 1000,
) -> Pool:
    """A pool that is given ``chunks`` one after another."""
    source: Iterator[RequestChunk] = iter(chunks)
    sizes = [blocks] * len(roles) if isinstance(blocks, int) else list(blocks)
    return ENGINES[engine](
        settings,
        list(costs) if costs is not None else [linear_cost()],
        list(roles),
        list(cost_of) if cost_of is not None else [0] * len(roles),
        sizes,
        lambda: next(source, None),
    )


@dataclass(frozen=True)
class World:
    """A trace, settings, replicas, and what is done to them and when."""

    settings: Settings
    chunks: list[RequestChunk] = field(repr=False)
    costs: list[StepCost] = field(repr=False)
    roles: list[int]
    cost_of: list[int]
    blocks: list[int]
    actions: list[tuple[int, str, int]] = field(default_factory=list)


@st.composite
def step_costs(draw: st.DrawFn) -> StepCost:
    """Costs whose longest term changes with batch and context."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = np.arange(2200)
    table = np.zeros((3, len(n), 4), dtype=np.int64)
    for row in (plan.COMPUTE, plan.MEMORY, plan.CAPPED):
        fixed, each = rng.integers(MS // 50, 12 * MS), rng.integers(0, MS // 4)
        table[:, :, row] = fixed + each * n + rng.integers(0, 1000, (3, len(n)))
    table[:, :, plan.ENERGY] = rng.integers(0, 10**9) + rng.integers(0, 10**7) * n
    slopes = rng.integers(0, 3 << 22, (4, 7)) * rng.integers(0, 2, (4, 7))
    return StepCost(
        table, slopes.astype(np.int64), draw(st.sampled_from([1, 1, 2, 3])), draw(st.sampled_from([0, 0, 1, 64]))
    )


@st.composite
def worlds(draw: st.DrawFn, most_replicas: int = 5, most_requests: int = 60) -> World:
    """Anything the engines know, in small; with many replicas for the trees that routers ask."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    block = draw(st.sampled_from([1, 3, 16]))
    prefill = draw(st.sampled_from([plan.CHUNKED, plan.CHUNKED, plan.PRIORITIZED, plan.MIXED, plan.STATIC]))
    static = prefill == plan.STATIC
    draft = 0 if static else draw(st.sampled_from([0, 0, 0, 3]))
    hashed = 0 if static else draw(st.sampled_from([0, 0, 1, 2]))
    seats = draw(st.integers(1, 12))
    split = not static and draw(st.booleans()) and draw(st.booleans())
    replicas = draw(st.integers(1, most_replicas)) + split
    roles = [plan.ANY] * replicas
    if split:
        roles = [plan.PREFILL if i % 2 == 0 else plan.DECODE for i in range(replicas)]
    closed = draw(st.sampled_from([0, 0, 0, 5]))
    window = draw(st.sampled_from([0, 0, 20, 7]))
    windowed = draw(st.sampled_from([0, 1, 5])) if window else 0
    full = draw(st.sampled_from([1, 2] if hashed or not windowed else [0, 1, 2]))
    settings = Settings(
        max_num_seqs=seats,
        max_num_batched_tokens=draw(st.integers(seats * (1 + draft), 120)),
        prefill=prefill,
        block_tokens=block,
        watermark_blocks=draw(st.integers(0, 2)),
        swap=draw(st.booleans()),
        hash_blocks=hashed,
        window=window,
        chunked=bool(window) and draw(st.booleans()),
        kv_full=full,
        kv_windowed=windowed,
        kv_window_blocks=-(-window // block) + 1 if windowed else 0,
        kv_state=draw(st.sampled_from([0, 0, 3])),
        draft_tokens=draft,
        accept=tuple(int(0.7 ** (i + 1) * 2**53) for i in range(draft)),
        router=draw(st.sampled_from(range(len(ROUTERS)))),
        balance_requests=draw(st.integers(0, 8)),
        queue_limit=-1 if closed else draw(st.sampled_from([-1, -1, 0, 3])),
        timeout_ns=draw(st.sampled_from([-1, -1, 300_000_000, 40_000_000])),
        retries=draw(st.integers(0, 2)),
        backoff_ns=draw(st.integers(1, 50_000_000)),
        priorities=draw(st.sampled_from([1, 1, 3])),
        concurrency=closed,
        think_ns=draw(st.sampled_from([0, 7_000_000])),
        transfer_ns=draw(st.integers(0, 5_000_000)),
        transfer_per_token=draw(st.integers(0, 1 << 30)),
        transfer_per_window_token=draw(st.integers(0, 1 << 30)) if window else 0,
        transfer_nj=draw(st.integers(0, 10**6)),
        transfer_nj_per_token=draw(st.integers(0, 10**6)),
        transfer_nj_per_window_token=draw(st.integers(0, 10**6)) if window else 0,
        slo_ttft_ns=200_000_000,
        slo_tpot_ns=30_000_000,
        slo_e2e_ns=draw(st.sampled_from([-1, 700_000_000])),
        seed=draw(st.integers(0, 2**63 - 1)),
        rows=True,
    )
    n = draw(st.integers(1, most_requests))
    gap_ns = draw(st.sampled_from([1_000_000, 10_000_000, 60_000_000]))
    arrivals = np.cumsum(rng.integers(0, 2 * gap_ns, n) * (rng.random(n) < 0.8))
    prompt = rng.integers(1, draw(st.sampled_from([10, 150])), n)
    output = rng.integers(1, draw(st.sampled_from([3, 80])), n)
    hash_tokens = max(1, hashed * block)
    lists = []
    chained = draw(st.sampled_from([True, True, False]))
    for i in range(n):
        family, own = int(rng.integers(0, 3)), int(rng.integers(0, prompt[i] // hash_tokens + 1))
        lists.append(
            [family * 1000 + j if j < own else 10_000 + 100 * i + j for j in range(int(prompt[i]) // hash_tokens + 1)]
        )
    if not chained:  # blocks that may follow upon any other
        lists = [[one % 7 for one in of] if i % 2 else of for i, of in enumerate(lists)]
    session = rng.integers(-1, 4, n)
    priority = rng.integers(0, 4, n)
    edges = sorted({0, n, *draw(st.lists(st.integers(0, n), max_size=8))})
    chunks = [
        chunk(arrivals[a:b], prompt[a:b], output[a:b], list(session[a:b]), list(priority[a:b]), lists[a:b])
        for a, b in pairwise(edges)
    ]
    most = int((prompt + output).max()) + draft
    room = settings.kv_blocks(most) + draw(st.integers(0, 60 * 16 // block)) * draw(st.integers(1, settings.kv_step))
    costs = [draw(step_costs()), draw(step_costs())]
    cost_of = [draw(st.integers(0, 1)) for _ in range(replicas)] if draw(st.booleans()) else [0] * replicas
    rooms = [room + draw(st.integers(0, 40)) for _ in range(replicas)] if draw(st.booleans()) else [room] * replicas
    horizon = int(arrivals[-1]) + 10**9
    kinds = st.sampled_from(["look", "kill", "start", "open", "drain", "cost", "pause", "resume"])
    actions = draw(st.lists(st.tuples(st.integers(0, horizon), kinds, st.integers(0, replicas - 1)), max_size=8))
    return World(settings, chunks, costs, roles, cost_of, rooms, sorted(actions))


def observe(world: World, engine: str, *, instants: bool = False) -> list[object]:
    """Everything that can be seen of a world from outside, in the order in which it is seen; with ``instants`` at how
    many the pool has stopped, too, which the engines do at others. Without rows all but the last may be put off."""
    pool = build(
        engine,
        world.settings,
        world.chunks,
        costs=world.costs,
        roles=world.roles,
        cost_of=world.cost_of,
        blocks=world.blocks,
    )
    seen: list[object] = []
    for i in range(len(world.roles)):
        pool.start(i)
    up = set(range(len(world.roles)))
    for at, kind, index in world.actions:
        pool.advance(at)
        if instants and world.settings.rows:
            seen.append(pool.passed)
        if kind == "kill":
            pool.kill(index)
            up.discard(index)
        elif kind == "start":
            pool.start(index)
            up.add(index)
        elif kind == "open":
            pool.open(index)
            up.add(index)
        elif kind == "drain":
            pool.drain(index)
        elif kind == "cost":
            pool.set_cost(index, 1)
        elif kind == "pause":
            pool.pause(index)
        elif kind == "resume":
            pool.resume(index)
        else:
            seen.append([pool.load(i) for i in range(len(world.roles))])
            seen.append(pool.take_all().tolist())
        seen.append((pool.in_system, pool.late))
    for index in range(len(world.roles)):
        pool.start(index)
    end = 3_600 * 10**9
    pool.advance(max([int(world.chunks[-1].arrival_ns[-1]), *(at for at, _, _ in world.actions[-1:])]))
    seen.append(pool.is_over)
    seen.append(pool.advance(end, idle_ends=True))
    if instants:
        seen.append(pool.passed)
    pool.advance(end)
    seen.append((pool.in_system, pool.late))
    seen.append([pool.load(i) for i in range(len(world.roles))])
    seen.append([pool.take_energy(i) for i in range(len(world.roles))])
    seen.append(pool.take_rows().tolist())
    seen.append(pool.counts)
    seen.append(pool.sketches.tolist())
    return seen
