"""KV blocks: what requests hold of them, and the prefixes that stay in the cache behind them."""

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving.compiled import inner
from sim.engine.serving.kernel.holders import begin_list, list_holder, unlist_holder
from sim.engine.serving.kernel.queues import next_decoding
from sim.engine.serving.kernel.shapes import blocks_of, whole_blocks, within_block
from sim.engine.serving.kernel.sketches import mix
from sim.engine.serving.kernel.slots import hashes_of
from sim.engine.serving.kernel.weights import used_less


@inner
def context_of(replica, request):
    """Tokens in the cache of a sequence; a decoding one gains one with every iteration of its replica."""
    if request.decodes:
        return request.context + replica.iteration - request.joined_at
    return request.context


@inner
def pending_of(request):
    """Tokens it has still to prefill, or the one that it decodes."""
    return np.int64(1) if request.ready else request.target - request.context


@inner
def held_blocks(pool, replica, request):
    """KV blocks of a request that is admitted; a closed batch pads."""
    if pool.prefill == p.STATIC:
        more = pool.more[request.slot]
        return blocks_of(pool, more.padded_prompt + more.padded_output)
    return blocks_of(pool, max(context_of(replica, request), request.target))


# Hashed blocks: a hash table with chains, and a list of those without references by their last use


@inner
def bucket_of(pool, replica, key):
    """Where the chain of a hashed block in the cache of a replica (by its index) begins."""
    hashed = mix(np.uint64(key) ^ (np.uint64(replica) << np.uint64(40)))
    return np.int64(hashed & np.uint64(pool.n_buckets - 1))


@inner
def find(pool, replica, i):
    """Where the ``i``-th of the hashed blocks of prompts stands in a replica's cache, or -1."""
    key = pool.hashes[i]
    at = pool.buckets[bucket_of(pool, replica.index, key)] - 1
    while at >= 0:
        entry = pool.entries[at]
        if entry.key == key and entry.replica == replica.index:
            return at
        at = entry.chain - 1
    return np.int64(-1)


@inner
def insert(pool, replica, i):
    """The ``i``-th of the hashed blocks of prompts comes into the cache, with one reference."""
    key = pool.hashes[i]
    at = pool.free_entry - 1
    if at >= 0:
        pool.free_entry = pool.entries[at].chain
    else:
        at = pool.n_entries
        pool.n_entries += 1
    entry = pool.entries[at]
    bucket = bucket_of(pool, replica.index, key)
    entry.key, entry.replica, entry.refs, entry.chain = key, replica.index, 1, pool.buckets[bucket]
    pool.buckets[bucket] = at + 1
    if pool.balances:
        list_holder(pool, at)


@inner
def remove(pool, at):
    """A hashed block leaves the cache."""
    entry = pool.entries[at]
    if pool.balances:
        unlist_holder(pool, at)
    entry.replica, replica = -1, entry.replica
    bucket = bucket_of(pool, replica, entry.key)
    other = pool.buckets[bucket] - 1
    if other == at:
        pool.buckets[bucket] = entry.chain
    else:
        before = pool.entries[other]
        while before.chain != at + 1:
            before = pool.entries[before.chain - 1]
        before.chain = entry.chain
    entry.chain = pool.free_entry
    pool.free_entry = at + 1


@inner
def rehash(pool):
    """All entries and lists of holders into their chains, in buckets that are empty as yet."""
    for at in range(pool.n_entries):
        entry = pool.entries[at]
        if entry.replica >= 0:
            bucket = bucket_of(pool, entry.replica, entry.key)
            entry.chain = pool.buckets[bucket]
            pool.buckets[bucket] = at + 1
            if pool.balances and entry.before < 0:
                begin_list(pool, at)


@inner
def unlink_unused(pool, replica, entry):
    """The block is no longer one of those without references."""
    older, newer = entry.older, entry.newer
    if older >= 0:
        pool.entries[older].newer = newer
    else:
        replica.lru_head = newer
    if newer >= 0:
        pool.entries[newer].older = older
    else:
        replica.lru_tail = older


@inner
def append_unused(pool, replica, at):
    """The block has lost its last reference: it was used last of all without one."""
    entry = pool.entries[at]
    last = replica.lru_tail
    entry.older, entry.newer = last, -1
    if last >= 0:
        pool.entries[last].newer = at
    else:
        replica.lru_head = at
    replica.lru_tail = at


@inner
def refer(pool, replica, at):
    """One more request refers to the block."""
    entry = pool.entries[at]
    if entry.refs == 0:
        unlink_unused(pool, replica, entry)
        replica.cached -= pool.kv_hashed
        replica.used += pool.kv_hashed
    entry.refs += 1


@inner
def take_blocks(pool, replica, blocks):
    """Blocks become used; of prefixes without references the oldest give way."""
    replica.used += blocks
    while replica.used + replica.cached > replica.blocks:
        oldest = replica.lru_head
        unlink_unused(pool, replica, pool.entries[oldest])
        remove(pool, oldest)
        replica.cached -= pool.kv_hashed
    if replica.used > pool.counts.peak_blocks:
        pool.counts.peak_blocks = replica.used


@inner
def give_back_prefix(pool, replica, request):
    """The request no longer refers to the hashed blocks of its prompt, the last of them first."""
    more = pool.more[request.slot]
    held = more.held
    replica.used += held * pool.kv_hashed
    for i in range(more.first_hash + held - 1, more.first_hash - 1, -1):
        at = find(pool, replica, i)
        entry = pool.entries[at]
        entry.refs -= 1
        if entry.refs == 0:
            append_unused(pool, replica, at)
            replica.used -= pool.kv_hashed
            replica.cached += pool.kv_hashed
    more.held = 0


@inner
def give_back_blocks(pool, replica, request):
    """The request holds no KV blocks any longer."""
    replica.used -= held_blocks(pool, replica, request)
    if pool.hash_blocks and pool.more[request.slot].held:
        give_back_prefix(pool, replica, request)
    used_less(pool, replica)


@inner
def hits_at_most(pool, request):
    """Leading hashed blocks that could be found: one token at least is always computed."""
    return min(hashes_of(pool, request), (request.target - 1) // (pool.hash_blocks * pool.block_tokens))


@inner
def hits_of(pool, replica, request):
    """Leading hashed blocks found in the cache."""
    if not pool.hash_blocks:
        return np.int64(0)
    limit = hits_at_most(pool, request)
    hits = np.int64(0)
    first = pool.more[request.slot].first_hash
    while hits < limit and find(pool, replica, first + hits) >= 0:
        hits += 1
    return hits


@inner
def register_prefix(pool, replica, request):
    """The prompt is computed: its hashed blocks are in the cache from now on."""
    more = pool.more[request.slot]
    for i in range(more.first_hash + more.held, more.first_hash + more.hashes):
        at = find(pool, replica, i)
        if at >= 0:
            refer(pool, replica, at)
            replica.used -= pool.kv_hashed
        else:
            insert(pool, replica, i)
        more.held += 1
    used_less(pool, replica)


# What decodes take


@inner
def step_of(pool, request):
    """KV blocks that the next block of its tokens takes."""
    if not pool.kv_window_blocks:
        return np.int64(pool.kv_full)
    return pool.kv_full + pool.kv_windowed * pool.more[request.slot].kv_grows


@inner
def will_take(pool, replica, request, context, sign):
    """The sequence, now of so many tokens, is counted among those that take KV blocks as they decode (or no longer)."""
    step = sign * step_of(pool, request)
    replica.residue[within_block(pool, context - replica.iteration)] += step
    replica.taking += step


@inner
def blocks_at(pool, replica, iteration):
    """KV blocks taken by an iteration of the replica, by its number, none joining or leaving before it."""
    return replica.residue[within_block(pool, -iteration)]


@inner
def decode_need(pool, replica):
    """KV blocks the next decode iteration takes beyond those held."""
    if not pool.draft_tokens:
        return blocks_at(pool, replica, replica.iteration)
    need = np.int64(0)
    slot = np.int64(-1)
    while True:
        slot = next_decoding(pool, replica, slot)
        if slot < 0:
            break
        request = pool.requests[slot]
        context = context_of(replica, request)
        need += blocks_of(pool, context + 1 + pool.draft_tokens) - blocks_of(pool, context)
    return need


@inner
def blocks_of_run(pool, replica, first, last):
    """KV blocks taken by iterations number ``first`` .. ``last - 1`` of the replica, none joining or leaving."""
    n = last - first
    need = whole_blocks(pool, n) * replica.taking
    for i in range(first, first + within_block(pool, n)):
        need += blocks_at(pool, replica, i)
    return need
