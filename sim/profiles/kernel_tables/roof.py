"""A roofline without efficiencies: how kernels of other sizes compare with one that was measured. Only ratios count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.profiles.kernel_tables.curves import Floats


@dataclass(frozen=True)
class Experts:
    """A mixture of one layer, and how it is spread: sliced over ``tensor`` GPUs, or whole over ``expert``."""

    hidden: int
    width: int
    per_token: int
    experts: int
    tensor: int
    expert: int

    @property
    def sizes(self) -> tuple[float, ...]:
        """What must be alike in two shapes of which one stands in for the other."""
        held = self.experts / self.expert
        return float(self.hidden), self.width / self.tensor, float(self.per_token), held, float(self.experts)


@dataclass(frozen=True)
class Roof:
    """Peak rates of a GPU."""

    flop_per_s: float
    byte_per_s: float

    def product(self, n: float, k: float, rows: Floats) -> Floats:
        """s, of the shape of ``rows``: so many multiplied with a matrix of a byte a weight."""
        byte = n * k + 2.0 * rows * (n + k)
        return np.asarray(np.maximum(2.0 * rows * n * k / self.flop_per_s, byte / self.byte_per_s))

    def experts(self, shape: Experts, tokens: Floats) -> Floats:
        """s, of the shape of ``tokens``, of one GPU's part in a mixture: what is asked is read, all asked alike."""
        share = shape.per_token / shape.experts
        asked = shape.experts * (1.0 - (1.0 - share) ** tokens)
        weights = 3.0 * shape.hidden * shape.width / (shape.tensor * shape.expert)
        flop = 2.0 * weights * tokens * shape.per_token
        return np.asarray(np.maximum(flop / self.flop_per_s, weights * asked / self.byte_per_s))
