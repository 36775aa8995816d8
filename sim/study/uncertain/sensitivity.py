"""Which input moves a result: Sobol indices, Morris' elementary effects, and one input at a time.

The model is a function of the unit cube: shape (points, inputs) in, (points,) out, each input a quantile of its
distribution. Inputs are independent. Inputs of one group (the constants of one calibration) are moved together.

Sobol indices by Saltelli et al. 2010 (doi:10.1016/j.cpc.2009.09.018), Morris by Campolongo, Cariboni, Saltelli 2007
(doi:10.1016/j.envsoft.2006.10.004), both as SALib has them (Iwanaga, Usher, Herman 2022, doi:10.18174/sesmo.18155).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sim.errors import RunError

Floats = npt.NDArray[np.float64]
Model = Callable[[Floats], Floats]
Method = Literal["sobol", "morris", "oat"]
OAT_ENDS = (0.05, 0.95)
MORRIS_LEVELS = 4


@dataclass(frozen=True)
class Effect:
    """What one input does to the result, by the names of the method; ``size`` is what inputs are ranked by."""

    input: str
    size: float
    values: dict[str, float]


@dataclass(frozen=True)
class Sensitivity:
    """Effects, the largest first, and how often the model was asked."""

    method: Method
    effects: tuple[Effect, ...]
    evaluations: int

    def as_dict(self) -> dict[str, Any]:
        """The sensitivities as plain data."""
        return {
            "method": self.method,
            "evaluations": self.evaluations,
            "effects": {effect.input: effect.values for effect in self.effects},
        }


def analyse(model: Model, inputs: Sequence[str], method: Method, *, samples: int, seed: int) -> Sensitivity:
    """The effect of every input on ``model``. ``inputs`` names each column; equal names are moved together.

    ``samples`` is the base sample of Sobol (a power of 2) or the trajectories of Morris. Raises ``RunError`` where
    SALib is not installed.
    """
    if method == "oat":
        return _one_at_a_time(model, inputs)
    try:
        import SALib.analyze.morris as morris_analysis
        import SALib.analyze.sobol as sobol_analysis
        import SALib.sample.morris as morris_sample
        import SALib.sample.sobol as sobol_sample
    except ImportError:
        raise RunError("Sobol and Morris need SALib: pip install 'coldaisle[sensitivity]'") from None
    groups = list(dict.fromkeys(inputs))
    grouped = len(groups) < len(inputs)
    names = [f"{name}/{i}" for i, name in enumerate(inputs)] if grouped else list(inputs)
    problem: dict[str, Any] = {"num_vars": len(inputs), "names": names, "bounds": [[0.0, 1.0]] * len(inputs)}
    if grouped:
        problem["groups"] = list(inputs)
    if method == "sobol":
        points = sobol_sample.sample(problem, samples, calc_second_order=False, seed=seed)
        outputs = _of(model, np.asarray(points, dtype=np.float64))
        if not np.ptp(outputs):
            return _ranked(
                "sobol", groups, len(points), {"first": [0.0] * len(groups), "total": [0.0] * len(groups)}, "total"
            )
        # SALib estimates on the standardised outputs; its confidence is that of a bootstrap
        found = sobol_analysis.analyze(problem, outputs, calc_second_order=False, seed=seed)
        columns = {
            "first": found["S1"],
            "first_95": found["S1_conf"],
            "total": found["ST"],
            "total_95": found["ST_conf"],
        }
        return _ranked("sobol", groups, len(points), columns, "total")
    points = morris_sample.sample(problem, samples, num_levels=MORRIS_LEVELS, seed=seed)
    outputs = _of(model, np.asarray(points, dtype=np.float64))
    found = morris_analysis.analyze(problem, points, outputs, num_levels=MORRIS_LEVELS, seed=seed)
    columns = {"mu_star": found["mu_star"], "mu_star_95": found["mu_star_conf"]}
    if not grouped:  # of a group the sign means nothing
        columns |= {"mu": found["mu"], "sigma": found["sigma"]}
    return _ranked("morris", groups, len(points), columns, "mu_star")


def _of(model: Model, points: Floats) -> Floats:
    outputs = np.asarray(model(points), dtype=np.float64)
    if not np.isfinite(outputs).all():
        raise RunError("the result is not known at every point, and effects on it cannot be told")
    return outputs


def _one_at_a_time(model: Model, inputs: Sequence[str]) -> Sensitivity:
    groups = list(dict.fromkeys(inputs))
    points = [np.full(len(inputs), 0.5)]
    for name in groups:
        mine = np.array([other == name for other in inputs])
        points += [np.where(mine, end, 0.5) for end in OAT_ENDS]
    outputs = _of(model, np.array(points))
    low, high = outputs[1::2], outputs[2::2]
    columns = {
        "at_p05": low,
        "at_p95": high,
        "swing": np.abs(high - low),
        "at_median": np.full(len(groups), outputs[0]),
    }
    return _ranked("oat", groups, len(points), columns, "swing")


def _ranked(method: Method, names: Sequence[str], evaluations: int, columns: dict[str, Any], by: str) -> Sensitivity:
    effects = [
        Effect(name, float(columns[by][i]), {column: float(values[i]) for column, values in columns.items()})
        for i, name in enumerate(names)
    ]
    return Sensitivity(method, tuple(sorted(effects, key=lambda effect: (-effect.size, effect.input))), evaluations)
