"""An iteration ends: tokens come, sequences leave the batch, prompts are computed."""

from __future__ import annotations

from sim.engine.serving import plan as p
from sim.engine.serving.plan import draw
from sim.engine.serving.reference.blocks import give_back_blocks, register_prefix
from sim.engine.serving.reference.hand_overs import hand_over
from sim.engine.serving.reference.lives import finish, give_up
from sim.engine.serving.reference.shares import join, leave_decode, settle, share_out
from sim.engine.serving.reference.state import Replica, Request, State


def end(state: State, replica: Replica) -> None:
    """Ends the iteration that a replica is in."""
    settle(state, replica)
    replica.busy = False
    decoding, chunks = replica.decoding, replica.chunks
    share_out(replica, decoding, chunks)
    state.counts["iterations"] += 1
    prompt_tokens = sum(tokens for _, tokens in chunks)
    what = len(decoding), len(chunks), prompt_tokens, replica.energy_nj
    state.iterations.note(replica.index, replica.start_ns, replica.end_ns, *what)
    if decoding:
        state.counts["kv_iterations"] += 1
        state.counts["kv_tokens"] += replica.reads
        state.counts["kv_window_tokens"] += replica.window_reads
        state.counts["kv_sequences"] += len(decoding)
        if not chunks:
            state.counts["decode_iteration_ns"] += replica.end_ns - replica.start_ns
            state.sketch("decode_iteration", replica.nominal_ns)
    finished: list[Request] = []
    for request in decoding:
        tokens = _emit(state, request)
        _gap(state, request, replica.start_ns - request.last_ns + replica.nominal_ns, tokens)
        over = state.settings.kv_blocks(request.context + state.settings.verified_tokens)
        request.context += tokens
        if not request.padded_output:
            replica.used -= over - state.settings.kv_blocks(request.context)
        request.emitted += tokens
        state.counts["decoded_tokens"] += tokens
        if request.emitted >= (request.padded_output or request.output):
            finished.append(request)
    completed = sorted((q for q in finished if not q.abandoned), key=lambda q: q.slot)
    for request in sorted((q for q in decoding if q.abandoned), key=lambda q: q.slot):
        _drop(state, replica, request)
    for request in completed:
        _depart(state, replica, request)
        finish(state, request, p.COMPLETED)
    for request, tokens in chunks:
        _chunk_done(state, replica, request, tokens)


def _gap(state: State, request: Request, gap_ns: int, tokens: int) -> None:
    """Notes that a step has brought ``tokens``, the first after a gap, the others with it."""
    state.sketch("step_gap", gap_ns)
    state.sketch("itl", gap_ns)
    for _ in range(tokens - 1):
        state.sketch("itl", 0)
    request.steps += 1
    request.last_ns = state.now


def _emit(state: State, request: Request) -> int:
    if not state.settings.draft_tokens:
        return 1
    chance = draw(state.settings.seed, request.ordinal, (1 << 33) + request.turns) >> 11
    request.turns += 1
    accepted = sum(chance < bound for bound in state.settings.accept)
    return min(1 + accepted, request.output - request.emitted)


def _chunk_done(state: State, replica: Replica, request: Request, tokens: int) -> None:
    state.counts["prefilled_tokens"] += tokens
    if request.padded_output:
        replica.pending -= request.target
        request.context = request.padded_prompt
    else:
        replica.pending -= tokens
        request.context += tokens
    if request.abandoned:
        _drop(state, replica, request, pending=0 if request.padded_output else request.target - request.context)
        return
    if not request.padded_output and request.context < request.target:
        return
    if state.hash_tokens:
        register_prefix(state, request, replica)
    request.emitted += 1
    state.counts["first_tokens"] += 1
    if request.first_ns < 0:
        request.first_ns = request.last_ns = state.now
    else:
        _gap(state, request, state.now - request.last_ns, 1)
    request.ready = True
    replica.pending += 1
    if request.emitted >= (request.padded_output or request.output):
        _depart(state, replica, request, decoding=False)
        finish(state, request, p.COMPLETED)
    elif replica.role == p.PREFILL:
        hand_over(state, replica, request)
    else:
        join(replica, request)


def _depart(state: State, replica: Replica, request: Request, *, decoding: bool = True) -> None:
    """Takes a sequence out of the batch, with its blocks."""
    if decoding and request.ready:
        leave_decode(replica, request)
    give_back_blocks(state, request, replica)
    replica.running.remove(request)
    replica.pending -= 1 if request.ready else 0
    replica.assigned -= 1
    state.running -= 1


def _drop(state: State, replica: Replica, request: Request, pending: int = 0) -> None:
    """Takes a sequence whose client has gone out of the batch."""
    replica.pending -= pending
    _depart(state, replica, request)
    give_up(state, request, p.TIMED_OUT)
