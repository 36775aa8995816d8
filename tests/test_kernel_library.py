"""The library of kernels: taken where it was made from the sources that lie here and only there, built of no more than
its requirements, and equal to what Numba makes of the same sources."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import hatch_build
from sim.engine.fleet import fast as fast_fleet
from sim.engine.fleet import metering
from sim.engine.fleet.fast_rows import run_rows
from sim.engine.fleet.scheduling import Scheduler
from sim.engine.kernels import build, loading
from sim.engine.kernels.loading import FLEET, KERNELS, METERING, SERVING, NotBuiltError, built, by_numba
from sim.engine.serving import compiled, fast, plan
from sim.engine.serving.pools import make_pool
from sim.engine.serving.reference.pool import ReferencePool
from sim.loading.scenario import load_scenario
from sim.running.manifest import manifest_of
from tests.fleet_logs import Case, cases
from tests.serving_worlds import World, linear_cost, observe, worlds
from tests.test_fleet_kernel import GIVE_UP_NS, SEED, assert_same, drawn_plan, drawn_pools, schedulers
from tests.test_metering import folded, rows

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that fits, built if none lies there."""
    if build.is_fresh():
        return loading.LIBRARY
    if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        pytest.skip("needs a C compiler")
    made = tmp_path_factory.mktemp("library") / loading.LIBRARY.name
    build.build(made)
    return made


@pytest.mark.proof
@given(world=worlds(most_replicas=20))
@settings(max_examples=150)
def test_the_library_serves_as_numba_does(library: Path, world: World) -> None:
    observed = []
    for call in (built(SERVING, library), by_numba(SERVING)):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(fast, "call", call)
            observed.append(observe(world, "fast"))
    assert observed[0] == observed[1] == observe(world, "reference")


@pytest.mark.proof
@given(seed=SEED, scheduler=schedulers())
def test_the_library_gives_nodes_away_as_numba_does(library: Path, seed: int, scheduler: Scheduler) -> None:
    rng = np.random.default_rng(seed)
    pools = drawn_pools(rng, most_nodes=70)
    plans = [drawn_plan(rng, "w", pools, most_jobs=200, most_slots=30)]
    runs = []
    for call in (built(FLEET, library), by_numba(FLEET)):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(fast_fleet, "call", call)
            runs.append(run_rows(pools, plans, scheduler, duration_ns=None, give_up_ns=GIVE_UP_NS))
    assert_same(runs[0].allocations, runs[1].allocations)


@pytest.mark.proof
@given(case=cases())
def test_the_library_meters_as_numba_does_to_the_bit(library: Path, case: Case) -> None:
    """Whatever processor Numba compiles for: nothing is contracted, and no sum is taken in another order."""
    told = []
    for call in (built(METERING, library), by_numba(METERING)):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(metering, "loaded", lambda _, call=call: call)
            ledger, jobs = folded(case, metering.fold_compiled)
        booked = {key: [column.tobytes() for column in columns] for key, columns in rows(ledger).items()}
        told.append((booked, jobs.energy_j.tobytes(), jobs.slot_s.tobytes(), jobs.active_slot_s.tobytes()))
    assert told[0] == told[1]


@pytest.mark.slow
def test_it_is_not_taken_for_other_sources(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any edit of any file that a kernel was made from, and of that kernel alone."""
    _, made = loading.opened(library)
    files = {kernel: made[kernel.name]["files"] for kernel in KERNELS}
    for name in {name for names in files.values() for name in names}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(loading.PACKAGE / name, tmp_path / name)
    monkeypatch.setattr(loading, "PACKAGE", tmp_path)
    for kernel in KERNELS:
        built(kernel, library)
        for name in files[kernel]:
            before = (tmp_path / name).read_text(encoding="utf-8")
            (tmp_path / name).write_text(before + "\n", encoding="utf-8")
            for other in KERNELS:
                if name in files[other]:
                    with pytest.raises(NotBuiltError, match="other sources"):
                        built(other, library)
                else:
                    built(other, library)
            (tmp_path / name).write_text(before, encoding="utf-8")


def test_a_kernel_is_made_from_its_code_and_from_where_its_constants_come() -> None:
    for kernel in KERNELS:
        importlib.import_module(kernel.module)
    serving, fleet, books = (set(build.made_from(kernel)["files"]) for kernel in KERNELS)
    folder = loading.PACKAGE / "engine"
    coded = {path.relative_to(loading.PACKAGE).as_posix() for path in folder.glob("*/kernel/*.py")}
    assert {name for name in coded if not name.endswith("__init__.py")} <= serving | fleet
    assert {"units.py", "engine/metering/draws.py", "workload/allocations.py"} <= books
    assert "engine/fleet/request.py" in fleet
    assert "workload/routers.py" in serving
    assert {
        "engine/serving/layout.py",
        "engine/serving/compiled.py",
        "engine/kernels/build.py",
    } <= serving & fleet & books


def test_no_library_and_one_that_is_broken_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotBuiltError, match="without compiled kernels"):
        built(SERVING, tmp_path / "none")
    broken = tmp_path / "kernels.so.1"
    broken.write_bytes(b"\x7fELF")
    with pytest.raises(NotBuiltError, match="cannot be loaded"):
        built(SERVING, broken)


def test_a_library_of_other_sources_is_told_in_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba's code of an earlier run takes its place, a second slower to load, and nothing else would show it."""
    monkeypatch.setattr(compiled, "is_kept", lambda _: True)
    stale = f"the serving engine runs as Numba compiled it: {loading.STALE}"
    for reason, told in ((loading.STALE, stale), ("installed without compiled kernels", None), (None, None)):
        monkeypatch.setattr(loading, "why_not_built", lambda _, reason=reason: reason)
        assert loading.notice(SERVING) == told


@pytest.mark.parametrize(
    ("scenario", "called"),
    [("small-and-large-model", {"serving"}), ("research-cluster", {"fleet", "metering"}), ("bloom-training", set())],
)
def test_the_manifest_names_where_the_code_of_kernels_comes_from(
    scenario: str, called: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_scenario(scenario)
    for reason, said in ((None, "compiled with the package"), (loading.STALE, "compiled by Numba (the compiled kern")):
        monkeypatch.setattr(loading, "why_not_built", lambda _, reason=reason: reason)
        kernels = manifest_of(loaded, 1.0).get("kernels", {})
        assert set(kernels) == called
        assert all(text.startswith(said) for text in kernels.values())


def test_without_library_and_numba_the_plain_engines_run_and_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "why_not_built", lambda _: "installed without compiled kernels")
    told = loading.notice(SERVING)
    assert told is None or "compiling the serving engine" in told, "as long as Numba is there"
    monkeypatch.setattr(loading, "find_spec", lambda _: None)
    told = loading.notice(SERVING)
    assert told is not None
    assert "plain Python" in told
    assert "without compiled kernels" in told
    settings = plan.Settings(max_num_seqs=4, max_num_batched_tokens=64, router=0, seed=7)
    group: Any = SimpleNamespace(most=1, lanes=1, role=plan.ANY, kv_blocks=100, costs=(0,))
    assert isinstance(make_pool("fast", settings, [linear_cost()], [group], lambda: None), ReferencePool)


def test_without_a_compiler_there_is_no_library_but_there_is_a_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", "none")
    with pytest.raises(build.CannotBuildError, match="no C compiler"):
        build.compilers()
    warned: list[str] = []
    hook = SimpleNamespace(
        target_name="wheel",
        root=str(ROOT),
        app=SimpleNamespace(display_info=lambda _: None, display_warning=warned.append),
    )
    failed = subprocess.CompletedProcess([], 1, "", "no compiled kernels: no C compiler: cc\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    build_data: dict[str, Any] = {"artifacts": [], "pure_python": True}
    hatch_build.KernelHook.initialize(hook, "standard", build_data)  # type: ignore[arg-type]
    assert warned == ["no compiled kernels: no C compiler: cc; they will be compiled by Numba at first use"]
    assert build_data == {"artifacts": [], "pure_python": True}


SERVED = "import sim, sys; sim.run('disaggregated'); print(*{name.partition('.')[0] for name in sys.modules})"


def test_with_the_library_a_serving_run_loads_no_compiler() -> None:
    if not build.is_fresh():
        pytest.skip("the library does not fit: python -m sim.engine.kernels")
    shown = subprocess.run([sys.executable, "-c", SERVED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(shown.stdout.split()) & {"numba", "llvmlite"} == set()


IMPORTED = """
import importlib, sys
from sim.engine.kernels import build
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name in sys.argv[1:]:
            raise ModuleNotFoundError(f"{name} is not required to build", name=name)
sys.meta_path.insert(0, Refused())
for kernel in build.KERNELS:
    importlib.import_module(kernel.module)
"""


def test_what_is_built_needs_no_more_than_the_requirements_of_the_build() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    def names(requirements: list[str]) -> set[str]:
        return {requirement.partition(">")[0] for requirement in requirements}

    required = names(stated["build-system"]["requires"])
    assert {"hatchling", "numba", "numpy"} <= required
    imported_as = {"ruamel.yaml": "ruamel", "nvidia-ml-py": "pynvml"}
    others = names(stated["project"]["dependencies"]) - required - {"scipy"}  # which Numba looks for, and does without
    command = [sys.executable, "-c", IMPORTED, *(imported_as.get(name, name) for name in others)]
    subprocess.run(command, cwd=ROOT, check=True)
