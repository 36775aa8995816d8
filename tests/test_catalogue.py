"""The catalogue of quantities: whole, true to its own names, and where the rows of words come from."""

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import sim
from sim.accounting.batch import batch_metrics
from sim.profiles.catalog import shipped_folder
from sim.results.attribution import attribution_grids
from sim.results.catalogue import (
    COMPARED,
    COMPARED_JOBS,
    COMPARED_SERVICES,
    COMPARED_STAGED,
    COMPARED_STEPS,
    HAPPENED,
    INTERVALS,
    QUANTITIES,
    explained,
    in_words,
)
from sim.results.catalogue.quantity import NUMBER, TEXT, value_in
from sim.results.compare import Comparison
from sim.results.services import service_grids
from sim.results.shape import lacks_of_summary, summary_schema
from tests.catalogued import leaves, quantity_of, uncatalogued
from tests.commands import coldaisle
from tests.job_batches import a_batch
from tests.job_worlds import jobs_scenario
from tests.relay_worlds import EXITS, IMAGE, alone, cascade, memo
from tests.small import small
from tests.test_known_totals import BARE, priced
from tests.test_places import regions
from tests.test_power_alone import row_of
from tests.test_project import project, search
from tests.test_readme import DOCS
from tests.test_serving_service import SMALL, trace
from tests.test_throttle_policy import scenario as throttled
from tests.training_worlds import failing_world

IN_NAMES = {
    "kwh": "kWh", "kg": "kg", "l": "L", "s": "s", "seconds": "s", "w": "W", "kw": "kW", "j": "J", "g": "g", "gb": "GB",
    "hours": "GPU-hours", "kg_per_kwh": "kg/kWh", "l_per_kwh": "L/kWh", "tok_per_s": "tokens/s",
    "requests_per_s": "requests/s", "tflops": "TFLOP/s", "hz": "Hz", "w_per_s": "W/s",
}  # fmt: skip
"""Units as names carry them, and as people write them."""
AFTER_A_UNIT = "mean|at_zero_load|per_request|per_output_token|per_unit|per_gpu|per_gpu_hour"
"""What a name may say of a number after its unit."""
NAMED = re.compile(rf"(?:.*?_)?({'|'.join(sorted(IN_NAMES, key=len, reverse=True))})(?:_(?:{AFTER_A_UNIT}))?")
UNIT_NOT_IN_NAME = {"placements.*.forecast_mean_per_kwh.*"}
"""Of a signal: carbon or money, per kWh."""
ELSEWHERE = {
    "policies.[].field": "a cap on one phase of a disaggregated service, whose compilation takes a while",
    "serving.*.step_time_shares.*.*": "measured kernels of an optional package; tests/test_kernel_tables.py has them",
    "serving.*.network_busy": "of a disaggregated service; tests/test_slow_networks.py has it",
    "energy_kwh.on_site_other": "a plant of a kind that another package adds",
}
"""What none of the runs here comes to, and why not."""
SITE: dict[str, Any] = {
    "duration": "52 h",
    "site.grid.marginal": "500 gCO2e/kWh",
    "site.grid.intensity.columns": {"gas": "NG", "coal": "COL", "nuclear": "NUC"},  # fuels whose withdrawal is known
    "site.water.ewif": {"kind": "mix", "factors": "macknick-2012-tower", "hydro": "without-reservoirs"},
    "site.facility.heat_reuse": {"share": 0.5, "demand": "20 kW"},
    "site.on_site": [
        {
            "kind": "pv",
            "capacity": "400 kW",
            "tilt": "30 deg",
            "azimuth": "180 deg",
            "lifecycle": "ipcc-ar5-pv-utility",
        },
        {
            "kind": "wind",
            "capacity": "20 kW",
            "hub_height": "30 m",
            "shear": 0.14,
            "cut_in": "3 m/s",
            "rated": "12 m/s",
            "cut_out": "25 m/s",
            "altitude": "150 m",
            "loss": "15 %",
            "lifecycle": "ipcc-ar5-wind-onshore",
        },
        {
            "kind": "battery",
            "energy": "50 kWh",
            "power": "20 kW",
            "round_trip": 0.88,
            "start": "50 %",
            "self_discharge": "2 %",
            "life": {"end_of_life": 0.8, "cycles": 6000, "calendar": "15 years"},
            "lifecycle": "ivl-2019-lithium-ion",
            "dispatch": {"kind": "self-consumption"},
        },
        {
            "kind": "diesel",
            "capacity": "25 kW",
            "minimum_load": "30 %",
            "fuel": {"full": "0.27 L/kWh", "half": "0.29 L/kWh"},
        },
        {"kind": "connection", "export_limit": "10 kW", "outages": [{"after": "48 h", "duration": "2 h"}]},
    ],
}
"""Of the battery in Dallas: more sun than it takes, and a night without a grid for which its diesel is too small."""


WITHIN_STEPS = {
    "workloads.pretrain.work.loading": {"tokens_per_second": 1e5},
    "workloads.pretrain.work.evaluation": {"every": 100, "tokens": 1_000_000},
    "workloads.pretrain.smoothing": {"kind": "floor", "share": 0.8},
}
"""A job that waits for its data, evaluates, and swings less than it would."""


def unit_in_name(path: str) -> str:
    """The unit that the names of a path carry, that of the innermost which carries one."""
    for name in reversed(path.split(".")):
        found = NAMED.fullmatch(name)
        if found:
            return IN_NAMES[found[1]]
    return ""


@pytest.mark.parametrize("one", QUANTITIES, ids=lambda one: one.path)
def test_a_name_carries_the_unit_of_its_quantity(one: Any) -> None:
    assert one.label
    if one.kind is NUMBER and not one.unit_in and one.path not in UNIT_NOT_IN_NAME:
        assert unit_in_name(one.path) == one.unit


def test_a_quantity_stands_once() -> None:
    paths = [one.path for one in QUANTITIES]
    assert len(set(paths)) == len(paths)
    for group in (COMPARED, COMPARED_SERVICES, COMPARED_STEPS, COMPARED_JOBS, COMPARED_STAGED):
        assert [one.compared for one in group] == list(range(1, len(group) + 1))
    neighbours = {one.path: one for one in QUANTITIES}
    for one in QUANTITIES:
        if one.unit_in:
            assert neighbours[f"{one.path.rpartition('.')[0]}.{one.unit_in}"].kind is TEXT
        if one.spread:
            assert {f"{one.spread}.{end}" for end in ("low", "high")} <= neighbours.keys()


def test_what_re_pricing_keeps_comes_in_the_order_of_earlier_versions() -> None:
    earlier = ("serving", "jobs", "campaigns", "federated", "throttling", "policies", "placements", "routes")
    assert (*earlier, "batch", "power_limits", "split", "methods") == HAPPENED


def test_paths_and_words_of_the_catalogue_stand_nowhere_else() -> None:
    """A list of them by hand would be told here; what pages show first and the default of an option are no lists.
    Exports name the words of formats that others made, some of which are ours, too."""
    words = {word for one in QUANTITIES for word in (one.row, one.label) if " " in word}
    words |= {one.path for one in QUANTITIES if "." in one.path}
    root = Path(sim.__file__).parent
    found = {
        (str(path.relative_to(root)), node.value)
        for path in sorted(root.rglob("*.py"))
        if not {"catalogue", "exports"} & set(path.relative_to(root).parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in words
    }
    first = {"energy_kwh.facility", "carbon_kg.total", "cost.energy", "kpi.sci_g_per_unit"}
    first |= {"cost.total", "cost.carbon"}  # where carbon is priced
    first |= {f"water_l.{part}" for part in ("total", "onsite", "offsite", "embodied")}
    defaults = {("cli/report.py", "carbon_kg.total"), ("cli/uncertain.py", "carbon_kg.total")}
    other = {("results/environment.py", "IT energy"), ("explore/answers.py", "not modelled")}
    other |= {("report/validity.py", "all of it")}  # of a range, not of a request
    assert found <= {*(("report/headline.py", path) for path in first), *defaults, *other}


def summaries(tmp_path: Path) -> Iterator[Mapping[str, Any]]:
    """Small runs in which everything that a summary may hold happens."""
    whole = small()
    whole["site"]["water"]["scarcity"] = {"site": 10, "grid": 0.5}
    whole["accounting"]["functional_unit"] = {"of": "api", "per": "request"}
    end = {"mass": "130 kg", "distance": "500 km", "credit": "200 kgCO2e"}
    whole["accounting"]["embodied"] = {"end_of_life": end}
    lifetime = {"kind": "uniform", "low": "3 years", "high": "7 years"}
    whole["uncertainty"] = {"draws": 8, "seeds": 2, "over": {"accounting.gpu_lifetime": lifetime}}
    yield sim.run(whole).summary
    yield sim.run("bloom-training").summary
    own = shipped_folder("hardware_profiles") / "conventions" / "sci.yaml"
    text = own.read_text(encoding="utf-8").replace("name: sci\n", "name: sci-with-water\n")
    (tmp_path / "sci-with-water.yaml").write_text(text.replace("water: {kind: nothing", "water: {kind: site"), "utf-8")
    convention = {"kind": "profile", "profile": "sci-with-water"}
    yield sim.run({**small(), "profiles": str(tmp_path)}, set={"accounting.convention": convention}).summary
    yield sim.run("flexible-training").summary
    yield sim.run("bloom-inference", set={"end": None, "duration": "2 h"}).summary
    yield sim.run("geo-shifted-service", set={"duration": "20 min"}).summary
    yield sim.run("solar-and-battery", set=SITE).summary
    yield sim.run(regions()).summary
    when = {"kind": "daily", "since": "01:00", "until": "02:00"}
    cap = {"kind": "power-cap", "target": "tune", "cap": "250 W", "when": when}
    yield sim.run(throttled(small()["site"], {"kind": "throttle", "limit": "4.4 kW"}, cap)).summary
    yield sim.run(failing_world()).summary
    whole_project = project()
    whole_project["growth"] = {
        "since": 2024,
        "year": 2025,
        "laws": {"clean": {"kind": "yearly", "rate": -0.1}},
        "numbers": {"grid": {"path": "site.grid.intensity", "now": "400 gCO2e/kWh", "times": ["clean"]}},
    }
    whole_project["workloads"]["tune"]["methods"] = [{"profile": "gptq-3-bit", "power": 1}]
    yield sim.run(whole_project).summary
    yield sim.run(search({"kind": "all", "trials": 8}, {"share": 0.5, "within": 0.5})).summary
    yield sim.run("automl-campaign", set={"workloads.search.budget": {"gpu_hours": 40}}).summary
    yield sim.run("federated-fleet", set={"workloads.keyboard.rounds": 5}).summary
    edge = {"workloads.detector.places.edge.queue_limit": 0, "duration": "20 s"}
    yield sim.run("split-detector", set=edge).summary
    rows = "2025-03-03 00:10:00,x,10\n2025-03-03 00:10:01,1500000,10\n2025-03-03 00:10:02,100,10\n"
    asked = trace(tmp_path, rows, on_bad_rows="skip")
    asked["workloads"]["chat"] |= {"slo": {"ttft": "1 s"}, "batching": {**SMALL["workloads"]["chat"]["batching"]}}
    yield sim.run(asked).summary
    yield sim.run("llama-70b-training", set=WITHIN_STEPS).summary
    yield {**sim.run(small()).summary, "batch": {"research": batch_metrics(a_batch())}}
    limited = jobs_scenario()
    limited["workloads"]["research"]["source"]["arrivals"]["rate"] = "8 jobs/h"
    answers: list[Any] = [{"kind": "cap", "whom": "all", "floor": "40 %"}, {"kind": "shed", "whom": "all"}]
    row: dict[str, Any] = {"per": "row", "limit": "6 kW", "answers": answers, "answer_time": "10 s"}
    row |= {"release": {"below": "90 %", "after": "1 min"}, "ramp": {"up": "1 kW/min", "step": "1 min"}}
    row["calls"] = [{"start": "3 h", "duration": "2 h", "limit": "5 kW", "notice": "30 min"}]
    curve = {"kind": "electronic", "pickup": 1.05, "opens_at": 1.5, "after": "5 min", "at_once": 10}
    row["breaker"] = {"rating": "6 kW", "curve": curve, "reclose": "30 min"}
    limited["policies"] = [{"kind": "power-limits", "domains": {"row": row}}]
    yield sim.run(limited).summary
    yield sim.run(row_of("6.6 kW")).summary
    yield sim.run(straddling()).summary
    for answer in ("pause", "shed"):
        yield sim.run(stopped(answer)).summary
    slow_serving = copy.deepcopy(SMALL)
    slow_serving["duration"] = "2 min"
    slow_serving["workloads"]["chat"]["slo"] = {"ttft": "1 s"}
    rung = {"kind": "cap", "whom": "serving", "floor": "40 %"}
    row = {"per": "row", "limit": "6 kW", "answers": [rung], "answer_time": "10 s"}
    row["release"] = {"below": "90 %", "after": "1 min"}
    slow_serving["policies"] = [{"kind": "power-limits", "domains": {"row": row}}]
    yield sim.run(slow_serving).summary
    yield sim.run(cascade(cache=memo())).summary
    yield sim.run(alone(cache=memo(of_route=False), early_exit=EXITS, start_up=IMAGE)).summary
    shared = jobs_scenario()
    bought = {"residual_mix": "500 gCO2e/kWh", "contracts": []}
    shared["site"]["grid"] = {**shared["site"]["grid"], "marginal": "600 gCO2e/kWh", "market": bought}
    shared["accounting"]["carbon_price"] = {"price": "80 USD/t", "scopes": [1, 2, 3], "base": "market"}
    shared["site"]["refrigerants"] = [{"name": "R-134a", "charge": "120 kg", "leak": "2 %", "gwp": 1530}]
    yield sim.run(shared).summary
    yield sim.run(priced(south=BARE)).summary


def stopped(answer: str) -> dict[str, Any]:
    """A training that a call to draw less has stand still, or go."""
    data = small()
    data["cluster"] = {"nodes": [{"profile": "dgx-h100", "count": 2}]}
    work = {"kind": "gpu-hours", "gpu_hours": 24, "load": {"kind": "measured", "active": "650 W"}}
    data["workloads"] = {
        name: {"kind": "training", "gpus": 8, "cpu_load": 0.1, "work": work} for name in ("first", "second")
    }
    row = {
        "per": "row",
        "calls": [{"start": "10 min", "duration": "10 min", "limit": "11 kW", "notice": "0 s"}],
        "answers": [{"kind": answer, "whom": "training"}],
        "answer_time": "10 s",
        "release": {"below": "95 %", "after": "1 min"},
    }
    data["policies"] = [{"kind": "power-limits", "domains": {"row": row}}]
    return data


def straddling() -> dict[str, Any]:
    """Trainings of one GPU on two pairs; one of each leaves, and a training of two GPUs has one of each."""
    data = small()
    data["cluster"] = {
        "nodes": [{"profile": "h100-pcie-bridged-server", "count": 1}],
        "scheduler": {"kind": "fifo", "placement": {"kind": "packed"}},
    }
    load = {"kind": "measured", "active": "300 W"}
    works = [{"kind": "gpu-hours", "gpu_hours": 0.1 if i in (1, 2) else 9, "load": load} for i in range(8)]
    data["workloads"] = {
        f"t{i}": {"kind": "training", "gpus": 1, "cpu_load": 0.1, "work": w} for i, w in enumerate(works)
    }
    steps = {
        "kind": "steps",
        "steps": 100,
        "precision": "bf16",
        "flops": "100 TFLOP",
        "memory_traffic": "100 GB",
        "link_traffic": "100 GB",
        "efficiency": {"compute": 0.5, "memory": 0.8, "link": 0.8},
        "overhead": "1 ms",
    }
    data["workloads"]["pair"] = {"kind": "training", "gpus": 2, "cpu_load": 0.1, "start_after": "1 min", "work": steps}
    return data


def test_all_that_runs_write_is_catalogued_and_all_that_is_catalogued_is_written(tmp_path: Path) -> None:
    written = set()
    schema = jsonschema.Draft202012Validator(summary_schema())
    schema.check_schema(schema.schema)
    for summary in summaries(tmp_path):
        assert uncatalogued(summary) == []
        assert list(schema.iter_errors(summary)) == []
        assert list(lacks_of_summary(summary)) == []
        written |= {one.path for one in (quantity_of(keys) for keys, _ in leaves(summary)) if one is not None}
    assert {one.path for one in QUANTITIES} - written == ELSEWHERE.keys()


def test_the_schema_and_the_check_of_a_run_refuse_the_same() -> None:
    whole = sim.run(small()).summary
    schema = jsonschema.Draft202012Validator(summary_schema())
    for path in ("carbon_kg", "energy_kwh.it", "serving.api.utilisation", "serving.api.e2e_s.p99", "cost.currency"):
        broken = copy.deepcopy(whole)
        *within, last = path.split(".")
        del value_in(broken, tuple(within))[last]
        assert set(lacks_of_summary(broken)) == {path}
        assert list(schema.iter_errors(broken))


def test_runs_from_before_p95_are_read_and_shown_without_it() -> None:
    summary = copy.deepcopy(dict(sim.run({**SMALL, "duration": "10 s"}).summary))
    now = [grid for grid in service_grids(summary["serving"]) if grid[0][0] == "latency"]
    for one in summary["serving"].values():
        for statistics in one.values():
            if isinstance(statistics, dict):
                statistics.pop("p95", None)
    before = [grid for grid in service_grids(summary["serving"]) if grid[0][0] == "latency"]
    assert list(lacks_of_summary(summary)) == []
    place = now[0][0].index("p95")
    assert [[*row[:place], "", *row[place + 1 :]] for row in now[0][1]] == before[0][1]


def test_the_command_writes_what_a_summary_may_hold(tmp_path: Path) -> None:
    found = json.loads(coldaisle("schema", "summary", cwd=tmp_path).stdout)
    assert found == summary_schema()
    assert found["properties"]["water_l"]["properties"]["onsite"] == {"type": "number", "title": "on-site water, L"}


def test_what_is_compared_has_its_label_and_what_is_uncertain_an_interval() -> None:
    data = small()
    lifetime = {"kind": "uniform", "low": "3 years", "high": "7 years"}
    results = sim.run({**data, "uncertainty": {"draws": 8, "seeds": 1, "over": {"accounting.gpu_lifetime": lifetime}}})
    (rows,) = Comparison.of(results, [results]).differences
    there = [one for one in COMPARED if any(row.path == one.path for row in rows)]
    assert [(row.path, row.label) for row in rows][: len(there)] == [(one.path, one.label) for one in there]
    whole = [path for path in results.at("intervals") if not path.startswith("serving.")]
    assert whole == [one.path for one in INTERVALS if one.path in whole]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("carbon_kg.total", "carbon total, kg"),
        ("energy_kwh.it", "energy it, kWh"),
        ("cost.energy", "cost energy"),
        ("serving.of_s.ttft_s.p99", "of s ttft p99, s"),
        ("serving.a.b.rejected", "a.b rejected"),
        ("serving.chat.throughput_tok_per_s", "chat throughput tok per s"),
        ("another.version", "another version"),
    ],
)
def test_a_path_is_told_in_words(path: str, words: str) -> None:
    assert in_words(path) == words


def test_a_cost_is_told_in_its_currency() -> None:
    assert in_words("cost.energy", {"cost": {"energy": 3.0, "currency": "EUR"}}) == "cost energy, EUR"
    assert in_words("carbon_kg.total", {"carbon_kg": {"total": 3.0}}) == "carbon total, kg"


def test_the_page_of_words_explains_quantities_as_the_catalogue_does() -> None:
    rows = [f"| {word} | `{path}` | {unit} | {meaning} |" for word, path, unit, meaning in explained()]
    text = (DOCS / "words.md").read_text(encoding="utf-8")
    table = text.partition("| quantity |")[2].partition("\n\n")[0].splitlines()[2:]
    assert table == rows


def test_tables_of_items_of_a_list_have_their_columns_once() -> None:
    """What users answer for stands in a list, a row a user: each table has the columns of its own list."""
    rows = [{"name": "ann", "jobs": 3, "energy_kwh": 2.0, "carbon_kg": 1.0}, {"name": "bob", "jobs": 1}]
    attribution = {f"by_{word}": rows if word == "user" else [] for word in ("user", "account", "queue")}
    ((header, lines),) = attribution_grids({"attribution": attribution})
    assert header == ["user", "jobs", "energy", "carbon"]
    assert lines == [["ann", "3", "2 kWh", "1 kg"], ["bob", "1", "", ""]]


def test_the_largest_users_stand_with_the_sum_of_the_others_and_the_currency() -> None:
    """A table of five that says nothing of the sixth reads as if there were five; money without a currency is none."""
    rows = [{"name": f"u{i}", "jobs": 1, "energy_kwh": 10.0 - i, "cost": 1.0} for i in range(8)]
    rows += [{"name": "(4 others)", "jobs": 9, "energy_kwh": 1.0, "cost": 0.5}]
    told = {"by_user": rows, "by_account": [], "by_queue": rows[:6], "currency": "EUR"}
    (header, users), (_, queues) = attribution_grids({"attribution": told})
    assert header == ["user", "jobs", "energy", "cost, EUR"]
    assert [line[0] for line in users] == ["u0", "u1", "u2", "u3", "u4", "(7 others)"]
    assert users[-1][1:] == ["12", "13.00 kWh", "3.5"]
    assert [line[0] for line in queues] == ["u0", "u1", "u2", "u3", "u4", "u5"]
    nobody = [{"name": name, "jobs": 1, "energy_kwh": 1.0} for name in ("(unknown)", "(keyboard)")]
    assert attribution_grids({"attribution": told | {"by_user": nobody, "by_queue": []}}) == []
