"""An iteration begins: who is preempted, who is admitted, and how long it will take."""

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving.compiled import inner
from sim.engine.serving.kernel.blocks import (
    blocks_at,
    context_of,
    decode_need,
    find,
    give_back_blocks,
    held_blocks,
    hits_of,
    pending_of,
    refer,
    take_blocks,
    will_take,
)
from sim.engine.serving.kernel.costs import cost_of, decode_cost, growths, longest, padded, span_of
from sim.engine.serving.kernel.queues import (
    enter,
    head_of_queue,
    is_stale,
    next_decoding,
    pop_finish,
    stop_running,
    wait,
)
from sim.engine.serving.kernel.runs import end_after, join, leave_decode, one_iteration, reprice
from sim.engine.serving.kernel.shapes import begun_blocks, blocks_of, whole_blocks
from sim.engine.serving.kernel.slots import begin_more
from sim.engine.serving.kernel.weights import weigh_blocks, weigh_tokens
from sim.engine.serving.kernel.windows import pairs_within, within
from sim.engine.serving.plan import FRACTION_BITS
from sim.engine.serving.records import NEVER, SLOT_BITS, UP

# Who is in it


@inner
def preempt(pool, replica, request):
    """The request waits again, first of its class; returns the KV blocks that are swapped out."""
    pool.counts.preemptions += 1
    begin_more(pool, request)
    pool.more[request.slot].preemptions += 1
    replica.load.pending -= pending_of(request)
    blocks = held_blocks(pool, replica, request)
    give_back_blocks(pool, replica, request)
    stop_running(pool, replica, request)
    pool.n_running -= 1
    ready = request.ready
    if ready:
        leave_decode(pool, replica, request)
    else:
        replica.begun = -1
    if pool.swap and ready:
        pool.more[request.slot].swapped = 1
    else:
        request.ready = 0
        request.target = request.prompt + request.emitted
        request.context = 0
        blocks = 0
    replica.load.pending += pending_of(request)
    weigh_tokens(pool, replica)
    wait(pool, replica, request, True)
    return blocks


@inner
def make_room(pool, replica):
    """Preempts until the decodes have the blocks they need, and takes these; returns those swapped out."""
    swapped = np.int64(0)
    need = decode_need(pool, replica)
    while need > replica.blocks - replica.used:
        for c in range(pool.priorities - 1, -1, -1):
            victim = replica.running[c].tail
            if victim >= 0:
                swapped += preempt(pool, replica, pool.requests[victim])
                break
        need = decode_need(pool, replica)
    if need:
        take_blocks(pool, replica, need)
    return swapped


@inner
def admit_ready(pool, replica):
    """Admits those whose context is computed (handed over, or swapped out); returns KV blocks swapped in."""
    swapped = np.int64(0)
    while True:
        slot = head_of_queue(pool, replica)
        if slot < 0:
            break
        head = pool.requests[slot]
        if not head.ready:
            break
        blocks = blocks_of(pool, head.context)
        spare = replica.blocks - replica.used - decode_need(pool, replica) - blocks - pool.kv_step
        watermark = pool.watermark_blocks if replica.n_running else -pool.kv_step
        if replica.n_running >= pool.max_num_seqs or spare < watermark:
            break
        enter(pool, replica, head)
        take_blocks(pool, replica, blocks)
        join(pool, replica, head)
        if head.has_more and pool.more[slot].swapped:
            swapped += blocks
            pool.more[slot].swapped = 0
    return swapped


@inner
def add_chunk(pool, replica, request, tokens):
    """So many tokens of a prompt are in the iteration."""
    request.chunk, request.next_chunk = tokens, -1
    if replica.n_chunks:
        pool.requests[replica.last_chunk].next_chunk = request.slot
    else:
        replica.first_chunk = request.slot
    replica.last_chunk = request.slot
    replica.n_chunks += 1


@inner
def admit(pool, replica, decodes, may_admit):
    """Fills the token budget with prompts: the one begun first, then the head of the queue as long as it fits."""
    chunked = pool.prefill == p.CHUNKED
    budget = pool.max_num_batched_tokens - decodes * (1 + pool.draft_tokens)
    if replica.begun >= 0:
        begun = pool.requests[replica.begun]
        left = begun.target - begun.context
        tokens = min(left, budget)
        if tokens > 0:
            add_chunk(pool, replica, begun, tokens)
            budget -= tokens
        if tokens < left:
            return
        replica.begun = -1
    hash_tokens = pool.hash_blocks * pool.block_tokens
    while may_admit and budget > 0 and replica.n_running < pool.max_num_seqs:
        slot = head_of_queue(pool, replica)
        if slot < 0:
            break
        head = pool.requests[slot]
        if head.ready:
            break
        target = head.target
        hits = hits_of(pool, replica, head)
        missing = target - hits * hash_tokens
        if not chunked and missing > budget and replica.n_chunks:
            break
        room = replica.blocks - replica.used
        first = pool.more[slot].first_hash if hits else np.int64(0)
        for i in range(first, first + hits):
            if pool.entries[find(pool, replica, i)].refs == 0:
                room -= pool.kv_hashed
        blocks = blocks_of(pool, target) - hits * pool.kv_hashed
        if room - blocks < (pool.watermark_blocks if replica.n_running else 0):
            break
        enter(pool, replica, head)
        for i in range(first, first + hits):
            refer(pool, replica, find(pool, replica, i))
        head.context = hits * hash_tokens
        replica.load.pending -= hits * hash_tokens
        weigh_tokens(pool, replica)
        take_blocks(pool, replica, blocks)
        if hash_tokens:
            pool.counts.looked_up_tokens += target
            pool.counts.cached_tokens += hits * hash_tokens
            pool.more[slot].held, pool.more[slot].cached = hits, hits * hash_tokens
        tokens = min(missing, budget) if chunked else missing
        add_chunk(pool, replica, head, tokens)
        budget -= tokens
        if tokens < missing:
            replica.begun = slot
            break


@inner
def admit_batch(pool, replica):
    """A closed batch: as many as fit when all are padded to the longest."""
    prompt, output = np.int64(0), np.int64(0)
    while replica.n_chunks < pool.max_num_seqs:
        slot = head_of_queue(pool, replica)
        if slot < 0:
            break
        head = pool.requests[slot]
        longer, more = max(prompt, head.prompt), max(output, head.output)
        together = replica.n_chunks + 1
        fits = together * blocks_of(pool, longer + more) <= replica.blocks
        if together > 1 and not (fits and together * longer <= pool.max_num_batched_tokens):
            break
        prompt, output = longer, more
        enter(pool, replica, head)
        add_chunk(pool, replica, head, 0)
    slot = replica.first_chunk
    for _ in range(replica.n_chunks):
        request = pool.requests[slot]
        request.chunk = prompt
        pool.more[slot].padded_prompt, pool.more[slot].padded_output = prompt, output
        slot = request.next_chunk
        take_blocks(pool, replica, held_blocks(pool, replica, request))


# It begins


@inner
def begin(pool, replica):
    """The replica begins an iteration, if anybody can be in one."""
    swapped = np.int64(0)
    replica.n_chunks = 0
    preempted = pool.counts.preemptions
    mode = pool.prefill
    takes_part = True
    if mode == p.STATIC:
        if not replica.n_running:
            admit_batch(pool, replica)
            takes_part = replica.n_chunks == 0
    elif mode == p.PRIORITIZED:
        swapped += admit_ready(pool, replica)
        admit(pool, replica, 0, True)
        takes_part = replica.n_chunks == 0
        if takes_part and replica.decoding:
            swapped += make_room(pool, replica)
    else:
        swapped += admit_ready(pool, replica)
        swapped += make_room(pool, replica)
        if replica.n_waiting or replica.begun >= 0:
            admit(pool, replica, replica.decoding, pool.counts.preemptions == preempted)
    d = replica.decoding if takes_part else 0
    replica.takes_part = d
    if d or replica.n_chunks:
        launch(pool, replica, d, swapped, pool.counts.preemptions != preempted)


@inner
def begin_touched(pool):
    """Every replica that stands still and has work begins an iteration."""
    n = pool.n_touched
    pool.n_touched = 0
    for i in range(n):
        replica = pool.replicas[pool.touched[i]]
        replica.touched = 0
        if not replica.busy and replica.up == UP and replica.load.assigned:
            begin(pool, replica)


@inner
def has_waited(pool, replica):
    """Whether prompts went first, or there was a pause, so that decodes have stood still since their last token."""
    return (pool.prefill == p.PRIORITIZED or replica.stood) and replica.last_token_ns != replica.start_ns


@inner
def launch(pool, replica, d, swapped, preempted):
    """The iteration, or a run of decode iterations, is under way, with ``d`` sequences that decode."""
    replica.busy = 1
    replica.start_ns = pool.now
    replica.booked_ns = replica.booked_nj = replica.closing = 0
    if replica.read_nj != replica.cost.energy.decode:
        reprice(pool, replica)
    weigh_blocks(pool, replica)
    steps = np.int64(NEVER)
    if pool.window:
        steps = window_scan(pool, replica, d)
    if replica.n_chunks or pool.draft_tokens:
        launch_mixed(pool, replica, d, swapped)
        return
    a0, a1, a2, e = decode_cost(replica, swapped)
    k = np.int64(1)
    if not (swapped or preempted or has_waited(pool, replica)):
        k = plan_run(pool, replica, steps, a0, a1, a2)
    if k == 1:
        one_iteration(pool, replica, longest(a0, a1, a2), e)
        return
    g0, g1, g2 = growths(replica)
    replica.run = k
    end_after(pool, replica, span_of(a0, a1, a2, g0, g1, g2, k))


@inner
def window_scan(pool, replica, d):
    """Contexts within the window, how many still grow, and how many iterations until the first stops growing: in what
    it reads, or (of those ``d`` in this iteration) in the KV blocks that its layers with a window take."""
    window = pool.window
    windowed, below, steps = np.int64(0), np.int64(0), np.int64(NEVER)
    slot = np.int64(-1)
    while True:
        slot = next_decoding(pool, replica, slot)
        if slot < 0:
            break
        request = pool.requests[slot]
        reach = context_of(replica, request) + 1
        here = within(pool, reach)
        windowed += here
        if pool.chunked or here < window:
            below += 1
            steps = min(steps, window - here + 1)
        if d and pool.kv_window_blocks and pool.more[slot].kv_grows:
            begun = begun_blocks(pool, reach)
            if begun < pool.kv_window_blocks:
                steps = min(steps, (pool.kv_window_blocks - 1) * pool.block_tokens + 1 - reach)
            else:
                settle_within_window(pool, replica, request, reach)
    replica.windowed, replica.growing = windowed, below
    return steps


@inner
def settle_within_window(pool, replica, request, reach):
    """The sequence holds all that its layers with a window keep: from now on these give back what they take."""
    context = reach - 1
    will_take(pool, replica, request, context, -1)
    pool.more[request.slot].kv_grows = 0
    will_take(pool, replica, request, context, 1)


@inner
def plan_run(pool, replica, steps, a0, a1, a2):
    """How many decode iterations run before the batch can change."""
    finishes = replica.finishes
    while is_stale(pool, replica, finishes[0]):
        pop_finish(replica)
    k = min((finishes[0] >> SLOT_BITS) - replica.iteration, steps)
    room = replica.blocks - replica.used
    if pool.prefill != p.STATIC and k > 1 and replica.taking * (whole_blocks(pool, k - 1) + 1) > room:
        first = replica.iteration
        fits = np.int64(1)
        while fits < k:
            room -= blocks_at(pool, replica, first + fits)
            if room < 0:
                break
            fits += 1
        k = fits
    g0, g1, g2 = growths(replica)
    g = longest(g0, g1, g2)
    first = longest(a0, a1, a2)
    last = first + g * (k - 1)
    while k > 1 and k > (NEVER >> 1) // last:
        k = (k + 1) >> 1
        last = first + g * (k - 1)
    return k


@inner
def launch_mixed(pool, replica, d, swapped):
    """An iteration with prompts in it, or one that verifies drafts."""
    v = 1 + pool.draft_tokens
    window = pool.window
    cost = replica.cost
    pairs = v * replica.context + d * (v * (v - 1) // 2) if d else np.int64(0)
    reads = replica.context + d * (v - 1) if d else np.int64(0)
    wpairs, wreads = np.int64(0), np.int64(0)
    if window and d:
        slot = np.int64(-1)
        while True:
            slot = next_decoding(pool, replica, slot)
            if slot < 0:
                break
            request = pool.requests[slot]
            context = context_of(replica, request)
            wpairs += pairs_within(pool, context, v)
            wreads += within(pool, context + 1) + v - 1
    n = replica.n_chunks
    if v > 1:
        pairs, wpairs = max(pairs, cost.query_rows * reads), max(wpairs, cost.query_rows * wreads)
    a0, a1, a2, e = cost_of(cost, cost.decodes[d * v], pairs, reads, wpairs, wreads, d, swapped, 0)
    replica.alone_ns, replica.alone_nj = longest(a0, a1, a2) >> FRACTION_BITS, e
    replica.reads, replica.window_reads = reads, wreads
    prompt = np.int64(0)
    if n:
        pairs, wpairs = max(pairs, cost.query_rows * reads), max(wpairs, cost.query_rows * wreads)
        slot = replica.first_chunk
        for _ in range(n):
            request = pool.requests[slot]
            new, slot = request.chunk, request.next_chunk
            context = 0 if pool.prefill == p.STATIC else request.context
            prompt += new
            pairs += new * context + new * (new + 1) // 2
            reads += context + new
            if window:
                wpairs += pairs_within(pool, context, new)
                wreads += within(pool, context + 1) + new - 1
        tokens = padded(cost.ranks, d * v, prompt, n)
        base = cost.both[tokens] if d else cost.prompts[tokens]
        a0, a1, a2, e = cost_of(cost, base, pairs, reads, wpairs, wreads, d + n, swapped, n)
    span = longest(a0, a1, a2)
    replica.run = 0
    replica.prompt = prompt
    replica.span = span
    replica.energy_nj = e
    end_after(pool, replica, span)
