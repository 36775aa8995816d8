"""Blocks of KV cache: what requests hold of them, and the prefixes that they share."""

from __future__ import annotations

from sim.engine.serving.reference.state import Replica, Request, State


def held_blocks(state: State, request: Request) -> int:
    """All blocks of a request, those that it shares included."""
    tokens = max(request.context, request.target)
    if request.padded_output:
        tokens = request.padded_prompt + request.padded_output
    return state.settings.kv_blocks(tokens)


def pending_of(request: Request) -> int:
    """Tokens that it still has to prefill; one, if it decodes."""
    return 1 if request.ready else request.target - request.context


def hits_of(state: State, request: Request, replica: Replica) -> int:
    """Leading hashed blocks of a prompt that are in the cache; one token at least is always computed."""
    if not state.hash_tokens:
        return 0
    limit = min(len(request.hashes), (request.target - 1) // state.hash_tokens)
    hits = 0
    while hits < limit and request.hashes[hits] in replica.references:
        hits += 1
    return hits


def refer(state: State, replica: Replica, block: int) -> None:
    """One more request refers to a hashed block."""
    if replica.references[block] == 0:
        del replica.unreferenced[block]
        replica.cached -= state.settings.kv_hashed
        replica.used += state.settings.kv_hashed
    replica.references[block] += 1


def take_blocks(state: State, replica: Replica, blocks: int) -> None:
    """Takes blocks for requests; prefixes that nobody refers to make room."""
    replica.used += blocks
    while replica.used + replica.cached > replica.blocks:
        oldest, _ = replica.unreferenced.popitem(last=False)
        del replica.references[oldest]
        replica.cached -= state.settings.kv_hashed
    state.counts["peak_blocks"] = max(state.counts["peak_blocks"], replica.used)


def give_back_blocks(state: State, request: Request, replica: Replica) -> None:
    """Gives back all that a request holds; the prefixes that it shared stay."""
    hashed = state.settings.kv_hashed
    replica.used -= held_blocks(state, request) - request.held * hashed
    for block in reversed(request.hashes[: request.held]):
        replica.references[block] -= 1
        if replica.references[block] == 0:
            replica.unreferenced[block] = None
            replica.used -= hashed
            replica.cached += hashed
    request.held = 0


def register_prefix(state: State, request: Request, replica: Replica) -> None:
    """Shares a request's computed prompt blocks from now on; a block that is there already replaces its copy."""
    for block in request.hashes[request.held :]:
        if block in replica.references:
            refer(state, replica, block)
            replica.used -= state.settings.kv_hashed
        else:
            replica.references[block] = 1
        request.held += 1
