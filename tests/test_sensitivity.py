"""Effects of known functions: Ishigami's for Sobol and Morris, a sum for one at a time."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from sim.study.uncertain.sensitivity import analyse

A, B = 7.0, 0.1
INPUTS = ("x1", "x2", "x3")


def ishigami(points: np.ndarray) -> np.ndarray:
    """sin x1 + A sin^2 x2 + B x3^4 sin x1, x uniform on (-pi, pi). Ishigami, Homma 1990."""
    x1, x2, x3 = np.pi * (2.0 * points.T - 1.0)
    return np.asarray(np.sin(x1) + A * np.sin(x2) ** 2 + B * x3**4 * np.sin(x1))


def analytic() -> tuple[dict[str, float], dict[str, float]]:
    """First-order and total indices by integrating the function's parts over its uniform inputs."""
    v1 = 0.5 * (1.0 + B * np.pi**4 / 5.0) ** 2
    v2 = A**2 / 8.0
    v13 = B**2 * np.pi**8 * (1.0 / 18.0 - 1.0 / 50.0)
    total = v1 + v2 + v13
    return (
        {"x1": v1 / total, "x2": v2 / total, "x3": 0.0},
        {"x1": (v1 + v13) / total, "x2": v2 / total, "x3": v13 / total},
    )


def test_sobol_indices_match_the_analytic_ones_of_ishigami() -> None:
    pytest.importorskip("SALib")
    first, whole = analytic()
    found = analyse(ishigami, INPUTS, "sobol", samples=8192, seed=1)
    assert found.evaluations == 8192 * (3 + 2)
    for effect in found.effects:
        assert effect.values["first"] == pytest.approx(first[effect.input], abs=0.02)  # about 2 of its 95 % bounds
        assert effect.values["total"] == pytest.approx(whole[effect.input], abs=0.02)
    assert [effect.input for effect in found.effects] == ["x1", "x2", "x3"]


def test_morris_effects_match_all_elementary_effects_of_ishigami() -> None:
    """mu* over every elementary effect of the grid of 4 levels with steps of 2/3, which Morris samples."""
    pytest.importorskip("SALib")
    levels, step = np.arange(4) / 3.0, 2.0 / 3.0
    expected = {}
    for i, name in enumerate(INPUTS):
        starts = np.array([point for point in product(levels, repeat=3) if point[i] + step <= 1.0 + 1e-9])
        effects = (ishigami(starts + step * np.eye(3)[i]) - ishigami(starts)) / step
        expected[name] = float(np.abs(effects).mean())
    found = analyse(ishigami, INPUTS, "morris", samples=2000, seed=1)
    for effect in found.effects:
        error = 2.0 * effect.values["mu_star_95"] + 1e-9
        assert effect.values["mu_star"] == pytest.approx(expected[effect.input], abs=error)


def test_one_at_a_time_of_a_sum_is_each_term() -> None:
    found = analyse(lambda points: points @ np.array([1.0, -10.0, 4.0]), INPUTS, "oat", samples=2, seed=0)
    assert [effect.input for effect in found.effects] == ["x2", "x3", "x1"]
    assert [effect.size for effect in found.effects] == pytest.approx([9.0, 3.6, 0.9])  # 0.9 of the way from p05 to p95
    assert found.evaluations == 7


def test_inputs_of_one_name_are_moved_together() -> None:
    pytest.importorskip("SALib")
    names = ("gpu", "gpu", "grid")
    found = analyse(lambda p: 3.0 * p[:, 0] + 4.0 * p[:, 1] + 5.0 * p[:, 2], names, "sobol", samples=4096, seed=0)
    # independent terms: variances 9 + 16 against 25
    assert {e.input: round(e.values["total"], 1) for e in found.effects} == {"gpu": 0.5, "grid": 0.5}


def test_a_result_that_nothing_moves_has_no_effects() -> None:
    pytest.importorskip("SALib")
    found = analyse(lambda points: np.full(len(points), 3.0), INPUTS, "sobol", samples=64, seed=0)
    assert [effect.size for effect in found.effects] == [0.0, 0.0, 0.0]
