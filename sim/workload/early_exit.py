"""Early exits: a network with classifiers at some of its layers, at which what is easy leaves.

A batch goes through the network in segments. Each classifier that it comes to is computed for all that are still in it;
those whose difficulty the exit takes are done there, and the others go on in a smaller batch. So time and energy
follow from the work that was done, and the classifiers that nobody left at are paid for too (Teerapittayanon, McDanel,
Kung 2016, "BranchyNet", arXiv:1709.01686; Xin et al. 2020, "DeeBERT", arXiv:2004.12993).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sim.workload.routing import Difficulties


AT_ONCE = 1 << 10
"""Difficulties drawn at a time."""


@dataclass(frozen=True)
class EarlyExits:
    """Exits by rising depth, named ``names``.

    Each takes difficulties up to its of ``limits``, after its share ``after`` of the whole service time; its classifier
    takes the share ``classifier`` of that besides. ``loads`` are the GPUs' power above loaded in each segment, over
    that of the whole; the last, one more than there are exits, is of the rest of the network.
    """

    names: tuple[str, ...]
    limits: tuple[float, ...]
    after: tuple[float, ...]
    classifier: tuple[float, ...]
    loads: tuple[float, ...]
    drawn: Difficulties

    def begun(self) -> Callable[[], int]:
        """Draws where each request leaves: the number of its exit, or of the end."""
        draw, limits = self.drawn(), np.array(self.limits)

        def drawn() -> Iterator[int]:
            while True:
                yield from np.searchsorted(limits, draw(AT_ONCE), side="left").tolist()

        following = drawn()
        return lambda: next(following)

    @property
    def segments(self) -> tuple[float, ...]:
        """Work from each exit to the next, its classifier included, and of the rest; in whole service times."""
        depths = (0.0, *self.after, 1.0)
        heads = (*self.classifier, 0.0)
        return tuple(end - begin + head for begin, end, head in zip(depths[:-1], depths[1:], heads, strict=True))
