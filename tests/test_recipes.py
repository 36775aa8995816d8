"""The recipes of CONTRIBUTING are carried out with its very text: what they add is used by a run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import sim

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```\{code-block\} \w+\n:caption: ([^\n]+)\n\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS: dict[str, str] = dict(BLOCK.findall(TEXT))


def written(folder: Path, *names: str) -> None:
    """Files of the page, by their captions."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(BLOCKS[name], encoding="utf-8")


def told(code: str, folder: Path) -> Any:
    """What ``code`` prints as JSON in ``folder``, whose modules come before all others."""
    there = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=there, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def installed(folder: Path) -> None:
    """The package of the page, as pip would leave it: its modules, and metadata with its entry points."""
    written(folder, *(name for name in BLOCKS if name.startswith("seaside/")))
    project = tomllib.loads(BLOCKS["pyproject.toml"])["project"]
    name, version = project["name"].replace("-", "_"), project["version"]
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\n")
    groups = project["entry-points"]
    lines = [f"[{group}]\n" + "\n".join(f"{key} = {at}" for key, at in row.items()) for group, row in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


SEASIDE = """
import json, sim
from sim.spec.schema import scenario_schema

def job(at, gpus, hours):
    work = {"kind": "gpu-hours", "gpu_hours": gpus * hours, "load": {"kind": "nameplate"}}
    return {"kind": "training", "gpus": gpus, "start_after": at, "work": work, "cpu_load": 0.1}

queue = {
    "name": "queue",
    "start": "2026-01-01T00:00:00Z",
    "site": {"grid": {"intensity": "57 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.2}},
    "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    "workloads": {"first": job("0 s", 4, 2), "large": job("1 min", 8, 1), "small": job("2 min", 4, 1)},
}
waits = {}
for kind in ("fifo", "smallest-first"):
    cluster = {"nodes": [{"profile": "dgx-h100", "count": 1}], "scheduler": {"kind": kind}}
    jobs = sim.run({**queue, "cluster": cluster}).summary["jobs"]
    waits[kind] = {name: one["wait_s"] for name, one in jobs.items()}
print(json.dumps({
    "summary": sim.run("seaside.yaml").summary,
    "schema": scenario_schema()["$defs"]["SeaWater"],
    "problems": [str(one) for one in sim.check("seaside.yaml", set={"site.facility.cooling.kind": "sea-watre"})],
    "waits": waits,
}))
"""


@pytest.fixture(scope="module")
def seaside(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What came of it in a folder in which the page's package is installed and its scenario stands."""
    folder = tmp_path_factory.mktemp("seaside")
    installed(folder)
    written(folder, "seaside.yaml")
    return told(SEASIDE, folder)


def test_a_cooling_of_ones_own_cools(seaside: Any) -> None:
    overhead = seaside["summary"]["energy_kwh"]["overhead_by_component"]
    assert overhead["pump"] > 0.0
    assert not {"chiller", "tower_fan"} & overhead.keys()
    assert seaside["summary"]["water_l"]["onsite"] == 0.0


def test_a_kind_of_ones_own_is_told_like_any_other(seaside: Any) -> None:
    assert seaside["schema"]["properties"]["pump_power"]["description"].startswith("At design")
    (problem,) = seaside["problems"]
    assert "did you mean 'sea-water'?" in problem


def test_a_scheduler_of_ones_own_lets_the_small_job_pass(seaside: Any) -> None:
    """Half of the GPUs are free: first come first served, the small job stands behind the large one."""
    fifo, smallest = seaside["waits"]["fifo"], seaside["waits"]["smallest-first"]
    assert fifo["small"] > fifo["large"] > 0.0
    assert smallest["small"] == 0.0
    assert smallest["large"] == fifo["large"]


def test_a_gpu_is_one_file(tmp_path: Path) -> None:
    written(tmp_path, "profiles/example-gpu.yaml", "example.yaml")
    (tmp_path / "hardware_profiles").symlink_to(ROOT / "hardware_profiles")
    (copied,) = [line[2:] for line in TEXT.splitlines() if line.startswith("$ sed ")]
    subprocess.run(["bash", "-c", copied], cwd=tmp_path, check=True)
    found = sim.run(tmp_path / "example.yaml").summary
    # 96 GPU-hours on 4 GPUs are a day, at 300 W each
    assert found["jobs"]["tune"]["gpu_hours"] == pytest.approx(96.0, rel=0.01)
    assert found["energy_kwh"]["by_component"]["gpu"] == pytest.approx(4 * 0.3 * 24.0, rel=0.01)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, with the reader and the metric of the page added where it says."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "sim", folder / "sim", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("hardware_profiles", "scenarios"):
        (folder / name).symlink_to(ROOT / name)
    written(folder, "sim/measure/readers/wattlog.py")
    readers, fold = "sim/measure/readers/__init__.py", "sim/accounting/indicators.py"
    entry = "sim/results/catalogue/accounts.py"
    added(folder / readers, "    zeus,\n)\nfrom", "    wattlog,\n")
    added(folder / readers, "        zeus,\n", BLOCKS[f"{readers}, in FORMATS"])
    added(folder / fold, '    if "onsite" in water:\n', BLOCKS[f"{fold}, in indicators()"])
    added(folder / entry, '        Quantity("ere"', BLOCKS[f"{entry}, in the table of kpi"])
    return folder


def added(path: Path, before: str, text: str) -> None:
    """Puts ``text`` into a file, before what stands there once."""
    source = path.read_text(encoding="utf-8")
    assert source.count(before) == 1, f"{path.name} has no single {before!r}"
    path.write_text(source.replace(before, text + before), encoding="utf-8")


CHANGED = """
import json, sim
from pathlib import Path
from sim.measure.readers import read_recording
from sim.results.report import report

read = read_recording(Path("log.txt"))
results = sim.run("bloom-training", set={"site.facility.pue": 1.25})
print(json.dumps({
    "format": read.origin["format"],
    "samples": len(read.samples),
    "faults": [fault.line for fault in read.faults],
    "kpi": results.summary["kpi"],
    "page": report([results]),
}))
"""


@pytest.fixture(scope="module")
def changed(copy: Path) -> Any:
    """What came of it with the changed sources."""
    (copy / "log.txt").write_text("# wattlog\n1767225600 300\n1767225601 310.5\nlost\n1767225602 305\n")
    return told(CHANGED, copy)


def test_a_reader_is_a_module_and_its_place_in_the_table(changed: Any) -> None:
    assert (changed["format"], changed["samples"], changed["faults"]) == ("wattlog", 3, [4])


def test_a_metric_is_its_fold_and_its_entry(changed: Any) -> None:
    """DCiE x PUE is 1, and the page has the word without a line of its own."""
    assert changed["kpi"]["dcie"] == pytest.approx(0.8, rel=1e-12)
    assert changed["kpi"]["dcie"] * changed["kpi"]["pue"] == pytest.approx(1.0, rel=1e-12)
    assert "DCiE" in changed["page"]
