"""The page says, model by model, for what it is known to hold and where the run stood, and warns of what is outside."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

import sim
from sim.profiles.catalog import Catalog
from sim.report.assumptions import limits
from sim.report.run import report
from sim.report.validity import BEYOND, UNTOLD, WITHIN, ranges
from sim.results.results import Results


@pytest.fixture(scope="module")
def results() -> Results:
    return sim.run("chat-service", set={"duration": "1 min", "outputs.requests": "all"})


def test_every_model_has_its_range_and_what_the_run_had(results: Results) -> None:
    rows = {(row[0], row[1]): row for row in ranges(results)}
    (context,) = (row for row in rows.values() if row[1] == "tokens of a context")
    table = results.requests()
    assert context[3] == f"{(table.prompt_tokens + table.output_tokens).max():,}"
    assert context[4] == WITHIN
    (power,) = (row for row in rows.values() if row[1].startswith("W a board"))
    gpu = Catalog().gpu(power[0].removeprefix("power of "))
    low, high = (float(end) for end in power[3].removesuffix(" W").split(" to "))
    assert gpu.power.idle.value * 0.99 <= low <= high <= gpu.tdp.value
    assert "Ranges in which the models are known to hold" in report(results)


def test_what_was_not_kept_is_said_to_be_unknown(results: Results) -> None:
    (context,) = (row for row in ranges(replace(results, request_table=None)) if row[1] == "tokens of a context")
    assert context[3:] == ("not kept (outputs.requests: all)", UNTOLD)


def test_what_lies_outside_is_told_at_the_top(results: Results) -> None:
    """A cache fuller than full, as a model that is wrong would say."""
    summary = copy.deepcopy(results.summary)
    name = next(iter(summary["serving"]))
    summary["serving"][name]["kv_occupancy"] = 1.2
    odd = replace(results, summary=summary)
    assert [row for row in ranges(odd) if row[4] == BEYOND]
    assert "KV cache" in limits(odd)[0]
    assert "exceeded" in report(odd).partition('id="where"')[0]
