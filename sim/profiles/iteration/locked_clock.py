"""A GPU whose cores are held at a lower clock than its highest, whatever it draws (``nvidia-smi --lock-gpu-clocks``).

Unlike a power cap, which lowers the clock of the kernels that ask for more, a locked clock slows all of them: products
in proportion, floors likewise (they are cycles), and reading memory not at all. Watts fall with clock and voltage
(``clock``). At Microsoft prompts and decodes of hosted models were so held (Patel and others, "Characterizing power
management opportunities for LLMs in the cloud", ASPLOS 2024, arXiv:2308.12908, section 5).

It leaves out that memory is read somewhat more slowly at the lowest clocks, and that idle boards do not care.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim.profiles.iteration.terms import Device
from sim.profiles.power_laws.clock import ClockCurve, clocked, saved_w, voltage


def locked(device: Device, share: float, curve: ClockCurve) -> Device:
    """The device at ``share`` of its highest clock. What a loaded board saves so comes off what it draws while it waits
    within an iteration, as far as that goes."""
    at = np.array(share)
    squared, cores = float(voltage(at, curve)) ** 2, float(clocked(at, curve))
    own = float(curve.memory_share)
    return replace(
        device,
        peak_flop_per_s=device.peak_flop_per_s * share,
        peak16_flop_per_s=device.peak16_flop_per_s * share,
        clock_hz=device.clock_hz * share,
        joule_per_flop=device.joule_per_flop * squared,
        joule16_per_flop=device.joule16_per_flop * squared,
        joule_per_l2_byte=device.joule_per_l2_byte * squared,
        joule_per_score=device.joule_per_score * squared,
        joule_per_byte=device.joule_per_byte * (own + (1.0 - own) * squared),
        active_w=device.active_w * cores,
        waiting_w=max(0.0, float(device.waiting_w) * cores - float(saved_w(at, curve))),
    )
