"""The shares of many nodes in columns: each share that there is once, and which of them each node has."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter

import numpy as np

from sim.engine.metering.columns import Bools, Floats, Held, Ints
from sim.engine.metering.draws import CLOCKED_UP, UNALLOCATED, Share

NOBODY = (UNALLOCATED, "idle")
"""Who holds slots that are free."""
_TOLD = attrgetter("owner", "state", "slots", "gpu_w", "cpu_load")


class ShareColumns:
    """``width`` says how many shares each of N nodes has, and ``slots`` how many slots they are of together; ``plain``
    (N,), whether all of them are of whole slots and on GPUs. ``who`` are the owners and states that there are, first
    ``NOBODY``."""

    def __init__(self, of: Sequence[tuple[Share, ...]]) -> None:
        flat = list(chain.from_iterable(of))
        known = dict(zip(map(id, flat), flat, strict=True))  # a share is one object on all nodes that it is of
        number = dict(zip(known, range(len(known)), strict=True))
        self._which = np.fromiter(map(number.__getitem__, map(id, flat)), np.int64, len(flat))
        shares = list(known.values())
        owners, states, slots, gpu_w, cpu_load = zip(*map(_TOLD, shares), strict=True) if shares else ((),) * 5
        names = list(zip(owners, states, strict=True))
        self.who: tuple[tuple[str, str], ...] = tuple(dict.fromkeys([NOBODY, *names]))
        code = dict(zip(self.who, range(len(self.who)), strict=True))
        self._code = np.fromiter(map(code.__getitem__, names), np.int64, len(names))
        self._slots = np.array(slots, dtype=np.int64)
        self._gpu_w, self._cpu_load = np.array(gpu_w, dtype=np.float64), np.array(cpu_load, dtype=np.float64)
        self._active = np.array([state == "active" for state in states], dtype=np.bool_)
        self._awake = np.array([state in CLOCKED_UP for state in states], dtype=np.bool_)
        odd = np.array([share.milli > 0 or share.on_hosts or share.host_load > 0.0 for share in shares], dtype=np.bool_)
        self.width: Ints = np.fromiter(map(len, of), np.int64, len(of))
        ends = np.cumsum(self.width)
        self._first = ends - self.width
        self.slots: Ints = _sums(self._slots[self._which], self._first, ends)
        self.plain: Bools = _sums(odd[self._which].astype(np.int64), self._first, ends) == 0

    def held(self, nodes: Ints, gpu_scale: Floats, gpu_offset_w: Floats) -> Held:
        """What some nodes (n,), all with as many shares and with units that draw so, hold."""
        width = int(self.width[nodes[0]])
        which = self._which[self._first[nodes][:, None] + np.arange(width)]
        return Held(
            self._code[which],
            self._slots[which],
            self._active[which],
            self._awake[which],
            self._gpu_w[which],
            self._cpu_load[which],
            gpu_scale,
            gpu_offset_w,
        )


def _sums(terms: Ints, first: Ints, ends: Ints) -> Ints:
    """Sums of the terms from each of ``first`` to each of ``ends``."""
    before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(terms)])
    summed: Ints = before[ends] - before[first]
    return summed
