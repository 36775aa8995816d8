"""What is whose: the time and energy of an iteration, booked on its replica and split between those in it."""

from __future__ import annotations

from sim.engine.serving.reference.state import Replica, Request, State


def settle(state: State, replica: Replica) -> None:
    """Books the part of the present iteration that is over."""
    if not replica.busy:
        return
    elapsed = state.now - replica.start_ns
    so_far = int(replica.energy_nj * (elapsed / (replica.end_ns - replica.start_ns)))
    replica.active_ns += elapsed - replica.booked_ns
    replica.dynamic_nj += so_far - replica.booked_nj
    replica.booked_ns, replica.booked_nj = elapsed, so_far


def share_out(replica: Replica, decoding: list[Request], chunks: list[tuple[Request, int]]) -> None:
    """Splits the iteration's time and energy between those in it; what does not divide is carried."""
    time_ns, energy_nj = replica.end_ns - replica.start_ns, replica.energy_nj
    if decoding:
        decode_ns, decode_nj = (time_ns, energy_nj) if not chunks else replica.decode_only
        own = [replica.own_nj_per_read * (q.context + 1) for q in decoding]
        for request, nj in zip(decoding, own, strict=True):
            request.own_reads += nj
        share, replica.rest_ns = divmod(replica.rest_ns + decode_ns, len(decoding))
        replica.share_ns += share
        share, replica.rest_nj = divmod(replica.rest_nj + decode_nj - sum(own), len(decoding))
        replica.share_nj += share
        time_ns, energy_nj = time_ns - decode_ns, energy_nj - decode_nj
    total = sum(n for _, n in chunks)
    before = 0
    for request, tokens in chunks:
        after = before + tokens
        request.prefill_ns += time_ns * after // total - time_ns * before // total
        request.prefill_nj += energy_nj * after // total - energy_nj * before // total
        before = after


def join(replica: Replica, request: Request) -> None:
    """A sequence is among the decodes from now on."""
    request.acc_ns, request.acc_nj = replica.share_ns, replica.share_nj
    request.own_reads = 0


def leave_decode(replica: Replica, request: Request) -> None:
    """And is no more: what it has had of them is its."""
    request.decode_ns += replica.share_ns - request.acc_ns
    request.decode_nj += replica.share_nj - request.acc_nj + request.own_reads
