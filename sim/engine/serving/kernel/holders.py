"""Which replicas have a hashed block in their prefix caches: a list for each block, kept where routers ask for it.

The lists of a bucket are chained by their first entries. These have none before them: there stands, negative, where the
next list begins.
"""

import numpy as np

from sim.engine.serving.compiled import inner
from sim.engine.serving.kernel.sketches import mix


@inner
def key_bucket(pool, key):
    """Where the lists of a hashed block, and of others, begin."""
    return np.int64(mix(np.uint64(key)) & np.uint64(pool.n_buckets - 1))


@inner
def next_list(first):
    """The first entry of the next list in the bucket, plus 1; 0: none."""
    return -1 - first.before


@inner
def chain_list(first, following):
    """The list with this first entry stands before the one with ``following``, plus 1."""
    first.before = -1 - following


@inner
def first_holder_of(pool, key):
    """The first entry of a hashed block, or -1 where no replica has it."""
    at = pool.key_buckets[key_bucket(pool, key)] - 1
    while at >= 0 and pool.entries[at].key != key:
        at = next_list(pool.entries[at]) - 1
    return at


@inner
def list_holder(pool, entry_at):
    """A hashed block has come into the cache of one more replica."""
    entry = pool.entries[entry_at]
    at = first_holder_of(pool, entry.key)
    if at < 0:
        entry.alike, entry.holders = -1, 1
        begin_list(pool, entry_at)
        return
    first = pool.entries[at]
    first.holders += 1
    entry.before, entry.alike = at, first.alike
    if first.alike >= 0:
        pool.entries[first.alike].before = entry_at
    first.alike = entry_at


@inner
def begin_list(pool, entry_at):
    """The entry is the first of its block; its list is the first of its bucket."""
    entry = pool.entries[entry_at]
    bucket = key_bucket(pool, entry.key)
    chain_list(entry, pool.key_buckets[bucket])
    pool.key_buckets[bucket] = entry_at + 1


@inner
def unlist_holder(pool, entry_at):
    """A hashed block has left the cache of a replica."""
    entry = pool.entries[entry_at]
    if entry.before >= 0:
        pool.entries[first_holder_of(pool, entry.key)].holders -= 1
        pool.entries[entry.before].alike = entry.alike
        if entry.alike >= 0:
            pool.entries[entry.alike].before = entry.before
        return
    following = next_list(entry)
    if entry.alike >= 0:  # the next of its list is the first from now on
        first = pool.entries[entry.alike]
        first.before, first.holders = entry.before, entry.holders - 1
        following = entry.alike + 1
    bucket = key_bucket(pool, entry.key)
    other = pool.key_buckets[bucket] - 1
    if other == entry_at:
        pool.key_buckets[bucket] = following
    else:
        earlier = pool.entries[other]
        while next_list(earlier) != entry_at + 1:
            earlier = pool.entries[next_list(earlier) - 1]
        chain_list(earlier, following)
