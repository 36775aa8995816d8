"""A request's attempts, and its end."""

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving.compiled import inner
from sim.engine.serving.kernel.queues import push
from sim.engine.serving.kernel.sketches import E2E, QUEUEING, TPOT, TTFT, observe
from sim.engine.serving.records import AWAY, RETRY, USER


@inner
def reset(request):
    """As nothing had been done for it yet."""
    request.where, request.replica = AWAY, -1
    request.scheduled_ns = request.first_ns = request.last_ns = request.finish_key = -1
    request.emitted = request.context = request.held = request.own_nj = 0
    request.target = request.prompt
    request.padded_prompt = request.padded_output = request.steps = 0
    request.ready = request.swapped = request.abandoned = 0


@inner
def lose(pool, request):
    """Its replica is gone; it begins anew."""
    pool.counts.killed += 1
    pool.counts.wasted_tokens += request.emitted
    request.stamp += 1
    reset(request)


@inner
def give_up(pool, request, status):
    """The attempt has failed: the client tries again later, or no more."""
    pool.counts.wasted_tokens += request.emitted
    if request.attempts <= pool.retries:
        pool.counts.retries += 1
        request.attempts += 1
        request.stamp += 1
        reset(request)
        push(pool, pool.now + pool.backoff_ns, RETRY, request.slot, request.stamp)
    else:
        finish(pool, request, status)


@inner
def finish(pool, request, status):
    """The request is done with, well or badly, and its slot is free."""
    counts = pool.counts
    if status == p.COMPLETED:
        judge(pool, request)
    elif status == p.REJECTED:
        counts.rejected += 1
    else:
        counts.timed_out += 1
    counts.prefill_share_ns += request.prefill_ns
    counts.decode_share_ns += request.decode_ns
    counts.prefill_share_nj += request.prefill_nj
    counts.decode_share_nj += request.decode_nj
    if pool.rows:
        tell(pool, request, status)
    request.live = 0
    request.where, request.finish_key = AWAY, -1
    request.stamp += 1
    pool.free[pool.n_free] = request.slot
    pool.n_free += 1
    if pool.concurrency:
        push(pool, pool.now + pool.think_ns, USER, -1, 0)


@inner
def tell(pool, request, status):
    """Writes the row of a finished request."""
    row = pool.finished[pool.n_finished]
    pool.n_finished += 1
    row.request = request.ordinal
    row.status = status
    row.arrival_ns = request.arrival_ns
    row.scheduled_ns = request.scheduled_ns
    row.first_token_ns = request.first_ns
    row.done_ns = pool.now
    row.replica = request.replica
    row.prompt_tokens = request.prompt
    row.output_tokens = request.output
    row.cached_tokens = request.cached
    row.preemptions = request.preemptions
    row.attempts = request.attempts
    row.prefill_ns = request.prefill_ns
    row.decode_ns = request.decode_ns
    row.prefill_nj = request.prefill_nj
    row.decode_nj = request.decode_nj


@inner
def judge(pool, request):
    """A completed request: what it took, and whether it was served within every stated limit."""
    now = pool.now
    output = request.output
    counts = pool.counts
    counts.completed += 1
    counts.prompt_tokens += request.prompt
    counts.output_tokens += output
    if request.padded_output:
        counts.wasted_tokens += request.padded_output - output
    ttft, e2e = request.first_ns - request.arrival_ns, now - request.arrival_ns
    queueing = request.scheduled_ns - request.arrival_ns
    counts.ttft_ns += ttft
    observe(pool, TTFT, ttft, 1)
    counts.e2e_ns += e2e
    observe(pool, E2E, e2e, 1)
    counts.queueing_ns += queueing
    observe(pool, QUEUEING, queueing, 1)
    counts.itl_ns += now - request.first_ns
    gaps = request.emitted - 1
    counts.itl_count += gaps
    counts.step_gap_count += request.steps if pool.draft_tokens else gaps
    tpot = np.int64(0)
    if output > 1:
        tpot = (now - request.first_ns) // (output - 1)
        counts.tpot_ns += tpot
        counts.tpot_count += 1
        observe(pool, TPOT, tpot, 1)
    good = (pool.slo_ttft_ns < 0 or ttft <= pool.slo_ttft_ns) and (pool.slo_tpot_ns < 0 or tpot <= pool.slo_tpot_ns)
    if good and (pool.slo_e2e_ns < 0 or e2e <= pool.slo_e2e_ns):
        counts.good += 1
