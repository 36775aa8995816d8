"""Kinds from other packages: one that is installed and used by the command, and many that are broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Literal

import pytest
from ruamel.yaml import YAML

from sim import kinds
from sim.errors import InputError
from sim.loading.scenario import shipped_scenarios
from sim.profiles.catalog import shipped_folder
from sim.spec.cluster import SchedulerSpec
from tests.commands import COLDAISLE
from tests.small import small

EXAMPLE = Path(__file__).parent / "example_kinds"
DALLAS = shipped_folder("scenarios") / "data" / "dallas.csv"
PIP = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the example package is installed to, as anybody would."""
    target = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, *PIP, "--target", str(target), str(EXAMPLE)], check=True, timeout=120)
    return target


def command(*arguments: str, cwd: Path, path: Path) -> subprocess.CompletedProcess[str]:
    """The command, with the packages of a folder beside its own."""
    env = {**os.environ, "PYTHONPATH": str(path)}
    return subprocess.run(
        [COLDAISLE, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False
    )


def summary_of(scenario: dict[str, Any], cwd: Path, path: Path) -> dict[str, Any]:
    (cwd / "s.yaml").write_text(json.dumps(scenario))
    done = command("run", "s.yaml", "--json", "--out", "out", cwd=cwd, path=path)
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def queue() -> dict[str, Any]:
    """A long job and a short one that both want the whole cluster, after one that holds it."""
    scenario = small()
    tune = scenario["workloads"]["tune"]
    scenario["workloads"] = {
        name: {**tune, "gpus": 16, "start_after": after, "work": {**tune["work"], "gpu_hours": hours}}
        for name, hours, after in (("first", 16, "0 s"), ("long", 48, "1 min"), ("short", 8, "2 min"))
    }
    return scenario


def test_what_a_package_adds_is_used_and_told(installed: Path, tmp_path: Path) -> None:
    """Its scheduler, cooling, grid and cap in one scenario, each with an effect that is known beforehand."""
    scenario = queue()
    scenario["cluster"]["scheduler"] = {"kind": "shortest-first"}
    site = scenario["site"]
    site["grid"]["intensity"] = {"kind": "day-and-night", "day": "100 gCO2e/kWh", "night": "500 gCO2e/kWh"}
    site["facility"] = {
        "kind": "plant",
        "design_it": "20 kW",
        "cooling": {"kind": "sea-water", "supply": "24 degC", "pump_power": "3 %"},
        "power_chain": {},
        "other": "0 W",
    }
    site["weather"] = {"kind": "month-hours", "file": str(DALLAS), "latitude": 32.9, "longitude": -97.0}
    site["water"] = {}
    scenario["policies"] = [{"kind": "at-first", "target": "short", "cap": "60 %", "lasts": "30 min"}]
    scenario["cluster"]["nodes"] = [{"profile": "dgx-a100", "count": 2}, {"profile": "dgx-h100", "count": 1}]
    for workload in scenario["workloads"].values():
        workload["pool"] = "dgx-a100"
    scenario["workloads"]["new"] = {"kind": "burn-in", "gpus": 8, "power": "400 W", "lasts": "2 h", "pool": "dgx-h100"}
    summary = summary_of(scenario, tmp_path, installed)

    jobs = summary["jobs"]
    assert (jobs["new"]["completed"], jobs["new"]["gpu_hours"]) == (1, 16.0)
    assert summary["energy_kwh"]["by_workload"]["new"] > 6.4  # of the GPUs alone: 8 at 400 W for two hours
    assert jobs["short"]["wait_s"] == pytest.approx(3600 - 120)
    assert jobs["long"]["wait_s"] == pytest.approx(1.5 * 3600 - 60)  # first come, it would have been an hour
    energy = summary["energy_kwh"]
    assert energy["overhead_by_component"] == {"pump": pytest.approx(0.03 * energy["it"])}
    by_day = summary["carbon_kg"]["operational_location"] / energy["facility"]
    assert by_day == pytest.approx(0.5)  # from midnight to 06:00
    capped = {"policy": "policies.0", "kind": "at-first", "workload": "short", "times": 1, "in_force_s": 1800.0}
    assert summary["policies"] == [capped]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["plugins"]["coldaisle-example"].startswith("0.3+")


@pytest.mark.slow
def test_what_a_package_adds_obeys_the_laws_of_its_families(installed: Path) -> None:
    """The contract test of the registry, over a table that has the rows of the package."""
    added = "sea-water or day-and-night or at-first or shortest-first or in-turn or burn-in"
    root = Path(__file__).resolve().parents[1]
    env = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_kinds.py", "-k", added]
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
    assert "12 passed" in done.stdout


def test_its_router_shares_out_a_trace_in_its_format(installed: Path, tmp_path: Path) -> None:
    """A hundred requests to two models in turn: fifty each."""
    (tmp_path / "office.csv").write_text("second,words_in,words_out\n" + "".join(f"{i},100,5\n" for i in range(100)))
    scenario = YAML(typ="safe").load(shipped_scenarios()["small-and-large-model"])
    scenario |= {"duration": "3 min", "start": "2025-03-03T08:00:00Z"}
    route = scenario["routes"]["questions"]
    del route["lengths"], route["prefix"]
    route |= {"arrivals": {"kind": "trace", "file": "office.csv", "format": "office"}, "by": {"kind": "in-turn"}}
    for workload in scenario["workloads"].values():
        workload["engine"] = "reference"
        del workload["batching"]["prefix_cache"]
    served = summary_of(scenario, tmp_path, installed)
    assert served["routes"]["questions"]["requests"] == {"small": 50, "large": 50}
    assert served["serving"]["small"]["output_tokens"] == 250


KEYS = """
import json, sys
from sim.loading.scenario import load_scenario
from sim.study.points import Hasher, build_id
scenario, changes = json.load(sys.stdin)
hasher = Hasher()
print(json.dumps([build_id(), *(hasher.hashes(load_scenario(scenario, one))[1] for one in changes)]))
"""


def test_its_kinds_count_in_the_key_of_a_simulation_where_they_decide(installed: Path) -> None:
    """Another power and another scheduler are another simulation; another intensity only prices it."""
    scenario = small()
    scenario["workloads"]["new"] = {"kind": "burn-in", "gpus": 4, "power": "400 W", "lasts": "1 h"}
    scenario["cluster"]["scheduler"] = {"kind": "shortest-first"}
    grid = {"kind": "day-and-night", "day": "100 gCO2e/kWh", "night": "500 gCO2e/kWh"}
    scenario["site"]["grid"]["intensity"] = grid
    changes = [
        {},
        {"site.grid.intensity.day": "50 gCO2e/kWh"},
        {"workloads.new.power": "300 W"},
        {"cluster.scheduler.kind": "fifo"},
    ]
    env = {**os.environ, "PYTHONPATH": str(installed)}
    given = json.dumps([scenario, changes])
    done = subprocess.run(
        [sys.executable, "-c", KEYS], env=env, input=given, capture_output=True, text=True, check=True
    )
    build, plain, priced, powered, scheduled = json.loads(done.stdout)
    assert "coldaisle-example 0.3+" in build
    assert priced == plain
    assert len({plain, powered, scheduled}) == 3


def test_without_the_package_its_kinds_are_unknown_and_with_it_they_are_in_the_schema(
    installed: Path, tmp_path: Path
) -> None:
    scenario = small()
    scenario["cluster"]["scheduler"] = {"kind": "shortest-first"}
    (tmp_path / "s.yaml").write_text(json.dumps(scenario))
    refused = command("check", "s.yaml", cwd=tmp_path, path=tmp_path)
    assert refused.returncode == 2
    assert "unknown 'shortest-first'; did you mean 'shortest'?" in refused.stderr + refused.stdout
    assert '"shortest-first"' in command("schema", cwd=tmp_path, path=installed).stdout


SPEC = """
from typing import Literal
from sim.kinds import Kind
from sim.spec.cluster import SchedulerSpec
from sim.validation import Spec

class Mine(SchedulerSpec):
    '''Mine.'''
    kind: Literal["{word}"]

class Alone(Spec):
    kind: Literal["alone"]

"""


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import nowhere_to_be_found", "cannot be loaded: ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("raise SystemExit(3)", "cannot be loaded: SystemExit: 3"),
        ("KINDS = 7", "leads to int, not to a sim.kinds.Kind or Named, or a tuple of them"),
        (SPEC + "KINDS = Kind(Alone, print)", "is no sim.kinds.Choice with a 'kind'"),
        (SPEC + "KINDS = Kind(SchedulerSpec, print)", "is no sim.kinds.Choice with a 'kind'"),
        (SPEC + "KINDS = (Kind(Mine, None),)", "has no builder for Mine"),
        (
            "from sim.spec.work import Workload\n"
            + SPEC.replace("SchedulerSpec)", "Workload)")
            + "KINDS = Kind(Mine, print)",
            "has a kind, Mine, that lacks what every workload says of itself  (wanted)",
        ),
        (SPEC + "Mine.family = 'cookery'\nKINDS = Kind(Mine, print)", "has a kind of no family that there is"),
        (
            SPEC.replace("(SchedulerSpec)", "(Choice)").replace("import Kind", "import Choice, Kind")
            + "Mine.family = 'scheduler'\nKINDS = Kind(Mine, print)",
            "has a scheduler, Mine, that is no sim.spec.cluster.SchedulerSpec",
        ),
        ("from numpy.linalg import norm\n" + SPEC + "KINDS = Kind(Mine, norm)", "has a kind from 'numpy'"),
        (SPEC.replace("{word}", "fifo") + "KINDS = Kind(Mine, print)", "the scheduler 'fifo', which coldaisle has"),
        (SPEC + "KINDS = (Kind(Mine, print), Kind(Mine, print))", "'{word}', which package 'broken' has already"),
    ],
)
def test_a_package_that_cannot_be_used_is_named_with_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, says: str
) -> None:
    broken(tmp_path, code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken", raising=False)
    forget()
    try:
        with pytest.raises(InputError) as refused:
            kinds.kinds("scheduler")
    finally:
        forget()
    for word in ("package 'broken' 1.2: entry point 'mine' of coldaisle.kinds (broken:KINDS)", says):
        assert word in str(refused.value)


def test_what_a_package_adds_is_known_by_all_that_it_installs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A helper beside the entry point's module, and data: another content is another package to the key of a run."""
    broken(tmp_path, SPEC + "KINDS = Kind(Mine, print)")
    helper = tmp_path / "helper_of_broken.py"
    helper.write_text("HOURS = 1\n")
    (tmp_path / "broken-1.2.dist-info" / "RECORD").write_text("broken.py,,\nhelper_of_broken.py,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken", raising=False)  # that of another test, whose folder is gone
    forget()
    try:
        before = kinds.plugins()
        helper.write_text("HOURS = 2\n")
        forget()
        after = kinds.plugins()
    finally:
        forget()
    assert list(before) == list(after) == ["broken"]
    assert before != after


def test_a_policy_that_nothing_asks_is_refused(tmp_path: Path) -> None:
    code = SPEC.replace("from sim.spec.cluster import SchedulerSpec", "from sim.spec.policies import Policy")
    broken(tmp_path, code.replace("SchedulerSpec)", "Policy)").replace("{word}", "odd") + "KINDS = Kind(Mine, print)\n")
    (tmp_path / "s.yaml").write_text(json.dumps({**small(), "policies": [{"kind": "odd"}]}))
    done = command("check", "s.yaml", cwd=tmp_path, path=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "'odd': nothing asks a policy of this kind" in " ".join((done.stdout + done.stderr).split())


class Strange:
    """Of which pydantic knows nothing."""


def test_a_spec_that_cannot_be_read_is_its_packages_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unreadable(SchedulerSpec):
        kind: Literal["unreadable"]
        field: Strange

    point = EntryPoint(name="mine", value=f"{__name__}:KINDS", group=kinds.GROUP)
    monkeypatch.setattr(kinds, "_points", lambda: [point])
    with pytest.raises(InputError, match=r"package 'tests'.*has a spec, Unreadable, that cannot be read: .*Strange"):
        Unreadable.model_json_schema()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import nowhere_to_be_found", "cannot be loaded"),
        (
            SPEC.replace("{word}", "odd") + "def made(_):\n    raise ValueError('boom')\nKINDS = Kind(Mine, made)\n",
            "fails: ValueError: boom",
        ),
        (
            SPEC.replace("{word}", "odd")
            + "class Never:\n    def next(self, view):\n        return view.waiting[0].nothing\n"
            + "def made(_):\n    return Never()\nKINDS = Kind(Mine, made)\n",
            "fails: AttributeError: 'Request' object has no attribute 'nothing'",
        ),
    ],
)
def test_a_broken_package_is_bad_input_to_the_command(tmp_path: Path, code: str, says: str) -> None:
    broken(tmp_path, code)
    world = small()
    world["cluster"]["scheduler"] = {"kind": "odd"}
    (tmp_path / "s.yaml").write_text(json.dumps(world))
    done = command("run", "s.yaml", "--out", "out", cwd=tmp_path, path=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "package 'broken' 1.2: 1 problem" in done.stderr
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    assert command("--help", cwd=tmp_path, path=tmp_path).returncode == 0


def forget() -> None:
    """Packages are looked for anew."""
    kinds._points.cache_clear()
    kinds._tops.cache_clear()
    kinds._sources.cache_clear()
    kinds._added.cache_clear()


def broken(folder: Path, code: str) -> None:
    """A package whose entry point leads to ``code``, laid out as an installer would."""
    (folder / "broken.py").write_text(code)
    info = folder / "broken-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[coldaisle.kinds]\nmine = broken:KINDS\n")
