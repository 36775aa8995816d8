"""What is about to be needed is on its way from memory while something else is done.

Many replicas and their requests do not stay in the processor's caches, and each step waits for the one before to tell
where to look. So the replica that is next to end, known a step before, says which of its requests will be touched, and
the one behind it is fetched itself.
"""

from sim.engine.serving.compiled import fetch, inner
from sim.engine.serving.kernel.queues import first_to_end, second_to_end
from sim.engine.serving.records import SLOT, SLOT_BITS

FEW = 6
"""Lines of requests that are asked for without knowing whether they will be needed."""


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
def fetch_due(pool):
    """Of the next replica to be followed, which is here itself: what it has, and where the next arrivals will be."""
    replica = pool.replicas[first_to_end(pool)]
    fetch(replica.waiting)
    fetch(replica.finishes)
    fetch_chunks(pool, replica)
    slot = replica.free_slot
    if slot < 0:
        slot = replica.next_slot
        fetch(pool.requests[min(slot + 1, pool.slots_room - 1)])
    fetch(pool.requests[min(slot, pool.slots_room - 1)])


@inner
def fetch_chunks(pool, replica):
    """Requests whose prompts are in the iteration that a replica is in: mostly side by side."""
    if replica.n_chunks:
        first, last = replica.first_chunk, replica.last_chunk
        fetch(pool.requests[first])
        fetch(pool.requests[last])
        if first < last:
            for slot in range(first + 1, min(last, first + FEW)):
                fetch(pool.requests[slot])


@inner
def fetch_running(pool, replica):
    """What is kept of those who decode, all at the same time."""
    for i in range(replica.n_finishes):
        fetch(pool.requests[replica.finishes[i] & SLOT])


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
