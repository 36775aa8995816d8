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
    seat.decode_ns = seat.decode_nj = seat.prefill_ns = seat.prefill_nj = seat.has_more = 0
    clear_seat(pool, request)


@inner
def clear_seat(pool, request):
    """As nothing had been done for its request yet, in this attempt."""
    seat = pool.seats[request.seat]
    seat.last_ns = -1
    seat.emitted = seat.held = seat.padded_output = 0
    seat.swapped = seat.abandoned = 0
    if seat.has_more:
        pool.more[request.seat].steps = 0


@inner
def begin_more(pool, request):
    """There is a row of what is kept of a few for this one, too."""
    seat = pool.seats[request.seat]
    if not seat.has_more:
        seat.has_more = 1
        more = pool.more[request.seat]
        more.decode_ns = more.decode_nj = more.own_nj = 0
        more.padded_prompt = more.cached = more.preemptions = more.turns = more.steps = 0
