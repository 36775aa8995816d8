"""Heat that somebody else uses: lifted by a heat pump if it is not warm enough, and no longer to be rejected.

Source: ISO/IEC 30134-6:2021 (ERF counts energy reused outside the data center); heat pump as in ``chiller``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class HeatReuse:
    """Heat delivered to somebody outside.

    Up to ``share`` of the heat, and ``demand_w`` delivered; ``cop`` of the heat pump, None where none is needed.
    """

    share: float
    demand_w: float
    cop: float | None

    def taken(self, heat_w: Floats) -> tuple[Floats, Floats, Floats]:
        """Heat taken from ``heat_w`` (n,), heat delivered, and electricity for the heat pump, each W (n,).

        Delivered = taken + electricity: a heat pump's work arrives as heat.
        """
        gain = 1.0 if self.cop is None else self.cop / (self.cop - 1.0)  # delivered per heat taken
        taken = np.minimum(heat_w * self.share, self.demand_w / gain)
        delivered = taken * gain
        return taken, delivered, delivered - taken
