"""An iteration ends: tokens come, prompts are computed, requests finish or are handed over."""

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving.compiled import fetch, inner
from sim.engine.serving.kernel.ahead import fetch_leaving
from sim.engine.serving.kernel.batches import has_waited
from sim.engine.serving.kernel.blocks import blocks_of_run, give_back_blocks, register_prefix, take_blocks
from sim.engine.serving.kernel.costs import decode_cost, energy_growth, energy_per_read, growths, span_of
from sim.engine.serving.kernel.lives import finish, give_up
from sim.engine.serving.kernel.queues import is_stale, next_decoding, pop_finish, push, stop_running
from sim.engine.serving.kernel.runs import (
    MASK,
    apply,
    book,
    join,
    leave_decode,
    observe_late,
    observe_waited,
    share,
    stand_still,
)
from sim.engine.serving.kernel.shapes import blocks_of
from sim.engine.serving.kernel.sketches import DECODE_ITERATION, ITL, STEP_GAP, draw, observe
from sim.engine.serving.kernel.slots import output_of
from sim.engine.serving.kernel.weights import used_less, weigh, weigh_tokens
from sim.engine.serving.plan import FRACTION_BITS
from sim.engine.serving.records import HANDED_OVER, MANY, MOVING, SLOT, SLOT_BITS


@inner
def end(pool, replica):
    """The iteration, or the run of iterations, that a replica is in is over."""
    if replica.takes_part:
        if pool.n_leaves >= MANY:
            fetch_leaving(pool, replica)
        else:
            fetch(pool.requests[replica.finishes[0] & SLOT])  # will likely leave
    if replica.run:
        end_run(pool, replica)
    else:
        end_mixed(pool, replica)
    stand_still(pool, replica)
    if replica.takes_part:
        if replica.abandoned:
            drop_abandoned(pool, replica)
        if pool.draft_tokens:
            finish_drafted(pool, replica)
        else:
            finish_decoded(pool, replica)
    slot = replica.first_chunk
    for _ in range(replica.n_chunks):
        request = pool.requests[slot]
        slot = request.next_chunk
        chunk_done(pool, replica, request)
    replica.n_chunks = 0


@inner
def end_run(pool, replica):
    """Decode iterations are over, one or many."""
    k = replica.run
    iteration = replica.iteration
    if k == 1:
        span = replica.span
        apply(pool, replica, 1, span, span, 0, 0, replica.energy_nj, 0, 0, 0, 0, has_waited(pool, replica))
        return
    a0, a1, a2, e = decode_cost(replica, 0)
    g0, g1, g2 = growths(replica)
    span = span_of(a0, a1, a2, g0, g1, g2, k)
    apply(pool, replica, k, span, a0, a1, a2, e, g0, g1, g2, energy_growth(replica), False)
    if pool.prefill != p.STATIC:
        take_blocks(pool, replica, blocks_of_run(pool, replica, iteration + 1, iteration + k))


@inner
def end_mixed(pool, replica):
    """An iteration with prompts in it, or one that verified drafts, is over; its decodes answer for what they would
    have taken alone, the prompts for the rest, by their tokens."""
    total = replica.remainder + replica.span
    dt = total >> FRACTION_BITS
    replica.remainder = total & MASK
    energy = replica.energy_nj
    book(replica, dt, energy)
    n, d = replica.n_chunks, replica.takes_part
    counts = pool.counts
    counts.iterations += 1
    if d:
        counts.kv_iterations += 1
        counts.kv_tokens += replica.reads
        counts.kv_window_tokens += replica.window_reads
        counts.kv_sequences += d
        if not n:
            counts.decode_iteration_ns += dt
            observe(pool, DECODE_ITERATION, replica.span >> FRACTION_BITS, 1)
        alone_ns, alone_nj = (replica.alone_ns, replica.alone_nj) if n else (dt, energy)
        share(replica, d, alone_ns, alone_nj - energy_per_read(replica) * replica.context)
        if pool.draft_tokens:
            replica.last_token_ns = pool.now
            emit_drafted(pool, replica)
        else:
            if has_waited(pool, replica):
                observe_waited(pool, replica, replica.span)
            else:
                observe(pool, ITL, replica.span >> FRACTION_BITS, d)
                if replica.late:
                    observe_late(pool, replica, replica.span)
            replica.last_token_ns = pool.now
            counts.decoded_tokens += d
            replica.iteration += 1
            replica.context += d
        dt -= alone_ns
        energy -= alone_nj
    tokens = replica.prompt
    upto = before_ns = before_nj = np.int64(0)
    slot = replica.first_chunk
    for _ in range(n):
        request = pool.requests[slot]
        slot = request.next_chunk
        upto += request.chunk
        ns = dt if upto == tokens else part(dt, upto, tokens)
        nj = energy if upto == tokens else part(energy, upto, tokens)
        request.prefill_ns += ns - before_ns
        request.prefill_nj += nj - before_nj
        before_ns, before_nj = ns, nj


@inner
def part(whole, share, of):
    """whole * share // of, without overflow."""
    return (whole // of) * share + (whole % of) * share // of


@inner
def step(pool, request, gap):
    """A step has brought a token after a gap; whether steps are told from tokens depends on there being drafts."""
    observe(pool, ITL, gap, 1)
    if pool.draft_tokens:
        observe(pool, STEP_GAP, gap, 1)
        pool.more[request.slot].steps += 1
    request.last_ns = pool.now


@inner
def emit_drafted(pool, replica):
    """Each sequence keeps as many drafted tokens as are accepted, and one more; contexts move on by as many."""
    v = 1 + pool.draft_tokens
    per_read = energy_per_read(replica)
    replica.iteration += 1
    for c in range(pool.priorities):
        slot = replica.running[c].head
        while slot >= 0:
            request = pool.requests[slot]
            if request.ready:
                context = request.context
                more = pool.more[slot]
                more.own_nj += per_read * (context + 1)
                chance = np.int64(draw(pool.seed, request.ordinal, (1 << 33) + more.turns) >> np.uint64(11))
                more.turns += 1
                tokens = np.int64(1)
                for i in range(pool.draft_tokens):
                    if chance < pool.accept[i]:
                        tokens += 1
                tokens = min(tokens, request.output - request.emitted)
                replica.used -= blocks_of(pool, context + v) - blocks_of(pool, context + tokens)
                request.context = context + tokens
                request.emitted += tokens
                request.joined_at = replica.iteration
                gap = replica.start_ns - request.last_ns + (replica.span >> FRACTION_BITS)
                step(pool, request, gap)
                if tokens > 1:
                    observe(pool, ITL, 0, tokens - 1)
                replica.context += tokens
                pool.counts.decoded_tokens += tokens
            slot = request.next
    used_less(pool, replica)


# Who leaves


@inner
def finish_decoded(pool, replica):
    """Those whose output is decoded, by iteration and slot."""
    while replica.n_finishes:
        key = replica.finishes[0]
        if key >> SLOT_BITS > replica.iteration:
            break
        pop_finish(replica)
        if not is_stale(pool, replica, key):
            request = pool.requests[key & SLOT]
            depart(pool, replica, request)
            finish(pool, request, p.COMPLETED)


@inner
def finish_drafted(pool, replica):
    """Those whose output is decoded, by slot."""
    while True:
        least = np.int64(-1)
        slot = np.int64(-1)
        while True:
            slot = next_decoding(pool, replica, slot)
            if slot < 0:
                break
            request = pool.requests[slot]
            if request.emitted >= request.output and (least < 0 or slot < least):
                least = slot
        if least < 0:
            return
        request = pool.requests[least]
        depart(pool, replica, request)
        finish(pool, request, p.COMPLETED)


@inner
def drop_abandoned(pool, replica):
    """Those that decode and whose users have given up, by slot."""
    while True:
        least = np.int64(-1)
        slot = np.int64(-1)
        while True:
            slot = next_decoding(pool, replica, slot)
            if slot < 0:
                break
            if pool.more[slot].abandoned and (least < 0 or slot < least):
                least = slot
        if least < 0:
            return
        drop(pool, replica, pool.requests[least], 0)


@inner
def chunk_done(pool, replica, request):
    """A chunk of a prompt is computed; with the last of them comes its first token."""
    tokens = request.chunk
    pool.counts.prefilled_tokens += tokens
    padded = pool.prefill == p.STATIC
    if padded:
        replica.load.pending -= request.target
        request.context = pool.more[request.slot].padded_prompt
    else:
        replica.load.pending -= tokens
        request.context += tokens
    weigh_tokens(pool, replica)
    if replica.abandoned and pool.more[request.slot].abandoned:
        if replica.begun == request.slot:
            replica.begun = -1
        drop(pool, replica, request, 0 if padded else request.target - request.context)
        return
    if not padded and request.context < request.target:
        return
    if pool.hash_blocks:
        register_prefix(pool, replica, request)
    request.emitted += 1
    pool.counts.first_tokens += 1
    if request.first_ns < 0:
        request.first_ns = request.last_ns = pool.now
    else:
        step(pool, request, pool.now - request.last_ns)
    request.ready = 1
    replica.load.pending += 1
    weigh_tokens(pool, replica)
    if request.emitted >= output_of(pool, request):
        depart(pool, replica, request)
        finish(pool, request, p.COMPLETED)
    elif replica.role == p.PREFILL:
        hand_over(pool, replica, request)
    else:
        join(pool, replica, request)


@inner
def depart(pool, replica, request):
    """The request leaves the replica for good."""
    if request.decodes:
        leave_decode(pool, replica, request)
    give_back_blocks(pool, replica, request)
    stop_running(pool, replica, request)
    replica.load.pending -= request.ready
    replica.load.assigned -= 1
    weigh(pool, replica)
    pool.n_running -= 1


@inner
def drop(pool, replica, request, pending):
    """The request, whose user has given up, leaves with so many tokens still to prefill."""
    replica.load.pending -= pending
    replica.abandoned -= 1
    depart(pool, replica, request)
    give_up(pool, request, p.TIMED_OUT)


@inner
def hand_over(pool, replica, request):
    """The KV cache of a computed prompt goes to a replica that decodes, over the link, one after the other."""
    stop_running(pool, replica, request)
    replica.load.pending -= 1
    replica.load.assigned -= 1
    weigh(pool, replica)
    request.where = MOVING
    begin = max(pool.now, replica.link_free_ns)
    fraction = request.context * pool.transfer_per_token
    fraction += min(request.context, pool.window) * pool.transfer_per_window_token
    replica.link_free_ns = begin + pool.transfer_ns + (fraction >> FRACTION_BITS)
    push(pool, replica.link_free_ns, HANDED_OVER, request.slot, pool.more[request.slot].stamp)
