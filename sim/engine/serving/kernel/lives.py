"""A request's attempts, and its end."""

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving.compiled import inner
from sim.engine.serving.kernel.queues import push
from sim.engine.serving.kernel.sketches import E2E, QUEUEING, TPOT, TTFT, observe
from sim.engine.serving.kernel.slots import clear_more, give_back_slot, output_of
from sim.engine.serving.records import AWAY, RETRY, USER


@inner
def reset(request):
    """As nothing had been done for it yet."""
    request.where, request.replica = AWAY, -1
    request.target = request.prompt
    request.context = request.emitted = request.ready = request.decodes = 0
    request.scheduled_ns = request.first_ns = request.last_ns = -1


@inner
def begin_anew(pool, request):
    """An attempt has come to nothing."""
    pool.counts.wasted_tokens += request.emitted
    if request.has_more:
        more = pool.more[request.slot]
        more.stamp += 1
        clear_more(more)
    reset(request)


@inner
def lose(pool, request):
    """Its replica is gone; it begins anew."""
    pool.counts.killed += 1
    begin_anew(pool, request)


@inner
def give_up(pool, request, status):
    """The attempt has failed: the client tries again later, or no more."""
    if pool.retries and pool.more[request.slot].attempts <= pool.retries:
        more = pool.more[request.slot]
        pool.counts.retries += 1
        more.attempts += 1
        begin_anew(pool, request)
        push(pool, pool.now + pool.backoff_ns, RETRY, request.slot, more.stamp)
    else:
        pool.counts.wasted_tokens += request.emitted
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
    counts.prefill_share_ns += request.prefill_ns & p.LOW_HALF
    counts.prefill_share_ns_high += request.prefill_ns >> p.HALF_BITS
    counts.decode_share_ns += request.decode_ns & p.LOW_HALF
    counts.decode_share_ns_high += request.decode_ns >> p.HALF_BITS
    counts.prefill_share_nj += request.prefill_nj & p.LOW_HALF
    counts.prefill_share_nj_high += request.prefill_nj >> p.HALF_BITS
    counts.decode_share_nj += request.decode_nj & p.LOW_HALF
    counts.decode_share_nj_high += request.decode_nj >> p.HALF_BITS
    if pool.rows:
        tell(pool, request, status)
    request.where, request.decodes = AWAY, 0
    if request.has_more:
        more = pool.more[request.slot]
        more.hashes = 0
        more.stamp += 1
    give_back_slot(pool, request)
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
    row.cached_tokens, row.preemptions, row.attempts = 0, 0, 1
    if request.has_more:
        more = pool.more[request.slot]
        row.cached_tokens, row.preemptions, row.attempts = more.cached, more.preemptions, more.attempts
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
    if pool.prefill == p.STATIC:
        counts.wasted_tokens += output_of(pool, request) - output
    ttft, e2e = request.first_ns - request.arrival_ns, now - request.arrival_ns
    queueing = request.scheduled_ns - request.arrival_ns
    counts.ttft_ns += ttft & p.LOW_HALF
    counts.ttft_ns_high += ttft >> p.HALF_BITS
    observe(pool, TTFT, ttft, 1)
    counts.e2e_ns += e2e & p.LOW_HALF
    counts.e2e_ns_high += e2e >> p.HALF_BITS
    observe(pool, E2E, e2e, 1)
    counts.queueing_ns += queueing & p.LOW_HALF
    counts.queueing_ns_high += queueing >> p.HALF_BITS
    observe(pool, QUEUEING, queueing, 1)
    decoding = now - request.first_ns
    counts.itl_ns += decoding & p.LOW_HALF
    counts.itl_ns_high += decoding >> p.HALF_BITS
    gaps = request.emitted - 1
    counts.itl_count += gaps
    if not pool.draft_tokens:
        counts.step_gap_count += gaps
    elif request.has_more:
        counts.step_gap_count += pool.more[request.slot].steps
    tpot = np.int64(0)
    if output > 1:
        tpot = decoding // (output - 1)
        counts.tpot_ns += tpot & p.LOW_HALF
        counts.tpot_ns_high += tpot >> p.HALF_BITS
        counts.tpot_count += 1
        observe(pool, TPOT, tpot, 1)
    good = (pool.slo_ttft_ns < 0 or ttft <= pool.slo_ttft_ns) and (pool.slo_tpot_ns < 0 or tpot <= pool.slo_tpot_ns)
    if good and (pool.slo_e2e_ns < 0 or e2e <= pool.slo_e2e_ns):
        counts.good += 1
