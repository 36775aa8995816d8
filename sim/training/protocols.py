"""By which protocols a library of collectives sends, and how well it does.

A protocol trades latency for bandwidth: flags in every 8 bytes (LL) or every 128 (LL128) need no fence, whole chunks
(Simple) lose nothing to flags. Latencies, shares and limits are those by which NCCL 2.28 chooses between them
(src/graph/tuning.cc); how they work: Hu et al., "Demystifying NCCL", 2025, arXiv:2507.04786.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Protocol:
    """Latencies in s of a launch and of a step over link and network, and the share of the bandwidth that is data.

    A step over PCIe takes ``pcie_s``; none where the protocol is not used there, as the bus may tear 128 bytes apart.
    Over the network it sends no faster than ``network_most`` (B/s of an island), and a step takes the network's own
    latency ``crossings`` times: data in chunks is flushed before it is told of.
    """

    name: str
    launch_s: float
    link_s: float
    network_s: float
    share: float
    crossings: int = 1
    network_most: float = inf
    pcie_s: float | None = None


RING = (
    Protocol("LL", 6.6e-6, 0.6e-6, 2.7e-6, 0.4, 1, 20.4e9, pcie_s=1.0e-6),
    Protocol("LL128", 14.0e-6, 1.9e-6, 4.0e-6, 0.92),
    Protocol("Simple", 8.4e-6, 3.4e-6, 14.0e-6, 1.0, 2, pcie_s=5.7e-6),
)
"""LL is held to 141 of the 350 GB/s that large messages reach on an H100, and to 20.4 GB/s between many nodes."""
TREE = (
    Protocol("LL", 6.8e-6, 0.6e-6, 5.0e-6, 1.0 / 3.8, 1, 20.4e9, pcie_s=1.0e-6),
    Protocol("LL128", 14.0e-6, 1.25e-6, 8.5e-6, 0.92 * 120.0 / 128.0),
    Protocol("Simple", 8.4e-6, 4.0e-6, 14.0e-6, 0.92, 2, pcie_s=4.0e-6),
)
POINTS = (RING[0], RING[-1])
"""Point to point there is no LL128."""
SWITCH = (Protocol("Simple", 0.0, 25.0e-6, 14.0e-6, 1.0, 2),)
POST_S = 1.0e-6
"""s in which a host's processor posts a message to the network (getNetOverhead, ibid.): no step of a ring that leaves
its island is faster, and an all-to-all posts one for each GPU beyond."""
PCIE_SHARE = 0.67
"""Of what two boards reach over PCIe, what is left to each of more: they share root ports, and cross from one socket to
the other. Of all-reduces of RTX PRO 6000 in AIConfigurator 0.12: 0.40 of the link's rate among four and eight, 0.59
among two. L40S that do not reach one another but through the host's memory have 0.26 and 0.07 (ibid.)."""
OWN_SHARE = 0.4
"""What a GPU's own shard takes of a library that copies it from one buffer into the other, in that of one it sends:
with two GPUs a gather reaches 0.75 of the bandwidth that it reaches with eight (derived from NCCL's measured
times on A100 and H100 in AIConfigurator 0.12; other systems agree, see ``benchmarks accuracy``)."""


@dataclass(frozen=True)
class Library:
    """How well a stack's library does: shares of the rates of link and network that large messages achieve, in (0, 1],
    and its latencies in those of NCCL (1: as NCCL reckons them)."""

    link_efficiency: float
    network_efficiency: float
    latency: float = 1.0
