"""The iterations of a service's replicas, the first ones of them: when each was, and what was in it."""

from __future__ import annotations

import numpy as np

from sim.engine.serving.plan import Ints

COLUMNS = ("replica", "start_ns", "end_ns", "decodes", "prompts", "prompt_tokens", "dynamic_nj")
"""Of ``rows``: the index of the replica (of a lane of it, with pipeline stages), ns from the start of the run,
sequences that decode, prompts that are prefilled and tokens of these, and nJ beyond what its GPUs draw at rest."""


class IterationLog:
    """Keeps up to ``most`` iterations, in the order in which they end. One that is cut short has none."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: list[tuple[int, ...]] = []

    def note(self, *row: int) -> None:
        """One that has ended, as ``COLUMNS``."""
        if len(self._rows) < self._most:
            self._rows.append(row)

    @property
    def is_cut(self) -> bool:
        """Whether as many are kept as may be, so that later ones may be left out."""
        return len(self._rows) >= self._most > 0

    def rows(self) -> Ints:
        """All that are kept, (n, 7)."""
        return np.array(self._rows, dtype=np.int64).reshape(-1, len(COLUMNS))
