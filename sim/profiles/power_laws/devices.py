"""Power and speed of devices as pure functions: watts and seconds from work, in SI, with no clock and no state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def gpu_power_w(
    *,
    loaded_w: float,
    flop_per_s: float,
    joule_per_flop: float,
    byte_per_s: float,
    joule_per_byte: float,
    link_byte_per_s: float = 0.0,
    joule_per_link_byte: float = 0.0,
) -> float:
    """Board power in W of one GPU at a steady rate of work: a roofline of energy.

    State power plus energy per operation times rate, after Choi, Bedard, Fowler, Vuduc, "A roofline model of energy",
    IPDPS 2013, doi 10.1109/IPDPS.2013.77, eq. 3 written as power. It is linear in rate and knows no cap:
    see ``capped_step_s`` for what a binding cap does. It does not promise the fall of energy per operation at lower
    clocks, which a profile measured under caps would show.
    """
    return loaded_w + flop_per_s * joule_per_flop + byte_per_s * joule_per_byte + link_byte_per_s * joule_per_link_byte


def roofline_step_s(
    *,
    flop: float,
    peak_flop_per_s: float,
    byte: float,
    peak_byte_per_s: float,
    link_byte: float,
    peak_link_byte_per_s: float,
    compute_efficiency: float,
    memory_efficiency: float,
    link_efficiency: float,
    overhead_s: float,
) -> float:
    """Seconds of one step on one GPU: the slower of compute and memory, plus exposed communication, plus overhead.

    Work is per GPU and step. Source: Williams, Waterman, Patterson, "Roofline", CACM 2009,
    doi 10.1145/1498765.1498785, with achieved fractions of the peaks as efficiencies in (0, 1].
    """
    compute_s = flop / (peak_flop_per_s * compute_efficiency)
    memory_s = byte / (peak_byte_per_s * memory_efficiency)
    link_s = link_byte / (peak_link_byte_per_s * link_efficiency)
    return max(compute_s, memory_s) + link_s + overhead_s


def capped_step_s(step_s: float, *, dynamic_j: float, loaded_w: float, cap_w: float) -> float:
    """Seconds of a step once a power cap binds: the clock falls until the mean power meets the cap.

    ``dynamic_j`` is the step's energy beyond ``loaded_w``. Never shorter than ``step_s``. Needs ``cap_w > loaded_w``.
    """
    return max(step_s, dynamic_j / (cap_w - loaded_w))


def cpu_power_w(load: float, *, idle_w: float, full_w: float, exponent: float) -> float:
    """Socket power in W at ``load`` in 0..1: idle + (full - idle) * load**exponent, concave for exponents below 1.

    Form: Fan, Weber, Barroso, "Power provisioning for a warehouse-sized computer", ISCA 2007,
    doi 10.1145/1250662.1250665 (whose own fit, 2u - u**1.4, is concave too).
    """
    return idle_w + (full_w - idle_w) * load**exponent if load > 0.0 else idle_w


def load_rise(load: Floats, *, exponent: float, cubic_share: float) -> Floats:
    """Power above idle at ``load`` (any shape, 0..1) as a share of that at full load.

    Two things rise with load: what wakes early (caches, fabric, memory controllers), concave as ``load**exponent``;
    and clock with voltage, which governors raise late, as the cube of load. ``cubic_share`` is the part of the second.
    Concave alone is the form of ``cpu_power_w``; the cube is dynamic power C V**2 f with V in proportion to f.
    """
    return np.asarray((1.0 - cubic_share) * load**exponent + cubic_share * load**3, dtype=np.float64)


def psu_loss_w(dc_w: float, *, rated_w: float, loads: Sequence[float], efficiencies: Sequence[float]) -> float:
    """Conversion loss in W of the power supplies at a DC load: dc * (1 / efficiency(dc / rated) - 1).

    Efficiency is linear between the points of ``loads`` (rising, fractions of ``rated_w``) and constant outside them.
    """
    load = dc_w / rated_w
    if load <= loads[0]:
        efficiency = efficiencies[0]
    elif load >= loads[-1]:
        efficiency = efficiencies[-1]
    else:
        i = next(k for k in range(1, len(loads)) if load <= loads[k])
        share = (load - loads[i - 1]) / (loads[i] - loads[i - 1])
        efficiency = efficiencies[i - 1] + share * (efficiencies[i] - efficiencies[i - 1])
    return dc_w * (1.0 / efficiency - 1.0)
