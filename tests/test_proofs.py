"""What ``make proofs`` shows at length, ``make test`` shows in little: no law is left to proofs alone."""

from __future__ import annotations

import ast
from pathlib import Path

IN_LITTLE = {
    "test_the_engines_agree_on_many_more": "test_the_engines_agree",
    "test_the_engines_agree_with_hundreds_of_replicas": "test_the_engines_agree_on_who_is_asked_among_many",
    "test_every_path_of_every_scenario_may_be_null_and_what_is_whole_runs": "test_what_is_whole_without_a_path_runs",
    "test_a_kill_at_any_moment_leaves_no_half_file": "test_a_kill_leaves_no_half_file",
    "test_kills_at_random_moments_lose_and_double_nothing": "test_a_command_killed_outright_goes_on_where_it_was",
    "test_a_copy_with_two_routers_swapped_is_compiled_anew": "test_the_compiled_twin_of_a_router_is_the_same",
    "test_the_library_serves_as_numba_does": "test_the_engines_agree",
    "test_the_library_gives_nodes_away_as_numba_does": "test_the_kernel_leaves_what_the_plain_fleet_leaves",
    "test_many_ledgers_are_the_same_to_the_bit": "test_their_ledger_is_the_same_to_the_bit",
    "test_no_more_is_held_than_there_is_by_many_queues": "test_no_more_is_held_than_there_is",
    "test_backfill_never_delays_the_head_of_many_queues": "test_backfill_never_delays_the_head_whatever_it_asks_for",
    "test_units_mean_nothing_in_many_scenarios": "test_units_mean_nothing_in_any_scenario",
    "test_the_simulator_agrees_with_the_mean_field_over_more_rows": "test_the_simulator_agrees_with_the_mean_field",
    "test_what_is_judged_changes_nothing_of_a_fit": "test_what_is_judged_is_not_seen_by_the_fit",
    "test_the_library_meters_as_numba_does_to_the_bit": "test_both_folds_tell_jobs_the_same",
    "test_which_engine_serves_decides_nothing": "test_the_engines_agree",
    "test_what_comes_after_the_end_moves_nothing_served": "test_what_comes_after_the_end_moves_nothing_in_any_scenario",
}
"""By each proof the test without the mark that has its law, of fewer examples or of one compiler."""


def marked() -> dict[str, bool]:
    """Every test by name, and whether it is a proof."""
    found: dict[str, bool] = {}
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                marks = {ast.unparse(mark) for mark in node.decorator_list}
                found[node.name] = found.get(node.name, False) or "pytest.mark.proof" in marks
    return found


def test_every_proof_has_a_test_in_little() -> None:
    found = marked()
    assert {name for name, is_proof in found.items() if is_proof} == IN_LITTLE.keys()
    assert [name for name in IN_LITTLE.values() if found.get(name, True)] == []
