"""The recipes of CONTRIBUTING are carried out with its very text: what they add is used by a run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
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
    """What ``code`` prints as JSON in ``folder``, whose modules come before all others. Kernels compiled for it run
    once, for a moment: to make them fast would take LLVM longer than it saves."""
    there = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "NUMBA_OPT": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=there, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


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
    """A copy of the sources, with the reader, the router and the metric of the page added where it says."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "sim", folder / "sim", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("hardware_profiles", "scenarios"):
        (folder / name).symlink_to(ROOT / name)
    written(folder, "sim/measure/readers/wattlog.py")
    for file, block, before in (
        ("sim/shipped_kinds.py", "in SHIPPED_NAMES", '        "zeus": '),
        ("sim/accounting/indicators.py", "in indicators()", '    if "onsite" in water:\n'),
        ("sim/results/catalogue/accounts.py", "in the table of kpi", '        Quantity("ere"'),
        ("sim/workload/routers.py", "in Router", '    "random",\n'),
        ("sim/workload/routers.py", "a rule", "_RULES: "),
        ("sim/workload/routers.py", "in _RULES", '    "random": '),
        ("sim/engine/serving/kernel/routing.py", "in route()", "    if router == FEWEST_TOKENS:\n"),
        ("sim/engine/serving/kernel/routing.py", "a twin", "@inner\ndef in_turn("),
    ):
        added(folder / file, before, BLOCKS[f"{file}, {block}"])
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
from sim.report.run import report

read = read_recording(Path("log.txt"))
results = sim.run("bloom-training", set={"site.facility.pue": 1.25})
served = {}
for routing in ("join-shortest-queue", "fullest-first"):
    four = {"workloads.chat.replicas.count": 4, "workloads.chat.autoscale": None, "workloads.chat.start_up": None}
    plain = {"workloads.chat.engine": "reference", "workloads.chat.routing": routing, "duration": "1 min"}
    served[routing] = sim.run("chat-service", set={**four, **plain}).summary["serving"]["chat"]["e2e_s"]["mean"]
print(json.dumps({
    "format": read.origin["format"],
    "samples": len(read.samples),
    "faults": [fault.line for fault in read.faults],
    "kpi": results.summary["kpi"],
    "page": report(results),
    "served": served,
}))
"""


@pytest.fixture(scope="module")
def changed(copy: Path) -> Any:
    """What came of it with the changed sources."""
    (copy / "log.txt").write_text("# wattlog\n1767225600 300\n1767225601 310.5\nlost\n1767225602 305\n")
    return told(CHANGED, copy)


def test_a_reader_is_a_module_and_its_place_in_the_table(changed: Any) -> None:
    assert (changed["format"], changed["samples"], changed["faults"]) == ("wattlog", 3, [4])


def test_a_router_is_a_rule_and_its_twin(changed: Any) -> None:
    """Requests that share one replica take longer than those that are spread; the schema knows the name by itself."""
    assert changed["served"]["fullest-first"] > changed["served"]["join-shortest-queue"]


TWINS = """
import json, sim

four = {"workloads.chat.replicas.count": 4, "workloads.chat.autoscale": None, "workloads.chat.start_up": None}
plain = {"workloads.chat.routing": "fullest-first", "duration": "1 min"}
served = {
    engine: sim.run("chat-service", set={**four, **plain, "workloads.chat.engine": engine}).summary["serving"]["chat"]
    for engine in ("reference", "fast")
}
print(json.dumps(served))
"""


@pytest.mark.slow
def test_the_compiled_twin_of_a_router_is_the_same(copy: Path) -> None:
    served = told(TWINS, copy)
    assert {**served["fast"], "engine": ""} == {**served["reference"], "engine": ""}


def test_a_metric_is_its_fold_and_its_entry(changed: Any) -> None:
    """DCiE x PUE is 1, and the page has the word without a line of its own."""
    assert changed["kpi"]["dcie"] == pytest.approx(0.8, rel=1e-12)
    assert changed["kpi"]["dcie"] * changed["kpi"]["pue"] == pytest.approx(1.0, rel=1e-12)
    assert "DCiE" in changed["page"]
