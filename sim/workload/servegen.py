"""ServeGen's clients (arXiv:2505.09999): arrival rates and burstiness by window, and lengths by window, per client.

A client is two files: a CSV without header (window_start_s, rate_rps, iat_cv, family, p1, p2) and a JSON of length
distributions by window start. Gaps are drawn by the family (Gamma or Weibull) with the window's rate and CV; a window
without a family is Poisson.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim.errors import InputError, Problem
from sim.memo import kept_while_unchanged
from sim.plain import as_mapping, as_text
from sim.reading import csv_rows, lines_of, open_text, read_json
from sim.units import NS_PER_S
from sim.workload.exact import FAR_NS, at_most_ns
from sim.workload.lengths import MOST_TOKENS, histogram
from sim.workload.processes import exponential_gaps, gamma_gaps, weibull_gaps
from sim.workload.requests import Ints, RequestChunk, plain_chunk

Floats = npt.NDArray[np.float64]
MOST_BYTES = 1 << 28
MOST_PROBLEMS = 20
MOST_WEIGHT = 1e18


@dataclass(frozen=True)
class Window:
    """A window of a client: from ``start_s`` on, requests/s, and the CV of the gaps by family."""

    start_s: float
    rate_per_s: float
    cv: float
    family: str


@dataclass(frozen=True, eq=False)
class Histogram:
    """Tokens (n,) and the weights (n,) of each."""

    tokens: Ints
    weights: Floats


@dataclass(frozen=True)
class Lengths:
    """Histograms of a window: tokens and their weights."""

    start_s: float
    prompt: Histogram
    output: Histogram


@kept_while_unchanged(most=64)
def read_windows(path: Path) -> list[Window]:
    """The windows in a client's CSV file. Raises ``InputError`` naming each line that cannot be read."""
    windows: list[Window] = []
    problems: list[Problem] = []
    with open_text(path, most=MOST_BYTES) as text:
        for line, row in csv_rows(lines_of(text, str(path)), str(path)):
            try:
                windows += [_window(row)] if row else []
            except _BadRowError as error:
                problems.append(Problem(str(path), line, "", str(error)))
    if problems:
        raise InputError(problems[:MOST_PROBLEMS])
    if len(windows) < 2 or any(a.start_s >= b.start_s for a, b in pairwise(windows)):
        raise InputError.one(str(path), "needs two windows or more, each later than the one before")
    return windows


class _BadRowError(ValueError):
    pass


def _window(row: list[str]) -> Window:
    """A row as a window. Raises ``_BadRowError`` that says what is wrong with it."""
    try:
        start, rate, cv = float(row[0]), float(row[1]), float(row[2] or "nan")
        family = row[3].strip()
    except (ValueError, IndexError):
        raise _BadRowError(f"needs window_start_s, rate_rps, iat_cv, family: {','.join(row)[:80]}") from None
    if family not in ("Gamma", "Weibull", ""):
        raise _BadRowError(f"has a family of gaps that is neither Gamma nor Weibull: {family[:40]}")
    if not (math.isfinite(start) and math.isfinite(rate)) or rate < 0:
        raise _BadRowError(f"needs a finite start and a rate of 0 or more: {row[0]}, {row[1]}")
    if family and rate and not (cv > 0 and math.isfinite(cv)):
        raise _BadRowError(f"needs a coefficient of variation above 0 for {family} gaps: {row[2]}")
    return Window(start, rate, cv, family)


@kept_while_unchanged(most=64)
def read_lengths(path: Path) -> list[Lengths]:
    """Length distributions in a client's JSON file. Raises ``InputError`` where a window has no usable histogram."""
    try:
        data = read_json(path, most=MOST_BYTES)
        found = [
            Lengths(float(start), _histogram(window["input_tokens"]), _histogram(window["output_tokens"]))
            for start, window in data.items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError, SyntaxError, RecursionError, MemoryError, OverflowError):
        raise InputError.one(str(path), "needs input_tokens and output_tokens for each window start") from None
    if not found:
        raise InputError.one(str(path), "holds no windows")
    return sorted(found, key=lambda window: window.start_s)


def _histogram(written: object) -> Histogram:
    """Tokens and their weights; ServeGen writes a Python dict in a string, and a plain object is taken too."""
    text = as_text(written)
    data = as_mapping(written if text is None else ast.literal_eval(text))
    if data is None or any(weight is True or weight is False for weight in data.values()):
        raise TypeError
    counts = {int(tokens): float(weight) for tokens, weight in data.items()}
    usable = {t: w for t, w in counts.items() if 1 <= t <= MOST_TOKENS and 0 < w <= MOST_WEIGHT}
    if not usable:
        raise ValueError
    return Histogram(np.array(list(usable), dtype=np.int64), np.array(list(usable.values()), dtype=np.float64))


@dataclass(frozen=True)
class Client:
    """A stream of requests as the client sent them; each window begins its gaps anew."""

    windows: Sequence[Window]
    lengths: Sequence[Lengths]
    rate_scale: float
    until_ns: int | None
    gaps: Callable[[], np.random.Generator]
    prompts: Callable[[], np.random.Generator]
    outputs: Callable[[], np.random.Generator]
    block_tokens: int = 0

    def chunks(self) -> Iterator[RequestChunk]:
        """The client's requests; see ``RequestSource.chunks``."""
        gaps, prompts, outputs = self.gaps(), self.prompts(), self.outputs()
        step_s = self.windows[-1].start_s - self.windows[-2].start_s
        ends = [*(window.start_s for window in self.windows[1:]), self.windows[-1].start_s + step_s]
        first_s = self.windows[0].start_s
        for window, end_s in zip(self.windows, ends, strict=True):
            start_ns, end_ns = (round((t - first_s) * NS_PER_S) for t in (window.start_s, end_s))
            if self.until_ns is not None and start_ns >= self.until_ns:
                return
            times_ns = self._times(window, start_ns, end_ns, gaps)
            if self.until_ns is not None:
                times_ns = times_ns[times_ns < self.until_ns]
            if not len(times_ns):
                continue
            law = [known for known in self.lengths if known.start_s <= window.start_s] or self.lengths[:1]
            prompt, output = law[-1].prompt, law[-1].output
            n = len(times_ns)
            drawn = histogram(prompt.tokens, prompt.weights, prompts)(n)
            yield plain_chunk(times_ns, drawn, histogram(output.tokens, output.weights, outputs)(n))

    def _times(self, window: Window, start_ns: int, end_ns: int, rng: np.random.Generator) -> Ints:
        rate = window.rate_per_s * self.rate_scale
        if rate <= 0.0:
            return np.zeros(0, dtype=np.int64)
        if window.family == "Gamma":
            draw = gamma_gaps(rate, window.cv, rng)
        elif window.family == "Weibull":
            draw = weibull_gaps(rate, window.cv, rng)
        else:
            draw = exponential_gaps(rate, rng)
        parts, last_ns = [np.zeros(0, dtype=np.int64)], start_ns
        while last_ns < end_ns:
            expected = rate * (end_ns - last_ns) / NS_PER_S
            gaps = at_most_ns(draw(int(expected + 4 * expected**0.5) + 16) * NS_PER_S, FAR_NS)
            within = int(np.searchsorted(last_ns + np.cumsum(gaps.astype(np.float64)), end_ns))
            times_ns = last_ns + np.cumsum(gaps[: within + 1])
            parts.append(times_ns)
            last_ns = int(times_ns[-1])
        whole = np.concatenate(parts)
        return whole[whole < end_ns]
