"""A replica is lost with all that it has."""

from sim.engine.serving.compiled import inner
from sim.engine.serving.kernel.blocks import remove
from sim.engine.serving.kernel.lives import lose
from sim.engine.serving.kernel.queues import set_end
from sim.engine.serving.kernel.runs import settle
from sim.engine.serving.records import AWAY, NEVER, WAITING


@inner
def kill(pool, replica):
    """Empties a replica; its requests are found lost, in the order of their slots. Returns how many."""
    settle(pool, replica)
    count = 0
    for slot in range(pool.n_slots):
        request = pool.requests[slot]
        if request.replica == replica.index and request.where != AWAY:
            if request.where == WAITING:
                pool.n_waiting -= 1
            else:
                pool.n_running -= 1
            if request.decodes:  # decoding: what it has emitted follows from the iterations gone by
                request.emitted += replica.iteration - request.joined_at
                request.decode_ns = request.decode_nj = 0
                if request.has_more:
                    more = pool.more[slot]
                    request.decode_ns, request.decode_nj = more.decode_ns, more.decode_nj
            lose(pool, request)
            pool.sent[count] = slot
            count += 1
    for bucket in range(pool.n_buckets if pool.hash_blocks else 0):
        at = pool.buckets[bucket] - 1
        while at >= 0:
            entry = pool.entries[at]
            following = entry.chain - 1
            if entry.replica == replica.index:
                remove(pool, at)
            at = following
    clear(pool, replica)
    return count


@inner
def clear(pool, replica):
    """The replica is as it was before it first came up; what it has drawn since that was last taken stays."""
    replica.load.assigned = replica.load.pending = 0
    replica.n_waiting = replica.n_running = replica.awaited = 0
    replica.up = replica.draining = replica.busy = replica.start_ns = replica.remainder = 0
    replica.used = replica.cached = replica.link_free_ns = 0
    replica.decoding = replica.context = replica.windowed = replica.growing = replica.n_finishes = 0
    replica.taking = 0
    replica.iteration = replica.run = replica.takes_part = replica.n_chunks = replica.prompt = 0
    replica.share_ns = replica.share_nj = replica.rest_ns = replica.rest_nj = 0
    replica.booked_ns = replica.booked_nj = replica.last_token_ns = replica.abandoned = replica.late = 0
    replica.stood = 0
    replica.lru_head = replica.lru_tail = replica.begun = -1
    replica.first_chunk = replica.last_chunk = -1
    for c in range(pool.priorities):
        waiting, running = replica.waiting[c], replica.running[c]
        waiting.head = waiting.tail = running.head = running.tail = -1
    for i in range(pool.block_tokens):
        replica.residue[i] = 0
    set_end(pool, replica, NEVER)
