"""The sensitivity of a scenario's results to its uncertain inputs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.errors import InputError, RunError
from sim.spec.loader import Loaded
from sim.study.distributions import from_shares
from sim.study.draws import results_of, value_at
from sim.study.sensitivity import Method, Sensitivity, analyse
from sim.study.uncertain import Calibrated, UncertainScenario

Floats = npt.NDArray[np.float64]
FURTHEST = 0.005
"""Morris and Sobol ask for the ends of the cube, where an unbounded distribution has no quantile."""


def scenario_sensitivity(loaded: Loaded, method: Method, output: str, *, samples: int) -> Sensitivity:
    """Which uncertain input of ``loaded`` moves ``output``, a dotted path of its summary, under its own seed.

    Inputs that are wholly dependent count as one, by the name of the first. Raises ``InputError`` for inputs that are
    only partly so: variance cannot be shared out between them. Where the scenario cannot have a value, so that an
    interval would be truncated there, this raises ``RunError``.
    """
    uncertain = UncertainScenario(loaded)
    partly = [members for members, correlation in uncertain.groups if correlation not in ("comonotone", 1.0)]
    if partly:
        named = ", ".join(partly[0])
        message = f"{named} are partly correlated; effects need independent inputs, or 'comonotone' ones"
        raise InputError([loaded.document.problem(("uncertainty", "groups"), message)])
    leader = {path: members[0] for members, _ in uncertain.groups for path in members}
    sources = list(dict.fromkeys(leader.get(column, column) for column in uncertain.columns))
    column_of = [sources.index(leader.get(column, column)) for column in uncertain.columns]
    joint = {column: one.path for one in uncertain.inputs if isinstance(one, Calibrated) for column in one.columns}
    path = (*output.split("."),)
    known = results_of(uncertain.summary(np.zeros(len(uncertain.columns))))

    def model(points: Floats) -> Floats:
        edge = FURTHEST if method == "morris" else np.finfo(np.float64).epsneg
        scores = from_shares(np.clip(points, edge, 1.0 - edge))
        values = np.empty(len(points))
        for i, row in enumerate(scores):
            try:
                value = value_at(uncertain.summary(row[column_of]), path)
            except InputError as error:
                raise RunError(
                    f"an input's range reaches where no scenario can be, and needs limits: {error}"
                ) from None
            if value is None:
                message = f"'{output}' is no number of this scenario's summary  ({', '.join(known)})"
                raise InputError.one("--output", message)
            values[i] = value
        return values

    return analyse(model, [joint.get(name, name) for name in sources], method, samples=samples, seed=uncertain.seed)
