"""Who is in an iteration: admission, chunks of prompts, closed batches and preemption."""

from __future__ import annotations

from sim.engine.serving import plan as p
from sim.engine.serving.reference.blocks import give_back_blocks, held_blocks, hits_of, pending_of, refer, take_blocks
from sim.engine.serving.reference.costs import launch
from sim.engine.serving.reference.shares import join, leave_decode
from sim.engine.serving.reference.state import RUNNING, WAITING, Replica, Request, State


def begin_iterations(state: State) -> None:
    """Every replica that stands still and has work begins an iteration."""
    for replica in state.replicas:
        if not replica.busy and replica.up and not replica.paused and replica.assigned:
            _begin(state, replica)


def _begin(state: State, replica: Replica) -> None:
    swapped_blocks = 0
    chunks: list[tuple[Request, int]] = []
    if state.settings.prefill == p.STATIC:
        if not replica.running:
            chunks = _admit_batch(state, replica)
        decoding = [] if chunks else list(replica.running)
    elif state.settings.prefill == p.PRIORITIZED:
        swapped_blocks += _admit_ready(state, replica)
        chunks = _admit(state, replica, 0)
        decoding = [] if chunks else [q for q in replica.running if q.ready]
        if decoding:
            swapped_out = _make_room(state, replica)
            swapped_blocks += swapped_out
            decoding = [q for q in replica.running if q.ready]
    else:
        swapped_blocks += _admit_ready(state, replica)
        before = state.counts["preemptions"]
        swapped_blocks += _make_room(state, replica)
        decoding = [q for q in replica.running if q.ready]
        chunks = _admit(state, replica, len(decoding), may_admit=state.counts["preemptions"] == before)
    if decoding or chunks:
        launch(state, replica, decoding, chunks, swapped_blocks)


def _head(replica: Replica) -> Request | None:
    return next((queue[0] for queue in replica.waiting if queue), None)


def _room(replica: Replica) -> int:
    return replica.blocks - replica.used


def _decode_need(state: State, replica: Replica) -> int:
    blocks, more = state.settings.kv_blocks, state.settings.verified_tokens
    return sum(blocks(q.context + more) - blocks(q.context) for q in replica.running if q.ready)


def _enter(state: State, replica: Replica, request: Request) -> None:
    replica.waiting[request.priority].popleft()
    state.waiting -= 1
    state.running += 1
    replica.running.append(request)
    request.where = RUNNING
    if request.scheduled_ns < 0:
        request.scheduled_ns = state.now


def _admit_ready(state: State, replica: Replica) -> int:
    """Lets sequences whose context is computed join the decodes; returns the KV blocks swapped in for them."""
    swapped = 0
    while (head := _head(replica)) is not None and head.ready:
        blocks = state.settings.kv_blocks(head.context)
        spare = _room(replica) - _decode_need(state, replica) - blocks - state.settings.kv_step
        watermark = state.settings.watermark_blocks if replica.running else -state.settings.kv_step
        if len(replica.running) >= state.settings.max_num_seqs or spare < watermark:
            break
        _enter(state, replica, head)
        take_blocks(state, replica, blocks)
        join(replica, head)
        if head.swapped:
            swapped += blocks
            head.swapped = False
    return swapped


def _make_room(state: State, replica: Replica) -> int:
    """Makes room for the tokens about to be decoded, by preemption if need be; returns the blocks swapped out."""
    swapped = 0
    while (need := _decode_need(state, replica)) > _room(replica):
        order = {id(q): i for i, q in enumerate(replica.running)}
        victim = max(replica.running, key=lambda q: (q.priority, order[id(q)]))
        swapped += _preempt(state, replica, victim)
    take_blocks(state, replica, need)
    return swapped


def _preempt(state: State, replica: Replica, victim: Request) -> int:
    state.counts["preemptions"] += 1
    victim.preemptions += 1
    replica.pending -= pending_of(victim)
    blocks = held_blocks(state, victim)
    give_back_blocks(state, victim, replica)
    replica.running.remove(victim)
    keep = state.settings.swap and victim.ready
    if victim.ready:
        leave_decode(replica, victim)
    if keep:
        victim.swapped = True
    else:
        victim.ready = False
        victim.target = victim.prompt + victim.emitted
        victim.context = 0
        blocks = 0
    replica.pending += pending_of(victim)
    replica.waiting[victim.priority].appendleft(victim)
    victim.where = WAITING
    state.running -= 1
    state.waiting += 1
    return blocks


def _admit(state: State, replica: Replica, decodes: int, *, may_admit: bool = True) -> list[tuple[Request, int]]:
    """Chunks of prompts for this iteration: what was begun first, then from the queue while all limits allow."""
    chunked = state.settings.prefill == p.CHUNKED
    budget = state.settings.max_num_batched_tokens - decodes * state.settings.verified_tokens
    chunks: list[tuple[Request, int]] = []
    begun = next((q for q in replica.running if not q.ready), None)
    if begun is not None:
        tokens = min(begun.target - begun.context, budget)
        if tokens > 0:
            chunks.append((begun, tokens))
            budget -= tokens
        if begun.context + tokens < begun.target:
            return chunks
    while may_admit and budget > 0 and len(replica.running) < state.settings.max_num_seqs:
        head = _head(replica)
        if head is None or head.ready:
            break
        hits = hits_of(state, head, replica)
        missing = head.target - hits * state.hash_tokens
        if not chunked and missing > budget and chunks:
            break  # a prompt beyond the budget comes whole, as the only one of its iteration
        revived = sum(state.settings.kv_hashed for block in head.hashes[:hits] if replica.references[block] == 0)
        blocks = state.settings.kv_blocks(head.target) - hits * state.settings.kv_hashed
        watermark = state.settings.watermark_blocks if replica.running else 0
        if _room(replica) - revived - blocks < watermark:
            break
        _enter(state, replica, head)
        for block in head.hashes[:hits]:
            refer(state, replica, block)
        head.held = hits
        head.context = hits * state.hash_tokens
        replica.pending -= head.context
        take_blocks(state, replica, blocks)
        if state.settings.hash_blocks:
            state.counts["looked_up_tokens"] += head.target
            state.counts["cached_tokens"] += head.context
            head.cached = head.context
        tokens = min(missing, budget) if chunked else missing
        chunks.append((head, tokens))
        budget -= tokens
        if tokens < missing:
            break
    return chunks


def _admit_batch(state: State, replica: Replica) -> list[tuple[Request, int]]:
    """A closed batch, padded to its longest prompt and output."""
    batch: list[Request] = []
    prompt = output = 0
    while (head := _head(replica)) is not None and len(batch) < state.settings.max_num_seqs:
        longer, more = max(prompt, head.prompt), max(output, head.output)
        seats = len(batch) + 1
        fits = seats * state.settings.kv_blocks(longer + more) <= replica.blocks
        if batch and not (fits and seats * longer <= state.settings.max_num_batched_tokens):
            break
        prompt, output = longer, more
        _enter(state, replica, head)
        batch.append(head)
    for request in batch:
        request.padded_prompt, request.padded_output = prompt, output
        take_blocks(state, replica, held_blocks(state, request))
    return [(request, prompt) for request in batch]
