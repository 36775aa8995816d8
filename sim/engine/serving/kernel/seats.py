"""Seats: what is kept of a request once it has been admitted; few, and taken over while they are still warm."""

from sim.engine.serving.compiled import inner


@inner
def take_seat(pool, request):
    """The request has a seat from now on."""
    if pool.n_free_seats:
        pool.n_free_seats -= 1
        at = pool.free_seats[pool.n_free_seats]
    else:
        at = pool.n_seats
        pool.n_seats += 1
    request.seat = at
    seat = pool.seats[at]
    seat.decode_ns = seat.decode_nj = seat.prefill_ns = seat.prefill_nj = 0
    seat.cached = seat.preemptions = seat.turns = 0
    clear_seat(seat)


@inner
def clear_seat(seat):
    """As nothing had been done for its request yet, in this attempt."""
    seat.last_ns = -1
    seat.emitted = seat.own_nj = seat.held = seat.steps = 0
    seat.padded_prompt = seat.padded_output = 0
    seat.swapped = seat.abandoned = 0
