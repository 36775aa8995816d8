"""Any scenario of sound form is checked and run: refused by ``check`` with its place, or run, and nothing else."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings

import sim
from sim.errors import RunError
from tests.any_scenario import scenarios
from tests.board_power import beyond
from tests.fuzz.invariants import must_hold, same_again


def ran(scenario: dict[str, Any]) -> bool:
    """Checks and runs it; False where ``check`` refuses it or the run says why it cannot be finished."""
    if sim.check(scenario):
        return False
    try:
        results = sim.run(scenario)  # what is refused only now is a fault of the check
    except RunError:
        return False
    must_hold(results)
    assert beyond(results, scenario, rounding=1e-9) == {}
    return True


@given(scenarios(serving=False))
def test_any_scenario_is_refused_by_its_check_or_runs(scenario: dict[str, Any]) -> None:
    ran(scenario)


@settings(max_examples=max(20, settings().max_examples // 4))
@given(scenarios(serving=True))
def test_any_scenario_with_served_models_is_refused_by_its_check_or_runs(scenario: dict[str, Any]) -> None:
    ran(scenario)


@settings(max_examples=8)
@given(scenarios(serving=False))
def test_any_scenario_is_the_same_again(scenario: dict[str, Any]) -> None:
    if not sim.check(scenario):
        try:
            same_again(sim.run(scenario), sim.run(scenario))
        except RunError:
            return
