"""Exports say what the run says: every number, conserved, under any name, in a shape that a schema knows."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

import sim
from sim.errors import InputError
from sim.exports import codecarbon, ghg, openmetrics, perfetto, sci, sci_ai
from sim.exports.impact import manifest
from sim.exports.registry import FORMATS, export_to, exported
from sim.exports.run import Run
from sim.exports.schemas import SCHEMAS, schema_of
from sim.exports.tables import TABLES
from sim.measure.readers import codecarbon as reader
from sim.reading import read_parquet
from sim.results.files import CRATE, MANIFEST, OPTIONAL, SUMMARY, read, write
from sim.units import G_PER_KG, J_PER_KWH, NS_PER_S
from tests.commands import coldaisle
from tests.exported_runs import SCENARIOS, run_of
from tests.schemas import scenario_validator, validator_of
from tests.small import small
from tests.test_known_totals import BARE, priced

RUNS = list(SCENARIOS)
TEXTS = {*ghg.Row._fields, "run_id", "experiment_id", "python_version", "codecarbon_version"} - {"value", "p05", "p95"}
"""Columns that are texts, whatever they look like."""
LAST_DIGITS = 1e-12
"""Of sums of some hundred doubles whose order differs."""


def texts(name: str) -> Iterator[tuple[str, str, str]]:
    """Every format and form that a run has."""
    run = run_of(name)
    for one in FORMATS.values():
        for form in one.forms:
            if one.name in ("sci", "sci-ai"):  # the only ones that need something of a scenario
                with contextlib.suppress(InputError):
                    yield one.name, form, exported(run.folder, one.name, form)
            else:
                yield one.name, form, exported(run.folder, one.name, form)


def valid(value: Any, name: str) -> None:
    validator_of(name).validate(value)


def thinned(some: list[Any]) -> list[Any]:
    """At most some hundred of them, evenly: validators take their time."""
    return some[:: len(some) // 200 + 1]


def samples(text: str) -> Iterator[dict[str, Any]]:
    """The samples of a text of OpenMetrics, by its grammar."""
    assert text.endswith("# EOF\n")
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.match(r"# (HELP|TYPE|UNIT) [a-zA-Z_]\w* |# EOF$", line), line
            continue
        found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)(?: (\d+))?", line)
        assert found, line
        labels = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[2] or "")
        stamp = None if found[4] is None else int(found[4])
        yield {"name": found[1], "labels": dict(labels), "value": float(found[3]), "timestamp": stamp}


def rows_of(text: str) -> list[dict[str, Any]]:
    """Rows of a CSV with numbers as numbers, and empty cells as null."""

    def cell(column: str, value: str) -> Any:
        if column in TEXTS:
            return value
        try:
            return float(value) if value else None
        except ValueError:
            return value

    return [{name: cell(name, value) for name, value in row.items()} for row in csv.DictReader(io.StringIO(text))]


def leaves(tree: Any) -> Iterator[float]:
    """Every number of a summary."""
    if isinstance(tree, Mapping):
        for inner in tree.values():
            yield from leaves(inner)
    elif isinstance(tree, list):
        for inner in tree:
            yield from leaves(inner)
    elif isinstance(tree, int | float):
        yield float(tree)


@pytest.mark.parametrize("name", RUNS)
def test_every_export_is_as_its_schema_says(name: str) -> None:
    for one, form, text in texts(name):
        if form == ".json":
            whole = json.loads(text)
            if one == "perfetto":  # of events, as many as tell one kind from another
                whole["traceEvents"] = thinned(whole["traceEvents"])
            valid(whole, one)
        elif form in (".yml", ".yaml"):
            valid(YAML(typ="safe").load(text), one)
        elif form == ".csv":
            rows = rows_of(text)
            assert rows
            for row in rows:
                valid(row, one)
        elif form in (".prom", ".txt"):
            validator = validator_of(one)
            for sample in thinned([*samples(text)]):
                validator.validate(sample)
        else:
            assert form == ".md"
            assert text.startswith("<!-- written by coldaisle export -->\n\n# ")


@pytest.mark.parametrize("name", RUNS)
def test_every_file_of_a_run_is_as_its_schema_says(name: str) -> None:
    folder = run_of(name).folder
    for path in folder.iterdir():
        if path.suffix == ".parquet":
            table = read_parquet(path)
            validator = validator_of(path.stem)
            for row in table.take(np.array(thinned([*range(len(table))]), dtype=np.int64)).to_pylist():
                plain = {key: value.isoformat() if hasattr(value, "isoformat") else value for key, value in row.items()}
                validator.validate(plain)
        elif path.suffix == ".json" and path.name != CRATE:
            valid(json.loads(path.read_text(encoding="utf-8")), path.stem)
        elif path.suffix == ".yaml":
            data = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
            scenario_validator().validate(data)


def test_schemas_are_schemas_and_know_every_table_of_a_run() -> None:
    for name in SCHEMAS:
        Draft202012Validator.check_schema(schema_of(name))
    tables = {Path(file).stem for file in (*OPTIONAL, "ledger.parquet", "jobs.parquet", "requests.parquet")}
    assert tables <= SCHEMAS.keys()
    assert SCHEMAS.keys() >= FORMATS.keys()
    shown = {table.stem for name in RUNS for table in run_of(name).folder.glob("*.parquet")}
    assert shown == tables  # so that the test above has seen each of them
    with pytest.raises(InputError, match="there are scenario, summary"):
        schema_of("nothing")


def test_a_schema_refuses_what_is_wrong() -> None:
    whole = json.loads(exported(run_of("small").folder, "sci"))
    for path, wrong in (("sci_g_per_unit", "1"), ("standard", "SCI"), ("start", None)):
        assert list(validator_of("sci").iter_errors({**whole, path: wrong})), path
    row = rows_of(exported(run_of("small").folder, "codecarbon"))[0]
    assert list(validator_of("codecarbon").iter_errors({**row, "pue": 1.25}))
    assert list(validator_of("ledger").iter_errors(dict.fromkeys(TABLES["ledger"][1])))


def test_a_run_that_did_no_unit_is_not_said_to_have_none() -> None:
    done = run_of("small")
    kpi = {key: value for key, value in done.summary["kpi"].items() if not key.startswith("sci_")}
    nothing = replace(done, results=replace(done.results, summary={**done.summary, "kpi": kpi}))
    with pytest.raises(InputError, match="did none of its functional unit"):
        sci.as_json(nothing)
    accounting = {**done.results.scenario["accounting"], "functional_unit": None}
    scenario = {**done.results.scenario, "accounting": accounting}
    unnamed = replace(nothing, results=replace(nothing.results, scenario=scenario))
    with pytest.raises(InputError, match="has no functional unit"):
        sci.as_json(unnamed)


@pytest.mark.parametrize("name", RUNS)
def test_codecarbon_holds_it_energy_and_reads_back_as_that(name: str, tmp_path: Path) -> None:
    """The energy is IT's, whatever the building adds; emissions and water are those of the whole site."""
    run = run_of(name)
    path = tmp_path / "emissions.csv"
    export_to(run.folder, "codecarbon", path)
    runs = {one.run: one for one in reader.read_runs(path)}
    assert len(runs) == len(run.sites)
    rows = rows_of(path.read_text(encoding="utf-8"))
    for row, account in zip(rows, run.sites.values(), strict=True):
        one = runs[row["run_id"]]
        energy = account["energy_kwh"]
        assert row["energy_consumed"] == energy["it"]
        assert one.total_j == energy["it"] * J_PER_KWH
        assert one.pue == 1.0
        parts = energy["by_component"]
        assert [one.gpu_j, one.cpu_j, one.dram_j] == [
            parts[part] * J_PER_KWH if part in parts else None for part in ("gpu", "cpu", "dram")
        ]
        if one.gpu_j is not None and one.gpu_w is not None:
            assert one.gpu_w * run.summary["simulated_s"] == pytest.approx(one.gpu_j, rel=LAST_DIGITS)
        carbon = account["carbon_kg"]
        outside_kg = sum(carbon["by_component"].get(part, 0.0) for part in ("devices", "wan"))
        assert row["emissions"] == carbon["operational_location"] - outside_kg
        if name == "devices":  # whose energy is not in the row, so that its carbon must not be
            assert outside_kg > 0.0
            scope_2_kg = run.summary["carbon_kg"]["scopes"]["scope_2_location"]
            assert row["emissions"] == pytest.approx(scope_2_kg, rel=1e-12)
        assert one.water_l == account["water_l"].get("onsite")
        late_ns = run.results.start_ns + run.results.energy.end_ns - one.end_ns
        assert 0 <= late_ns < NS_PER_S  # stamps are whole seconds


def test_a_folder_of_codecarbon_reads_alike_whatever_version_one_believes(tmp_path: Path) -> None:
    """What the PUE is in differs by version; where it is 1, nobody can take it out twice or forget to."""
    text = exported(run_of("small").folder, "codecarbon")
    found = set()
    for version in ("2.2.0", "2.8.0", "3.0.8", "3.3.0", "3.3.2", ""):
        path = tmp_path / f"{version or 'none'}.csv"
        path.write_text(text.replace(f",{codecarbon.VERSION},", f",{version},"), encoding="utf-8")
        (one,) = reader.read_runs(path)
        found.add((one.total_j, one.gpu_j, one.water_l))
    assert len(found) == 1


@pytest.mark.parametrize("name", RUNS)
def test_openmetrics_has_every_number_of_the_summary_once(name: str) -> None:
    run = run_of(name)
    found = list(samples(openmetrics.snapshot(run)))
    assert len({(one["name"], *sorted(one["labels"].items())) for one in found}) == len(found)
    values = sorted(one["value"] for one in found if one["name"] != "coldaisle_run")
    assert values == sorted(leaves(run.summary))


@pytest.mark.parametrize("name", RUNS)
def test_a_label_is_called_by_what_it_tells_apart_and_the_words_end(name: str) -> None:
    """``user="ann"`` and not ``user_gpu_hours="ann"``; "IT energy of each workload" and not "IT energy of"."""
    for family, told in openmetrics.families(run_of(name).summary).items():
        names = {label for labels, *_ in told.samples for label, _ in labels}
        assert not [one for one in names if re.search(r"_(s|kwh|kg|l|w|gb|hours|cost)$", one)], family
        if names - {"site"}:
            assert not re.search(r" (of|by|for|while)(,|$)", told.help), family


def test_destinations_of_a_route_have_a_label_of_their_own() -> None:
    summary = sim.run("geo-shifted-service", set={"duration": "10 min"}).summary
    found = openmetrics.families(summary)
    assert {label for labels, *_ in found["coldaisle_routes_requests"].samples for label, _ in labels} == {
        "route",
        "workload",
    }


@pytest.mark.parametrize("name", ["small", "rows", "training", "two sites"])
def test_power_over_time_adds_up_to_the_ledger(name: str) -> None:
    """The history of OpenMetrics and the counters of the trace, integrated over their bins, are the ledger's energy."""
    run = run_of(name)
    ledger = run.results.energy
    by_series: dict[tuple[tuple[str, str], ...], list[tuple[int, float]]] = defaultdict(list)
    for one in samples(openmetrics.history(run)):
        by_series[tuple(one["labels"].items())].append((one["timestamp"], one["value"]))
    stamps = [stamp for stamp, _ in next(iter(by_series.values()))]
    assert stamps == sorted(set(stamps))
    starts_ns = [max(stamp * NS_PER_S - run.results.start_ns, 0) for stamp in stamps]
    if all(edge % NS_PER_S == 0 for edge in ledger.edges_ns[:-1].tolist()):
        seconds = np.diff([*starts_ns, ledger.end_ns]) / 1e9
        total_j = sum(float(np.dot([watts for _, watts in series], seconds)) for series in by_series.values())
        assert total_j == pytest.approx(ledger.total_j(), rel=1e-9)
    counters = [
        event for event in perfetto.trace(run)["traceEvents"] if event["ph"] == "C" and event["name"].endswith(", W")
    ]
    for site in {key.site for key in ledger.keys}:
        own = [event for event in counters if event["name"] == f"{site}, W" and "gpus" not in event["args"]]
        lengths_s = np.diff([event["ts"] for event in own]) / 1e6
        energy_j = sum(sum(event["args"].values()) * s for event, s in zip(own[:-1], lengths_s, strict=True))
        expected_j = ledger.where(lambda key, site=site: key.site == site).total_j()  # type: ignore[misc]
        assert energy_j == pytest.approx(expected_j, rel=1e-5)  # times are whole microseconds
        assert set(own[-1]["args"].values()) == {0.0}


@pytest.mark.parametrize("name", RUNS)
def test_what_the_impact_framework_multiplies_and_adds_is_the_summary(name: str) -> None:
    """The arithmetic that ``if-run`` does (in the slow tests it does it itself), observation by observation."""
    run = run_of(name)
    totals: dict[str, float] = defaultdict(float)
    whole = manifest(run)
    for site in whole["tree"]["children"].values():
        for component in site["children"].values():
            (seen,) = component["inputs"]
            energy = seen["energy"] if "energy" in seen else seen["energy-it"] * seen["pue"]
            carbon = seen.get("carbon-operational", energy * seen.get("grid/carbon-intensity", 0.0))
            totals["energy-it"] += seen["energy-it"]
            totals["energy"] += energy
            totals["operational"] += carbon
            totals["embodied"] += seen["carbon-embodied"]
            totals["water"] += seen["energy-it"] * seen.get("wue", 0.0)
    energy, carbon_kg = run.summary["energy_kwh"], run.summary["carbon_kg"]
    expected = {
        "energy-it": energy["it"],
        "operational": carbon_kg["operational_location"] * G_PER_KG,
        "embodied": carbon_kg["embodied"] * G_PER_KG,
        "energy": energy["facility"],
    }
    if "onsite" in run.summary["water_l"]:
        expected["water"] = run.summary["water_l"]["onsite"]
    for what, value in expected.items():
        assert totals[what] == pytest.approx(value, rel=LAST_DIGITS), what


@pytest.mark.parametrize("name", RUNS)
def test_the_sci_is_its_formula(name: str) -> None:
    run = run_of(name)
    kpi = run.summary["kpi"]
    if "sci_g_per_unit" not in kpi:
        with pytest.raises(InputError, match=r"accounting\.functional_unit"):
            sci.statement(run)
        return
    said = sci.statement(run)
    terms = said["terms"]
    assert said["sci_g_per_unit"] == kpi["sci_g_per_unit"]
    score = (terms["E_kwh"] * terms["I_g_per_kwh"] + terms["M_g"]) / terms["R_units"]
    assert score == pytest.approx(kpi["sci_g_per_unit"], rel=LAST_DIGITS)
    assert sum(said["of_the_sci"].values()) == pytest.approx(kpi["sci_g_per_unit"], rel=LAST_DIGITS)
    assert str(kpi["sci_g_per_unit"]) in sci.as_markdown(run)


def test_the_scores_of_ai_share_out_the_carbon_of_the_run() -> None:
    """A service is the consumer's, a training the provider's; idle machines are theirs who are alone, else nobody's."""
    both = sci_ai.statement(run_of("small"))
    parts = [both[part]["carbon_g"] for part in ("consumer", "provider", "unallocated")]
    assert sum(parts) == pytest.approx(both["total_g"], rel=LAST_DIGITS)
    assert (both["consumer"]["workloads"], both["provider"]["workloads"]) == (["api"], ["tune"])
    assert both["provider"]["functional_units"] == {}  # GPU-hours say nothing of tokens
    tokens = run_of("tokens")
    served = sci_ai.statement(tokens)
    service = tokens.summary["serving"]["answers"]
    unit = served["consumer"]["functional_units"]["token"]
    assert served["consumer"]["carbon_g"] == pytest.approx(served["total_g"], rel=LAST_DIGITS)
    assert unit["count"] == service["prompt_tokens"] + service["output_tokens"]
    assert unit["sci_g_per_unit"] * unit["count"] == pytest.approx(served["total_g"], rel=LAST_DIGITS)
    assert "provider" not in served
    made = sci_ai.statement(run_of("training"))["provider"]["functional_units"]
    step = run_of("training").summary["jobs"]["pretrain"]["step"]
    assert made["training token"]["count"] == step["tokens"]
    # 6 FLOP a parameter and token, and those of attention on top (Kaplan et al. 2020, arXiv:2001.08361)
    assert 6 * 70e9 < made["model FLOP"]["count"] / step["tokens"] < 1.25 * 6 * 70.6e9
    with pytest.raises(InputError, match="tokens"):
        sci_ai.statement(run_of("market"))


@pytest.mark.parametrize("name", RUNS)
def test_the_items_of_scope_3_add_up_and_nothing_unknown_is_zero(name: str) -> None:
    run = run_of(name)
    table = ghg.rows(run)
    scopes = run.summary["carbon_kg"]["scopes"]
    ours = [row for row in table if row.site == ghg.ALL]
    (total,) = (row.value for row in ours if (row.scope, row.category) == ("3", "total"))
    assert total == scopes["scope_3"]
    items = [row.value for row in ours if row.scope == "3" and row.category != "total" and row.value is not None]
    assert math.fsum(items) == pytest.approx(scopes["scope_3"], rel=LAST_DIGITS)
    market = next(row for row in ours if row.category == "market-based")
    assert market.value == scopes.get("scope_2_market")
    for row in table:
        assert (row.value is None) == (row.source == "")
        assert row.note or row.value is not None
    if len(run.sites) > 1:
        located = [row.value for row in table if row.site != ghg.ALL and row.category == "location-based"]
        assert math.fsum(filter(None, located)) == pytest.approx(scopes["scope_2_location"], rel=LAST_DIGITS)


def test_what_ends_and_what_is_burnt_are_no_capital_goods_and_sites_without_a_market_are_named(tmp_path: Path) -> None:
    """Cradle to gate is category 2; making and moving fuel is 3, the treatment of what is thrown away 5."""
    scenario = small()
    site = scenario.pop("site")
    tests = {"every": "1 d", "duration": "30 min", "load": "30 %", "into": "load-bank"}
    diesel = {
        "kind": "diesel",
        "capacity": "100 kW",
        "minimum_load": "30 %",
        "fuel": {"full": "0.27 L/kWh", "half": "0.29 L/kWh"},
    }
    units = [{"kind": "connection", "export_limit": "0 W"}, diesel | {"fuel_upstream": "0.6 kgCO2e/L", "tests": tests}]
    bought = {**site, "grid": {**site["grid"], "market": {"residual_mix": "500 gCO2e/kWh"}}}
    scenario["sites"] = {"north": bought, "south": {**site, "on_site": units}}
    scenario["cluster"]["nodes"][0]["site"] = "south"
    scenario["accounting"]["embodied"] = {"end_of_life": {"mass": "130 kg", "distance": "500 km"}}
    write(sim.run(scenario), tmp_path / "run")
    run = Run(tmp_path / "run", read(tmp_path / "run"))
    of_all = [row for row in ghg.rows(run) if row.site == ghg.ALL]
    by_item = {row.item: row for row in of_all if row.scope == "3"}
    litres = 0.5 * (0.25 * 30.0 + 0.02 * 100.0)  # half an hour at 30 kW: a line through 27 L/h full and 14.5 L/h half
    fuel = by_item["making and moving the fuel burnt on site"]
    assert fuel.category.startswith("3 ")
    assert fuel.value == pytest.approx(0.6 * litres)
    assert by_item["end of life, this run's share"].category.startswith("5 ")
    assert by_item["made, this run's share: gpu"].category.startswith("2 ")
    numbered = [int(row.category.split()[0]) for row in by_item.values() if row.category.split()[0].isdigit()]
    assert numbered == sorted(numbered)
    market = next(row for row in of_all if row.category == "market-based")
    by_place = {row.site: row for row in ghg.rows(run) if row.category == "market-based"}
    assert market.value == by_place["south"].value == run.summary["carbon_kg"]["scopes"]["scope_2_location"]
    (rule,) = run.summary["boundary"]["market_based"]
    assert market.note == by_place["south"].note == rule
    assert rule.startswith("south: its location-based factor")
    assert by_place["north"].note == ""  # no machine stands there


def test_a_site_without_water_takes_it_from_no_other_in_the_impact_framework(tmp_path: Path) -> None:
    """Components of the others keep theirs; there is no sum over all."""
    scenario = priced(south={**BARE, "water": {}})
    write(sim.run(scenario), tmp_path / "run")
    run = Run(tmp_path / "run", read(tmp_path / "run"))
    told = manifest(run)
    assert "water-onsite" not in told["aggregation"]["metrics"]
    of_site = {site: [*one["children"].values()] for site, one in told["tree"]["children"].items()}
    assert all("wue" not in one["inputs"][0] for one in of_site["south"])
    litres = sum(one["inputs"][0]["wue"] * one["inputs"][0]["energy-it"] for one in of_site["north"])
    assert litres == pytest.approx(run.summary["sites"]["north"]["water_l"]["onsite"], rel=1e-12)
    assert "onsite-water" in told["initialize"]["plugins"]


def test_hourly_matching_stands_in_the_table_where_it_is_known() -> None:
    run = run_of("market")
    (row,) = (row for row in ghg.rows(run) if "hourly matching" in row.item)
    assert row.value == run.summary["kpi"]["cfe_24_7"]
    (row,) = (row for row in ghg.rows(run_of("two sites")) if "hourly matching" in row.item and row.site == "all")
    assert row.value is None
    assert "site.on_site" in row.note


def test_the_table_of_a_run_that_drew_has_intervals_and_the_source_of_its_grid(tmp_path: Path) -> None:
    """What an auditor asks first: from where to where, and whose emission factor."""
    scenario = small() | {"uncertainty": {"draws": 8, "seeds": 1, "over": {"embodied": {"kind": "from-profiles"}}}}
    scenario["site"]["grid"]["intensity"] = {"kind": "average", "region": "DEU"}
    scenario["uncertainty"]["over"]["site.facility.pue"] = {"kind": "uniform", "low": 1.2, "high": 1.4}
    write(sim.run(scenario), tmp_path / "run")
    run = Run(tmp_path / "run", read(tmp_path / "run"))
    rows = {(row.scope, row.category, row.item): row for row in ghg.rows(run)}
    electricity = rows["2", "location-based", "electricity"]
    said = run.summary["intervals"]["carbon_kg.operational_location"]
    assert (electricity.p05, electricity.p95) == (said["p05"], said["p95"])
    total = rows["3", "total", ""]
    assert total.p05 is not None
    assert total.value is not None
    assert total.p05 < total.value
    factor = rows["", "beside the scopes", "carbon of a kWh drawn, by location, over the run"]
    assert factor.value == pytest.approx(run.summary["kpi"]["cue_kg_per_kwh"] / run.summary["kpi"]["pue"], rel=1e-12)
    text = exported(tmp_path / "run", "ghg", ".md")
    assert "average DEU: Germany 2024, life-cycle: 344.1 gCO2e/kWh (Our World in Data; Ember)" in text
    assert "factors countries, sha256 " in text


def test_each_scope_of_a_site_with_refrigerants_and_contracts_has_its_own_interval(tmp_path: Path) -> None:
    """Refrigerants in operational carbon make scope 2 another number than it, which had no interval then; by the
    scopes' own draws, the parts of a drawn PUE are apart: scope 1 stays, scope 2 goes with it, scope 3 stays."""
    over = {"site.facility.pue": {"kind": "uniform", "low": 1.2, "high": 1.4}}
    scenario = small() | {"uncertainty": {"draws": 8, "seeds": 1, "over": over}}
    scenario["site"]["refrigerants"] = [{"name": "R-134a", "charge": "120 kg", "leak": "2 %", "gwp": 1530}]
    scenario["site"]["grid"]["market"] = {"residual_mix": "500 gCO2e/kWh"}
    write(sim.run(scenario), tmp_path / "run")
    run = Run(tmp_path / "run", read(tmp_path / "run"))
    rows = {(row.scope, row.category, row.item): row for row in ghg.rows(run)}
    said = run.summary["intervals"]
    for method in ("location", "market"):
        row = rows["2", f"{method}-based", "electricity"]
        own, whole = said[f"carbon_kg.scopes.scope_2_{method}"], said[f"carbon_kg.operational_{method}"]
        assert (row.p05, row.p95) == (own["p05"], own["p95"])
        assert own["p05"] < own["p95"]
        escaped = run.summary["carbon_kg"]["refrigerants"]
        assert own["p05"] == pytest.approx(whole["p05"] - escaped, rel=LAST_DIGITS)
    for path in ("carbon_kg.scopes.scope_1", "carbon_kg.refrigerants"):
        assert said[path]["p05"] == pytest.approx(said[path]["p95"], rel=LAST_DIGITS)


@pytest.mark.parametrize("name", RUNS)
def test_scope_3_of_a_run_without_draws_has_the_range_of_what_is_embodied(name: str) -> None:
    """Electricity of networks and users' devices beside it has no range, and is the same at both ends."""
    run = run_of(name)
    for row in ghg.rows(run):
        if (row.scope, row.category) == ("3", "total") and not run.summary["intervals"]:
            carbon = (run.summary if row.site == ghg.ALL else run.sites[row.site])["carbon_kg"]
            bounds = carbon["embodied_range"]
            assert row.value is not None
            assert row.p05 is not None
            assert row.p95 is not None
            assert row.p05 <= row.value <= row.p95
            assert row.p95 - row.p05 == pytest.approx(bounds["high"] - bounds["low"], rel=LAST_DIGITS)


def test_a_site_without_a_plant_draws_all_of_its_energy_from_the_grid() -> None:
    run = run_of("two sites")
    for site, account in run.sites.items():
        (row,) = (row for row in ghg.rows(run) if row.item == "drawn from the grid" and row.site == site)
        assert "grid_import" not in account["energy_kwh"]
        assert row.value == account["energy_kwh"]["facility"]


@pytest.mark.parametrize("name", ["codecarbon", "ghg"])
def test_a_target_that_is_no_csv_is_somebody_elses(name: str, tmp_path: Path) -> None:
    write(sim.run(small()), tmp_path / "run")
    target = tmp_path / "table.csv"
    target.write_bytes(b"a\0b\xff\n")
    with pytest.raises(InputError, match="did not write"):
        export_to(tmp_path / "run", name, target)
    assert target.read_bytes() == b"a\0b\xff\n"


def events_of(name: str) -> list[dict[str, Any]]:
    return list(perfetto.trace(run_of(name))["traceEvents"])


@pytest.mark.parametrize("name", RUNS)
def test_slices_of_a_track_lie_beside_or_within_each_other(name: str) -> None:
    tracks: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for event in events_of(name):
        if event["ph"] == "X":
            tracks[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for slices in tracks.values():
        over: list[int] = []
        for start, end in sorted(slices, key=lambda one: (one[0], -one[1])):
            while over and over[-1] <= start:
                over.pop()
            assert not over or end <= over[-1]
            over.append(end)


def test_steps_fill_the_time_that_their_training_held() -> None:
    run = run_of("steps")
    events = [event for event in events_of("steps") if event["ph"] == "X"]
    steps = [event for event in events if event["name"].startswith("step ")]
    step = run.summary["jobs"]["pretrain"]["step"]
    assert len(steps) == min(step["steps"], perfetto.MOST_STEPS)
    assert steps[0]["dur"] == round(step["step_s"] * 1e6)
    for phase, seconds in step["step_split_s"].items():
        inner = [event["dur"] for event in events if event["name"] == phase]
        assert sum(inner) == pytest.approx(len(steps) * seconds * 1e6, abs=len(steps))  # whole microseconds


def test_requests_and_jobs_stand_where_and_when_they_were() -> None:
    run = run_of("tokens")
    events = [event for event in events_of("tokens") if event["ph"] == "X"]
    table = run.results.requests()
    served = table[table["scheduled_ns"].notna() & (table["done_ns"] > table["scheduled_ns"])]
    shown = [event for event in events if event["name"].startswith("request ")]
    assert len(shown) == len(served)
    first = served.sort_values("request").iloc[0]
    one = next(event for event in shown if event["name"] == f"request {first.request}")
    assert one["ts"] == round(first.scheduled_ns / 1000)
    assert sum(event["name"] == "prefill" for event in events) == served["first_token_ns"].notna().sum()
    rows = run_of("rows")
    jobs = [event for event in events_of("rows") if event["ph"] == "X" and event["name"].startswith("job ")]
    assert rows.results.stint_table is not None
    stints = rows.results.stint_table.to_pylist()
    assert len(jobs) == sum(len(stint["nodes"]) for stint in stints)
    held_ns = sum((stint["end_ns"] - stint["start_ns"]) * sum(stint["milli"]) / 1000 for stint in stints)
    assert sum(event["dur"] * event["args"]["slots"] for event in jobs) == pytest.approx(held_ns / 1000, rel=1e-6)


def test_what_is_too_much_is_said_in_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perfetto, "MOST_SLICES", 10)
    events = events_of("tokens")
    assert sum(event["ph"] == "X" and event["name"].startswith("request") for event in events) <= 10
    (said,) = (event for event in events if event["ph"] == "i")
    assert said["name"] == "requests that begin later are left out"


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=40))
def test_lanes_are_as_few_as_can_be_and_hold_no_two_at_once(some: list[tuple[int, int]]) -> None:
    intervals = sorted((start, start + length) for start, length in some)
    lanes = perfetto.lanes_of(intervals)
    for lane in set(lanes):
        own = [one for one, at in zip(intervals, lanes, strict=True) if at == lane]
        assert all(before[1] <= after[0] for before, after in pairwise(own))
    most = max((sum(a <= t < b for a, b in intervals) for t in range(71)), default=0)
    assert len(set(lanes)) == most


def test_names_do_nothing_in_any_format() -> None:
    """Markup, quotes, escapes, a line's end and ten thousand letters are text, and one row stays one row."""
    for name, form, text in texts("hostile"):
        assert "\x1b" not in text, name
        if form == ".md":
            assert "<script" not in text
            assert "`code`" not in text
        if form == ".csv" and name == "codecarbon":
            (row,) = csv.DictReader(io.StringIO(text))
            assert row["project_name"].startswith("=<script>alert('x')</script>| \"quotes\" \\ `code`")
        if form == ".prom" and name == "openmetrics":
            assert sum(line.startswith("coldaisle_run{") for line in text.splitlines()) == 1


def test_an_export_writes_over_its_own_kind_alone(tmp_path: Path) -> None:
    folder = run_of("small").folder
    for one in FORMATS.values():
        for form in one.forms:
            if one.name == "ro-crate":
                continue
            out = tmp_path / f"{one.name}{form}"
            export_to(folder, one.name, out)
            before = out.read_bytes()
            export_to(folder, one.name, out)
            assert out.read_bytes() == before
            out.write_text("a,b\n1,2\n" if form == ".csv" else "mine\n", encoding="utf-8")
            with pytest.raises(InputError, match="did not write"):
                export_to(folder, one.name, out)
    with pytest.raises(InputError, match=r"must end in \.csv or \.md"):
        export_to(folder, "ghg", tmp_path / "table.xls")
    with pytest.raises(InputError, match="knows no format 'pdf'; there are codecarbon"):
        exported(folder, "pdf")


def test_a_crate_stands_beside_its_files_and_goes_with_them(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    results = sim.run(small())
    write(results, folder)
    with pytest.raises(InputError, match="beside it"):
        export_to(folder, "ro-crate", tmp_path / CRATE)
    export_to(folder, "ro-crate", folder / CRATE)
    graph = {entity["@id"]: entity for entity in json.loads((folder / CRATE).read_text())["@graph"]}
    files = {path.name for path in folder.iterdir()} - {CRATE}
    assert {part["@id"] for part in graph["./"]["hasPart"]} == files
    for name, digest in json.loads((folder / MANIFEST).read_text())["files_sha256"].items():
        assert graph[graph[name]["identifier"]["@id"]]["value"] == digest
        assert graph[name]["contentSize"] == str((folder / name).stat().st_size)
    for entity in list(graph.values()):  # whatever is pointed to is there
        for value in entity.values():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict) and not one["@id"].startswith("https://"):
                    assert one["@id"] in graph
    export_to(folder, "ro-crate", folder / CRATE)  # again
    write(results, folder)  # a new run takes the place of the old one, and its crate goes
    assert not (folder / CRATE).exists()
    (folder / CRATE).write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="no export wrote"):
        write(results, folder)


def test_a_study_is_a_crate_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    study = {"name": "two grids", "base": small(), "axes": {"site.grid.intensity": ["57 gCO2e/kWh", "400 gCO2e/kWh"]}}
    sim.sweep(study, folder, workers=1, cache=tmp_path / "cache")
    whole = json.loads(exported(folder, "ro-crate"))
    valid(whole, "ro-crate")
    graph = {entity["@id"]: entity for entity in whole["@graph"]}
    assert graph["points/"]["hasPart"] == [{"@id": "points/part-00000.parquet"}]
    for name in ("study", "session"):
        valid(json.loads((folder / f"{name}.json").read_text()), name)
    for row in read_parquet(folder / "points" / "part-00000.parquet").to_pylist():
        valid(row, "points")
    with pytest.raises(InputError, match="only ro-crate is of studies"):
        exported(folder, "sci")
    export_to(folder, "ro-crate", folder / CRATE)
    other = {**study, "axes": {"site.grid.intensity": ["57 gCO2e/kWh"]}}
    sim.sweep(other, folder, workers=1, cache=tmp_path / "cache")  # takes its place, and its crate goes
    assert not (folder / CRATE).exists()
    damaged = folder / "points" / "part-00000.parquet"
    damaged.write_bytes(damaged.read_bytes() + b"x")
    with pytest.raises(InputError, match="not what this study wrote"):
        exported(folder, "ro-crate")


def test_a_damaged_run_is_not_exported(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    write(sim.run(small()), folder)
    (folder / SUMMARY).write_text("{}", encoding="utf-8")
    for name in FORMATS:
        with pytest.raises(InputError, match="not what this run wrote"):
            exported(folder, name)


def test_the_command_lists_writes_and_says_what_a_run_lacks(tmp_path: Path) -> None:
    command = partial(coldaisle, cwd=tmp_path)
    folder, run = run_of("market").folder, str(run_of("market").folder)
    listed = command("export", "--list")
    assert listed.returncode == 0
    assert all(f" {name} " in listed.stdout for name in FORMATS)
    shown = command("export", run, "--as", "codecarbon")
    assert (shown.returncode, shown.stdout) == (0, exported(folder, "codecarbon"))
    out = tmp_path / "scopes.md"
    assert command("export", run, "--as", "ghg", "--out", str(out)).returncode == 0
    assert out.read_text(encoding="utf-8") == exported(folder, "ghg", ".md")
    for wrong, says in (
        (("export", run, "--as", "sci-ai"), "tokens"),
        (("export", run, "--as", "pdf"), "there are codecarbon"),
        (("export", run), "--list"),
        (("export", "nothing", "--as", "sci"), "there is no such folder"),
        (("schema", "--of", "nothing"), "there are scenario"),
    ):
        refused = command(*wrong)
        assert refused.returncode == 2
        assert says in refused.stderr
    printed = command("schema", "--of", "ledger")
    assert json.loads(printed.stdout) == schema_of("ledger")
