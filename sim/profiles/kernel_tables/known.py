"""Measured kernels as ``iteration.cost`` asks for them: seconds of each launch of an iteration, and of its attention.

Attention has a line of its own (``attentions``): its slopes and bases take the place of the roofline's. They stand in
both rows of a cost, for the kernels of prompts and of decodes follow one another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from sim.profiles.iteration.capped import PAIR, READ, WINDOW_PAIR, WINDOW_READ
from sim.profiles.iteration.cost import (
    BOTH,
    COMPUTE,
    DECODES,
    MEMORY,
    PROMPTS,
    IterationCost,
)
from sim.profiles.iteration.runs import Collective, Quantise, Run
from sim.profiles.iteration.terms import Layout
from sim.profiles.kernel_tables.attentions import Lengths, Line
from sim.profiles.kernel_tables.curves import ROOFLINE, WAYS, Answer, Floats
from sim.profiles.kernel_tables.lookup import Lookup
from sim.profiles.kernel_tables.roof import Experts
from sim.profiles.language_models.layers import Attention, Layers, Mixture, Product


@dataclass(frozen=True, eq=False)
class MeasuredKernels:
    """What was measured of a model spread over GPUs, for a workload of these ``lengths``."""

    lookup: Lookup
    layout: Layout
    lengths: Lengths
    _answered: dict[int, tuple[Run, Answer | None]] = field(default_factory=dict)
    """By id of the launch, which is held so that no other takes it over: an iteration's body is asked for by kinds."""

    def seconds(self, run: Run) -> Floats | None:
        """Of one launch by tokens; None where the roofline has it alone."""
        found = self.answer(run)
        return found.seconds if found is not None else None

    def answer(self, run: Run) -> Answer | None:
        """The same with how it is known."""
        if id(run) not in self._answered:
            self._answered[id(run)] = run, self._answer(run)
        return self._answered[id(run)][1]

    def _answer(self, run: Run) -> Answer | None:
        rows, of = np.asarray(run.rows, dtype=np.float64), run.of
        whole = np.where(rows > 0.0, np.maximum(rows, 1.0), 0.0)  # a rank with any token has one
        if isinstance(of, Product):
            return self.lookup.product(int(of.n), int(of.k), whole, quantised=bool(of.quantised))
        if isinstance(of, Mixture):
            spread = bool(self.layout.expert)
            gpus = int(self.layout.gpus)
            sizes = (of.hidden, of.width, of.per_token, of.experts, 1 if spread else gpus, gpus if spread else 1)
            return self.lookup.mixture(Experts(*(int(size) for size in sizes)), whole)
        if isinstance(of, Collective):
            return self._collective(of, rows)
        if isinstance(of, Quantise):
            return self.lookup.quantising(int(of.k), whole)
        return None

    def _collective(self, of: Collective, rows: Floats) -> Answer | None:
        values = rows * (float(of.byte_per_token) / 2.0)
        if of.among == "tensor":
            return self.lookup.collective("all_reduce", values, int(self.layout.tensor))
        ranks = int(self.layout.data)
        both = [self.lookup.collective(name, values * ranks, ranks) for name in ("all_gather", "reduce_scatter")]
        if both[0] is None or both[1] is None:
            return None
        return both[0].plus(both[1]).times(0.5)

    def line(self, part: Attention, tokens: Floats) -> Line | None:
        """One layer's attention on one GPU, for the ``tokens`` of all ranks."""
        rows = np.asarray(tokens, dtype=np.float64) / float(self.layout.data)
        return self.lookup.attention(part, self.lengths, rows, rows)

    def split(self, layers: Layers) -> tuple[Layers, tuple[Attention, ...]]:
        """``layers`` without the attention that was measured, and that. Slopes are told by whether there is a window:
        all that has one (or none) must have been measured."""
        one = np.ones(1)
        lines = [(part, self.line(part, one) is not None) for part in layers.attentions]
        unknown = {bool(part.window) for part, measured in lines if not measured}
        parts = tuple(part for part in layers.attentions if bool(part.window) not in unknown)
        left = tuple(part for part in layers.attentions if part not in parts)
        return replace(layers, attentions=left), parts

    def with_attention(
        self, cost: IterationCost, parts: Iterable[Attention], tokens: Floats, slower: Floats | None = None
    ) -> IterationCost:
        """``cost`` of an iteration without these ``parts``, and with them; ``slower`` is by how much a cap lengthens
        what each slope adds."""
        slower = slower if slower is not None else np.ones(cost.slope.shape[1])
        table, slope = cost.table.copy(), cost.slope.copy()
        busy, ranks = tokens > 0.0, float(self.layout.data)
        times = [COMPUTE, MEMORY]
        for pair, read, windowed in ((PAIR, READ, False), (WINDOW_PAIR, WINDOW_READ, True)):
            some = [part for part in parts if bool(part.window) == windowed]
            if some:
                slope[np.ix_(times, [pair, read])] = 0.0
            for part in some:
                line, layers = self.line(part, tokens), float(part.layers)
                assert line is not None
                table[DECODES, :, :2] += (layers * busy * line.decodes.seconds)[:, np.newaxis]
                table[[PROMPTS, BOTH], :, :2] += (layers * busy * line.prompts.seconds)[:, np.newaxis]
                slope[times, pair] += layers * line.per_pair_s * slower[pair] / ranks
                slope[times, read] += layers * line.per_read_s * slower[read] / ranks
        return replace(cost, table=table, slope=slope)

    @cached_property
    def origins(self) -> tuple[str, ...]:
        """Whose tables have answered so far, by kind of kernel."""
        used = self.lookup.shelf.used
        return tuple(f"{kind}: {', '.join(sorted(used[kind]))}" for kind in sorted(used))


@dataclass(frozen=True)
class Shares:
    """How the time of an iteration is known, as shares by ``WAYS``, and ``beside``: what no kernel is."""

    measured: float
    interpolated: float
    borrowed: float
    roofline: float
    beside: float


def shares(runs: Iterable[tuple[float, Answer | None, float]], seconds: float) -> Shares:
    """Of an iteration of ``seconds``: each kernel's launches, its answer (one value) and its time by the roofline."""
    sums = dict.fromkeys(WAYS, 0.0)
    for count, answer, roofline_s in runs:
        way = WAYS[int(answer.known[0])] if answer is not None else WAYS[ROOFLINE]
        sums[way] += count * (float(answer.seconds[0]) if answer is not None else roofline_s)
    beside = max(seconds - sum(sums.values()), 0.0)
    whole = sum(sums.values()) + beside
    parts = {way: sums[way] / whole for way in WAYS}
    return Shares(beside=beside / whole, **parts)
