"""Which replicas have a hashed block in their prefix caches: a list for each block, kept where routers ask for it."""

import numpy as np

from sim.engine.serving.compiled import inner
from sim.engine.serving.kernel.sketches import mix


@inner
def key_bucket(pool, key):
    """Where the chain of a hashed block begins."""
    return np.int64(mix(np.uint64(key)) & np.uint64(pool.n_buckets - 1))


@inner
def key_of(pool, i):
    """Row of ``keys`` of the ``i``-th of the hashed blocks of prompts, or -1 where no replica has it."""
    key = pool.hashes[i]
    at = pool.key_buckets[key_bucket(pool, key)] - 1
    while at >= 0 and pool.keys[at].key != key:
        at = pool.keys[at].chain - 1
    return at


@inner
def list_holder(pool, entry_at):
    """A hashed block has come into the cache of one more replica."""
    entry = pool.entries[entry_at]
    bucket = key_bucket(pool, entry.key)
    at = pool.key_buckets[bucket] - 1
    while at >= 0 and pool.keys[at].key != entry.key:
        at = pool.keys[at].chain - 1
    if at < 0:
        at = pool.free_key - 1
        if at >= 0:
            pool.free_key = pool.keys[at].chain
        else:
            at = pool.n_keys
            pool.n_keys += 1
        fresh = pool.keys[at]
        fresh.key, fresh.count, fresh.first, fresh.chain = entry.key, 0, -1, pool.key_buckets[bucket]
        pool.key_buckets[bucket] = at + 1
    known = pool.keys[at]
    entry.of, entry.before, entry.alike = at, -1, known.first
    if known.first >= 0:
        pool.entries[known.first].before = entry_at
    known.first = entry_at
    known.count += 1


@inner
def unlist_holder(pool, entry_at):
    """A hashed block has left the cache of a replica."""
    entry = pool.entries[entry_at]
    at = entry.of
    known = pool.keys[at]
    if entry.before >= 0:
        pool.entries[entry.before].alike = entry.alike
    else:
        known.first = entry.alike
    if entry.alike >= 0:
        pool.entries[entry.alike].before = entry.before
    known.count -= 1
    if known.count == 0:
        bucket = key_bucket(pool, known.key)
        other = pool.key_buckets[bucket] - 1
        if other == at:
            pool.key_buckets[bucket] = known.chain
        else:
            before = pool.keys[other]
            while before.chain != at + 1:
                before = pool.keys[before.chain - 1]
            before.chain = known.chain
        known.chain = pool.free_key
        pool.free_key = at + 1
