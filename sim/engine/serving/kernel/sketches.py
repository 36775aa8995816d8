"""Hashes, draws and sketches."""

import numpy as np

from sim.engine.serving.compiled import inner
from sim.workload.serving_records import SKETCH_BITS, SKETCH_SIZE, SKETCHES

TTFT, TPOT, ITL, E2E, QUEUEING, DECODE_ITERATION, STEP_GAP = range(len(SKETCHES))


@inner
def mix(z):
    """As ``routers.mix``."""
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@inner
def unmix(z):
    """What ``mix`` gives ``z`` for."""
    z = (z ^ (z >> np.uint64(31)) ^ (z >> np.uint64(62))) * np.uint64(0x319642B2D24D8EC3)
    z = (z ^ (z >> np.uint64(27)) ^ (z >> np.uint64(54))) * np.uint64(0x96DE1B173F119089)
    z = z ^ (z >> np.uint64(30)) ^ (z >> np.uint64(60))
    return z - np.uint64(0x9E3779B97F4A7C15)


@inner
def draw(seed, ordinal, turn):
    """As ``routers.draw``."""
    return mix(mix(mix(np.uint64(seed)) ^ np.uint64(ordinal)) ^ np.uint64(turn))


@inner
def bucket(value_ns):
    """As ``serving_records.sketch_bucket``."""
    bits = np.float64(max(value_ns, 1)).view(np.int64)
    return (bits >> (52 - SKETCH_BITS)) - (1023 << SKETCH_BITS)


@inner
def observe(pool, which, value_ns, times):
    """A value comes so often into a sketch."""
    add(pool, which, bucket(value_ns), times)


@inner
def add(pool, which, at, times):
    """So many more values in a bucket of a sketch."""
    pool.sketch[which * SKETCH_SIZE + at] += times
