"""What a server that was sent its requests several times over had cached of a prompt when it met it again.

vLLM keeps blocks of ended sequences until it needs their room, the oldest first, and of a sequence its last first. So a
prompt is found if less has been written since it ended than the queue of free blocks then held: blocks taken for new
tokens leave at the queue's head, and blocks of prompts met again leave from within, mostly before those that ended
later. What runs is shared. Layers with a window give blocks back beyond it, but write as many. Ranks have a cache each.

A model with states keeps no prefixes (vLLM 0.11: "Hybrid or mamba-based model detected without support for prefix
caching: disabling"). Nothing here is fitted: what a board holds and a token takes are the deployment's.

What it leaves out: that turns of one conversation are requests of their own, which follow one another and begin alike;
blocks that are in part written; and preemption, where more runs than fits.
Source: vLLM's design documents, "Automatic Prefix Caching"; ``mlenergy/benchmark/llm/workloads.py`` for the order.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BLOCK = 16
"""Tokens that are kept or not as one."""
RECOMPUTED = (BLOCK + 1) / 2.0
"""Tokens of a prompt that is cached which are computed even so, on average: the last, and what it takes to a block."""


@dataclass(frozen=True)
class Cache:
    """Of a data-parallel rank: tokens that fit if no layer had a window, the share of a token that is in layers without
    one, the window in tokens, and how many ranks there are."""

    tokens: float
    full: float
    window: float
    ranks: int

    def held(self, sequences: int, tokens: float) -> float:
        """By so many running sequences of ``tokens`` together, all taken to be of the mean length."""
        windowed = sequences * min(tokens / max(sequences, 1), self.window)
        return self.full * tokens + (1.0 - self.full) * windowed


@lru_cache(maxsize=4096)
def found(answers: tuple[int, ...], *, batch: int, several: int, prompt: int, cache: Cache) -> float:
    """Tokens of a prompt that are found, on average over the requests taken up in the window: those beyond the first
    ``batch``."""
    of_window = hits(answers, batch=batch, several=several, prompt=prompt, cache=cache)[batch:]
    return sum(max(hit - RECOMPUTED, 0.0) for hit in of_window) / max(len(of_window), 1)


def hits(answers: tuple[int, ...], *, batch: int, several: int, prompt: int, cache: Cache) -> list[float]:
    """Tokens that are cached of each request's prompt as it is taken up. ``answers`` are output tokens in the order
    sent, of a set of ``several`` prompts again and again.

    The clock counts iterations: every running sequence gains a token in each.
    """
    if len(answers) <= several or cache.tokens <= 0.0:
        return [0.0] * len(answers)
    sent_to = np.random.default_rng(0).integers(0, cache.ranks, size=len(answers)).tolist()
    ranks = [_Rank(cache, prompt) for _ in range(cache.ranks)]
    running: list[tuple[int, int]] = []
    now = 0
    each = []
    for index, answer in enumerate(answers):
        if len(running) >= batch:
            now, ended = heapq.heappop(running)
            ranks[sent_to[ended]].end(now, ended % several, answers[ended])
        each.append(ranks[sent_to[index]].begin(now, index % several))
        heapq.heappush(running, (now + answer, index))
    return each


class _Rank:
    """One cache as it fills: tokens written so far, and of every prompt how much had been written as it ended last and
    how much was free then."""

    def __init__(self, cache: Cache, prompt: int) -> None:
        self._cache, self._prompt = cache, float(prompt)
        self._written = self._held = 0.0
        self._sequences = self._last = 0
        self._copies: dict[int, int] = {}
        self._ended: dict[int, tuple[float, float]] = {}

    def begin(self, now: int, which: int) -> float:
        """A prompt is taken up. Tokens of it that are found."""
        self._decode(now)
        hit = 0.0
        if self._copies.get(which):
            hit = self._prompt
        elif which in self._ended:
            before, free = self._ended[which]
            # Found blocks leave the queue as taken ones do, so all of a prompt counts as written.
            hit = min(max(free - (self._written - before), 0.0), self._prompt)
        if not self._copies.get(which):
            self._held += self._prompt
            self._written += self._prompt
        self._sequences += 1
        self._copies[which] = self._copies.get(which, 0) + 1
        return hit

    def end(self, now: int, which: int, answer: int) -> None:
        """A sequence gives back what no other has of it."""
        self._decode(now)
        self._sequences -= 1
        self._held -= answer
        self._copies[which] -= 1
        if not self._copies[which]:
            self._held -= self._prompt
            free = self._cache.tokens - self._cache.held(self._sequences, self._held)
            self._ended[which] = self._written, max(free, 0.0)

    def _decode(self, now: int) -> None:
        tokens = float(self._sequences * (now - self._last))
        self._written += tokens
        self._held += tokens
        self._last = now
