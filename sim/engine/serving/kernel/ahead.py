"""What is about to be needed is on its way from memory while something else is done.

Many replicas and their requests do not stay in the processor's caches, and each step waits for the one before to tell
where to look. So the replica that is next to end, known a step before, says which of its requests will be touched, and
the one behind it is fetched itself.
"""

from sim.engine.serving.compiled import fetch, inner
from sim.engine.serving.kernel.queues import first_to_end, second_to_end
from sim.engine.serving.records import SLOT, SLOT_BITS


@inner
def look_ahead(pool):
    """While others begin: the requests of the next to end, and the replica that ends after it."""
    first = first_to_end(pool)
    fetch(pool.replicas[second_to_end(pool, first)])
    replica = pool.replicas[first]
    if replica.n_waiting:
        fetch(pool.requests[replica.waiting[0].head])  # will likely be admitted
        fetch(pool.requests[replica.running[0].tail])  # behind this one
    if replica.n_chunks:
        fetch(pool.requests[replica.first_chunk])
    if replica.n_chunks > 1:
        fetch(pool.requests[replica.last_chunk])
    if replica.takes_part:
        fetch(pool.requests[replica.finishes[0] & SLOT])


@inner
def fetch_leaving(pool, replica):
    """While what a replica has decoded is worked out: all that is touched when the first of its requests leaves."""
    key = replica.finishes[0]
    if key >> SLOT_BITS <= replica.iteration + max(replica.run, 1):
        request = pool.requests[key & SLOT]
        if request.prev >= 0:
            fetch(pool.requests[request.prev])
        if request.next >= 0:
            fetch(pool.requests[request.next])
