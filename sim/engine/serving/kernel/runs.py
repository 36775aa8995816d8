"""Sequences that decode: how they join and leave, and how a run of their iterations moves on or is cut short."""

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving.compiled import inner
from sim.engine.serving.kernel.blocks import blocks_of_run, take_blocks, will_take
from sim.engine.serving.kernel.costs import (
    decode_cost,
    energy_growth,
    energy_per_read,
    growths,
    iterations_within,
    longest,
    observe_run,
)
from sim.engine.serving.kernel.queues import next_decoding, plan_finish, set_end, touch
from sim.engine.serving.kernel.shapes import begun_blocks
from sim.engine.serving.kernel.sketches import DECODE_ITERATION, ITL, observe
from sim.engine.serving.kernel.slots import begin_more, output_of
from sim.engine.serving.plan import FRACTION_BITS
from sim.engine.serving.records import NEVER

MASK = (1 << FRACTION_BITS) - 1


@inner
def join(pool, replica, request):
    """The request decodes from the next iteration on."""
    context = request.context
    request.joined_at = replica.iteration
    if request.last_ns != pool.now:
        replica.late = 1
    if request.has_more or request.decode_ns or request.decode_nj:
        begin_more(pool, request)
        more = pool.more[request.slot]
        more.decode_ns, more.decode_nj, more.own_nj = request.decode_ns, request.decode_nj, 0
    request.decode_ns, request.decode_nj = replica.share_ns, replica.share_nj
    replica.decoding += 1
    replica.context += context + 1
    request.decodes = 1
    if pool.draft_tokens:
        return
    if pool.prefill != p.STATIC:
        if pool.kv_window_blocks:
            pool.more[request.slot].kv_grows = begun_blocks(pool, context) < pool.kv_window_blocks
        will_take(pool, replica, request, context, 1)
    plan_finish(pool, replica, request, replica.iteration + output_of(pool, request) - request.emitted)


@inner
def read_since(request, turns):
    """Context tokens that a sequence has read in ``turns`` iterations since it joined those who decode."""
    return turns * request.context + turns * (turns + 1) // 2


@inner
def reprice(pool, replica):
    """Iterations cost otherwise from this one on (a cap has changed): what was read before stays at the energy of then,
    though ``leave_decode`` will take all of it at that of now."""
    less_nj = replica.read_nj - replica.cost.energy.decode
    replica.read_nj = replica.cost.energy.decode
    slot = np.int64(-1)
    while True:
        slot = next_decoding(pool, replica, slot)
        if slot < 0:
            return
        request = pool.requests[slot]
        turns = replica.iteration - request.joined_at
        if turns:
            begin_more(pool, request)
            pool.more[slot].own_nj += less_nj * read_since(request, turns)


@inner
def leave_decode(pool, replica, request):
    """Settles what the sequence has emitted and answers for; its context stands still from now on."""
    turns = replica.iteration - request.joined_at
    before = request.context
    own = energy_per_read(replica) * read_since(request, turns)
    request.decode_ns = replica.share_ns - request.decode_ns
    request.decode_nj = replica.share_nj - request.decode_nj + own
    if request.has_more:
        more = pool.more[request.slot]
        request.decode_ns += more.decode_ns
        request.decode_nj += more.decode_nj + more.own_nj
    if turns:
        request.last_ns = replica.last_token_ns
    request.emitted += turns
    request.context = before + turns
    request.decodes = 0
    replica.decoding -= 1
    replica.context -= before + turns + 1
    if not pool.draft_tokens and pool.prefill != p.STATIC:
        will_take(pool, replica, request, before + turns, -1)


@inner
def book(replica, dt, energy):
    """An iteration or a run is over: what of it was not booked before is booked now."""
    replica.active_ns += dt - replica.booked_ns
    replica.dynamic_nj += energy - replica.booked_nj
    replica.booked_ns = replica.booked_nj = 0


@inner
def share(replica, d, ns, nj):
    """Spreads time and energy over the sequences that decode; what is left is spread the next time."""
    rest = replica.rest_ns + ns
    replica.share_ns += rest // d
    replica.rest_ns = rest % d
    rest = replica.rest_nj + nj
    replica.share_nj += rest // d
    replica.rest_nj = rest % d


@inner
def apply(pool, replica, k, span, a0, a1, a2, e, g0, g1, g2, ge, waited_scan):
    """k pure decode iterations are over: clocks, meters, shares, contexts, latencies."""
    d = replica.decoding
    total = replica.remainder + span
    dt = total >> FRACTION_BITS
    replica.remainder = total & MASK
    pairs_of_k = k * (k - 1) // 2
    energy = k * e + ge * pairs_of_k
    reads = k * replica.context + d * pairs_of_k
    book(replica, dt, energy)
    share(replica, d, dt, energy - energy_per_read(replica) * reads)
    counts = pool.counts
    counts.iterations += k
    counts.kv_iterations += k
    counts.kv_tokens += reads
    counts.kv_sequences += k * d
    if pool.window:
        counts.kv_window_tokens += k * replica.windowed + replica.growing * pairs_of_k
    counts.decoded_tokens += k * d
    counts.decode_iteration_ns += dt
    if waited_scan:
        observe_waited(pool, replica, span)
        observe(pool, DECODE_ITERATION, span >> FRACTION_BITS, 1)
    else:
        observe_run(pool, a0, a1, a2, g0, g1, g2, k, d)
        if replica.late:
            observe_late(pool, replica, longest(a0, a1, a2))
    replica.start_ns += dt
    replica.last_token_ns = replica.start_ns
    replica.iteration += k
    replica.context += k * d
    replica.windowed += k * replica.growing


@inner
def observe_waited(pool, replica, span):
    """Where prompts go first, or after a pause, decodes have waited since their last token."""
    nominal = span >> FRACTION_BITS
    replica.late = replica.stood = 0
    slot = np.int64(-1)
    while True:
        slot = next_decoding(pool, replica, slot)
        if slot < 0:
            break
        request = pool.requests[slot]
        last = replica.last_token_ns
        if request.joined_at == replica.iteration:
            last = request.last_ns
        observe(pool, ITL, replica.start_ns - last + nominal, 1)


@inner
def observe_late(pool, replica, span):
    """Who has come with a token of long ago (handed over, or swapped in) waited for longer than the first iteration,
    of ``span``, of those now over.

    They are the last that entered, behind all who have decoded here before.
    """
    nominal = span >> FRACTION_BITS
    replica.late = 0
    for c in range(pool.priorities):
        slot = replica.running[c].tail
        while slot >= 0:
            request = pool.requests[slot]
            if request.ready:
                if request.joined_at != replica.iteration:
                    break
                waited = replica.start_ns - request.last_ns
                if waited:
                    observe(pool, ITL, nominal, -1)
                    observe(pool, ITL, waited + nominal, 1)
            slot = request.prev


@inner
def cut(pool, replica):
    """Brings a run of decodes up to the present: what is over is applied, and what is under way becomes a run of 1."""
    k = replica.run
    if k <= 1:
        return
    now = pool.now
    a0, a1, a2, e = decode_cost(replica, 0)  # a run of more than one never swaps
    first = longest(a0, a1, a2)
    budget = ((now - replica.start_ns + 1) << FRACTION_BITS) - 1 - replica.remainder
    if first > budget:
        one_iteration(pool, replica, first, e)
        return
    g0, g1, g2 = growths(replica)
    done, span = iterations_within(a0, a1, a2, g0, g1, g2, k, budget)
    iteration = replica.iteration
    apply(pool, replica, done, span, a0, a1, a2, e, g0, g1, g2, energy_growth(replica), False)
    if replica.start_ns == now:  # between two iterations: the next begins with whoever has come by then
        if pool.prefill != p.STATIC:
            take_blocks(pool, replica, blocks_of_run(pool, replica, iteration + 1, iteration + done))
        stand_still(pool, replica)
        return
    if pool.prefill != p.STATIC:
        take_blocks(pool, replica, blocks_of_run(pool, replica, iteration + 1, iteration + done + 1))
    a0, a1, a2, e = decode_cost(replica, 0)
    one_iteration(pool, replica, longest(a0, a1, a2), e)


@inner
def shorten(pool, replica):
    """A run of decodes ends with the iteration that it is in now, so that whoever has come can be in the next. What is
    over by now is applied together with that one, for nobody looks at it before: ``cut`` is for those who do."""
    k = replica.run
    if k <= 1 or replica.closing:
        return
    a0, a1, a2, e = decode_cost(replica, 0)
    g0, g1, g2 = growths(replica)
    budget = ((pool.now - replica.start_ns + 1) << FRACTION_BITS) - 1 - replica.remainder
    done, span = iterations_within(a0, a1, a2, g0, g1, g2, k, budget)
    if done == 0:
        one_iteration(pool, replica, longest(a0, a1, a2), e)
    elif replica.start_ns + ((replica.remainder + span) >> FRACTION_BITS) == pool.now:
        cut(pool, replica)
    else:
        replica.closing = 1
        replica.run = done + 1
        end_after(pool, replica, span + longest(a0 + g0 * done, a1 + g1 * done, a2 + g2 * done))


@inner
def stand_still(pool, replica):
    """No iteration runs; one may begin at this instant."""
    replica.busy = replica.run = 0
    set_end(pool, replica, NEVER)
    touch(pool, replica)


@inner
def one_iteration(pool, replica, span, energy):
    """The replica's plan is the one iteration it is in. Its cost is fixed now, whatever becomes of the replica's."""
    replica.run = 1
    replica.span = span
    replica.energy_nj = energy
    end_after(pool, replica, span)


@inner
def end_after(pool, replica, span):
    """The plan ends once so much time has passed since it began."""
    set_end(pool, replica, replica.start_ns + ((replica.remainder + span) >> FRACTION_BITS))


@inner
def settle(pool, replica):
    """Books what the replica has drawn up to the present."""
    cut(pool, replica)
    if replica.busy:
        elapsed = pool.now - replica.start_ns
        so_far = np.int64(replica.energy_nj * (elapsed / (replica.end_ns - replica.start_ns)))
        replica.active_ns += elapsed - replica.booked_ns
        replica.dynamic_nj += so_far - replica.booked_nj
        replica.booked_ns, replica.booked_nj = elapsed, so_far
