"""The compiled serving engine: ``reference`` said again for Numba, with whole runs of decode iterations in one step.

While nobody joins or leaves a batch, an iteration's cost is affine in the number of iterations gone by, and the longest
of three affine times is convex: so the time and energy of k iterations close in form, in the very integers the
reference adds up one by one. A run is planned to the next batch change (``K`` iterations), and cut where something
happens to the replica before that. All of it lives in one file because Numba's cache sees edits in that file alone, and
in three arrays because each array is many words at a call: ``S`` a row a request, ``R`` a row a replica, and ``M`` all
else in regions whose offsets stand at its head (see ``fast`` for the layout).
"""

# S, R and M are the kernel's three memories, named as matrices are.
# ruff: noqa: N803, N806
from __future__ import annotations

import math

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from sim.engine.serving import plan as p

NEVER = 1 << 62
FRACTION = p.FRACTION_BITS
MASK = (1 << FRACTION) - 1

# Why the kernel returns before it is done
DONE, NEED_ARRIVALS, NEED_SLOTS, NEED_FUTURE, NEED_ROWS = range(5)

# What the caller wants
ADVANCE, SETTLE, HAND_OUT, KILL, SEND_AGAIN = range(5)

RETRY, HANDED_OVER, DEADLINE, USER = range(4)
WAITING, RUNNING, MOVING, AWAY = range(4)

# Head of M: settings, then state, then counts, then offsets of regions
# fmt: off
(
    MAX_SEQS, BUDGET, PREFILL, BLOCK, WATERMARK, SWAP, HASH_BLOCKS, WINDOW, DRAFT, ROUTER, BALANCE, QUEUE_LIMIT,
    TIMEOUT, RETRIES, BACKOFF, CLASSES, CONCURRENCY, THINK, HAND_NS, HAND_PER_TOKEN, HAND_NJ, SLO_TTFT, SLO_TPOT,
    SLO_E2E, SEED, ROWS, REPLICAS, LARGEST, TREE_SIZE, HEAP_CAP, FUTURE_CAP, ROW_CAP, COST_TOKENS, BUCKETS,
    SLOT_CAP, BLOCK_SHIFT,
) = range(36)
# fmt: on
# fmt: off
(
    NOW, NEXT_ARRIVAL, ARRIVALS, CLOSED, ORDINAL, N_WAITING, N_RUNNING, N_FREE, N_SLOTS, N_FUTURE, PUSHED,
    BACK_HEAD, BACK_TAIL, BACK_N, TURN0, TURN1, TURN2, BEGAN, N_ROWS, N_TOUCHED, UP0, UP1, UP2, ENTRY_FREE,
) = range(40, 64)
# fmt: on
COUNT0 = 64
# fmt: off
(
    C_ARRIVED, C_COMPLETED, C_REJECTED, C_TIMED_OUT, C_RETRIES, C_KILLED, C_PREEMPTIONS, C_PROMPT, C_OUTPUT,
    C_PREFILLED, C_CACHED, C_LOOKED_UP, C_DECODED, C_FIRST, C_WASTED, C_TRANSFERRED, C_ITERATIONS, C_KV_TOKENS,
    C_KV_ITERATIONS, C_GOOD, C_WAITING_AREA, C_RUNNING_AREA, C_TTFT, C_TPOT, C_ITL, C_E2E, C_QUEUEING, C_TPOT_COUNT,
    C_PEAK, C_PREFILL_NS, C_DECODE_NS, C_PREFILL_NJ, C_DECODE_NJ, C_DECODE_ITERATION, C_TOO_LONG, C_ITL_COUNT,
    C_STEP_GAP_COUNT,
) = range(COUNT0, COUNT0 + len(p.COUNTS))
# fmt: on
# fmt: off
(
    O_SKETCH, O_TREE, O_UP, O_ASSIGNED, O_PENDING, O_WAIT_HEAD, O_WAIT_TAIL, O_RUN_HEAD, O_RUN_TAIL, O_RESIDUE,
    O_HEAP, O_CHUNK, O_COST, O_FUTURE, O_FREE, O_ARRIVAL, O_ROW, O_TOUCHED, O_BUCKET, O_ENTRY, O_HASH, O_ACCEPT,
    O_SENT,
) = range(104, 127)
# fmt: on
HEAD = 128

# Columns of S
# fmt: off
(
    S_ORDINAL, S_ARRIVAL, S_PROMPT, S_OUTPUT, S_SESSION, S_PRIORITY, S_WHERE, S_REPLICA, S_SCHEDULED, S_FIRST,
    S_EMITTED, S_CONTEXT, S_TARGET, S_READY, S_SWAPPED, S_ABANDONED, S_JOINED_AT, S_LAST, S_ACC_NS, S_ACC_NJ,
    S_OWN, S_TURNS, S_PREFILL_NS, S_DECODE_NS, S_PREFILL_NJ, S_DECODE_NJ, S_KEY, S_NEXT, S_PREV, S_HELD, S_CACHED,
    S_PREEMPTIONS, S_ATTEMPTS, S_STAMP, S_HASH, S_HASHES, S_PAD_PROMPT, S_PAD_OUTPUT, S_LIVE,
    S_STEPS,
) = range(40)
# fmt: on
SW = 40

# Columns of R
# fmt: off
(
    R_ROLE, R_BLOCKS, R_COST, R_UP, R_DRAINING, R_USED, R_CACHED, R_LINK_FREE, R_REMAINDER, R_BUSY, R_START, R_END,
    R_D, R_CONTEXT, R_WINDOWED, R_BELOW, R_ITERATION, R_K, R_TAKES_PART, R_CHUNKS, R_ENERGY, R_ALONE_NS, R_ALONE_NJ,
    R_SPAN, R_WAITING, R_RUNNING, R_BEGUN, R_HEAP, R_SHARE_NS, R_SHARE_NJ, R_REST_NS, R_REST_NJ, R_ACTIVE_NS,
    R_DYNAMIC, R_LINK, R_BOOKED_NS, R_BOOKED_NJ, R_LAST_TOKEN, R_LRU_HEAD, R_LRU_TAIL, R_TOUCHED, R_ABANDONED,
    R_READS, R_LATE,
) = range(44)
# fmt: on
RW = 48

# A page of costs: the slopes (4, 7), of a decoded token (4) and one within the window (4), the ranks, then the table
DECODE_SLOPE = 28
RANKS = 36
PAGE_HEAD = 37

ENTRY_WIDTH = 8
E_KEY, E_REPLICA, E_REFS, E_OLDER, E_NEWER, E_CHAIN = range(6)
FUTURE_WIDTH = 5
ARRIVAL_WIDTH = 7
ROW_WIDTH = len(p.ROW_COLUMNS)

_inner = njit(cache=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


# Pointers and not arrays inside: an array is ten words and two counts of references at every call. Numba calls these
# two with objects of its compiler, for which it has no types; the first argument is part of its protocol.


@intrinsic
def _pointer(typing, address):  # type: ignore[no-untyped-def]  # noqa: ARG001
    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.int64)(address), generate


# Small things


@_inner
def _mix(z):
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@_inner
def _draw(seed, ordinal, turn):
    return _mix(_mix(_mix(np.uint64(seed)) ^ np.uint64(ordinal)) ^ np.uint64(turn))


# Blocks are nearly always a power of two, and a division takes longer than all else a request needs of its blocks


@_inner
def _blocks(M, tokens):
    """KV blocks that hold so many tokens."""
    if M[BLOCK_SHIFT] >= 0:
        return (tokens + M[BLOCK] - 1) >> M[BLOCK_SHIFT]
    return (tokens + M[BLOCK] - 1) // M[BLOCK]


@_inner
def _within_block(M, tokens):
    if M[BLOCK_SHIFT] >= 0:
        return tokens & (M[BLOCK] - 1)
    return tokens % M[BLOCK]


@_inner
def _whole_blocks(M, tokens):
    if M[BLOCK_SHIFT] >= 0:
        return tokens >> M[BLOCK_SHIFT]
    return tokens // M[BLOCK]


@_inner
def _bucket(value_ns):
    bits = np.float64(max(value_ns, 1)).view(np.int64)
    return (bits >> (52 - p.SKETCH_BITS)) - (1023 << p.SKETCH_BITS)


@_inner
def _sketch(M, which, value_ns, times):
    M[M[O_SKETCH] + which * p.SKETCH_SIZE + _bucket(value_ns)] += times


@_inner
def _set_end(R, M, r, end):
    """When the replica's present plan ends, in the tree of earliest ends."""
    R[r * RW + R_END] = end
    tree = M[O_TREE]
    node = M[TREE_SIZE] + r
    M[tree + node] = end
    node >>= 1
    while node:
        left, right = M[tree + 2 * node], M[tree + 2 * node + 1]
        least = left if left <= right else right
        if M[tree + node] == least:
            break
        M[tree + node] = least
        node >>= 1


@_inner
def _first_to_end(M):
    tree, size = M[O_TREE], M[TREE_SIZE]
    least = M[tree + 1]
    node = np.int64(1)
    while node < size:
        node *= 2
        if M[tree + node] != least:
            node += 1
    return node - size


@_inner
def _touch(R, M, r):
    if not R[r * RW + R_TOUCHED]:
        R[r * RW + R_TOUCHED] = 1
        M[M[O_TOUCHED] + M[N_TOUCHED]] = r
        M[N_TOUCHED] += 1


@_inner
def _push(S, M, time_ns, kind, slot):
    base = M[O_FUTURE]
    counter = M[PUSHED]
    M[PUSHED] += 1
    stamp = S[slot * SW + S_STAMP] if slot >= 0 else 0
    i = M[N_FUTURE]
    M[N_FUTURE] += 1
    while i:
        up = (i - 1) >> 1
        at = base + up * FUTURE_WIDTH
        if M[at] < time_ns or (M[at] == time_ns and M[at + 1] < counter):
            break
        for c in range(FUTURE_WIDTH):
            M[base + i * FUTURE_WIDTH + c] = M[at + c]
        i = up
    at = base + i * FUTURE_WIDTH
    M[at], M[at + 1], M[at + 2], M[at + 3], M[at + 4] = time_ns, counter, kind, slot, stamp


@_inner
def _drop_first(M):
    """Takes the earliest of what is due off its heap."""
    base = M[O_FUTURE]
    n = M[N_FUTURE] - 1
    M[N_FUTURE] = n
    last = base + n * FUTURE_WIDTH
    time_ns, counter = M[last], M[last + 1]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        a = base + child * FUTURE_WIDTH
        if child + 1 < n:
            b = a + FUTURE_WIDTH
            if M[b] < M[a] or (M[b] == M[a] and M[b + 1] < M[a + 1]):
                a = b
                child += 1
        if time_ns < M[a] or (time_ns == M[a] and counter < M[a + 1]):
            break
        for c in range(FUTURE_WIDTH):
            M[base + i * FUTURE_WIDTH + c] = M[a + c]
        i = child
    for c in range(FUTURE_WIDTH):
        M[base + i * FUTURE_WIDTH + c] = M[last + c]


# Heap of the iterations at which sequences finish, with entries that may be stale


@_inner
def _plan_finish(S, R, M, r, slot, iteration):
    key = (iteration << 24) | slot
    S[slot * SW + S_KEY] = key
    base = M[O_HEAP] + r * M[HEAP_CAP]
    if R[r * RW + R_HEAP] == M[HEAP_CAP]:
        _sweep_heap(S, R, M, r)
    i = R[r * RW + R_HEAP]
    R[r * RW + R_HEAP] += 1
    while i:
        up = (i - 1) >> 1
        if M[base + up] <= key:
            break
        M[base + i] = M[base + up]
        i = up
    M[base + i] = key


@_inner
def _pop_finish(R, M, r):
    base = M[O_HEAP] + r * M[HEAP_CAP]
    n = R[r * RW + R_HEAP] - 1
    R[r * RW + R_HEAP] = n
    key = M[base + n]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        if child + 1 < n and M[base + child + 1] < M[base + child]:
            child += 1
        if key <= M[base + child]:
            break
        M[base + i] = M[base + child]
        i = child
    M[base + i] = key


@_inner
def _is_stale(S, r, key):
    slot = key & 0xFFFFFF
    return S[slot * SW + S_KEY] != key or S[slot * SW + S_REPLICA] != r


@_inner
def _sweep_heap(S, R, M, r):
    """Drops the stale entries; a sorted array is a heap."""
    base = M[O_HEAP] + r * M[HEAP_CAP]
    kept = 0
    for i in range(R[r * RW + R_HEAP]):
        key = M[base + i]
        if not _is_stale(S, r, key):
            M[base + kept] = key
            kept += 1
    R[r * RW + R_HEAP] = kept
    for i in range(1, kept):  # few are kept, and they are nearly in order
        key, j = M[base + i], i
        while j and M[base + j - 1] > key:
            M[base + j] = M[base + j - 1]
            j -= 1
        M[base + j] = key


# Linked lists of requests: waiting and running, a pair of ends for each replica and class


@_inner
def _append(S, M, head, tail, slot):
    last = M[tail]
    S[slot * SW + S_PREV], S[slot * SW + S_NEXT] = last, -1
    if last >= 0:
        S[last * SW + S_NEXT] = slot
    else:
        M[head] = slot
    M[tail] = slot


@_inner
def _prepend(S, M, head, tail, slot):
    first = M[head]
    S[slot * SW + S_PREV], S[slot * SW + S_NEXT] = -1, first
    if first >= 0:
        S[first * SW + S_PREV] = slot
    else:
        M[tail] = slot
    M[head] = slot


@_inner
def _unlink(S, M, head, tail, slot):
    before, after = S[slot * SW + S_PREV], S[slot * SW + S_NEXT]
    if before >= 0:
        S[before * SW + S_NEXT] = after
    else:
        M[head] = after
    if after >= 0:
        S[after * SW + S_PREV] = before
    else:
        M[tail] = before


@_inner
def _wait(S, R, M, r, slot, first):
    at = r * M[CLASSES] + S[slot * SW + S_PRIORITY]
    if first:
        _prepend(S, M, M[O_WAIT_HEAD] + at, M[O_WAIT_TAIL] + at, slot)
    else:
        _append(S, M, M[O_WAIT_HEAD] + at, M[O_WAIT_TAIL] + at, slot)
    R[r * RW + R_WAITING] += 1
    M[N_WAITING] += 1
    S[slot * SW + S_WHERE] = WAITING


@_inner
def _stop_waiting(S, R, M, r, slot):
    at = r * M[CLASSES] + S[slot * SW + S_PRIORITY]
    _unlink(S, M, M[O_WAIT_HEAD] + at, M[O_WAIT_TAIL] + at, slot)
    R[r * RW + R_WAITING] -= 1
    M[N_WAITING] -= 1


@_inner
def _head_of_queue(R, M, r):
    if not R[r * RW + R_WAITING]:
        return np.int64(-1)
    at = M[O_WAIT_HEAD] + r * M[CLASSES]
    for c in range(M[CLASSES]):
        if M[at + c] >= 0:
            return M[at + c]
    return np.int64(-1)


@_inner
def _enter(S, R, M, r, slot):
    _stop_waiting(S, R, M, r, slot)
    at = r * M[CLASSES] + S[slot * SW + S_PRIORITY]
    _append(S, M, M[O_RUN_HEAD] + at, M[O_RUN_TAIL] + at, slot)
    R[r * RW + R_RUNNING] += 1
    M[N_RUNNING] += 1
    S[slot * SW + S_WHERE] = RUNNING
    if S[slot * SW + S_SCHEDULED] < 0:
        S[slot * SW + S_SCHEDULED] = M[NOW]


@_inner
def _stop_running(S, R, M, r, slot):
    at = r * M[CLASSES] + S[slot * SW + S_PRIORITY]
    _unlink(S, M, M[O_RUN_HEAD] + at, M[O_RUN_TAIL] + at, slot)
    R[r * RW + R_RUNNING] -= 1


# Contexts and blocks


@_inner
def _context(S, R, r, slot):
    """Tokens in the cache of a sequence; a decoding one gains one with every iteration of its replica."""
    if S[slot * SW + S_KEY] >= 0:
        return S[slot * SW + S_CONTEXT] + R[r * RW + R_ITERATION] - S[slot * SW + S_JOINED_AT]
    return S[slot * SW + S_CONTEXT]


@_inner
def _pending(S, slot):
    return np.int64(1) if S[slot * SW + S_READY] else S[slot * SW + S_TARGET] - S[slot * SW + S_CONTEXT]


@_inner
def _held_blocks(S, R, M, r, slot):
    if S[slot * SW + S_PAD_OUTPUT]:
        return _blocks(M, S[slot * SW + S_PAD_PROMPT] + S[slot * SW + S_PAD_OUTPUT])
    return _blocks(M, max(_context(S, R, r, slot), S[slot * SW + S_TARGET]))


@_inner
def _find(M, r, key):
    """Index of a hashed block in a replica's cache, or -1."""
    hashed = _mix(np.uint64(key) ^ (np.uint64(r) << np.uint64(40)))
    entry = M[M[O_BUCKET] + np.int64(hashed & np.uint64(M[BUCKETS] - 1))]
    while entry >= 0:
        at = M[O_ENTRY] + entry * ENTRY_WIDTH
        if M[at + E_KEY] == key and M[at + E_REPLICA] == r:
            return entry
        entry = M[at + E_CHAIN]
    return np.int64(-1)


@_inner
def _insert(M, r, key):
    entry = M[ENTRY_FREE]
    at = M[O_ENTRY] + entry * ENTRY_WIDTH
    M[ENTRY_FREE] = M[at + E_CHAIN]
    hashed = _mix(np.uint64(key) ^ (np.uint64(r) << np.uint64(40)))
    bucket = M[O_BUCKET] + np.int64(hashed & np.uint64(M[BUCKETS] - 1))
    M[at + E_KEY], M[at + E_REPLICA], M[at + E_REFS], M[at + E_CHAIN] = key, r, 1, M[bucket]
    M[bucket] = entry


@_inner
def _remove(M, entry):
    at = M[O_ENTRY] + entry * ENTRY_WIDTH
    hashed = _mix(np.uint64(M[at + E_KEY]) ^ (np.uint64(M[at + E_REPLICA]) << np.uint64(40)))
    link = M[O_BUCKET] + np.int64(hashed & np.uint64(M[BUCKETS] - 1))
    while M[link] != entry:
        link = M[O_ENTRY] + M[link] * ENTRY_WIDTH + E_CHAIN
    M[link] = M[at + E_CHAIN]
    M[at + E_CHAIN] = M[ENTRY_FREE]
    M[ENTRY_FREE] = entry


@_inner
def _unlink_lru(R, M, r, entry):
    at = M[O_ENTRY] + entry * ENTRY_WIDTH
    older, newer = M[at + E_OLDER], M[at + E_NEWER]
    if older >= 0:
        M[M[O_ENTRY] + older * ENTRY_WIDTH + E_NEWER] = newer
    else:
        R[r * RW + R_LRU_HEAD] = newer
    if newer >= 0:
        M[M[O_ENTRY] + newer * ENTRY_WIDTH + E_OLDER] = older
    else:
        R[r * RW + R_LRU_TAIL] = older


@_inner
def _append_lru(R, M, r, entry):
    at = M[O_ENTRY] + entry * ENTRY_WIDTH
    last = R[r * RW + R_LRU_TAIL]
    M[at + E_OLDER], M[at + E_NEWER] = last, -1
    if last >= 0:
        M[M[O_ENTRY] + last * ENTRY_WIDTH + E_NEWER] = entry
    else:
        R[r * RW + R_LRU_HEAD] = entry
    R[r * RW + R_LRU_TAIL] = entry


@_inner
def _refer(R, M, r, entry):
    at = M[O_ENTRY] + entry * ENTRY_WIDTH
    if M[at + E_REFS] == 0:
        _unlink_lru(R, M, r, entry)
        R[r * RW + R_CACHED] -= M[HASH_BLOCKS]
        R[r * RW + R_USED] += M[HASH_BLOCKS]
    M[at + E_REFS] += 1


@_inner
def _take_blocks(R, M, r, blocks):
    R[r * RW + R_USED] += blocks
    while R[r * RW + R_USED] + R[r * RW + R_CACHED] > R[r * RW + R_BLOCKS]:
        oldest = R[r * RW + R_LRU_HEAD]
        _unlink_lru(R, M, r, oldest)
        _remove(M, oldest)
        R[r * RW + R_CACHED] -= M[HASH_BLOCKS]
    if R[r * RW + R_USED] > M[C_PEAK]:
        M[C_PEAK] = R[r * RW + R_USED]


@_inner
def _give_back_prefix(S, R, M, r, slot):
    held = S[slot * SW + S_HELD]
    R[r * RW + R_USED] += held * M[HASH_BLOCKS]
    base = M[O_HASH] + S[slot * SW + S_HASH]
    for i in range(held - 1, -1, -1):
        entry = _find(M, r, M[base + i])
        at = M[O_ENTRY] + entry * ENTRY_WIDTH
        M[at + E_REFS] -= 1
        if M[at + E_REFS] == 0:
            _append_lru(R, M, r, entry)
            R[r * RW + R_USED] -= M[HASH_BLOCKS]
            R[r * RW + R_CACHED] += M[HASH_BLOCKS]
    S[slot * SW + S_HELD] = 0


@_inner
def _give_back_blocks(S, R, M, r, slot):
    R[r * RW + R_USED] -= _held_blocks(S, R, M, r, slot)
    if S[slot * SW + S_HELD]:
        _give_back_prefix(S, R, M, r, slot)


@_inner
def _hits(S, M, r, slot):
    if not M[HASH_BLOCKS]:
        return np.int64(0)
    limit = min(S[slot * SW + S_HASHES], (S[slot * SW + S_TARGET] - 1) // (M[HASH_BLOCKS] * M[BLOCK]))
    base = M[O_HASH] + S[slot * SW + S_HASH]
    hits = np.int64(0)
    while hits < limit and _find(M, r, M[base + hits]) >= 0:
        hits += 1
    return hits


@_inner
def _register_prefix(S, R, M, r, slot):
    base = M[O_HASH] + S[slot * SW + S_HASH]
    for i in range(S[slot * SW + S_HELD], S[slot * SW + S_HASHES]):
        entry = _find(M, r, M[base + i])
        if entry >= 0:
            _refer(R, M, r, entry)
            R[r * RW + R_USED] -= M[HASH_BLOCKS]
        else:
            _insert(M, r, M[base + i])
        S[slot * SW + S_HELD] += 1


@_inner
def _decode_need(S, R, M, r):
    """KV blocks the next decode iteration takes beyond those held."""
    size = M[BLOCK]
    if not M[DRAFT]:
        return M[M[O_RESIDUE] + r * size + _within_block(M, -R[r * RW + R_ITERATION])]
    need = np.int64(0)
    for c in range(M[CLASSES]):
        slot = M[M[O_RUN_HEAD] + r * M[CLASSES] + c]
        while slot >= 0:
            if S[slot * SW + S_READY]:
                context = _context(S, R, r, slot)
                need += _blocks(M, context + 1 + M[DRAFT]) - _blocks(M, context)
            slot = S[slot * SW + S_NEXT]
    return need


# Joining and leaving the decodes


@_inner
def _join(S, R, M, r, slot):
    context = S[slot * SW + S_CONTEXT]
    S[slot * SW + S_JOINED_AT] = R[r * RW + R_ITERATION]
    if S[slot * SW + S_LAST] != M[NOW]:
        R[r * RW + R_LATE] = 1
    S[slot * SW + S_ACC_NS], S[slot * SW + S_ACC_NJ], S[slot * SW + S_OWN] = (
        R[r * RW + R_SHARE_NS],
        R[r * RW + R_SHARE_NJ],
        0,
    )
    R[r * RW + R_D] += 1
    R[r * RW + R_CONTEXT] += context + 1
    if not (M[DRAFT] or S[slot * SW + S_PAD_OUTPUT]):
        M[M[O_RESIDUE] + r * M[BLOCK] + _within_block(M, context - R[r * RW + R_ITERATION])] += 1
    if M[DRAFT]:
        S[slot * SW + S_KEY] = 0
        return
    output = S[slot * SW + S_PAD_OUTPUT] if S[slot * SW + S_PAD_OUTPUT] else S[slot * SW + S_OUTPUT]
    _plan_finish(S, R, M, r, slot, R[r * RW + R_ITERATION] + output - S[slot * SW + S_EMITTED])


@_inner
def _leave_decode(S, R, M, r, slot):
    """Settles what the sequence has emitted and answers for; its context stands still from now on."""
    turns = R[r * RW + R_ITERATION] - S[slot * SW + S_JOINED_AT]
    before = S[slot * SW + S_CONTEXT]
    per_read = M[R[r * RW + R_COST] + DECODE_SLOPE + p.ENERGY]
    own = S[slot * SW + S_OWN] + per_read * (turns * before + turns * (turns + 1) // 2)
    S[slot * SW + S_DECODE_NS] += R[r * RW + R_SHARE_NS] - S[slot * SW + S_ACC_NS]
    S[slot * SW + S_DECODE_NJ] += R[r * RW + R_SHARE_NJ] - S[slot * SW + S_ACC_NJ] + own
    if turns:
        S[slot * SW + S_LAST] = R[r * RW + R_LAST_TOKEN]
    S[slot * SW + S_EMITTED] += turns
    S[slot * SW + S_CONTEXT] = before + turns
    S[slot * SW + S_KEY] = -1
    R[r * RW + R_D] -= 1
    R[r * RW + R_CONTEXT] -= before + turns + 1
    if not (M[DRAFT] or S[slot * SW + S_PAD_OUTPUT]):
        M[M[O_RESIDUE] + r * M[BLOCK] + _within_block(M, before + turns - R[r * RW + R_ITERATION])] -= 1


# Costs: (compute, memory, capped) times and energy at the first iteration, and their growth from one to the next


@_inner
def _row(M, table, page, row, pairs, reads, wpairs, wreads, seqs, blocks, chunks):
    at = page + row * 7
    cost = M[table + row] + M[at + p.PAIR] * pairs + M[at + p.READ] * reads + M[at + p.SEQUENCE] * seqs
    if wreads:
        cost += M[at + p.WINDOW_PAIR] * wpairs + M[at + p.WINDOW_READ] * wreads
    if blocks:
        cost += M[at + p.BLOCK] * blocks
    if chunks:
        cost += M[at + p.CHUNK] * chunks
    return cost


@_inner
def _cost(R, M, r, what, tokens, pairs, reads, wpairs, wreads, seqs, blocks, chunks):
    page = R[r * RW + R_COST]
    table = page + PAGE_HEAD + (what * M[COST_TOKENS] + tokens) * 4
    a0 = _row(M, table, page, 0, pairs, reads, wpairs, wreads, seqs, blocks, chunks)
    a1 = _row(M, table, page, 1, pairs, reads, wpairs, wreads, seqs, blocks, chunks)
    a2 = _row(M, table, page, 2, pairs, reads, wpairs, wreads, seqs, blocks, chunks)
    a3 = _row(M, table, page, 3, pairs, reads, wpairs, wreads, seqs, blocks, chunks)
    return a0, a1, a2, a3


@_inner
def _padded(ranks, decoded, prompt, chunks):
    """As ``plan.padded_tokens``."""
    if ranks == 1:
        return decoded + prompt
    a_rank = (chunks + ranks - 1) // ranks
    return ranks * ((decoded + ranks - 1) // ranks + (prompt * a_rank + chunks - 1) // chunks)


@_inner
def _growth(R, M, r, row):
    at = R[r * RW + R_COST] + DECODE_SLOPE + row
    g = M[at] * R[r * RW + R_D]
    if R[r * RW + R_BELOW]:
        g += M[at + 4] * R[r * RW + R_BELOW]
    return g


@_inner
def _decode_row(M, page, row, d, context, windowed, blocks):
    cost = M[page + PAGE_HEAD + d * 4 + row] + M[page + DECODE_SLOPE + row] * context
    cost += M[page + row * 7 + p.SEQUENCE] * d
    if windowed:
        cost += M[page + DECODE_SLOPE + 4 + row] * windowed
    if blocks:
        cost += M[page + row * 7 + p.BLOCK] * blocks
    return cost


@_inner
def _decode_cost(R, M, r, blocks):
    """Of a pure decode iteration without speculation."""
    page, d = R[r * RW + R_COST], R[r * RW + R_D]
    context, windowed = R[r * RW + R_CONTEXT], R[r * RW + R_WINDOWED]
    a0 = _decode_row(M, page, 0, d, context, windowed, blocks)
    a1 = _decode_row(M, page, 1, d, context, windowed, blocks)
    a2 = _decode_row(M, page, 2, d, context, windowed, blocks)
    a3 = _decode_row(M, page, 3, d, context, windowed, blocks)
    return a0, a1, a2, a3


@_inner
def _piece(a0, a1, a2, g0, g1, g2, i, k):
    """The longest of three affine times at ``i``: its value, its growth, and up to where (at most k) it stays it."""
    f0, f1, f2 = a0 + g0 * i, a1 + g1 * i, a2 + g2 * i
    f, g = f0, g0
    if f1 > f or (f1 == f and g1 > g):
        f, g = f1, g1
    if f2 > f or (f2 == f and g2 > g):
        f, g = f2, g2
    end = k
    if g0 > g:
        end = min(end, i + (f - f0) // (g0 - g) + 1)
    if g1 > g:
        end = min(end, i + (f - f1) // (g1 - g) + 1)
    if g2 > g:
        end = min(end, i + (f - f2) // (g2 - g) + 1)
    return f, g, end


@_inner
def _span(a0, a1, a2, g0, g1, g2, k):
    """Time of k iterations, in 2**-16 ns."""
    i = np.int64(0)
    total = np.int64(0)
    while i < k:
        f, g, end = _piece(a0, a1, a2, g0, g1, g2, i, k)
        n = end - i
        total += n * f + g * (n * (n - 1) // 2)
        i = end
    return total


@_inner
def _iterations_within(a0, a1, a2, g0, g1, g2, k, budget):
    """How many of k iterations fit into ``budget`` (2**-16 ns), and the time they take."""
    i = np.int64(0)
    total = np.int64(0)
    while i < k:
        f, g, end = _piece(a0, a1, a2, g0, g1, g2, i, k)
        left = budget - total
        if f > left:
            break
        n = end - i
        if n * f + g * (n * (n - 1) // 2) > left:
            if g == 0:
                n = left // f
            else:
                b = f - 0.5 * g
                n = min(n, max(np.int64(1), np.int64((math.sqrt(b * b + 2.0 * g * left) - b) / g)))
                while n * f + g * (n * (n - 1) // 2) > left:
                    n -= 1
                while (n + 1) * f + g * ((n + 1) * n // 2) <= left:
                    n += 1
            return i + n, total + n * f + g * (n * (n - 1) // 2)
        total += n * f + g * (n * (n - 1) // 2)
        i = end
    return i, total


@_inner
def _observe_run(M, a0, a1, a2, g0, g1, g2, k, times):
    """Gaps before the tokens of k iterations, ``times`` each, into the sketch, and the iterations into theirs."""
    i = np.int64(0)
    last = max(max(a0 + g0 * (k - 1), a1 + g1 * (k - 1)), a2 + g2 * (k - 1)) >> FRACTION
    last_bucket = _bucket(last)
    while i < k:
        here = max(max(a0 + g0 * i, a1 + g1 * i), a2 + g2 * i) >> FRACTION
        bucket = _bucket(here)
        if bucket == last_bucket:
            end = k
        else:
            low, high = i, k - 1  # low is in the bucket, high is beyond it
            while high - low > 1:
                middle = (low + high) >> 1
                value = max(max(a0 + g0 * middle, a1 + g1 * middle), a2 + g2 * middle) >> FRACTION
                if _bucket(value) == bucket:
                    low = middle
                else:
                    high = middle
            end = high
        M[M[O_SKETCH] + 2 * p.SKETCH_SIZE + bucket] += times * (end - i)
        M[M[O_SKETCH] + 5 * p.SKETCH_SIZE + bucket] += end - i
        i = end


# A run of decode iterations moves on


@_inner
def _apply(S, R, M, r, k, span, a0, a1, a2, e, g0, g1, g2, ge, waited_scan):
    """k pure decode iterations are over: clocks, meters, shares, contexts, latencies."""
    d = R[r * RW + R_D]
    total = R[r * RW + R_REMAINDER] + span
    dt = total >> FRACTION
    R[r * RW + R_REMAINDER] = total & MASK
    pairs_of_k = k * (k - 1) // 2
    energy = k * e + ge * pairs_of_k
    reads = k * R[r * RW + R_CONTEXT] + d * pairs_of_k
    R[r * RW + R_ACTIVE_NS] += dt - R[r * RW + R_BOOKED_NS]
    R[r * RW + R_DYNAMIC] += energy - R[r * RW + R_BOOKED_NJ]
    R[r * RW + R_BOOKED_NS] = R[r * RW + R_BOOKED_NJ] = 0
    own = M[R[r * RW + R_COST] + DECODE_SLOPE + p.ENERGY] * reads
    rest = R[r * RW + R_REST_NS] + dt
    R[r * RW + R_SHARE_NS] += rest // d
    R[r * RW + R_REST_NS] = rest % d
    rest = R[r * RW + R_REST_NJ] + energy - own
    R[r * RW + R_SHARE_NJ] += rest // d
    R[r * RW + R_REST_NJ] = rest % d
    M[C_ITERATIONS] += k
    M[C_KV_ITERATIONS] += k
    M[C_KV_TOKENS] += reads
    M[C_DECODED] += k * d
    M[C_DECODE_ITERATION] += dt
    if waited_scan:
        _observe_waited(S, R, M, r, span)
        _sketch(M, 5, span >> FRACTION, 1)
    else:
        _observe_run(M, a0, a1, a2, g0, g1, g2, k, d)
        if R[r * RW + R_LATE]:
            _observe_late(S, R, M, r, max(max(a0, a1), a2))
    R[r * RW + R_START] += dt
    R[r * RW + R_LAST_TOKEN] = R[r * RW + R_START]
    R[r * RW + R_ITERATION] += k
    R[r * RW + R_CONTEXT] += k * d
    R[r * RW + R_WINDOWED] += k * R[r * RW + R_BELOW]


@_inner
def _observe_waited(S, R, M, r, span):
    """Where prompts go first, decodes have waited since their last token."""
    nominal = span >> FRACTION
    R[r * RW + R_LATE] = 0
    for c in range(M[CLASSES]):
        slot = M[M[O_RUN_HEAD] + r * M[CLASSES] + c]
        while slot >= 0:
            if S[slot * SW + S_READY]:
                last = R[r * RW + R_LAST_TOKEN]
                if S[slot * SW + S_JOINED_AT] == R[r * RW + R_ITERATION]:
                    last = S[slot * SW + S_LAST]
                _sketch(M, 2, R[r * RW + R_START] - last + nominal, 1)
            slot = S[slot * SW + S_NEXT]


@_inner
def _observe_late(S, R, M, r, span):
    """Who has come with a token of long ago (handed over, or swapped in) waited for longer than the first iteration,
    of ``span``, of those now over.

    They are the last that entered, behind all who have decoded here before.
    """
    nominal = span >> FRACTION
    R[r * RW + R_LATE] = 0
    for c in range(M[CLASSES]):
        slot = M[M[O_RUN_TAIL] + r * M[CLASSES] + c]
        while slot >= 0:
            if S[slot * SW + S_READY]:
                if S[slot * SW + S_JOINED_AT] != R[r * RW + R_ITERATION]:
                    break
                waited = R[r * RW + R_START] - S[slot * SW + S_LAST]
                if waited:
                    _sketch(M, 2, nominal, -1)
                    _sketch(M, 2, waited + nominal, 1)
            slot = S[slot * SW + S_PREV]


@_inner
def _blocks_of_run(R, M, r, first, last):
    """KV blocks taken by iterations number ``first`` .. ``last - 1`` of the replica, none joining or leaving."""
    size = M[BLOCK]
    base = M[O_RESIDUE] + r * size
    n = last - first
    need = _whole_blocks(M, n) * R[r * RW + R_D]
    for i in range(first, first + _within_block(M, n)):
        need += M[base + _within_block(M, -i)]
    return need


@_inner
def _cut(S, R, M, r):
    """Brings a run of decodes up to the present: what is over is applied, and what is under way becomes a run of 1."""
    k = R[r * RW + R_K]
    if k <= 1:
        return
    now = M[NOW]
    a0, a1, a2, e = _decode_cost(R, M, r, 0)  # a run of more than one never swaps
    first = max(max(a0, a1), a2)
    budget = ((now - R[r * RW + R_START] + 1) << FRACTION) - 1 - R[r * RW + R_REMAINDER]
    if first > budget:
        _one_iteration(R, M, r, first, e)
        return
    g0, g1, g2, ge = _growth(R, M, r, 0), _growth(R, M, r, 1), _growth(R, M, r, 2), _growth(R, M, r, 3)
    done, span = _iterations_within(a0, a1, a2, g0, g1, g2, k, budget)
    iteration = R[r * RW + R_ITERATION]
    _apply(S, R, M, r, done, span, a0, a1, a2, e, g0, g1, g2, ge, False)
    if R[r * RW + R_START] == now:  # between two iterations: the next begins with whoever has come by then
        if M[PREFILL] != p.STATIC:
            _take_blocks(R, M, r, _blocks_of_run(R, M, r, iteration + 1, iteration + done))
        R[r * RW + R_BUSY] = R[r * RW + R_K] = 0
        _set_end(R, M, r, NEVER)
        _touch(R, M, r)
        return
    if M[PREFILL] != p.STATIC:
        _take_blocks(R, M, r, _blocks_of_run(R, M, r, iteration + 1, iteration + done + 1))
    a0, a1, a2, e = _decode_cost(R, M, r, 0)
    _one_iteration(R, M, r, max(max(a0, a1), a2), e)


@_inner
def _one_iteration(R, M, r, span, energy):
    """The replica's plan is the one iteration it is in. Its cost is fixed now, whatever becomes of the replica's."""
    R[r * RW + R_K] = 1
    R[r * RW + R_SPAN] = span
    R[r * RW + R_ENERGY] = energy
    _set_end(R, M, r, R[r * RW + R_START] + ((R[r * RW + R_REMAINDER] + span) >> FRACTION))


@_inner
def _settle(S, R, M, r):
    """Books what the replica has drawn up to the present."""
    _cut(S, R, M, r)
    if R[r * RW + R_BUSY]:
        elapsed = M[NOW] - R[r * RW + R_START]
        so_far = np.int64(R[r * RW + R_ENERGY] * (elapsed / (R[r * RW + R_END] - R[r * RW + R_START])))
        R[r * RW + R_ACTIVE_NS] += elapsed - R[r * RW + R_BOOKED_NS]
        R[r * RW + R_DYNAMIC] += so_far - R[r * RW + R_BOOKED_NJ]
        R[r * RW + R_BOOKED_NS], R[r * RW + R_BOOKED_NJ] = elapsed, so_far


# An iteration begins


@_inner
def _window_scan(S, R, M, r):
    """Contexts within the window, how many still grow, and how many iterations until the first stops growing."""
    window = M[WINDOW]
    windowed, below, steps = np.int64(0), np.int64(0), np.int64(NEVER)
    for c in range(M[CLASSES]):
        slot = M[M[O_RUN_HEAD] + r * M[CLASSES] + c]
        while slot >= 0:
            if S[slot * SW + S_READY]:
                reach = _context(S, R, r, slot) + 1
                windowed += min(reach, window)
                if reach < window:
                    below += 1
                    steps = min(steps, window - reach + 1)
            slot = S[slot * SW + S_NEXT]
    R[r * RW + R_WINDOWED], R[r * RW + R_BELOW] = windowed, below
    return steps


@_inner
def _preempt(S, R, M, r, slot):
    M[C_PREEMPTIONS] += 1
    S[slot * SW + S_PREEMPTIONS] += 1
    M[M[O_PENDING] + r] -= _pending(S, slot)
    blocks = _held_blocks(S, R, M, r, slot)
    _give_back_blocks(S, R, M, r, slot)
    _stop_running(S, R, M, r, slot)
    M[N_RUNNING] -= 1
    ready = S[slot * SW + S_READY]
    if ready:
        _leave_decode(S, R, M, r, slot)
    else:
        R[r * RW + R_BEGUN] = -1
    if M[SWAP] and ready:
        S[slot * SW + S_SWAPPED] = 1
    else:
        S[slot * SW + S_READY] = 0
        S[slot * SW + S_TARGET] = S[slot * SW + S_PROMPT] + S[slot * SW + S_EMITTED]
        S[slot * SW + S_CONTEXT] = 0
        blocks = 0
    M[M[O_PENDING] + r] += _pending(S, slot)
    _wait(S, R, M, r, slot, True)
    return blocks


@_inner
def _make_room(S, R, M, r):
    swapped = np.int64(0)
    need = _decode_need(S, R, M, r)
    while need > R[r * RW + R_BLOCKS] - R[r * RW + R_USED]:
        for c in range(M[CLASSES] - 1, -1, -1):
            victim = M[M[O_RUN_TAIL] + r * M[CLASSES] + c]
            if victim >= 0:
                swapped += _preempt(S, R, M, r, victim)
                break
        need = _decode_need(S, R, M, r)
    if need:
        _take_blocks(R, M, r, need)
    return swapped


@_inner
def _admit_ready(S, R, M, r):
    swapped = np.int64(0)
    while True:
        head = _head_of_queue(R, M, r)
        if head < 0 or not S[head * SW + S_READY]:
            break
        blocks = _blocks(M, S[head * SW + S_CONTEXT])
        spare = R[r * RW + R_BLOCKS] - R[r * RW + R_USED] - _decode_need(S, R, M, r) - blocks - 1
        watermark = M[WATERMARK] if R[r * RW + R_RUNNING] else -1
        if R[r * RW + R_RUNNING] >= M[MAX_SEQS] or spare < watermark:
            break
        _enter(S, R, M, r, head)
        _take_blocks(R, M, r, blocks)
        _join(S, R, M, r, head)
        if S[head * SW + S_SWAPPED]:
            swapped += blocks
            S[head * SW + S_SWAPPED] = 0
    return swapped


@_inner
def _chunk(R, M, r, slot, tokens):
    at = M[O_CHUNK] + 2 * (r * M[MAX_SEQS] + R[r * RW + R_CHUNKS])
    M[at], M[at + 1] = slot, tokens
    R[r * RW + R_CHUNKS] += 1


@_inner
def _admit(S, R, M, r, decodes, may_admit):
    chunked = M[PREFILL] == p.CHUNKED
    budget = M[BUDGET] - decodes * (1 + M[DRAFT])
    begun = R[r * RW + R_BEGUN]
    if begun >= 0:
        left = S[begun * SW + S_TARGET] - S[begun * SW + S_CONTEXT]
        tokens = min(left, budget)
        if tokens > 0:
            _chunk(R, M, r, begun, tokens)
            budget -= tokens
        if tokens < left:
            return
        R[r * RW + R_BEGUN] = -1
    hash_tokens = M[HASH_BLOCKS] * M[BLOCK]
    while may_admit and budget > 0 and R[r * RW + R_RUNNING] < M[MAX_SEQS]:
        head = _head_of_queue(R, M, r)
        if head < 0 or S[head * SW + S_READY]:
            break
        target = S[head * SW + S_TARGET]
        hits = _hits(S, M, r, head)
        missing = target - hits * hash_tokens
        if not chunked and missing > budget and R[r * RW + R_CHUNKS]:
            break
        room = R[r * RW + R_BLOCKS] - R[r * RW + R_USED]
        base = M[O_HASH] + S[head * SW + S_HASH]
        for i in range(hits):
            if M[M[O_ENTRY] + _find(M, r, M[base + i]) * ENTRY_WIDTH + E_REFS] == 0:
                room -= M[HASH_BLOCKS]
        blocks = _blocks(M, target) - hits * M[HASH_BLOCKS]
        if room - blocks < (M[WATERMARK] if R[r * RW + R_RUNNING] else 0):
            break
        _enter(S, R, M, r, head)
        for i in range(hits):
            _refer(R, M, r, _find(M, r, M[base + i]))
        S[head * SW + S_HELD] = hits
        S[head * SW + S_CONTEXT] = hits * hash_tokens
        M[M[O_PENDING] + r] -= hits * hash_tokens
        _take_blocks(R, M, r, blocks)
        if hash_tokens:
            M[C_LOOKED_UP] += target
            M[C_CACHED] += hits * hash_tokens
            S[head * SW + S_CACHED] = hits * hash_tokens
        tokens = min(missing, budget) if chunked else missing
        _chunk(R, M, r, head, tokens)
        budget -= tokens
        if tokens < missing:
            R[r * RW + R_BEGUN] = head
            break


@_inner
def _admit_batch(S, R, M, r):
    prompt, output = np.int64(0), np.int64(0)
    while R[r * RW + R_CHUNKS] < M[MAX_SEQS]:
        head = _head_of_queue(R, M, r)
        if head < 0:
            break
        longer, more = max(prompt, S[head * SW + S_PROMPT]), max(output, S[head * SW + S_OUTPUT])
        seats = R[r * RW + R_CHUNKS] + 1
        fits = seats * _blocks(M, longer + more) <= R[r * RW + R_BLOCKS] and seats * longer <= M[BUDGET]
        if seats > 1 and not fits:
            break
        prompt, output = longer, more
        _enter(S, R, M, r, head)
        _chunk(R, M, r, head, 0)
    for i in range(R[r * RW + R_CHUNKS]):
        at = M[O_CHUNK] + 2 * (r * M[MAX_SEQS] + i)
        slot = M[at]
        M[at + 1] = prompt
        S[slot * SW + S_PAD_PROMPT], S[slot * SW + S_PAD_OUTPUT] = prompt, output
        _take_blocks(R, M, r, _held_blocks(S, R, M, r, slot))


@_inner
def _begin(S, R, M, r):
    swapped = np.int64(0)
    R[r * RW + R_CHUNKS] = 0
    preempted = M[C_PREEMPTIONS]
    mode = M[PREFILL]
    takes_part = True
    if mode == p.STATIC:
        if not R[r * RW + R_RUNNING]:
            _admit_batch(S, R, M, r)
            takes_part = R[r * RW + R_CHUNKS] == 0
    elif mode == p.PRIORITIZED:
        swapped += _admit_ready(S, R, M, r)
        _admit(S, R, M, r, 0, True)
        takes_part = R[r * RW + R_CHUNKS] == 0
        if takes_part and R[r * RW + R_D]:
            swapped += _make_room(S, R, M, r)
    else:
        swapped += _admit_ready(S, R, M, r)
        swapped += _make_room(S, R, M, r)
        if R[r * RW + R_WAITING] or R[r * RW + R_BEGUN] >= 0:
            _admit(S, R, M, r, R[r * RW + R_D], M[C_PREEMPTIONS] == preempted)
    d = R[r * RW + R_D] if takes_part else 0
    R[r * RW + R_TAKES_PART] = d
    if d or R[r * RW + R_CHUNKS]:
        _launch(S, R, M, r, d, swapped, M[C_PREEMPTIONS] != preempted)


@_inner
def _has_waited(R, M, r):
    """Whether prompts went first, so that decodes have stood still since their last token."""
    return M[PREFILL] == p.PRIORITIZED and R[r * RW + R_LAST_TOKEN] != R[r * RW + R_START]


@_inner
def _launch(S, R, M, r, d, swapped, preempted):
    R[r * RW + R_BUSY] = 1
    R[r * RW + R_START] = M[NOW]
    R[r * RW + R_BOOKED_NS] = R[r * RW + R_BOOKED_NJ] = 0
    steps = np.int64(NEVER)
    if M[WINDOW]:
        steps = _window_scan(S, R, M, r)
    if R[r * RW + R_CHUNKS] == 0 and not M[DRAFT]:
        a0, a1, a2, e = _decode_cost(R, M, r, swapped)
        k = np.int64(1)
        if not (swapped or preempted or _has_waited(R, M, r)):
            k = _plan_run(S, R, M, r, steps, a0, a1, a2)
        if k == 1:
            _one_iteration(R, M, r, max(max(a0, a1), a2), e)
            return
        g0, g1, g2 = _growth(R, M, r, 0), _growth(R, M, r, 1), _growth(R, M, r, 2)
        span = _span(a0, a1, a2, g0, g1, g2, k)
        R[r * RW + R_K] = k
        _set_end(R, M, r, R[r * RW + R_START] + ((R[r * RW + R_REMAINDER] + span) >> FRACTION))
        return
    _launch_mixed(S, R, M, r, d, swapped)


@_inner
def _plan_run(S, R, M, r, steps, a0, a1, a2):
    """How many decode iterations run before the batch can change."""
    base = M[O_HEAP] + r * M[HEAP_CAP]
    while _is_stale(S, r, M[base]):
        _pop_finish(R, M, r)
    k = min((M[base] >> 24) - R[r * RW + R_ITERATION], steps)
    size, d = M[BLOCK], R[r * RW + R_D]
    room = R[r * RW + R_BLOCKS] - R[r * RW + R_USED]
    if M[PREFILL] != p.STATIC and k > 1 and d * (_whole_blocks(M, k - 1) + 1) > room:
        residue = M[O_RESIDUE] + r * size
        first = R[r * RW + R_ITERATION]
        fits = np.int64(1)
        while fits < k:
            room -= M[residue + _within_block(M, -(first + fits))]
            if room < 0:
                break
            fits += 1
        k = fits
    g = max(max(_growth(R, M, r, 0), _growth(R, M, r, 1)), _growth(R, M, r, 2))
    longest = max(max(a0, a1), a2) + g * (k - 1)
    while k > 1 and k > (NEVER >> 1) // longest:
        k = (k + 1) >> 1
        longest = max(max(a0, a1), a2) + g * (k - 1)
    return k


@_inner
def _launch_mixed(S, R, M, r, d, swapped):
    """An iteration with prompts in it, or one that verifies drafts."""
    v = 1 + M[DRAFT]
    window = M[WINDOW]
    pairs = v * R[r * RW + R_CONTEXT] + d * (v * (v - 1) // 2) if d else np.int64(0)
    reads = R[r * RW + R_CONTEXT] + d * (v - 1) if d else np.int64(0)
    wpairs, wreads = np.int64(0), np.int64(0)
    if window and d:
        for c in range(M[CLASSES]):
            slot = M[M[O_RUN_HEAD] + r * M[CLASSES] + c]
            while slot >= 0:
                if S[slot * SW + S_READY]:
                    context = _context(S, R, r, slot)
                    for i in range(1, v + 1):
                        wpairs += min(context + i, window)
                    wreads += min(context + v, window + v - 1)
                slot = S[slot * SW + S_NEXT]
    a0, a1, a2, e = _cost(R, M, r, 0, d * v, pairs, reads, wpairs, wreads, d, swapped, 0)
    R[r * RW + R_ALONE_NS], R[r * RW + R_ALONE_NJ] = max(max(a0, a1), a2) >> FRACTION, e
    R[r * RW + R_READS] = reads
    n = R[r * RW + R_CHUNKS]
    if n:
        prompt = np.int64(0)
        for i in range(n):
            at = M[O_CHUNK] + 2 * (r * M[MAX_SEQS] + i)
            slot, new = M[at], M[at + 1]
            context = 0 if S[slot * SW + S_PAD_OUTPUT] else S[slot * SW + S_CONTEXT]
            prompt += new
            pairs += new * context + new * (new + 1) // 2
            reads += context + new
            if window:
                rising = min(max(window - context, 0), new)
                wpairs += rising * context + rising * (rising + 1) // 2 + (new - rising) * window
                wreads += min(context + new, window + new - 1)
        tokens = _padded(M[R[r * RW + R_COST] + RANKS], d * v, prompt, n)
        a0, a1, a2, e = _cost(
            R, M, r, p.BOTH if d else p.PROMPTS, tokens, pairs, reads, wpairs, wreads, d + n, swapped, n
        )
    span = max(max(a0, a1), a2)
    R[r * RW + R_K] = 0
    R[r * RW + R_SPAN] = span
    R[r * RW + R_ENERGY] = e
    _set_end(R, M, r, R[r * RW + R_START] + ((R[r * RW + R_REMAINDER] + span) >> FRACTION))


# An iteration ends


@_inner
def _end(S, R, M, r):
    if R[r * RW + R_K]:
        k = R[r * RW + R_K]
        iteration = R[r * RW + R_ITERATION]
        if k == 1:
            span = R[r * RW + R_SPAN]
            waited = _has_waited(R, M, r)
            _apply(S, R, M, r, 1, span, span, 0, 0, R[r * RW + R_ENERGY], 0, 0, 0, 0, waited)
        else:
            a0, a1, a2, e = _decode_cost(R, M, r, 0)
            g0, g1, g2, ge = _growth(R, M, r, 0), _growth(R, M, r, 1), _growth(R, M, r, 2), _growth(R, M, r, 3)
            span = _span(a0, a1, a2, g0, g1, g2, k)
            _apply(S, R, M, r, k, span, a0, a1, a2, e, g0, g1, g2, ge, False)
            if M[PREFILL] != p.STATIC:
                _take_blocks(R, M, r, _blocks_of_run(R, M, r, iteration + 1, iteration + k))
    else:
        _end_mixed(S, R, M, r)
    R[r * RW + R_BUSY] = R[r * RW + R_K] = 0
    _set_end(R, M, r, NEVER)
    _touch(R, M, r)
    if R[r * RW + R_TAKES_PART]:
        if R[r * RW + R_ABANDONED]:
            _drop_abandoned(S, R, M, r)
        if M[DRAFT]:
            _finish_drafted(S, R, M, r)
        else:
            base = M[O_HEAP] + r * M[HEAP_CAP]
            while R[r * RW + R_HEAP] and (M[base] >> 24) <= R[r * RW + R_ITERATION]:
                key = M[base]
                _pop_finish(R, M, r)
                if not _is_stale(S, r, key):
                    slot = key & 0xFFFFFF
                    _depart(S, R, M, r, slot)
                    _finish(S, M, slot, p.COMPLETED)
    for i in range(R[r * RW + R_CHUNKS]):
        at = M[O_CHUNK] + 2 * (r * M[MAX_SEQS] + i)
        _chunk_done(S, R, M, r, M[at], M[at + 1])
    R[r * RW + R_CHUNKS] = 0


@_inner
def _end_mixed(S, R, M, r):
    total = R[r * RW + R_REMAINDER] + R[r * RW + R_SPAN]
    dt = total >> FRACTION
    R[r * RW + R_REMAINDER] = total & MASK
    energy = R[r * RW + R_ENERGY]
    R[r * RW + R_ACTIVE_NS] += dt - R[r * RW + R_BOOKED_NS]
    R[r * RW + R_DYNAMIC] += energy - R[r * RW + R_BOOKED_NJ]
    R[r * RW + R_BOOKED_NS] = R[r * RW + R_BOOKED_NJ] = 0
    n, d = R[r * RW + R_CHUNKS], R[r * RW + R_TAKES_PART]
    M[C_ITERATIONS] += 1
    if d:
        M[C_KV_ITERATIONS] += 1
        M[C_KV_TOKENS] += R[r * RW + R_READS]
        if not n:
            M[C_DECODE_ITERATION] += dt
            _sketch(M, 5, R[r * RW + R_SPAN] >> FRACTION, 1)
        alone_ns, alone_nj = (R[r * RW + R_ALONE_NS], R[r * RW + R_ALONE_NJ]) if n else (dt, energy)
        own = M[R[r * RW + R_COST] + DECODE_SLOPE + p.ENERGY] * R[r * RW + R_CONTEXT]
        rest = R[r * RW + R_REST_NS] + alone_ns
        R[r * RW + R_SHARE_NS] += rest // d
        R[r * RW + R_REST_NS] = rest % d
        rest = R[r * RW + R_REST_NJ] + alone_nj - own
        R[r * RW + R_SHARE_NJ] += rest // d
        R[r * RW + R_REST_NJ] = rest % d
        R[r * RW + R_LAST_TOKEN] = M[NOW]
        if M[DRAFT]:
            _emit_drafted(S, R, M, r)
        else:
            _sketch(M, 2, R[r * RW + R_SPAN] >> FRACTION, d)
            if R[r * RW + R_LATE]:
                _observe_late(S, R, M, r, R[r * RW + R_SPAN])
            M[C_DECODED] += d
            R[r * RW + R_ITERATION] += 1
            R[r * RW + R_CONTEXT] += d
        dt -= alone_ns
        energy -= alone_nj
    tokens = np.int64(0)
    for i in range(n):
        tokens += M[M[O_CHUNK] + 2 * (r * M[MAX_SEQS] + i) + 1]
    before = np.int64(0)
    for i in range(n):
        at = M[O_CHUNK] + 2 * (r * M[MAX_SEQS] + i)
        slot, after = M[at], before + M[at + 1]
        S[slot * SW + S_PREFILL_NS] += _part(dt, after, tokens) - _part(dt, before, tokens)
        S[slot * SW + S_PREFILL_NJ] += _part(energy, after, tokens) - _part(energy, before, tokens)
        before = after


@_inner
def _part(whole, share, of):
    """whole * share // of, without overflow."""
    return (whole // of) * share + (whole % of) * share // of


@_inner
def _step(S, M, slot, gap):
    """A step has brought a token after a gap; whether steps are told from tokens depends on there being drafts."""
    _sketch(M, 2, gap, 1)
    if M[DRAFT]:
        _sketch(M, 6, gap, 1)
        S[slot * SW + S_STEPS] += 1
    S[slot * SW + S_LAST] = M[NOW]


@_inner
def _emit_drafted(S, R, M, r):
    """Each sequence keeps as many drafted tokens as are accepted, and one more; contexts move on by as many."""
    v = 1 + M[DRAFT]
    per_read = M[R[r * RW + R_COST] + DECODE_SLOPE + p.ENERGY]
    R[r * RW + R_ITERATION] += 1
    for c in range(M[CLASSES]):
        slot = M[M[O_RUN_HEAD] + r * M[CLASSES] + c]
        while slot >= 0:
            if S[slot * SW + S_READY]:
                context = S[slot * SW + S_CONTEXT]
                S[slot * SW + S_OWN] += per_read * (context + 1)
                chance = np.int64(
                    _draw(M[SEED], S[slot * SW + S_ORDINAL], (1 << 33) + S[slot * SW + S_TURNS]) >> np.uint64(11)
                )
                S[slot * SW + S_TURNS] += 1
                tokens = np.int64(1)
                for i in range(M[DRAFT]):
                    if chance < M[M[O_ACCEPT] + i]:
                        tokens += 1
                tokens = min(tokens, S[slot * SW + S_OUTPUT] - S[slot * SW + S_EMITTED])
                R[r * RW + R_USED] -= _blocks(M, context + v) - _blocks(M, context + tokens)
                S[slot * SW + S_CONTEXT] = context + tokens
                S[slot * SW + S_EMITTED] += tokens
                S[slot * SW + S_JOINED_AT] = R[r * RW + R_ITERATION]
                gap = R[r * RW + R_START] - S[slot * SW + S_LAST] + (R[r * RW + R_SPAN] >> FRACTION)
                _step(S, M, slot, gap)
                if tokens > 1:
                    _sketch(M, 2, 0, tokens - 1)
                R[r * RW + R_CONTEXT] += tokens
                M[C_DECODED] += tokens
            slot = S[slot * SW + S_NEXT]


@_inner
def _finish_drafted(S, R, M, r):
    while True:
        least = np.int64(-1)
        for c in range(M[CLASSES]):
            slot = M[M[O_RUN_HEAD] + r * M[CLASSES] + c]
            while slot >= 0:
                done = S[slot * SW + S_READY] and S[slot * SW + S_EMITTED] >= S[slot * SW + S_OUTPUT]
                if done and (least < 0 or slot < least):
                    least = slot
                slot = S[slot * SW + S_NEXT]
        if least < 0:
            return
        _depart(S, R, M, r, least)
        _finish(S, M, least, p.COMPLETED)


@_inner
def _drop_abandoned(S, R, M, r):
    while True:
        least = np.int64(-1)
        for c in range(M[CLASSES]):
            slot = M[M[O_RUN_HEAD] + r * M[CLASSES] + c]
            while slot >= 0:
                if S[slot * SW + S_READY] and S[slot * SW + S_ABANDONED] and (least < 0 or slot < least):
                    least = slot
                slot = S[slot * SW + S_NEXT]
        if least < 0:
            return
        _drop(S, R, M, r, least, 0)


@_inner
def _chunk_done(S, R, M, r, slot, tokens):
    M[C_PREFILLED] += tokens
    padded = S[slot * SW + S_PAD_OUTPUT]
    if padded:
        M[M[O_PENDING] + r] -= S[slot * SW + S_TARGET]
        S[slot * SW + S_CONTEXT] = S[slot * SW + S_PAD_PROMPT]
    else:
        M[M[O_PENDING] + r] -= tokens
        S[slot * SW + S_CONTEXT] += tokens
    if S[slot * SW + S_ABANDONED]:
        if R[r * RW + R_BEGUN] == slot:
            R[r * RW + R_BEGUN] = -1
        _drop(S, R, M, r, slot, 0 if padded else S[slot * SW + S_TARGET] - S[slot * SW + S_CONTEXT])
        return
    if not padded and S[slot * SW + S_CONTEXT] < S[slot * SW + S_TARGET]:
        return
    if M[HASH_BLOCKS]:
        _register_prefix(S, R, M, r, slot)
    S[slot * SW + S_EMITTED] += 1
    M[C_FIRST] += 1
    if S[slot * SW + S_FIRST] < 0:
        S[slot * SW + S_FIRST] = S[slot * SW + S_LAST] = M[NOW]
    else:
        _step(S, M, slot, M[NOW] - S[slot * SW + S_LAST])
    S[slot * SW + S_READY] = 1
    M[M[O_PENDING] + r] += 1
    if S[slot * SW + S_EMITTED] >= (padded if padded else S[slot * SW + S_OUTPUT]):
        _depart(S, R, M, r, slot)
        _finish(S, M, slot, p.COMPLETED)
    elif R[r * RW + R_ROLE] == p.PREFILL:
        _hand_over(S, R, M, r, slot)
    else:
        _join(S, R, M, r, slot)


@_inner
def _depart(S, R, M, r, slot):
    if S[slot * SW + S_KEY] >= 0:
        _leave_decode(S, R, M, r, slot)
    _give_back_blocks(S, R, M, r, slot)
    _stop_running(S, R, M, r, slot)
    M[M[O_PENDING] + r] -= S[slot * SW + S_READY]
    M[M[O_ASSIGNED] + r] -= 1
    M[N_RUNNING] -= 1


@_inner
def _drop(S, R, M, r, slot, pending):
    M[M[O_PENDING] + r] -= pending
    R[r * RW + R_ABANDONED] -= 1
    _depart(S, R, M, r, slot)
    _give_up(S, M, slot, p.TIMED_OUT)


# Disaggregation


@_inner
def _hand_over(S, R, M, r, slot):
    _stop_running(S, R, M, r, slot)
    M[M[O_PENDING] + r] -= 1
    M[M[O_ASSIGNED] + r] -= 1
    S[slot * SW + S_WHERE] = MOVING
    begin = max(M[NOW], R[r * RW + R_LINK_FREE])
    R[r * RW + R_LINK_FREE] = begin + M[HAND_NS] + (S[slot * SW + S_CONTEXT] * M[HAND_PER_TOKEN] >> FRACTION)
    _push(S, M, R[r * RW + R_LINK_FREE], HANDED_OVER, slot)


@_inner
def _handed_over(S, R, M, slot):
    source = S[slot * SW + S_REPLICA]
    _give_back_blocks(S, R, M, source, slot)
    _touch(R, M, source)
    energy = S[slot * SW + S_CONTEXT] * M[HAND_NJ]
    R[source * RW + R_LINK] += energy
    S[slot * SW + S_PREFILL_NJ] += energy
    M[C_TRANSFERRED] += S[slot * SW + S_CONTEXT]
    M[N_RUNNING] -= 1
    S[slot * SW + S_WHERE] = AWAY
    if S[slot * SW + S_ABANDONED]:
        _give_up(S, M, slot, p.TIMED_OUT)
    elif M[UP2] == 0:
        _lose(S, M, slot)
        _attempt(S, R, M, slot)
    else:
        _dispatch(S, R, M, slot, p.DECODE, 1)


# Arrivals and routing


@_inner
def _arrive(S, R, M):
    at, column = M[O_ARRIVAL] + M[NEXT_ARRIVAL], M[ARRIVALS]  # a column after the other
    M[NEXT_ARRIVAL] += 1
    if M[N_FREE]:
        M[N_FREE] -= 1
        slot = M[M[O_FREE] + M[N_FREE]]
    else:
        slot = M[N_SLOTS]
        M[N_SLOTS] += 1
    prompt, output = M[at + column], M[at + 2 * column]
    hash_tokens = M[HASH_BLOCKS] * M[BLOCK]
    S[slot * SW + S_ORDINAL] = M[ORDINAL]
    M[ORDINAL] += 1
    S[slot * SW + S_ARRIVAL] = M[NOW]
    S[slot * SW + S_PROMPT], S[slot * SW + S_OUTPUT], S[slot * SW + S_SESSION] = (prompt, output, M[at + 3 * column])
    S[slot * SW + S_PRIORITY] = min(M[at + 4 * column], M[CLASSES] - 1)
    S[slot * SW + S_HASH] = M[at + 5 * column]
    S[slot * SW + S_HASHES] = min(M[at + 6 * column], prompt // hash_tokens) if hash_tokens else 0
    S[slot * SW + S_TURNS] = S[slot * SW + S_CACHED] = S[slot * SW + S_PREEMPTIONS] = 0
    S[slot * SW + S_PREFILL_NS] = S[slot * SW + S_DECODE_NS] = S[slot * SW + S_PREFILL_NJ] = S[
        slot * SW + S_DECODE_NJ
    ] = 0
    S[slot * SW + S_ATTEMPTS] = S[slot * SW + S_LIVE] = 1
    S[slot * SW + S_STAMP] += 1  # events of the slot's last tenant are stale
    _reset(S, slot)
    M[C_ARRIVED] += 1
    if _blocks(M, prompt + output + M[DRAFT]) > M[LARGEST]:
        M[C_TOO_LONG] += 1
        _finish(S, M, slot, p.REJECTED)
    else:
        _attempt(S, R, M, slot)


@_inner
def _attempt(S, R, M, slot):
    if M[TIMEOUT] >= 0:
        _push(S, M, M[NOW] + M[TIMEOUT], DEADLINE, slot)
    _dispatch(S, R, M, slot, p.PREFILL, 0)


@_inner
def _dispatch(S, R, M, slot, role, turn):
    r = _route(S, R, M, slot, role, 4 * S[slot * SW + S_ATTEMPTS] + turn)
    limit = M[QUEUE_LIMIT]
    if r < 0:
        if limit >= 0 and M[BACK_N] >= limit:
            _give_up(S, M, slot, p.REJECTED)
            return
        S[slot * SW + S_WHERE], S[slot * SW + S_REPLICA] = WAITING, -1
        M[N_WAITING] += 1
        M[BACK_N] += 1
        _append(S, M, BACK_HEAD, BACK_TAIL, slot)
    elif (
        limit >= 0
        and not S[slot * SW + S_READY]
        and R[r * RW + R_WAITING] >= limit
        and (R[r * RW + R_BUSY] or R[r * RW + R_WAITING])
    ):
        _give_up(S, M, slot, p.REJECTED)
    else:
        blocked = R[r * RW + R_WAITING] and M[CLASSES] == 1
        S[slot * SW + S_REPLICA] = r
        M[M[O_ASSIGNED] + r] += 1
        M[M[O_PENDING] + r] += _pending(S, slot)
        _wait(S, R, M, r, slot, False)
        # Who cannot enter before the batch changes need not cut the run short.
        if not R[r * RW + R_BUSY]:
            _touch(R, M, r)
        elif not blocked and R[r * RW + R_RUNNING] < M[MAX_SEQS] and M[PREFILL] != p.STATIC:
            _cut(S, R, M, r)


@_inner
def _least(M, region, first, n):
    best = M[first]
    for i in range(1, n):
        if M[M[region] + M[first + i]] < M[M[region] + best]:
            best = M[first + i]
    return best


@_inner
def _route(S, R, M, slot, role, turn):
    n = M[UP0 + role]
    if n == 0:
        return np.int64(-1)
    first = M[O_UP] + role * M[REPLICAS]
    router = M[ROUTER]
    if router == p.ROUND_ROBIN:
        following = M[TURN0 + role]
        chosen = M[first]
        for i in range(n):
            if M[first + i] >= following:
                chosen = M[first + i]
                break
        M[TURN0 + role] = chosen + 1
        return chosen
    if router == p.FEWEST_REQUESTS:
        return _least(M, O_ASSIGNED, first, n)
    if router == p.FEWEST_TOKENS:
        return _least(M, O_PENDING, first, n)
    if router == p.RANDOM:
        return M[first + np.int64(_draw(M[SEED], S[slot * SW + S_ORDINAL], turn) % np.uint64(n))]
    if router == p.POWER_OF_TWO:
        if n == 1:
            return M[first]
        a = np.int64(_draw(M[SEED], S[slot * SW + S_ORDINAL], turn) % np.uint64(n))
        b = np.int64(_draw(M[SEED], S[slot * SW + S_ORDINAL], turn + (1 << 32)) % np.uint64(n - 1))
        if b >= a:
            b += 1
        a, b = M[first + a], M[first + b]
        return a if M[M[O_ASSIGNED] + a] <= M[M[O_ASSIGNED] + b] else b
    if router == p.LEAST_KV:
        return _least_kv(S, R, M, first, n)
    if role != p.DECODE and router == p.SESSION and S[slot * SW + S_SESSION] >= 0:
        here = _mix(np.uint64(S[slot * SW + S_SESSION]) ^ np.uint64(M[SEED]))
        best = M[first]
        most = _mix(here ^ np.uint64(best))
        for i in range(1, n):
            other = M[first + i]
            weight = _mix(here ^ np.uint64(other))
            if weight > most:
                best, most = other, weight
        return best
    if role != p.DECODE and router == p.PREFIX and S[slot * SW + S_HASHES]:
        best = _most_cached(S, R, M, slot, first, n)
        if best >= 0:
            return best
    return _least(M, O_ASSIGNED, first, n)


@_inner
def _least_kv(S, R, M, first, n):
    best, least = np.int64(-1), np.int64(0)
    for i in range(n):
        r = M[first + i]
        _cut(S, R, M, r)
        demand = R[r * RW + R_USED]
        for c in range(M[CLASSES]):
            slot = M[M[O_WAIT_HEAD] + r * M[CLASSES] + c]
            while slot >= 0:
                demand += _blocks(M, S[slot * SW + S_CONTEXT] if S[slot * SW + S_READY] else S[slot * SW + S_TARGET])
                slot = S[slot * SW + S_NEXT]
        if best < 0 or demand < least:
            best, least = r, demand
    return best


@_inner
def _most_cached(S, R, M, slot, first, n):
    lowest = highest = M[M[O_ASSIGNED] + M[first]]
    for i in range(1, n):
        load = M[M[O_ASSIGNED] + M[first + i]]
        lowest, highest = min(lowest, load), max(highest, load)
    if highest - lowest > M[BALANCE]:
        return np.int64(-1)
    best, most = np.int64(-1), np.int64(0)
    for i in range(n):
        r = M[first + i]
        _cut(S, R, M, r)
        found = _hits(S, M, r, slot)
        if found > most or (found and found == most and M[M[O_ASSIGNED] + r] < M[M[O_ASSIGNED] + best]):
            best, most = r, found
    return best


# The end of a request


@_inner
def _deadline(S, R, M, slot):
    where, r = S[slot * SW + S_WHERE], S[slot * SW + S_REPLICA]
    if where == WAITING:
        if r < 0:
            M[N_WAITING] -= 1
            M[BACK_N] -= 1
            _unlink(S, M, BACK_HEAD, BACK_TAIL, slot)
        else:
            _stop_waiting(S, R, M, r, slot)
            M[M[O_PENDING] + r] -= _pending(S, slot)
            M[M[O_ASSIGNED] + r] -= 1
            _cut(S, R, M, r)  # another head of the queue may fit
            if not R[r * RW + R_BUSY]:
                _touch(R, M, r)
        _give_up(S, M, slot, p.TIMED_OUT)
    elif where == RUNNING:
        S[slot * SW + S_ABANDONED] = 1
        R[r * RW + R_ABANDONED] += 1
        _cut(S, R, M, r)
    elif where == MOVING:
        S[slot * SW + S_ABANDONED] = 1


@_inner
def _reset(S, slot):
    S[slot * SW + S_WHERE], S[slot * SW + S_REPLICA] = AWAY, -1
    S[slot * SW + S_SCHEDULED] = S[slot * SW + S_FIRST] = S[slot * SW + S_LAST] = S[slot * SW + S_KEY] = -1
    S[slot * SW + S_EMITTED] = S[slot * SW + S_CONTEXT] = S[slot * SW + S_HELD] = S[slot * SW + S_OWN] = 0
    S[slot * SW + S_TARGET] = S[slot * SW + S_PROMPT]
    S[slot * SW + S_PAD_PROMPT] = S[slot * SW + S_PAD_OUTPUT] = S[slot * SW + S_STEPS] = 0
    S[slot * SW + S_READY] = S[slot * SW + S_SWAPPED] = S[slot * SW + S_ABANDONED] = 0


@_inner
def _lose(S, M, slot):
    M[C_KILLED] += 1
    M[C_WASTED] += S[slot * SW + S_EMITTED]
    S[slot * SW + S_STAMP] += 1
    _reset(S, slot)


@_inner
def _give_up(S, M, slot, status):
    M[C_WASTED] += S[slot * SW + S_EMITTED]
    if S[slot * SW + S_ATTEMPTS] <= M[RETRIES]:
        M[C_RETRIES] += 1
        S[slot * SW + S_ATTEMPTS] += 1
        S[slot * SW + S_STAMP] += 1
        _reset(S, slot)
        _push(S, M, M[NOW] + M[BACKOFF], RETRY, slot)
    else:
        _finish(S, M, slot, status)


@_inner
def _finish(S, M, slot, status):
    if status == p.COMPLETED:
        _judge(S, M, slot)
    elif status == p.REJECTED:
        M[C_REJECTED] += 1
    else:
        M[C_TIMED_OUT] += 1
    M[C_PREFILL_NS] += S[slot * SW + S_PREFILL_NS]
    M[C_DECODE_NS] += S[slot * SW + S_DECODE_NS]
    M[C_PREFILL_NJ] += S[slot * SW + S_PREFILL_NJ]
    M[C_DECODE_NJ] += S[slot * SW + S_DECODE_NJ]
    if M[ROWS]:
        at = M[O_ROW] + M[N_ROWS] * ROW_WIDTH
        M[N_ROWS] += 1
        M[at], M[at + 1], M[at + 2] = S[slot * SW + S_ORDINAL], status, S[slot * SW + S_ARRIVAL]
        M[at + 3], M[at + 4], M[at + 5] = S[slot * SW + S_SCHEDULED], S[slot * SW + S_FIRST], M[NOW]
        M[at + 6], M[at + 7], M[at + 8] = (S[slot * SW + S_REPLICA], S[slot * SW + S_PROMPT], S[slot * SW + S_OUTPUT])
        M[at + 9], M[at + 10], M[at + 11] = (
            S[slot * SW + S_CACHED],
            S[slot * SW + S_PREEMPTIONS],
            S[slot * SW + S_ATTEMPTS],
        )
        M[at + 12], M[at + 13] = S[slot * SW + S_PREFILL_NS], S[slot * SW + S_DECODE_NS]
        M[at + 14], M[at + 15] = S[slot * SW + S_PREFILL_NJ], S[slot * SW + S_DECODE_NJ]
    S[slot * SW + S_LIVE] = 0
    S[slot * SW + S_WHERE], S[slot * SW + S_KEY] = AWAY, -1
    S[slot * SW + S_STAMP] += 1
    M[M[O_FREE] + M[N_FREE]] = slot
    M[N_FREE] += 1
    if M[CONCURRENCY]:
        _push(S, M, M[NOW] + M[THINK], USER, -1)


@_inner
def _judge(S, M, slot):
    now = M[NOW]
    output = S[slot * SW + S_OUTPUT]
    M[C_COMPLETED] += 1
    M[C_PROMPT] += S[slot * SW + S_PROMPT]
    M[C_OUTPUT] += output
    if S[slot * SW + S_PAD_OUTPUT]:
        M[C_WASTED] += S[slot * SW + S_PAD_OUTPUT] - output
    ttft, e2e = (S[slot * SW + S_FIRST] - S[slot * SW + S_ARRIVAL], now - S[slot * SW + S_ARRIVAL])
    queueing = S[slot * SW + S_SCHEDULED] - S[slot * SW + S_ARRIVAL]
    M[C_TTFT] += ttft
    _sketch(M, 0, ttft, 1)
    M[C_E2E] += e2e
    _sketch(M, 3, e2e, 1)
    M[C_QUEUEING] += queueing
    _sketch(M, 4, queueing, 1)
    M[C_ITL] += now - S[slot * SW + S_FIRST]
    gaps = S[slot * SW + S_EMITTED] - 1
    M[C_ITL_COUNT] += gaps
    M[C_STEP_GAP_COUNT] += S[slot * SW + S_STEPS] if M[DRAFT] else gaps
    tpot = np.int64(0)
    if output > 1:
        tpot = (now - S[slot * SW + S_FIRST]) // (output - 1)
        M[C_TPOT] += tpot
        M[C_TPOT_COUNT] += 1
        _sketch(M, 1, tpot, 1)
    good = (M[SLO_TTFT] < 0 or ttft <= M[SLO_TTFT]) and (M[SLO_TPOT] < 0 or tpot <= M[SLO_TPOT])
    if good and (M[SLO_E2E] < 0 or e2e <= M[SLO_E2E]):
        M[C_GOOD] += 1


# The loop


@_inner
def _begin_touched(S, R, M):
    n = M[N_TOUCHED]
    M[N_TOUCHED] = 0
    for i in range(n):
        r = M[M[O_TOUCHED] + i]
        R[r * RW + R_TOUCHED] = 0
        if not R[r * RW + R_BUSY] and R[r * RW + R_UP] and M[M[O_ASSIGNED] + r]:
            _begin(S, R, M, r)


@_inner
def _pass(M, now):
    dt = now - M[NOW]
    if dt > 0:
        M[C_WAITING_AREA] += M[N_WAITING] * dt
        M[C_RUNNING_AREA] += M[N_RUNNING] * dt
        M[NOW] = now


@_inner
def _advance(S, R, M, until):
    """Everything up to and including ``until``; returns DONE, or what the caller must see to before it calls again."""
    if not M[BEGAN]:
        M[BEGAN] = 1
        for _ in range(M[CONCURRENCY]):
            _push(S, M, M[NOW], USER, -1)
    tree = M[O_TREE]
    open_arrivals = M[CONCURRENCY] == 0
    while True:
        end = M[tree + 1]
        due = M[M[O_FUTURE]] if M[N_FUTURE] else NEVER
        arrival = NEVER
        if open_arrivals:
            if M[NEXT_ARRIVAL] < M[ARRIVALS]:
                arrival = M[M[O_ARRIVAL] + M[NEXT_ARRIVAL]]
            elif not M[CLOSED]:
                return NEED_ARRIVALS
        now = min(min(end, due), arrival)
        if M[N_TOUCHED] and now > M[NOW]:
            _begin_touched(S, R, M)
            continue
        if now > until:
            break
        if M[N_FUTURE] + M[MAX_SEQS] + 8 > M[FUTURE_CAP]:
            return NEED_FUTURE
        if M[N_ROWS] + M[MAX_SEQS] + 8 > M[ROW_CAP]:
            return NEED_ROWS
        if now == end:
            _pass(M, now)
            _end(S, R, M, _first_to_end(M))
        elif now == due:
            at = M[O_FUTURE]
            kind, slot, stamp = M[at + 2], M[at + 3], M[at + 4]
            if kind == USER:
                if M[NEXT_ARRIVAL] >= M[ARRIVALS] and not M[CLOSED]:
                    return NEED_ARRIVALS
                if M[N_FREE] == 0 and M[N_SLOTS] == M[SLOT_CAP]:
                    return NEED_SLOTS
            _pass(M, now)
            _drop_first(M)
            if kind == USER:
                if M[NEXT_ARRIVAL] < M[ARRIVALS]:
                    _arrive(S, R, M)
            elif S[slot * SW + S_LIVE] and S[slot * SW + S_STAMP] == stamp:
                if kind == RETRY:
                    _attempt(S, R, M, slot)
                elif kind == HANDED_OVER:
                    _handed_over(S, R, M, slot)
                else:
                    _deadline(S, R, M, slot)
        else:
            if M[N_FREE] == 0 and M[N_SLOTS] == M[SLOT_CAP]:
                return NEED_SLOTS
            _pass(M, now)
            _arrive(S, R, M)
    _pass(M, until)
    return DONE


@_inner
def _hand_out_backlog(S, R, M):
    """Dispatches what waited for a replica to come up, then begins iterations."""
    n = M[BACK_N]
    slot = M[BACK_HEAD]
    M[BACK_HEAD] = M[BACK_TAIL] = -1
    M[BACK_N] = 0
    M[N_WAITING] -= n
    while slot >= 0:
        following = S[slot * SW + S_NEXT]
        S[slot * SW + S_WHERE] = AWAY
        _dispatch(S, R, M, slot, p.PREFILL, 0)
        slot = following
    _begin_touched(S, R, M)


@_inner
def _kill(S, R, M, r):
    """Empties a replica; its requests are sent again in the order of their slots."""
    _settle(S, R, M, r)
    lost = M[O_FREE] + M[N_FREE]  # behind the free slots there is room for all that are not
    count = 0
    for slot in range(M[N_SLOTS]):
        if S[slot * SW + S_LIVE] and S[slot * SW + S_REPLICA] == r and S[slot * SW + S_WHERE] != AWAY:
            if S[slot * SW + S_WHERE] == WAITING:
                M[N_WAITING] -= 1
            else:
                M[N_RUNNING] -= 1
            if S[slot * SW + S_KEY] >= 0:  # decoding: what it has emitted follows from the iterations gone by
                joined_at = S[slot * SW + S_JOINED_AT]
                S[slot * SW + S_EMITTED] += R[r * RW + R_ITERATION] - joined_at
            _lose(S, M, slot)
            M[lost + count] = slot
            count += 1
    for bucket in range(M[BUCKETS] if M[HASH_BLOCKS] else 0):
        entry = M[M[O_BUCKET] + bucket]
        while entry >= 0:
            at = M[O_ENTRY] + entry * ENTRY_WIDTH
            following = M[at + E_CHAIN]
            if M[at + E_REPLICA] == r:
                _remove(M, entry)
            entry = following
    for column in (
        R_UP, R_DRAINING, R_USED, R_CACHED, R_LINK_FREE, R_REMAINDER, R_BUSY, R_START, R_D, R_CONTEXT, R_WINDOWED,
        R_BELOW, R_ITERATION, R_K, R_TAKES_PART, R_CHUNKS, R_WAITING, R_RUNNING, R_HEAP, R_SHARE_NS,
        R_SHARE_NJ, R_REST_NS, R_REST_NJ, R_BOOKED_NS, R_BOOKED_NJ, R_LAST_TOKEN, R_ABANDONED, R_LATE,
    ):  # fmt: skip
        R[r * RW + column] = 0
    R[r * RW + R_LRU_HEAD] = R[r * RW + R_LRU_TAIL] = R[r * RW + R_BEGUN] = -1
    for i in range(r * M[CLASSES], (r + 1) * M[CLASSES]):
        M[M[O_WAIT_HEAD] + i] = M[M[O_WAIT_TAIL] + i] = M[M[O_RUN_HEAD] + i] = M[M[O_RUN_TAIL] + i] = -1
    for i in range(r * M[BLOCK], (r + 1) * M[BLOCK]):
        M[M[O_RESIDUE] + i] = 0
    M[M[O_ASSIGNED] + r] = M[M[O_PENDING] + r] = 0
    _set_end(R, M, r, NEVER)
    return count


@_inner
def _send_again(S, R, M, count):
    """The requests that ``_kill`` found lost, back to the router."""
    first = M[O_FREE] + M[N_FREE]
    for i in range(count):
        M[M[O_SENT] + i] = M[first + i]
    for i in range(count):
        _attempt(S, R, M, M[M[O_SENT] + i])
    _begin_touched(S, R, M)


@njit(cache=True, error_model="numpy")
def call(slots, replicas, memory, command, argument):
    """The one way in, by the addresses of the three arrays: every entry more would be compiled with all it calls."""
    S, R, M = _pointer(slots), _pointer(replicas), _pointer(memory)
    if command == ADVANCE:
        return _advance(S, R, M, argument)
    if command == SETTLE:
        _settle(S, R, M, argument)
        _begin_touched(S, R, M)
    elif command == HAND_OUT:
        _hand_out_backlog(S, R, M)
    elif command == KILL:
        return _kill(S, R, M, argument)
    else:
        _send_again(S, R, M, argument)
    return np.int64(DONE)
