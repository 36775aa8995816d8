"""How ML.ENERGY measured: so many requests, all asked at once, and a window of steady state among them.

A server is asked everything at once and takes as many as it may batch. The window begins when so many have had a token
and ends when the last one is taken up: all requests are young as it begins, and where there are few more than the
server batches, they stay so. Contexts of large batches are thus a fraction of what they would be in the long run.

What is left out: that the median time between tokens is of the whole run, which goes on while the batch empties; and
that how often a data set is asked differs by model and board. One schedule stands for all: Llama 3.1 405B on 8 B200 is
asked once with 512 sequences and not twice, Llama 3.1 8B on an H100 twice with 256 and not once, Qwen3 8B on a B200
four times with 1,536 and not three times.
Source: ml-energy/benchmark on GitHub: its configurations of sweeps, and ``benchmark.py`` for the window.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

REASONING = (198, ((128, 1), (256, 2), (512, 3), (1024, 6), (1536, 9), (2048, 12), (4096, 24)))
OTHERS = (1024, ((384, 1), (1024, 2), (2048, 3), (3072, 4), (4096, 6)))
"""Requests of a data set, and up to which batch it is asked how often."""
DRAWS = 4
"""Runs that a window's figures are a mean of."""


def requests_of(task: str, batch: int) -> int:
    """Requests that a server of at most ``batch`` sequences was asked. Larger batches are as the largest there is."""
    several, repeats = REASONING if task == "gpqa" else OTHERS
    return several * next((times for until, times in repeats if batch <= until), repeats[-1][1])


@dataclass(frozen=True)
class Window:
    """What is running in the window, on average: output tokens behind it, and the requests that begin an iteration."""

    age: float
    begun: float
    iterations: float


def window(lengths: Floats, weights: Floats, *, batch: int, requests: int) -> Window:
    """Of ``requests`` with these output lengths and their weights, ``batch`` at a time; the clock counts iterations.

    The same draws for the same arguments.
    """
    found = []
    for seed in range(DRAWS):
        drawn = np.random.default_rng(seed).choice(lengths, p=weights / weights.sum(), size=requests)
        tokens = np.maximum(1, np.rint(drawn)).astype(int)
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
