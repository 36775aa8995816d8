"""A request as passes through networks: seconds and joules of a batch on one device, by its roofline.

Whatever is no language model served token by token (an encoder, a detector, a captioner, a diffusion model, an encoder
with a decoder) is so many passes through one or more networks. A pass takes as long as the slower of arithmetic and
memory (``devices.roofline_step_s``), or as long as the host takes to launch its kernels, where that is longer:
launches run ahead of the device, so the two overlap (Fernandez, Kahn, Na, Bisk, Strubell, "The framework tax",
EMNLP 2023, arXiv:2302.06117). Weights are read once a pass whatever the batch; operations and other bytes are a
request's.

It does not promise how far kernels stay below the roofline: that is stated, as efficiencies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sim.profiles.power_laws.devices import roofline_step_s


@dataclass(frozen=True)
class Pass:
    """``times`` passes in sequence: of each a request's FLOP and B, B of weights that a batch shares, s of launches,
    and the FLOP/s that are achieved and J of an operation in its precision."""

    times: int
    flop: float
    byte: float
    shared_byte: float
    launch_s: float
    flop_per_s: float
    joule_per_flop: float = 0.0


@dataclass(frozen=True)
class Device:
    """Achieved B/s of one device, and J of a byte and of a second at work."""

    byte_per_s: float
    joule_per_byte: float = 0.0
    active_w: float = 0.0


def batch_cost(passes: Sequence[Pass], size: int, device: Device, *, host_s: float) -> tuple[float, float, float]:
    """Of a batch of ``size`` requests: s in all, s of them in which kernels run, and J beyond waiting.

    ``host_s`` is the host's work of each request, one after another, while the device waits.
    """
    total_s, busy_s, joules = size * host_s, 0.0, 0.0
    for each in passes:
        flop, byte = size * each.flop, each.shared_byte + size * each.byte
        kernels_s = roofline_step_s(
            flop=flop,
            peak_flop_per_s=each.flop_per_s,
            byte=byte,
            peak_byte_per_s=device.byte_per_s,
            link_byte=0.0,
            peak_link_byte_per_s=1.0,
            compute_efficiency=1.0,
            memory_efficiency=1.0,
            link_efficiency=1.0,
            overhead_s=0.0,
        )
        total_s += each.times * max(kernels_s, each.launch_s)
        busy_s += each.times * kernels_s
        of_pass = flop * each.joule_per_flop + byte * device.joule_per_byte + kernels_s * device.active_w
        joules += each.times * of_pass
    return total_s, busy_s, joules
