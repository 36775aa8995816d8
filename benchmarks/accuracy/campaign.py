"""How ML.ENERGY measured: so many requests, all asked at once, and a window of steady state among them.

A server is asked everything at once and takes as many as it may batch. The window begins when so many have had a token
and ends when the last one is taken up: all requests are young as it begins, and where there are few more than the
server batches, they stay so. Contexts of large batches are thus a fraction of what they would be in the long run.

How many requests there are is told by ``sweeps``, what a server finds of a prompt that it meets again by
``prefix_cache``.

What is left out: that the median time between tokens is of the whole run, which goes on while the batch empties.
Source: ml-energy/benchmark on GitHub: ``benchmark.py`` for the window (``RequestTracker``).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DRAWS = 4
"""Runs that a window's figures are a mean of."""


@dataclass(frozen=True)
class Window:
    """What is running in the window, on average: output tokens behind it, and the requests that begin an iteration."""

    age: float
    begun: float
    iterations: float


def drawn(lengths: Floats, weights: Floats, *, requests: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """Output tokens of so many requests, in the order sent."""
    found = np.random.default_rng(seed).choice(lengths, p=weights / weights.sum(), size=requests)
    tokens: npt.NDArray[np.int64] = np.maximum(1, np.rint(found)).astype(np.int64)
    return tokens


def window(lengths: Floats, weights: Floats, *, batch: int, requests: int) -> Window:
    """Of ``requests`` with these output lengths and their weights, ``batch`` at a time; the clock counts iterations.

    The same draws for the same arguments.
    """
    found = []
    for seed in range(DRAWS):
        tokens = drawn(lengths, weights, requests=requests, seed=seed)
        batch = min(batch, requests)
        ends = [int(n) for n in tokens[:batch]]
        heapq.heapify(ends)
        begun = [0] * batch
        for n in tokens[batch:]:
            at = heapq.heappop(ends)
            heapq.heappush(ends, at + int(n))
            begun.append(at)
        start = np.array(begun, dtype=np.float64)
        end = max(float(start[-1]), 1.0)
        running = np.clip(end - start, 0.0, tokens)
        age = float((running**2 / 2.0).sum() / running.sum())
        found.append((age, (requests - batch) / end, end))
    age, begun_each, iterations = np.mean(found, axis=0)
    return Window(float(age), float(begun_each), float(iterations))
