"""Measured attention: of prompts by their number and length, of decodes by their number and context.

The engines know an iteration's attention by two sums: pairs of a token and a token it attends to, and context tokens
read. So what was measured becomes a line: seconds = ``base`` (by tokens) + ``per_pair`` x pairs + ``per_read`` x reads.
The slopes are secants: of prompts from nothing to as many of the workload's as an iteration holds, of decodes over
contexts from half to twice the workload's, in a batch of as many as may run. The base makes the line exact at the
workload's own lengths for every number of tokens; it is never below zero. A decode's pair is a read, so reads cost what
a decode's context costs beyond its pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sim.profiles.kernel_tables.curves import (
    BORROWED,
    INTERPOLATED,
    ROOFLINE,
    Answer,
    Curve,
    Floats,
)
from sim.profiles.kernel_tables.tables import Shelf, Table
from sim.profiles.language_models.layers import Attention

ALIKE = 8.0
"""Numbers of heads within this factor of one another stand in for one another, scaled."""
CACHES: Mapping[str, str] = {"bf16": "bfloat16", "fp16": "bfloat16", "fp8": "fp8"}


@dataclass(frozen=True)
class Lengths:
    """A workload's, on one rank: tokens of a prompt, and of the context that a decode attends to; sequences that may
    run, and tokens that an iteration holds."""

    prompt: float
    context: float
    sequences: float
    tokens: float


@dataclass(frozen=True, eq=False)
class Line:
    """Attention of one layer, by tokens where it is an answer: beside decodes' tokens, and beside prompts'."""

    decodes: Answer
    prompts: Answer
    per_pair_s: float
    per_read_s: float


class Attentions:
    """Attention on one GPU, under one framework."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._surfaces: dict[tuple[Attention, str, bool], _Surface | None] = {}

    def line(self, part: Attention, cache: str, lengths: Lengths, decoding: Floats, prompting: Floats) -> Line | None:
        """One layer of ``part`` as one GPU has it; None where nothing alike was measured.

        ``decoding`` and ``prompting`` are tokens of decodes alone, and of iterations with prompts.
        """
        generation, context = (self._known(part, cache, prompts=prompts) for prompts in (False, True))
        if generation is None or context is None:
            return None
        reach = float(part.window) if part.window else np.inf
        seen, prompt = min(lengths.context, reach), max(lengths.prompt, 1.0)
        most = np.array([max(lengths.sequences, 1.0)])
        low, high = max(seen / 2.0, 1.0), max(min(2.0 * seen, reach), 2.0)
        rise = float((generation.at(most, high).seconds - generation.at(most, low).seconds)[0])
        per_decode = max(rise, 0.0) / (float(most[0]) * (high - low))
        decodes = generation.at(np.maximum(decoding, 1.0), max(seen, 1.0))
        number = np.array([max(lengths.tokens / prompt, 1.0)])
        longest = float((context.at(number, prompt).seconds - context.at(np.ones(1), 1.0).seconds)[0])
        per_pair = max(longest, 0.0) / (float(number[0]) * max(float(_pairs(prompt, reach)), 1.0))
        per_pair = min(per_pair, per_decode)
        each = np.minimum(np.maximum(prompting, 1.0), prompt)
        prompts = context.of_prompts(np.maximum(prompting, 1.0) / each, each)
        return Line(
            _beside(decodes, per_decode * np.maximum(decoding, 1.0) * seen),
            _beside(prompts, per_pair * np.maximum(prompting, 1.0) / each * _pairs(each, reach)),
            per_pair,
            per_decode - per_pair,
        )

    def _known(self, part: Attention, cache: str, *, prompts: bool) -> _Surface | None:
        key = (part, cache, prompts)
        if key not in self._surfaces:
            self._surfaces[key] = self._surface(part, cache, prompts=prompts)
        return self._surfaces[key]

    def _surface(self, part: Attention, cache: str, *, prompts: bool) -> _Surface | None:
        if cache not in CACHES:
            return None
        phase = "context" if prompts else "generation"
        if part.latent:
            return self._latent(part, phase, cache, prompts=prompts)
        table = self._shelf.table("attention", f"{phase}_attention_perf")
        if table is None:
            return None
        table = table.where(head_dim=part.head_dim, kv_cache_dtype=CACHES[cache], attn_dtype="bfloat16")
        windowed = table.where(window_size=part.window) if "window_size" in table else table
        table = windowed if len(windowed) else table.where(window_size=0)
        way = 0 if len(windowed) or not part.window else INTERPOLATED
        near = _nearest(table, part)
        if near is None:
            return None
        heads, kv_heads = near
        rows = table.where(num_heads=heads, num_key_value_heads=kv_heads)
        scale = part.heads / heads if prompts else part.kv_heads / kv_heads
        same = (heads, kv_heads) == (part.heads, part.kv_heads)
        return _Surface.of(rows, "isl" if prompts else "step", scale, way if same else BORROWED)

    def _latent(self, part: Attention, phase: str, cache: str, *, prompts: bool) -> _Surface | None:
        """Latent attention by heads; vLLM's own tables have whole modules, so that another's kernel stands in there."""
        for framework in (self._shelf.framework, *self._shelf.others):
            own = framework == self._shelf.framework
            name = f"{phase}_mla_perf"
            table = self._shelf.table("mla", name) if own else self._shelf.newest("mla", name, framework)
            if table is None:
                continue
            table = table.where(kv_cache_dtype=CACHES[cache], mla_dtype="bfloat16")
            if not len(table):
                continue
            measured = np.unique(table["num_heads"]).astype(np.float64)
            near = float(measured[np.argmin(np.abs(np.log(measured / part.heads)))])
            way = 0 if own and near == part.heads else BORROWED
            return _Surface.of(table.where(num_heads=near), "isl" if prompts else "step", part.heads / near, way)
        return None


def _pairs(tokens: Floats | float, reach: float) -> Floats | float:
    """Pairs that a prompt of so many tokens attends to, each token to those before it and itself, within ``reach``."""
    inside = np.minimum(tokens, reach)
    return inside * (inside + 1.0) / 2.0 + (tokens - inside) * inside


def _beside(whole: Answer, sloped: Floats) -> Answer:
    """What is left of some seconds beside those that slopes bring."""
    return Answer(np.maximum(whole.seconds - sloped, 0.0), whole.known)


def _nearest(table: Table, part: Attention) -> tuple[float, float] | None:
    """Heads and heads of the cache that were measured and are likest; None where none are alike."""
    if not len(table):
        return None
    pairs = np.unique(np.stack([table["num_heads"], table["num_key_value_heads"]], axis=1), axis=0).astype(np.float64)
    away = np.abs(np.log(pairs / np.array([part.heads, part.kv_heads])))
    best = int(np.argmin(away.sum(axis=1)))
    return (float(pairs[best, 0]), float(pairs[best, 1])) if away[best].max() <= np.log(ALIKE) else None


@dataclass(frozen=True, eq=False)
class _Surface:
    """Seconds by number of sequences and their length: a curve in length for each number that was measured.

    ``scale`` is applied to what grows beyond the floor, the shortest that was measured.
    """

    curves: Mapping[float, Curve]
    quadratic: bool
    scale: float
    way: int

    @classmethod
    def of(cls, rows: Table, length: str, scale: float, way: int) -> _Surface:
        lengths = rows[length].astype(np.float64) + (1.0 if length == "step" else 0.0)
        found = {}
        for batch in np.unique(rows["batch_size"]):
            keep = rows["batch_size"] == batch
            curve = Curve.of(lengths[keep], rows["seconds"][keep])
            assert curve is not None
            found[float(batch)] = curve
        return cls(found, length == "isl", scale, way)

    def at(self, sequences: Floats, length: float) -> Answer:
        """Of so many sequences of one length: between the measured numbers, and in proportion beyond them."""
        power = 2.0 if self.quadratic else 1.0
        one = np.array([length])
        known = {batch: curve.at(one, lambda x: x**power) for batch, curve in self.curves.items()}
        across = Curve(
            np.array(list(known)),
            np.array([float(answer.seconds[0]) for answer in known.values()]),
            np.array([int(answer.known[0]) for answer in known.values()], dtype=np.int8),
        )
        return self._scaled(across.at(sequences, lambda x: x))

    def of_prompts(self, number: Floats, each: Floats) -> Answer:
        """So many prompts of so many tokens each, by iteration."""
        batches = np.array(list(self.curves))
        place = np.clip(np.searchsorted(batches, number, side="right") - 1, 0, max(len(batches) - 2, 0))
        seconds, ways = np.zeros(each.shape), np.zeros(each.shape, dtype=np.int8)
        for i in np.unique(place):
            here = place == i
            low, high = float(batches[i]), float(batches[min(i + 1, len(batches) - 1)])
            first, second = (self.curves[batch].at(each[here], lambda x: x**2.0) for batch in (low, high))
            span = np.log(high / low) if high > low else 1.0
            share = np.clip(np.log(number[here] / low) / span, 0.0, 1.0)
            between_them = np.exp((1.0 - share) * np.log(first.seconds) + share * np.log(second.seconds))
            seconds[here] = between_them * np.maximum(number[here] / high, 1.0)
            worse = np.maximum(np.maximum(first.known, second.known), INTERPOLATED)
            ways[here] = np.where(share <= 0.0, first.known, np.where(share >= 1.0, second.known, worse))
        ways = np.where(number > batches[-1], ROOFLINE, ways)
        return self._scaled(Answer(seconds, ways.astype(np.int8)))

    def _scaled(self, answer: Answer) -> Answer:
        if self.scale == 1.0:
            return answer.at_most(self.way)
        floor_s = min(float(curve.y.min()) for curve in self.curves.values())
        return answer.beyond(floor_s, self.scale).at_most(max(self.way, BORROWED))
