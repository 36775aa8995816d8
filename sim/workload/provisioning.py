"""How long a replica takes to start from an image: to pull what its node lacks, to unpack it, and to read its weights.

Layers are pulled at one rate and unpacked at another, one after the other; layers that a node has take neither. The
weights follow, and then whatever the program itself takes to come up. So most of a cold start goes with the size of the
image (Zhang et al. 2022, "Machine Learning systems are Bloated and Vulnerable", arXiv:2212.09437; Harter et al. 2016,
"Slacker", FAST: 76 % of the time to start a container is pulling its image).
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.units import ns_from


@dataclass(frozen=True)
class StartUp:
    """ns from holding a node to serving: on one that has not had the image, and on one that has kept it."""

    first_ns: int
    again_ns: int
    from_image: bool = False


def pulling_s(image_bytes: float, *, cached: float, pull: float, unpack: float) -> float:
    """Seconds to pull and unpack an image, of which the node has the share ``cached`` (0..1); rates in B/s.

    ``unpack`` is inf where unpacking keeps up with the pull.
    """
    lacking = image_bytes * (1.0 - cached)
    return lacking / pull + lacking / unpack


def start_up(image_s: float, weights_s: float, launch_ns: int, *, kept: bool) -> StartUp:
    """Both times, from the seconds of the image and of the weights. ``kept``: a node keeps what it has pulled."""
    first_ns = ns_from(image_s + weights_s) + launch_ns
    return StartUp(first_ns, ns_from(weights_s) + launch_ns if kept else first_ns, from_image=True)
