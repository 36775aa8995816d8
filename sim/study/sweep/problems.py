"""Problems of a whole scenario, beyond those that reading it shows."""

from __future__ import annotations

from sim.build.accounts.accounting import accounting_plan
from sim.errors import InputError, Problem
from sim.loading.scenario import Loaded
from sim.running.run import unseen_signals


def problems_of(loaded: Loaded) -> tuple[Problem, ...]:
    """What shows only when the parts of a checked scenario are put together, or its policies look at its signals."""
    try:
        accounting_plan(loaded.answers)
        if loaded.scenario.uncertainty is not None:
            from sim.study.uncertain.scenario import UncertainScenario

            UncertainScenario(loaded)
        return unseen_signals(loaded)
    except InputError as error:
        return error.problems
