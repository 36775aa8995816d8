"""What no engine can beat: the heap and the arithmetic of serving in a bare compiled loop, with no features at all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]


@njit(cache=True)
def served(arrival_ns: Ints, output: Ints, replicas: int, step_ns: int, heaps: Ints) -> int:
    """Round robin over replicas with a heap of finish iterations each, and iterations of one constant length.

    ``heaps`` (replicas, seats + 1) is scratch. Returns the sum of latencies in ns, so that nothing is left out.
    """
    sizes = np.zeros(replicas, dtype=np.int64)
    total = 0
    for i in range(len(arrival_ns)):
        r = i % replicas
        now = arrival_ns[i] // step_ns
        heap = heaps[r]
        n = sizes[r]
        while n and heap[0] <= now:
            n -= 1
            key = heap[n]
            j = 0
            while 2 * j + 1 < n:
                child = 2 * j + 1
                if child + 1 < n and heap[child + 1] < heap[child]:
                    child += 1
                if key <= heap[child]:
                    break
                heap[j] = heap[child]
                j = child
            heap[j] = key
        key = now + 1 + output[i]
        j = n
        while j and heap[(j - 1) >> 1] > key:
            heap[j] = heap[(j - 1) >> 1]
            j = (j - 1) >> 1
        heap[j] = key
        sizes[r] = n + 1
        total += key * step_ns - arrival_ns[i]
    return total
