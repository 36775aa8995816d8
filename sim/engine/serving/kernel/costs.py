"""What an iteration costs, and a run of decode iterations: times affine in the iterations gone by, the longest of three
of which counts, and energy.

A cost is (compute, memory, capped) times in 2**-16 ns and energy in nJ, ``a0, a1, a2, e`` at the first iteration of a
run; ``g0, g1, g2, ge`` are their growths from one iteration to the next.
"""

import math

import numpy as np

from sim.engine.serving.compiled import inner
from sim.engine.serving.kernel.sketches import DECODE_ITERATION, ITL, add, bucket
from sim.engine.serving.plan import FRACTION_BITS


@inner
def row_of(base, slope, pairs, reads, wpairs, wreads, seqs, blocks, chunks):
    """A row of a cost."""
    cost = base + slope.pair * pairs + slope.read * reads + slope.sequence * seqs
    if wreads:
        cost += slope.window_pair * wpairs + slope.window_read * wreads
    if blocks:
        cost += slope.block * blocks
    if chunks:
        cost += slope.chunk * chunks
    return cost


@inner
def cost_of(cost, base, pairs, reads, wpairs, wreads, seqs, blocks, chunks):
    """Of any iteration."""
    a0 = row_of(base.compute, cost.compute, pairs, reads, wpairs, wreads, seqs, blocks, chunks)
    a1 = row_of(base.memory, cost.memory, pairs, reads, wpairs, wreads, seqs, blocks, chunks)
    a2 = row_of(base.capped, cost.capped, pairs, reads, wpairs, wreads, seqs, blocks, chunks)
    e = row_of(base.energy, cost.energy, pairs, reads, wpairs, wreads, seqs, blocks, chunks)
    return a0, a1, a2, e


@inner
def padded(ranks, decoded, prompt, chunks):
    """As ``plan.padded_tokens``."""
    if ranks == 1:
        return decoded + prompt
    a_rank = (chunks + ranks - 1) // ranks
    return ranks * ((decoded + ranks - 1) // ranks + (prompt * a_rank + chunks - 1) // chunks)


@inner
def decode_row(base, slope, d, context, windowed, blocks):
    """A row of the cost of a pure decode iteration."""
    cost = base + slope.decode * context + slope.sequence * d
    if windowed:
        cost += slope.window_decode * windowed
    if blocks:
        cost += slope.block * blocks
    return cost


@inner
def decode_cost(replica, blocks):
    """Of a pure decode iteration without speculation, with so many blocks swapped."""
    cost, d = replica.cost, replica.decoding
    base = cost.decodes[d]
    context, windowed = replica.context, replica.windowed
    a0 = decode_row(base.compute, cost.compute, d, context, windowed, blocks)
    a1 = decode_row(base.memory, cost.memory, d, context, windowed, blocks)
    a2 = decode_row(base.capped, cost.capped, d, context, windowed, blocks)
    e = decode_row(base.energy, cost.energy, d, context, windowed, blocks)
    return a0, a1, a2, e


@inner
def growth_of(replica, slope):
    """Of a row of the cost, from one decode iteration to the next."""
    g = slope.decode * replica.decoding
    if replica.growing:
        g += slope.window_decode * replica.growing
    return g


@inner
def growths(replica):
    """Of the three times."""
    cost = replica.cost
    return growth_of(replica, cost.compute), growth_of(replica, cost.memory), growth_of(replica, cost.capped)


@inner
def energy_growth(replica):
    """Of the energy."""
    return growth_of(replica, replica.cost.energy)


@inner
def energy_per_read(replica):
    """Of a context token of a sequence that decodes, in nJ, in the iteration that is under way or was the last."""
    return replica.read_nj


@inner
def longest(a0, a1, a2):
    """Of three times."""
    return max(max(a0, a1), a2)


# Runs of iterations


@inner
def piece(a0, a1, a2, g0, g1, g2, i, k):
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


@inner
def span_of(a0, a1, a2, g0, g1, g2, k):
    """Time of k iterations, in 2**-16 ns."""
    i = np.int64(0)
    total = np.int64(0)
    while i < k:
        f, g, end = piece(a0, a1, a2, g0, g1, g2, i, k)
        n = end - i
        total += n * f + g * (n * (n - 1) // 2)
        i = end
    return total


@inner
def iterations_within(a0, a1, a2, g0, g1, g2, k, budget):
    """How many of k iterations fit into ``budget`` (2**-16 ns), and the time they take."""
    i = np.int64(0)
    total = np.int64(0)
    while i < k:
        f, g, end = piece(a0, a1, a2, g0, g1, g2, i, k)
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


@inner
def observe_run(pool, a0, a1, a2, g0, g1, g2, k, times):
    """Gaps before the tokens of k iterations, ``times`` each, into the sketch, and the iterations into theirs."""
    i = np.int64(0)
    last_bucket = bucket(longest(a0 + g0 * (k - 1), a1 + g1 * (k - 1), a2 + g2 * (k - 1)) >> FRACTION_BITS)
    while i < k:
        here = bucket(longest(a0 + g0 * i, a1 + g1 * i, a2 + g2 * i) >> FRACTION_BITS)
        if here == last_bucket:
            end = k
        else:
            low, high = i, k - 1  # low is in the bucket, high is beyond it
            while high - low > 1:
                middle = (low + high) >> 1
                value = longest(a0 + g0 * middle, a1 + g1 * middle, a2 + g2 * middle) >> FRACTION_BITS
                if bucket(value) == here:
                    low = middle
                else:
                    high = middle
            end = high
        add(pool, ITL, here, times * (end - i))
        add(pool, DECODE_ITERATION, here, end - i)
        i = end
