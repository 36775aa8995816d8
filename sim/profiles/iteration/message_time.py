"""How long a message between the GPUs of a replica takes: latency and bytes, as pure functions."""

from __future__ import annotations

import numpy as np

from sim.profiles.kernels.time import KernelTime, Number

Ways = tuple[tuple[float, float], ...]
"""s, and s for each B, of every way to do the same."""


def quickest_time(byte: Number, ways: Ways) -> KernelTime:
    """The quickest of several ``ways`` to send a buffer of ``byte``; nothing where it is empty."""
    best = KernelTime(0.0, np.inf, 0.0)
    for latency_s, s_per_byte in ways:
        sent_s = s_per_byte * byte
        new = latency_s + sent_s < np.asarray(best.seconds)
        best = KernelTime(0.0, np.where(new, sent_s, best.streaming_s), np.where(new, latency_s, best.floor_s))
    busy = np.asarray(byte) > 0.0
    return KernelTime(0.0, np.where(busy, best.streaming_s, 0.0), np.where(busy, best.floor_s, 0.0))


def reduce_time(byte: Number, gpus: Number, *, latency_s: Number, byte_per_s: Number) -> KernelTime:
    """Of an all-reduce of ``byte`` on each of ``gpus``: each sends 2 (n - 1) / n of them; nothing where alone.

    Source: Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations", JPDC 2009,
    doi 10.1016/j.jpdc.2008.09.002.
    """
    several = np.asarray(gpus) > 1.0
    sent = 2.0 * (gpus - 1.0) / gpus * byte
    busy = several & (np.asarray(byte) > 0.0)
    return KernelTime(0.0, np.where(several, sent / byte_per_s, 0.0), np.where(busy, latency_s, 0.0))
