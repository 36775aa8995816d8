"""Which replica a request goes to, and where it waits until it is admitted."""

from __future__ import annotations

from sim.engine.serving import plan as p
from sim.engine.serving.reference.blocks import hits_of, pending_of
from sim.engine.serving.reference.lives import give_up
from sim.engine.serving.reference.state import DEADLINE, WAITING, Replica, Request, State
from sim.workload.routers import ROUTERS, Choice, choose


def attempt(state: State, request: Request) -> None:
    """A request comes to the router, with a deadline of its own."""
    if state.settings.timeout_ns >= 0:
        state.push(state.now + state.settings.timeout_ns, DEADLINE, request)
    dispatch(state, request, p.PREFILL, 0)


def dispatch(state: State, request: Request, role: int, turn: int) -> None:
    """Sends a request to a replica of a role; ``turn`` tells its visits to the router apart, for what is drawn."""
    replica = _route(state, request, role, 4 * request.attempts + turn)
    queue_limit = state.settings.queue_limit
    if replica is None:
        if queue_limit >= 0 and len(state.backlog) >= queue_limit:
            give_up(state, request, p.REJECTED)
            return
        request.where = WAITING
        request.replica = None
        state.waiting += 1
        state.backlog.append(request)
    elif queue_limit >= 0 and not request.ready and _is_full(state, replica):
        give_up(state, request, p.REJECTED)
    else:
        _assign(request, replica)
        replica.waiting[request.priority].append(request)
        state.waiting += 1
        request.where = WAITING


def _is_full(state: State, replica: Replica) -> bool:
    """Whether a replica takes no more; an idle one takes one more at once, so that one never waits."""
    waiting = sum(map(len, replica.waiting))
    return waiting >= state.settings.queue_limit and (replica.busy or waiting > 0)


def _assign(request: Request, replica: Replica) -> None:
    request.replica = replica
    replica.assigned += 1
    replica.pending += pending_of(request)


def _route(state: State, request: Request, role: int, turn: int) -> Replica | None:
    choices = [r for r in state.replicas if r.up and not r.draining and r.role in (p.ANY, role)]
    if not choices:
        return None
    found = Choice(
        choices,
        request,
        seed=state.settings.seed,
        turn=turn,
        following=state.next_in_turn[role],
        balance=state.settings.balance_requests,
        kv_demand=lambda r: _kv_demand(state, state.replicas[r.index]),
        hits=lambda r: hits_of(state, request, state.replicas[r.index]),
    )
    index = choose(ROUTERS[state.settings.router], found, decodes=role == p.DECODE)
    state.next_in_turn[role] = index + 1
    return state.replicas[index]


def _kv_demand(state: State, replica: Replica) -> int:
    waiting = sum(
        state.settings.kv_blocks(q.context if q.ready else q.target) for queue in replica.waiting for q in queue
    )
    return replica.used + waiting
