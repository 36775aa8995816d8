"""Exports are read by the tools that they are for: installed beside the tests, where their registries can be reached.

Each tool goes into pytest's cache once, alone and without what it does not need for reading; a test of one that cannot
be had is skipped, and says why.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from sim.exports.registry import export_to, exported
from sim.follow.dashboard import dashboard
from sim.measure.readers import codecarbon as reader
from sim.results.files import CRATE
from sim.units import G_PER_KG, J_PER_KWH
from tests.exported_runs import run_of

pytestmark = pytest.mark.slow
INSTALLED_WITHIN_S = 120
RUNS = ["small", "market", "two sites", "devices", "hostile"]

Install = Callable[[str, list[str]], Path]


@pytest.fixture(scope="session")
def install(request: pytest.FixtureRequest) -> Install:
    """Runs an installer in a folder of its own, once; the folder it is in afterwards."""
    cache = request.config.cache
    assert cache is not None

    def installed(name: str, command: list[str]) -> Path:
        folder = Path(cache.mkdir("exports")) / name
        if folder.is_dir():
            return folder
        if shutil.which(command[0]) is None:
            pytest.skip(f"needs {command[0]} to install {name}")
        staging = folder.with_name(f"{name}.{os.getpid()}")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        try:
            done = subprocess.run(
                command, cwd=staging, capture_output=True, text=True, check=False, timeout=INSTALLED_WITHIN_S
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"{name} could not be installed within {INSTALLED_WITHIN_S} s")
        if done.returncode != 0:
            pytest.skip(f"{name} could not be installed: {(done.stderr or done.stdout).strip()[-200:]}")
        if not folder.exists():  # another process of the tests may have been faster
            staging.rename(folder)
        return folder

    return installed


def pip(*what: str) -> list[str]:
    return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", ".", *what]


def run_python(code: str, path: Path, *arguments: str) -> Any:
    """What a program prints as JSON, in a process that sees the packages in ``path`` before others."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


CODECARBON = """
import csv, json, logging, sys, types
from pathlib import Path
package = types.ModuleType("codecarbon")  # the package itself would ask for what only measuring needs
package.__path__ = [str(Path(sys.path[1]) / "codecarbon")]
sys.modules["codecarbon"] = package
sys.modules.setdefault("psutil", types.ModuleType("psutil"))
from codecarbon.output_methods.emissions_data import EmissionsData
from codecarbon.output_methods.file import FileOutput
out = FileOutput(sys.argv[2], sys.argv[1], on_csv_write="append")
fields = list(EmissionsData.__dataclass_fields__)
with open(out.save_file_path, newline="") as file:
    rows = list(csv.DictReader(file))
one = EmissionsData(**{**rows[0], "run_id": "another", "energy_consumed": 1.0})
valid = out.has_valid_headers(one)
out.out(one, one)
import pandas
after = pandas.read_csv(out.save_file_path)
kept = after[after.run_id != "another"]
sums = {name: float(kept[name].sum()) for name in ("energy_consumed", "emissions", "water_consumed")}
print(json.dumps({"fields": fields, "columns": list(rows[0]), "valid": valid, "rows": len(after), **sums}))
"""


@pytest.mark.parametrize("name", RUNS)
def test_codecarbon_takes_the_file_for_its_own(name: str, tmp_path: Path, install: Install) -> None:
    """CodeCarbon 3.3.2 finds its own columns, appends a run of its own, and the sums of ours are the summary's."""
    package = install("codecarbon-3.3.2", pip("--no-deps", "codecarbon==3.3.2"))
    run = run_of(name)
    export_to(run.folder, "codecarbon", tmp_path / "emissions.csv")
    said = run_python(CODECARBON, package, str(tmp_path), "emissions.csv")
    assert said["columns"] == said["fields"]
    assert said["valid"]
    assert said["rows"] == len(run.sites) + 1
    energies = [account["energy_kwh"]["it"] for account in run.sites.values()]
    assert said["energy_consumed"] == pytest.approx(math.fsum(energies), rel=1e-15)
    emissions = [
        account["carbon_kg"]["operational_location"]
        - sum(account["carbon_kg"]["by_component"].get(part, 0.0) for part in ("devices", "wan"))
        for account in run.sites.values()
    ]
    assert said["emissions"] == pytest.approx(math.fsum(emissions), rel=1e-15)
    assert said["water_consumed"] == run.summary["water_l"].get("onsite", 0.0)
    again = [one for one in reader.read_runs(tmp_path / "emissions.csv") if one.run != "another"]
    assert math.fsum(one.total_j for one in again) == pytest.approx(math.fsum(energies) * J_PER_KWH, rel=1e-15)


@pytest.mark.parametrize("name", RUNS)
def test_if_run_comes_to_the_totals_of_the_summary(name: str, tmp_path: Path, install: Install) -> None:
    """The Impact Framework's own command computes the manifest, and its tree adds up to ``summary.json``."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", ".", "@grnsft/if@1.1.0"]
    program = install("impact-framework-1.1.0", npm) / "node_modules/@grnsft/if/build/if-run/index.js"
    run = run_of(name)
    export_to(run.folder, "impact-framework", tmp_path / "manifest.yml")
    done = subprocess.run(
        [node, str(program), "--manifest", "manifest.yml", "--output", "computed.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    totals = YAML(typ="safe").load((tmp_path / "computed.yaml").read_text(encoding="utf-8"))["tree"]["aggregated"]
    energy, carbon = run.summary["energy_kwh"], run.summary["carbon_kg"]
    expected = {
        "energy-it": energy["it"],
        "energy": energy["facility"],
        "carbon-operational": carbon["operational_location"] * G_PER_KG,
        "carbon-embodied": carbon["embodied"] * G_PER_KG,
        "carbon": carbon["total"] * G_PER_KG,
    }
    if "sci_g_per_unit" in run.summary["kpi"]:
        expected["sci"] = run.summary["kpi"]["sci_g_per_unit"]
    if "onsite" in run.summary["water_l"]:
        expected["water-onsite"] = run.summary["water_l"]["onsite"]
    assert totals.keys() == expected.keys()
    for what, value in expected.items():
        assert totals[what] == pytest.approx(value, rel=1e-12), what  # the last digits of sums of a few doubles


PARSE = """
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
found = text_string_to_metric_families(open(sys.argv[1], encoding="utf-8").read())
print(json.dumps([[f.name, f.unit, [[s.name, s.labels, s.value] for s in f.samples]] for f in found]))
"""


@pytest.mark.parametrize("name", [*RUNS, "rows", "tokens", "training"])
def test_parsers_of_openmetrics_read_every_number(name: str, tmp_path: Path, install: Install) -> None:
    package = install("prometheus-client", pip("prometheus_client==0.26.0"))
    run = run_of(name)
    for format_name in ("openmetrics", "openmetrics-history"):
        path = tmp_path / f"{format_name}.prom"
        export_to(run.folder, format_name, path)
        families = run_python(PARSE, package, str(path))
        assert families
        if format_name == "openmetrics":
            by_name = {family: samples for family, _, samples in families}
            (it,) = by_name["coldaisle_energy_it_kwh"]
            assert it[2] == run.summary["energy_kwh"]["it"]
            (about,) = by_name["coldaisle_run"]
            assert about[1]["scenario"] == run.name


def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("needs promtool (Debian's package prometheus)")
    return found


@pytest.mark.parametrize("name", [*RUNS, "rows", "tokens", "training"])
def test_promtool_finds_nothing_to_say(name: str) -> None:
    text = exported(run_of(name).folder, "openmetrics")
    done = subprocess.run([promtool(), "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_promtool_makes_blocks_of_power_over_time(tmp_path: Path) -> None:
    """What goes into the blocks comes out of them: as many series as drew anything, in as many samples as bins."""
    run = run_of("small")
    path = tmp_path / "history.prom"
    export_to(run.folder, "openmetrics-history", path)
    command = [promtool(), "tsdb", "create-blocks-from", "openmetrics", str(path), str(tmp_path / "blocks")]
    subprocess.run(command, capture_output=True, text=True, check=True)
    (tmp_path / "blocks" / "wal").mkdir()  # which promtool asks for before it dumps blocks
    dumped = subprocess.run(
        [promtool(), "tsdb", "dump", str(tmp_path / "blocks")], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    drew = [key for key, row in zip(run.results.energy.keys, run.results.energy.energy_j, strict=True) if row.any()]
    assert len({line.rpartition("}")[0] for line in dumped}) == len(drew)
    assert len(dumped) == len(drew) * (len(run.results.energy.edges_ns) - 1)


CRATES = """
import json, sys
from rocrate.rocrate import ROCrate
crate = ROCrate(sys.argv[1])
print(json.dumps({
    "name": crate.name,
    "files": {e.id: [e["contentSize"], e["identifier"]["value"]] for e in crate.data_entities},
    "made": [e.id for e in crate.get("#made")["result"]],
    "by": crate.get("#made")["instrument"].id,
}))
"""


def test_rocrate_opens_the_crate_of_a_run(tmp_path: Path, install: Install) -> None:
    package = install("rocrate", pip("rocrate==0.16.0"))
    run = run_of("small")
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    export_to(folder, "ro-crate", folder / CRATE)
    said = run_python(CRATES, package, str(folder))
    assert said["name"] == run.name
    assert said["by"] == "#coldaisle"
    assert said["files"].keys() == {path.name for path in folder.iterdir()} - {CRATE}
    for name, (size, _) in said["files"].items():
        assert int(size) == (folder / name).stat().st_size
    assert set(said["made"]) == said["files"].keys() - {"scenario.yaml"}


GRAFANA = """
import json, sys
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
register_default_plugins()
found = Dashboard.from_json(json.loads(sys.argv[1]))
kinds = [type(part).__module__.rpartition(".")[2] for panel in found.panels for part in (panel.options, *panel.targets)]
print(json.dumps({"again": json.loads(JSONEncoder().encode(found)), "kinds": kinds}))
"""


def test_grafanas_own_types_hold_the_dashboard_of_follow(install: Install) -> None:
    """Grafana's generated types know every field of it by its name, and write each back as it was."""
    package = install("grafana-foundation-sdk-11.6.0", pip("--no-deps", "grafana-foundation-sdk==1769699379!11.6.0"))
    given = dashboard()
    said = run_python(GRAFANA, package, json.dumps(given))
    assert set(said["kinds"]) == {"stat", "timeseries", "prometheus"}
    assert _lost(given, said["again"]) == []


def _lost(given: Any, again: Any, path: str = "") -> list[str]:
    """Places of ``given`` that are not there again, or not alike; nulls may be left out."""
    if isinstance(given, dict) and isinstance(again, dict):
        return [place for key, value in given.items() for place in _lost(value, again.get(key), f"{path}.{key}")]
    if isinstance(given, list) and isinstance(again, list) and len(given) == len(again):
        pairs = enumerate(zip(given, again, strict=True))
        return [place for i, (one, other) in pairs for place in _lost(one, other, f"{path}[{i}]")]
    return [] if given == again else [path]
