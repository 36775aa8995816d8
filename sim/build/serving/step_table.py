"""Reads measured iteration times: a CSV of ``phase``, ``tokens``, ``time_ms``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.signals.csv_table import open_table

Floats = npt.NDArray[np.float64]
PHASES = ("prompt", "decode")
SECONDS_PER_MS = 1e-3


@dataclass(frozen=True)
class StepTimes:
    """By phase: tokens (n,), rising, and the median seconds (n,) measured with them."""

    tokens: dict[str, Floats]
    seconds: dict[str, Floats]

    def at(self, phase: str, tokens: Floats) -> Floats:
        """Seconds of an iteration, linear between the points and on beyond them; never below the least measured."""
        x, y = self.tokens[phase], self.seconds[phase]
        if len(x) == 1:
            return np.full(tokens.shape, y[0])
        i = np.clip(np.searchsorted(x, tokens) - 1, 0, len(x) - 2)
        line = y[i] + (tokens - x[i]) * (y[i + 1] - y[i]) / (x[i + 1] - x[i])
        return np.asarray(np.maximum(line, y.min()), dtype=np.float64)


def read_step_table(file: str) -> StepTimes:
    """Raises ``InputError`` naming each row that cannot be read, or the phase that is missing."""
    found: dict[str, dict[float, list[float]]] = {phase: {} for phase in PHASES}
    with open_table(Path(file)) as table:
        at_phase, at_tokens, at_time = (table.column(name) for name in ("phase", "tokens", "time_ms"))
        for line, row in table.rows():
            try:
                phase, tokens, time_ms = row[at_phase].strip(), float(row[at_tokens]), float(row[at_time])
            except (ValueError, IndexError):
                table.complain(line, f"needs a phase, tokens and a time in ms: {row!r}")
                continue
            if phase not in PHASES:
                table.complain(line, f"unknown phase {phase!r}  ({', '.join(PHASES)})")
            elif not (0.0 < tokens < 1e9 and 0.0 < time_ms < 1e9):
                table.complain(line, f"tokens and time must be above zero: {row!r}")
            else:
                found[phase].setdefault(tokens, []).append(time_ms)
        table.raise_if_any()
    for phase, points in found.items():
        if not points:
            raise InputError.one(file, f"has no row of phase '{phase}'")
    tokens_of = {phase: np.array(sorted(points)) for phase, points in found.items()}
    seconds_of = {
        phase: SECONDS_PER_MS * np.array([float(np.median(points[t])) for t in sorted(points)])
        for phase, points in found.items()
    }
    return StepTimes(tokens_of, seconds_of)
