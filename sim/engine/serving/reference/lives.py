"""How attempts at a request end: it is finished, given up, or lost and sent again."""

from __future__ import annotations

from sim.engine.serving import plan as p
from sim.engine.serving.reference.state import AWAY, RETRY, USER, Request, State


def lose(state: State, request: Request) -> None:
    """Sends a request that a machine lost again at once, with a deadline of its own."""
    state.counts["killed"] += 1
    state.counts["wasted_tokens"] += request.emitted
    request.stamp += 1
    _reset(request)


def give_up(state: State, request: Request, status: int) -> None:
    """Ends an attempt whose client gives up; it may try again."""
    state.counts["wasted_tokens"] += request.emitted
    if request.attempts <= state.settings.retries:
        state.counts["retries"] += 1
        request.attempts += 1
        request.stamp += 1
        _reset(request)
        state.push(state.now + state.settings.backoff_ns, RETRY, request)
    else:
        finish(state, request, status)


def _reset(request: Request) -> None:
    """Puts a request back into the state in which it arrived; only its history is kept."""
    request.where, request.replica = AWAY, None
    request.scheduled_ns = request.first_ns = request.last_ns = -1
    request.emitted = request.context = request.held = request.own_reads = request.steps = 0
    request.target = request.prompt
    request.padded_prompt = request.padded_output = 0
    request.ready = request.swapped = request.abandoned = False


def finish(state: State, request: Request, status: int) -> None:
    """The end of a request: what it was is counted, and told where rows are wanted."""
    counts = state.counts
    if status == p.COMPLETED:
        counts["completed"] += 1
        counts["prompt_tokens"] += request.prompt
        counts["output_tokens"] += request.output
        if request.padded_output:
            counts["wasted_tokens"] += request.padded_output - request.output
        _judge(state, request)
    else:
        counts["rejected" if status == p.REJECTED else "timed_out"] += 1
    counts["prefill_share_ns"] += request.prefill_ns
    counts["decode_share_ns"] += request.decode_ns
    counts["prefill_share_nj"] += request.prefill_nj
    counts["decode_share_nj"] += request.decode_nj
    if state.settings.rows:
        replica = request.replica.index if request.replica is not None else -1
        times = (request.arrival_ns, request.scheduled_ns, request.first_ns, state.now)
        tokens = (request.prompt, request.output, request.cached, request.preemptions, request.attempts)
        shares = (request.prefill_ns, request.decode_ns, request.prefill_nj, request.decode_nj)
        state.rows.append((request.ordinal, status, *times, replica, *tokens, *shares))
    del state.live[request.slot]
    state.free.append(request.slot)
    if state.settings.concurrency:
        state.push(state.now + state.settings.think_ns, USER, None)


def _judge(state: State, request: Request) -> None:
    counts, settings = state.counts, state.settings
    ttft_ns, e2e_ns = request.first_ns - request.arrival_ns, state.now - request.arrival_ns
    state.observe("ttft", ttft_ns)
    state.observe("e2e", e2e_ns)
    state.observe("queueing", request.scheduled_ns - request.arrival_ns)
    counts["itl_ns"] += state.now - request.first_ns
    counts["itl_count"] += request.emitted - 1
    counts["step_gap_count"] += request.steps
    tpot_ns = 0
    if request.output > 1:
        tpot_ns = (state.now - request.first_ns) // (request.output - 1)
        state.observe("tpot", tpot_ns)
        counts["tpot_count"] += 1
    counts["good"] += all(
        limit < 0 or value <= limit
        for value, limit in (
            (ttft_ns, settings.slo_ttft_ns),
            (tpot_ns, settings.slo_tpot_ns),
            (e2e_ns, settings.slo_e2e_ns),
        )
    )
