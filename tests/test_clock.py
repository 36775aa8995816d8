"""What a lower clock saves and costs, and that a cap is met: limits, monotonicity, and the serving cost under caps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.profiles.clock import LOWEST_CLOCK, ClockCurve, clock_under_cap, energy_ratio, power_w, slowdown
from sim.profiles.step import CAPPED, COMPUTE, ENERGY, MEMORY
from sim.profiles.terms import Device
from tests import iterations

curves = st.builds(ClockCurve, st.floats(0.5, 0.9), st.floats(0.5, 2.0), st.floats(0.0, 0.4))
CURVE = ClockCurve(floor=0.6, slope=1.7, memory_share=0.14)
H100 = replace(iterations.H100, clock=CURVE)


@given(curves, st.floats(100, 900), st.floats(0, 1), st.floats(40, 90))
def test_power_rises_with_the_clock_and_ends_at_full_power(
    curve: ClockCurve, full_w: float, core_share: float, loaded_w: float
) -> None:
    clocks = np.linspace(LOWEST_CLOCK, 1.0, 200)
    work = {"loaded_w": np.array(loaded_w), "full_w": np.array(full_w), "core_share": np.array(core_share)}
    watts = power_w(clocks, curve=curve, **work)
    assert (np.diff(watts) >= -1e-9 * full_w).all()
    assert watts[-1] == pytest.approx(full_w, rel=1e-12)
    assert (watts >= loaded_w).all()


@given(curves, st.floats(150, 900), st.floats(100, 700), st.floats(0, 1))
def test_a_cap_is_met_where_a_clock_can_meet_it(
    curve: ClockCurve, full_w: float, cap_w: float, core_share: float
) -> None:
    work = {"loaded_w": np.array(60.0), "full_w": np.array(full_w), "core_share": np.array(core_share)}
    clock = clock_under_cap(np.array(cap_w), curve=curve, **work)
    watts = float(power_w(clock, curve=curve, **work))
    if full_w <= cap_w:
        assert clock == 1.0
    elif clock > LOWEST_CLOCK + 1e-9:
        assert watts == pytest.approx(cap_w, rel=1e-6)
    else:
        assert watts >= cap_w * (1 - 1e-9)  # a cap that no clock can meet


@given(curves, st.floats(150, 900), st.floats(100, 700))
def test_compute_pays_more_time_for_a_cap_than_memory(curve: ClockCurve, full_w: float, cap_w: float) -> None:
    def seconds(core_share: float) -> float:
        share = np.array(core_share)
        clock = clock_under_cap(
            np.array(cap_w), loaded_w=np.array(60.0), full_w=np.array(full_w), core_share=share, curve=curve
        )
        return float(slowdown(clock, share))

    assert seconds(0.0) == 1.0
    assert seconds(1.0) >= seconds(0.5) * (1 - 1e-9)


def test_the_square_of_voltage_is_the_limit_without_memory() -> None:
    """At a clock of 0.9: voltage 1 - 1.7 x 0.1 = 0.83, so energy 0.6889; at 0.5 the floor of 0.6 holds: 0.36."""
    curve = ClockCurve(0.6, 1.7, 0.0)
    assert energy_ratio(np.array([0.9, 0.5, 1.0]), curve) == pytest.approx([0.6889, 0.36, 1.0])


@pytest.mark.parametrize("cap_w", [250.0, 350.0, 500.0])
def test_a_capped_iteration_keeps_to_its_cap_and_saves_energy(cap_w: float) -> None:
    model = iterations.named("llama-3.1-8b")

    def cost(device: Device) -> tuple[np.ndarray, np.ndarray]:
        table = iterations.cost_of(model, device=device, most_tokens=8192).table[1, 1:]
        return table[:, [COMPUTE, MEMORY, CAPPED]].max(axis=1), table[:, ENERGY]

    free_s, free_j = cost(H100)
    seconds, joules = cost(replace(H100, cap_w=cap_w))
    blunt_s, blunt_j = cost(replace(H100, cap_w=cap_w, clock=None))
    assert (H100.loaded_w + joules / seconds <= cap_w * (1 + 1e-9)).all()
    assert (seconds >= free_s * (1 - 1e-12)).all()
    assert (joules <= free_j * (1 + 1e-12)).all()
    assert (seconds <= blunt_s * (1 + 1e-9)).all()  # a cap taken as pure delay is the worst case
    assert joules.sum() < blunt_j.sum()
    # Prefill of 8,192 tokens is compute; decoding one token is memory: caps slow the one and hardly the other.
    assert seconds[-1] / free_s[-1] >= seconds[0] / free_s[0]
