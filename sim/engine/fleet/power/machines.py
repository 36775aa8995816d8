"""What nodes draw at their plugs, many at once: ``metering.draws.node_draws``, summed over components, for arrays.

The same physics as there, asked in the search for a cap, where each question is about every node of a row. A test holds
the two equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.engine.metering.draws import NodeHardware

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Plugs:
    """``kind`` (N,) is the code of each node's ``hardware``."""

    hardware: tuple[NodeHardware, ...]
    kind: Ints

    @classmethod
    def of(cls, hardware: Sequence[NodeHardware]) -> Plugs:
        """One entry a node; those alike are counted once."""
        codes: dict[NodeHardware, int] = {}
        kind = np.array([codes.setdefault(one, len(codes)) for one in hardware], np.int64)
        return cls(tuple(codes), kind)

    @property
    def slots(self) -> Ints:
        """Slots of each node."""
        return np.array([kind.slots for kind in self.hardware], np.int64)[self.kind]

    def watts(self, nodes: Ints, gpu_w: Floats, cpu_load: Floats, at_work: Floats, on_gpus: Floats) -> Floats:
        """W of powered ``nodes`` at their plugs, each with so many W of all its GPUs together (as models of their kind
        draw, before the node's own units count), so much load on its CPUs and such a share of its slots at work, that
        of work on their GPUs apart."""
        kind = self.kind[nodes]
        total = np.empty(len(nodes))
        for code in np.unique(kind).tolist():
            those, hardware = kind == code, self.hardware[code]
            load = np.clip(cpu_load[those], 0.0, None)
            cpu_w = hardware.cpu_idle_w + (hardware.cpu_full_w - hardware.cpu_idle_w) * np.where(
                load > 0.0, load**hardware.cpu_exponent, 0.0
            )
            boards_w: Floats | float = 0.0
            if hardware.gpu is not None:
                boards_w = hardware.gpu_scale * gpu_w[those] + hardware.gpu_offset_w * hardware.slots
            dc_w = boards_w + hardware.sockets * cpu_w
            for part in hardware.parts:
                works = at_work if hardware.gpu is None or part.component == "dram" else on_gpus
                dc_w = dc_w + part.idle_w + (part.active_w - part.idle_w) * works[those]
            total[those] = dc_w + _lost_w(hardware, dc_w)
        return total


def _lost_w(hardware: NodeHardware, dc_w: Floats) -> Floats:
    """See ``profiles.power_laws.devices.psu_loss_w``."""
    supply = hardware.supply
    if supply is None:
        return np.zeros(len(dc_w))
    efficiency = np.interp(dc_w / supply.rated_w, supply.loads, supply.efficiencies)
    return np.asarray(dc_w * (1.0 / efficiency - 1.0))
