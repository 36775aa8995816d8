"""Disaggregation: contexts on their way from replicas that prefill to those that decode."""

from __future__ import annotations

from sim.engine.serving import plan as p
from sim.engine.serving.reference.blocks import give_back_blocks
from sim.engine.serving.reference.lives import give_up, lose
from sim.engine.serving.reference.routing import attempt, dispatch
from sim.engine.serving.reference.state import AWAY, HANDED_OVER, MOVING, Replica, Request, State


def hand_over(state: State, replica: Replica, request: Request) -> None:
    """A context leaves, behind all that its replica's link has still to carry."""
    replica.running.remove(request)
    replica.pending -= 1
    replica.assigned -= 1
    request.where = MOVING
    begin = max(state.now, replica.link_free_ns)
    fraction = request.context * state.settings.transfer_per_token
    fraction += min(request.context, state.settings.window) * state.settings.transfer_per_window_token
    replica.link_free_ns = begin + state.settings.transfer_ns + (fraction >> p.FRACTION_BITS)
    state.push(replica.link_free_ns, HANDED_OVER, request)


def handed_over(state: State, request: Request) -> None:
    """It has come; its request goes on to a replica that decodes."""
    source = request.replica
    assert source is not None
    give_back_blocks(state, request, source)
    energy_nj = state.settings.transfer_nj + request.context * state.settings.transfer_nj_per_token
    energy_nj += min(request.context, state.settings.window) * state.settings.transfer_nj_per_window_token
    source.link_nj += energy_nj
    request.prefill_nj += energy_nj
    state.counts["transferred_tokens"] += request.context
    state.running -= 1
    request.where = AWAY
    if request.abandoned:
        give_up(state, request, p.TIMED_OUT)
        return
    if not any(r.up and not r.draining and r.role in (p.ANY, p.DECODE) for r in state.replicas):
        lose(state, request)
        attempt(state, request)
        return
    dispatch(state, request, p.DECODE, 1)
