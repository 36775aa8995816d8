"""What happens by itself: requests arrive, come again, are handed over, or run out of time."""

from __future__ import annotations

from sim.engine.serving import plan as p
from sim.engine.serving.reference.blocks import pending_of
from sim.engine.serving.reference.hand_overs import handed_over
from sim.engine.serving.reference.lives import finish, give_up
from sim.engine.serving.reference.routing import attempt
from sim.engine.serving.reference.state import HANDED_OVER, MOVING, RETRY, RUNNING, WAITING, Request, State


def happen(state: State, kind: int, request: Request | None, stamp: int) -> None:
    """What was due, unless its request has moved on since."""
    if request is None:
        if state.peek() is not None:
            arrive(state, state.arrivals.popleft())
        return
    if stamp != request.stamp or state.live.get(request.slot) is not request:
        return
    if kind == RETRY:
        attempt(state, request)
    elif kind == HANDED_OVER:
        handed_over(state, request)
    else:
        _deadline(state, request)


def arrive(state: State, row: tuple[int, int, int, int, int, tuple[int, ...]]) -> None:
    """A request arrives, with the columns of its chunk."""
    _, prompt, output, session, priority, hashes = row
    if state.free:
        slot = state.free.pop()
    else:
        slot = state.slots
        state.slots += 1
    full = prompt // state.hash_tokens if state.hash_tokens else 0
    priority = min(priority, state.settings.priorities - 1)
    request = Request(slot, state.ordinal, state.now, prompt, output, session, priority, hashes[:full])
    request.target = prompt
    state.live[slot] = request
    state.ordinal += 1
    state.counts["arrived"] += 1
    if state.settings.kv_blocks(prompt + output + state.settings.draft_tokens) > state.largest:
        state.counts["too_long"] += 1
        finish(state, request, p.REJECTED)
    else:
        attempt(state, request)


def _deadline(state: State, request: Request) -> None:
    if request.where == WAITING:
        replica = request.replica
        state.waiting -= 1
        if replica is None:
            state.backlog.remove(request)
        else:
            replica.waiting[request.priority].remove(request)
            replica.pending -= pending_of(request)
            replica.assigned -= 1
        give_up(state, request, p.TIMED_OUT)
    elif request.where in (RUNNING, MOVING):
        request.abandoned = True
