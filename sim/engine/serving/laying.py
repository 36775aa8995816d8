"""How the memory of the compiled pool is laid out before anything happens in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving import records as k
from sim.engine.serving.layout import in_lines
from sim.engine.serving.memory import Memory
from sim.engine.serving.memory import in_lines as rows_in_lines
from sim.engine.serving.plan import Ints, Settings, StepCost
from sim.workload.routers import ROUTERS

FIRST_SLOTS = 1024
FIRST_ROWS = 1 << 14
FIRST_BUCKETS = 1 << 12
FEWEST_APART = 64
"""Replicas: of fewer all that is kept stays in the processor's caches, in whatever order they are followed."""
COSTS = {"compute": p.COMPUTE, "memory": p.MEMORY, "capped": p.CAPPED, "energy": p.ENERGY}
TIMES = [p.COMPUTE, p.MEMORY, p.CAPPED]
COMPARED = {"round-robin": 0, "random": 0, "power-of-two": 0, "fewest-tokens": k.BY_TOKENS, "least-kv": k.BY_KV}
"""What routers compare of all replicas, where it is not the number of their requests."""
EARLY = {
    "round-robin": k.BLIND,
    "random": k.BLIND,
    "join-shortest-queue": k.LOOKING,
    "power-of-two": k.LOOKING,
    "fewest-tokens": k.LOOKING,
    "least-kv": k.LOOKING,
}
"""Whether routers look at replicas, where that is little enough for these to be followed one after the other."""
SLOPES = {
    "pair": p.PAIR,
    "read": p.READ,
    "window_pair": p.WINDOW_PAIR,
    "window_read": p.WINDOW_READ,
    "sequence": p.SEQUENCE,
    "block": p.BLOCK,
    "chunk": p.CHUNK,
}
"""Names of a cost's fields, and where ``plan`` has them in its arrays."""
ROLES = 3


def lay_pool(memory: Memory, settings: Settings, roles: Sequence[int], kv_blocks: Sequence[int]) -> None:
    """Settings, and as many rows of everything as there are at first."""
    n, seats, size = len(roles), settings.max_num_seqs, settings.block_tokens
    leaves = 1 << max(0, (n - 1).bit_length())
    entries = sum(kv_blocks) // settings.kv_hashed + n if settings.hash_blocks else 0
    most_buckets = 1 << max(4, (2 * entries).bit_length())
    buckets = min(most_buckets, FIRST_BUCKETS)
    future = seats + 64 + settings.concurrency
    finished = FIRST_ROWS + seats if settings.rows else seats + 16
    compared = COMPARED.get(ROUTERS[settings.router], k.BY_REQUESTS)
    balances = compared and ROUTERS[settings.router] == "prefix-affinity"
    apart = n >= FEWEST_APART and all(role == p.ANY for role in roles)
    apart = apart and settings.timeout_ns < 0 and not settings.concurrency
    early = EARLY.get(ROUTERS[settings.router], 0) if apart and settings.queue_limit < 0 else 0
    if settings.rows or settings.hash_blocks:  # who finishes first depends on slots, in a tie
        early = 0
    if settings.draft_tokens and early != k.BLIND:  # an iteration may bring several tokens
        early = 0
    stated = {name: value for name, value in asdict(settings).items() if name != "accept"} | {
        "block_shift": size.bit_length() - 1 if size & (size - 1) == 0 else -1,
        "kv_step": settings.kv_step,
        "kv_hashed": settings.kv_hashed,
        "largest": p.largest_request(roles, kv_blocks),
        "slots_room": FIRST_SLOTS,
        "n_leaves": leaves,
        "n_replicas": n,
        "free_slot": -1,
        "knows_more": knows_more(settings, roles),
        "apart": apart,
        "early": early,
        "least_ns": k.NEVER,
        "followed": -1,
        "ended_room": FIRST_ROWS if apart else 0,
        "compared": compared,
        "balances": balances,
        "future_room": future,
        "finishes_room": 2 * seats + 16,
        "n_buckets": buckets,
        "most_buckets": most_buckets,
        "finished_room": finished,
        "backlog": (-1, -1),
    }
    for name, value in stated.items():
        memory.pool[name] = value
    rows = {
        "accept": settings.draft_tokens,
        "requests": FIRST_SLOTS,
        "more": FIRST_SLOTS,
        "sent": FIRST_SLOTS,
        "hashes": 0,
        "arrivals": 0,
        "sessions": 0,
        "classes": 0,
        "after": 0,
        "replicas": n,
        "open": ROLES,
        "touched": n,
        "inboxes": n,
        "loads": n,
        "ends": 2 * leaves,
        "ended": FIRST_ROWS if apart else 0,
        "weights": 2 * ROLES * leaves if compared else 0,
        "heaviest": 2 * ROLES * leaves if balances else 0,
        "future": future,
        "buckets": buckets if entries else 0,
        "entries": entries,
        "key_buckets": buckets if entries and balances else 0,
        "aside": n if balances else 0,
        "sketch": len(p.SKETCHES) * p.SKETCH_SIZE,
        "finished": finished,
    }
    for name, count in rows.items():
        memory.place_empty(name, count)
    memory.rows["accept"][:] = settings.accept
    memory.rows["inboxes"]["head"] = -1
    for tree in ("ends", "weights", "heaviest"):
        memory.rows[tree][:] = k.NEVER
    memory.rows["open"]["replicas"] = memory.addresses(np.zeros((ROLES, n), dtype=np.int64))


def knows_more(settings: Settings, roles: Sequence[int]) -> bool:
    """Whether something is known of every request that most workloads do not have: ``request_records.More``."""
    rules = (settings.hash_blocks, settings.kv_window_blocks, settings.draft_tokens, settings.retries, settings.swap)
    if any(rules) or settings.priorities > 1 or settings.timeout_ns >= 0 or settings.prefill == p.STATIC:
        return True
    return ROUTERS[settings.router] == "session-affinity" or any(role != p.ANY for role in roles)


def lay_costs(memory: Memory, costs: Sequence[StepCost]) -> list[int]:
    """Where each of these costs stands."""
    laid = np.zeros(len(costs), k.Cost.dtype)
    for cost, row in zip(costs, laid, strict=True):
        _lay_cost(memory, cost, row)
    addresses: list[int] = memory.addresses(laid).tolist()
    return addresses


def _lay_cost(memory: Memory, cost: StepCost, row: np.void) -> None:
    row["ranks"], row["query_rows"] = cost.ranks, cost.query_rows
    least = int(cost.table[:, 1:, TIMES].max(axis=2).min())
    memory.pool["least_ns"] = min(int(memory.pool["least_ns"]), least >> p.FRACTION_BITS)
    for name, i in COSTS.items():
        slope, stated = row[name], cost.slope[i]
        for of, j in SLOPES.items():
            slope[of] = stated[j]
        slope["decode"] = stated[p.PAIR] + stated[p.READ]
        slope["window_decode"] = stated[p.WINDOW_PAIR] + stated[p.WINDOW_READ]
    for content, name in ((p.DECODES, "decodes"), (p.PROMPTS, "prompts"), (p.BOTH, "both")):
        row[name] = memory.own(np.array(cost.table[content], np.int64, order="C"))


def lay_replicas(
    memory: Memory, settings: Settings, roles: Sequence[int], costs: Ints, kv_blocks: Sequence[int]
) -> None:
    """Replicas that are not up yet, each with the address of its cost."""
    r, n = memory.rows["replicas"], len(roles)
    r["index"] = np.arange(n)
    r["load"] = memory.addresses(memory.rows["loads"])
    r["role"], r["cost"], r["blocks"] = roles, costs, kv_blocks
    r["end_ns"] = k.NEVER
    r["lru_head"] = r["lru_tail"] = r["free_slot"] = r["begun"] = r["first_chunk"] = r["last_chunk"] = -1
    # The rows of a replica lie side by side: what is used of them at a time are a few lines.
    counts = {
        "waiting": settings.priorities,
        "running": settings.priorities,
        "residue": settings.block_tokens,
        "finishes": int(memory.pool["finishes_room"]),
    }
    fields = [(name, k.Replica.rows[name], (count,)) for name, count in counts.items()]
    laid = rows_in_lines(n, in_lines(np.dtype(fields, align=True)))
    for name in counts:
        r[name] = memory.addresses(laid[name])
    for queue in (laid["waiting"], laid["running"]):
        queue["head"] = queue["tail"] = -1
