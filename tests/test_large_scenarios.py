"""Many jobs over a long time: what loads, the reporting interval that fits, and what is refused with its sum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim import common_yaml, documents
from sim.build.resolved import Resolved
from sim.checks import ledger_size
from sim.checks.ledger_size import LADDER, Size, cut_problem
from sim.documents import parse_value
from sim.errors import InputError
from sim.loading.scenario import load_scenario
from sim.results.files import read, to_yaml, write
from sim.units import DAY_NS, HOUR_NS, MAX_NS
from tests.commands import coldaisle
from tests.small import small

TABLES = ("energy_kwh", "carbon_kg", "water_l", "cost", "kpi", "serving", "jobs", "intervals")


def many(jobs: int, days: int) -> dict[str, Any]:
    """As many jobs as that, one after another."""
    scenario = small()
    job = scenario["workloads"]["tune"]
    scenario |= {"duration": f"{days} d", "workloads": {f"job-{i}": job for i in range(jobs)}, "outputs": {}}
    return scenario


def test_every_table_is_there_and_holds_only_what_is_modelled() -> None:
    scenario = small()
    del scenario["workloads"]["api"], scenario["site"]["water"], scenario["site"]["grid"]["price"]
    results = sim.run(scenario)
    for table in TABLES:
        assert isinstance(results.summary[table], dict), table
    assert results.summary["cost"] == {}
    assert results.summary["serving"] == {}
    assert not {"onsite", "offsite", "total"} & results.summary["water_l"].keys()
    assert sim.account(results, set={"site.grid.price": "0.1 USD/kWh"}).at("cost.currency") == "USD"


def test_tables_of_each_site_are_there_too() -> None:
    for site in sim.run("geo-shifted-service", set={"duration": "10 min"}).summary["sites"].values():
        assert site["cost"] == {}
        assert not {"onsite", "offsite"} & site["water_l"].keys()


def test_twelve_thousand_jobs_load_and_say_which_bin_they_get() -> None:
    """Over 100,000 values; 172 days of 4,128 hours are too many bins for so many rows."""
    loaded = load_scenario(many(12_000, 172))
    assert loaded.scenario.outputs.bin is not None
    assert loaded.scenario.outputs.bin.text == "1 d"
    assert loaded.bin_chosen is not None
    assert "outputs.bin is 1 d: 4,128 bins of 1 h" in loaded.bin_chosen
    assert loaded.resolved()["outputs"]["bin"] == "1 d"


def test_172_days_of_4789_jobs_get_a_coarser_bin() -> None:
    assert load_scenario(many(4_789, 172)).scenario.outputs.bin == 12 * HOUR_NS
    with pytest.raises(InputError) as error:
        load_scenario({**many(4_789, 172), "outputs": {"bin": "1 h"}})
    (problem,) = error.value.problems
    assert problem.path == "outputs.bin"
    assert "4,128 bins of 1 h" in problem.message
    assert f"{4_128 * 8 * (3 * 4_789 + 2):,} cells" in problem.message
    assert "bins of 2 h would fit" in problem.message
    assert load_scenario({**many(4_789, 172), "outputs": {"bin": "2 h"}}).bin_chosen is None


def test_a_thousand_sites_with_the_hours_of_a_year_are_taken_where_the_bin_is_written() -> None:
    size = Size(365 * DAY_NS, workloads=1000, pools=1000)
    assert size.fits(HOUR_NS)
    assert size.handy > HOUR_NS  # which nobody would get unasked


@given(st.integers(1, 200_000), st.integers(1, 50), st.integers(1, 3000))
def test_the_bin_chosen_is_the_finest_of_the_ladder_that_fits(jobs: int, pools: int, days: int) -> None:
    size = Size(days * DAY_NS, jobs, pools)
    chosen = size.fitting
    finer = [step for step in LADDER if chosen is None or step < chosen]
    assert chosen is None or size.fits(chosen)
    assert not any(size.fits(step) for step in finer)
    assert list(LADDER) == sorted(LADDER)


def test_a_chosen_bin_is_told_and_changes_no_total(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = sim.run(small())
    assert "bin_chosen" not in plain.manifest
    monkeypatch.setattr(ledger_size, "HANDY_CELLS", 200)  # six hours of 64 rows are 384 cells, and three bins 192
    coarse = sim.run({**small(), "outputs": {"requests": "all"}})
    assert "outputs.bin is 2 h: 6 bins of 1 h" in coarse.manifest["bin_chosen"]
    assert coarse.at("carbon_kg.total") == pytest.approx(plain.at("carbon_kg.total"), rel=1e-12)
    write(coarse, tmp_path / "run")
    again = sim.account(read(tmp_path / "run"), set={"site.facility.pue": 1.3})
    assert again.manifest["bin_chosen"] == coarse.manifest["bin_chosen"]


def housed(nodes: int, **outputs: str) -> dict[str, Any]:
    """One job on so many nodes, for a day."""
    scenario = small()
    del scenario["workloads"]["api"]
    scenario["cluster"]["nodes"][0]["count"] = nodes
    return {**scenario, "duration": "1 d", "outputs": outputs}


def test_embodied_carbon_grows_with_the_nodes_beyond_64_bits_of_slot_time() -> None:
    """A day of 100,000 nodes is 6.9e19 slot-ns: 64 bits made -6e18 of it."""
    few, many_nodes = (sim.run(housed(nodes)) for nodes in (2, 100_000))
    assert many_nodes.at("carbon_kg.embodied") == pytest.approx(50_000 * few.at("carbon_kg.embodied"), rel=1e-12)
    assert many_nodes.energy.total_slot_ns() == 50_000 * few.energy.total_slot_ns()


def test_a_bin_whose_slot_time_64_bits_do_not_hold_is_refused() -> None:
    (problem,) = sim.check(housed(100_000, bin="1 d"))
    assert problem.path == "outputs.bin"
    assert "800,000 slots over a bin of 1 d are more slot-time than 64 bits hold; write at most '3 h'" in str(problem)
    assert sim.check(housed(100_000, bin="192 min")) == ()


def test_signals_that_cut_too_many_bins_are_refused_with_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_scenario(small())
    resolved = Resolved.of(loaded.scenario, loaded.catalog)
    hours = np.arange(1, 100, dtype=np.int64) * HOUR_NS
    assert cut_problem(resolved, [hours]) is None
    monkeypatch.setattr(ledger_size, "MOST_CUT_CELLS", 300)
    found = cut_problem(resolved, [hours, hours[:3], np.array([MAX_NS], dtype=np.int64)])
    assert found is not None
    assert "change 5 times in this run, which with about 64 rows are 320 cells" in found[1]


def test_what_aliases_repeat_is_counted_apart_from_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    for reader in (documents, common_yaml):
        monkeypatch.setattr(reader, "MOST_VALUES", 50)
    monkeypatch.setattr(documents, "MOST_UNFOLDED", 10)
    items = ", ".join("1" for _ in range(45))
    assert len(parse_value(f"[{items}]", "s")) == 45
    assert parse_value("{a: &a [1, 2], b: *a, c: {d: *a}}", "s")["c"] == {"d": [1, 2]}
    with pytest.raises(InputError, match=r"s:1: has aliases that unfold into more than 10 values"):
        parse_value("{a: &a [1, 2, 3], b: *a, c: *a, d: *a}", "s")
    with pytest.raises(InputError, match=r"s:2: holds more than 50 values"):
        parse_value(f"- [{items}]\n- [1, 2, 3, 4, 5, 6]", "s")


@pytest.mark.slow
def test_a_hundred_and_twenty_thousand_values_are_read_from_a_file(tmp_path: Path) -> None:
    lines = "\n".join(f"  - {{a: {i}, b: [1, 2]}}" for i in range(24_000))
    (tmp_path / "s.yaml").write_text(f"name: x\nlist:\n{lines}\n")
    document = documents.read_document(tmp_path / "s.yaml")
    assert len(document.data["list"]) == 24_000
    assert document.place(("list", 23_999, "b", 1)).line == 24_002


def test_the_command_says_which_bin_it_chose(tmp_path: Path) -> None:
    """Thirty jobs over 3,000 days: 72,000 hours of 736 rows are 53 million cells."""
    (tmp_path / "s.yaml").write_text(to_yaml(many(30, 3000)))
    done = coldaisle("check", "s.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "s.yaml: no problems\n")
    assert done.stderr.startswith("note: outputs.bin is 2 h: 72,000 bins of 1 h and about 736 rows")
