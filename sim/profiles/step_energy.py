"""Energy of a kernel of an iteration, from its work and its time (``kernel_power``), in the kinds a lower clock tells
apart (``clock.Joules``)."""

from __future__ import annotations

import numpy as np

from sim.profiles.clock import Joules
from sim.profiles.kernel_time import Number
from sim.profiles.terms import Device


def kernel_joules(
    seconds: Number,
    device: Device,
    *,
    flop_j: Number = 0.0,
    byte: Number = 0.0,
    again: Number = 0.0,
    scores: Number = 0.0,
    power: Number = 1.0,
) -> Joules:
    """J beyond loaded of a kernel that takes so long (``kernel_power``), were there no limit.

    ``flop_j`` is what its operations take, ``byte`` what it reads from memory and writes there, ``again`` what it reads
    once more from the second-level cache, ``scores`` the exponentials of attention. ``power`` is relative to all this.
    """
    seconds = np.asarray(seconds)
    operations = np.asarray(power * (flop_j + again * device.joule_per_l2_byte + scores * device.joule_per_score))
    moved, active = power * byte * device.joule_per_byte, power * seconds * device.active_w
    # What a byte costs in memory passes whatever the cores' clock; the rest is cores that wait for it.
    apart = np.asarray(moved * (device.clock.memory_share if device.clock is not None else 1.0))
    return Joules(operations, active + moved - apart, seconds * device.waiting_w, apart)
