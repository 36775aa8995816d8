"""Energy of a kernel of an iteration, from its work and its time (``kernels.power``), in the kinds a lower clock tells
apart (``clock.Joules``)."""

from __future__ import annotations

import numpy as np

from sim.profiles.iteration.terms import Device
from sim.profiles.kernels.time import Number
from sim.profiles.power_laws.clock import Joules

UNTILED = 0.45
"""What a byte takes of the second-level cache's energy where it goes to registers without a tile, of what others take.

Libraries multiply a single row of 16 bits by vector kernels of the general lanes: no copy to shared memory, no tile of
a tensor core that is empty but for a row. Told by measured products of one row (AIConfigurator 0.22), whose median
reading on an H200 is 320 W at 4.1 TB/s, and 557 W of two rows as fast. The known half of the matrices on H200, B200
and GB200 tells it to a tenth; the others, read 32, 17 and 22 % too high without it through the meter, err by 22, 7 and
8 %. (On Blackwell the law reads small products too high whatever their rows; on an H200 single ones alone.) Boards
that do not tell their second-level cache's energy keep what they have: an A100's bytes were told by rows that are
single ones, too.
"""


def kernel_joules(
    seconds: Number,
    device: Device,
    *,
    flop_j: Number = 0.0,
    byte: Number = 0.0,
    again: Number = 0.0,
    untiled: Number = 0.0,
    scores: Number = 0.0,
    power: Number = 1.0,
) -> Joules:
    """J beyond loaded of a kernel that takes so long (``kernels.power``), were there no limit.

    ``flop_j`` is what its operations take, ``byte`` what it reads from memory and writes there, ``again`` what it reads
    once more from the second-level cache, ``untiled`` what of ``byte`` needs no tile, ``scores`` the exponentials of
    attention. ``power`` is relative to all this.
    """
    seconds = np.asarray(seconds)
    operations = np.asarray(power * (flop_j + again * device.joule_per_l2_byte + scores * device.joule_per_score))
    active = power * seconds * device.active_w
    # What a byte costs in memory passes whatever the cores' clock; the rest is cores that wait for it.
    own = device.clock.memory_share if device.clock is not None else 1.0
    apart = np.asarray(power * byte * device.joule_per_byte * own)
    spared = (1.0 - UNTILED) * untiled * device.joule_per_l2_byte
    fetched = power * (byte * device.joule_per_byte * (1.0 - own) - spared)
    return Joules(operations, active + fetched, seconds * device.waiting_w, apart)
