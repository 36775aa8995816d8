"""A finished run made ready to be explained: its footprint is folded anew from its ledger; nothing is simulated."""

from __future__ import annotations

from sim.accounting.fold import fold
from sim.build.accounts.accounting import accounting_plan
from sim.loading.scenario import load_scenario
from sim.results.explain.explanation import Explanation, explain
from sim.results.explain.paths import asked_for
from sim.results.explain.run import Explained
from sim.results.results import Results
from sim.running.run import run_of, unit_of


def explained(results: Results) -> Explained:
    """What explanations of a run read. Raises ``InputError`` where its profiles or files of its sites are gone."""
    loaded = load_scenario(results.scenario, {}, None, activity_files=False)
    plan = accounting_plan(loaded.answers)
    unit = unit_of(loaded.scenario, run_of(results).activity, results.energy)
    tables = {"jobs": results.job_table, "draws": results.draw_table, "trials": results.trial_table}
    if results.request_table is not None:
        tables["requests"] = results.request_table.table()
    return Explained(
        summary=results.summary,
        scenario=results.scenario,
        manifest=results.manifest,
        ledger=results.energy,
        footprint=fold(results.energy, plan),
        plan=plan,
        catalog=loaded.catalog,
        units=unit.quantity if unit is not None else None,
        tables={name: table for name, table in tables.items() if table is not None},
    )


def explanations(results: Results, path: str) -> list[Explanation]:
    """How the numbers that a path names came about; ``*`` in it stands for anything.

    Raises ``InputError`` with the nearest paths where it names none.
    """
    found = asked_for(results.summary, path)
    run = explained(results)
    return [explain(run, place) for place in found]
