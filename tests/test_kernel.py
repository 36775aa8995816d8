"""The compiled kernel: its code is taken from the cache only where nothing it was made from has changed, its memories
are read by name, and the two engines know the same routers."""

from __future__ import annotations

import ast
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import numpy as np
import pytest

from sim.engine.serving import compiled, plan, records
from sim.engine.serving.kernel import loop
from sim.spec.serving import Serving
from sim.workload.routers import ROUTERS

SIM = Path(plan.__file__).parents[2]
KERNEL = Path(loop.__file__).parent


def _made_from() -> dict[str, ModuleType]:
    return {module.__name__: module for module in compiled.modules_of(loop)}


def test_no_index_expression_has_a_column() -> None:
    """An index says which row, slot or node; what of it is said by name."""
    found = [
        node
        for file in sorted(KERNEL.glob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Subscript)
    ]
    assert found
    named = [ast.unparse(node) for node in found if isinstance(node.slice, ast.Name) and node.slice.id.isupper()]
    assert not named


def test_the_fingerprint_knows_every_module_of_the_kernel() -> None:
    names = {f"sim.engine.serving.kernel.{file.stem}" for file in KERNEL.glob("*.py")} - {
        "sim.engine.serving.kernel.__init__"
    }
    others = {
        "sim.engine.serving.plan",
        "sim.engine.serving.records",
        "sim.engine.serving.request_records",
        "sim.engine.serving.compiled",
        "sim.engine.serving.layout",
    }
    assert names | others | {"sim.workload.routers", "sim.workload.serving_records"} <= set(_made_from())


def test_any_other_constant_is_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = compiled.fingerprint(loop.call.py_func)
    assert before == compiled.fingerprint(loop.call.py_func)
    tried = 0
    for module in _made_from().values():
        for name, value in list(vars(module).items()):
            if type(value) is int:
                with monkeypatch.context() as changed:
                    changed.setattr(module, name, value + 1)
                    assert compiled.fingerprint(loop.call.py_func) != before, (module.__name__, name)
                tried += 1
    assert tried > 50


def test_code_made_from_another_constant_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The constant stands in another file than the function, where Numba by itself does not look."""
    package = tmp_path / "tiny_kernel"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "constants.py").write_text("STEP = 1\n")
    (package / "code.py").write_text(
        "from sim.engine.serving.compiled import entry\n"
        "from tiny_kernel import constants\n\n\n"
        "@entry\ndef moved(at):\n    return at + constants.STEP\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def moved() -> tuple[bool, int]:
        for name in [name for name in sys.modules if name.startswith("tiny_kernel")]:
            monkeypatch.delitem(sys.modules, name)
        importlib.invalidate_caches()
        code = importlib.import_module("tiny_kernel.code")
        return compiled.is_kept(code.moved), code.moved(10)

    assert moved() == (False, 11)
    assert moved() == (True, 11)
    (package / "constants.py").write_text("STEP = 5\n")
    assert moved() == (False, 15)
    assert moved() == (True, 15)


def test_a_write_that_is_cut_short_leaves_no_older_code_to_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numba writes its index first, and numbers files of code anew under each stamp."""

    made: Any = compiled._StampedFile

    def file(stamp: str) -> Any:
        return made(cache_path=str(tmp_path), filename_base="code", source_stamp=stamp)

    def full(*_: object) -> None:
        raise OSError("no space left")

    file("old").save("key", "older code")
    newer = file("new")
    monkeypatch.setattr(newer, "_save_data", full)
    with pytest.raises(OSError, match="no space"):
        newer.save("key", "newer code")
    assert file("new")._load_index(), "the index was written"
    assert file("new").load("key") is None
    file("new").save("key", "newer code")
    assert file("new").load("key") == "newer code"


TWINS = """
from sim.engine.serving import compiled, plan
from sim.engine.serving.kernel import loop
from tests.serving_worlds import build, chunk

print(not compiled.is_kept(loop.call))
arrivals = chunk([i * 3_000_000 for i in range(60)], [20 + i % 7 for i in range(60)], [5 + i % 11 for i in range(60)])
for router in plan.ROUTERS.values():
    settings = plan.Settings(max_num_seqs=4, max_num_batched_tokens=64, router=router, seed=7)
    told = []
    for engine in ("reference", "fast"):
        pool = build(engine, settings, [arrivals], roles=[plan.ANY] * 3)
        for index in range(3):
            pool.start(index)
        pool.advance(10**12)
        told.append((pool.counts, pool.sketches.tolist()))
    assert told[0] == told[1], router
"""


@pytest.mark.proof
def test_a_copy_with_two_routers_swapped_is_compiled_anew(tmp_path: Path) -> None:
    """As an edit or a reinstall would: the compiled code lies beside the copy when two constants of it change."""
    pool = np.zeros(1, records.Pool.dtype)
    loop.call(pool.ctypes.data, records.SEND_AGAIN, 0)  # nothing to do, so that there is code to lie there
    shutil.copytree(SIM, tmp_path / "sim")
    shutil.copytree(Path(__file__).parent, tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    assert _twins(tmp_path) == "False"
    file = tmp_path / "sim" / "workload" / "routers.py"
    swapped = file.read_text().replace('"random",\n    "join-shortest-queue"', '"join-shortest-queue",\n    "random"')
    assert swapped != file.read_text()
    file.write_text(swapped)
    assert _twins(tmp_path, NUMBA_OPT="0") == "True"  # a moment's run is not worth the time that fast code takes LLVM


def _twins(folder: Path, **variables: str) -> str:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_CACHE")}
    done = subprocess.run(
        [sys.executable, "-c", TWINS],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(folder)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_schema_shows_every_router() -> None:
    schema = Serving.model_json_schema()
    assert schema["properties"]["routing"]["enum"] == list(ROUTERS) == list(plan.ROUTERS)
    assert get_args(Serving.model_fields["routing"].annotation) == ROUTERS


def test_records_hold_what_the_settings_and_the_counts_are_called() -> None:
    assert {"router", "seed", "priorities"} <= set(records.Pool.dtype.names or ())
    assert records.Counts.dtype.names == (*plan.COUNTS, *(f"{name}_high" for name in plan.WIDE))
    assert set(plan.WIDE) < set(plan.COUNTS)
    assert records.Finished.dtype.names == plan.ROW_COLUMNS
