"""A cold start as written -> how long it takes."""

from __future__ import annotations

from math import inf

from sim.later import later
from sim.spec.provisioning import ColdStart, ColdStartOf

with later():
    from sim.workload.provisioning import StartUp, pulling_s, start_up


def from_image(written: ColdStart, weights_bytes: float) -> StartUp:
    """Both times of a cold start that brings an image and so many bytes of weights."""
    image_s = pulling_s(
        float(written.image),
        cached=float(written.cached),
        pull=float(written.image_bandwidth),
        unpack=float(written.unpack) if written.unpack is not None else inf,
    )
    weights_s = weights_bytes / float(written.weights_bandwidth)
    return start_up(image_s, weights_s, int(written.launch), kept=written.kept)


def of_service(written: int | ColdStartOf) -> StartUp:
    """That of a service whose times are given: the time that is written, or what an image and weights take."""
    if isinstance(written, ColdStartOf):
        return from_image(written, float(written.weights))
    return StartUp(int(written), int(written))
