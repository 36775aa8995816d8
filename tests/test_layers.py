"""The layers stay apart: who may import whom, read off the syntax trees of the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Each package or module of sim/ and what of sim it may import. Downwards only; nothing else is allowed.
BASE = {"errors", "units", "documents", "quantities", "validation"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "units": {"errors"},
    "documents": {"errors"},
    "quantities": {"errors", "units"},
    "validation": {"errors", "documents"},
    "signals": {"errors", "units"},
    "rng": set(),
    "profiles": BASE,
    "workload": BASE | {"signals", "rng", "profiles"},
    "engine": {"errors", "units", "rng", "profiles", "workload"},
    "facility": {"errors", "units", "signals", "profiles"},
    "accounting": {"errors", "units", "signals", "profiles", "workload", "facility"},
    "results": BASE | {"signals", "profiles", "workload", "facility", "accounting"},
    "spec": BASE | {"signals", "profiles", "workload"},
    "build": BASE | {"signals", "rng", "profiles", "workload", "engine", "facility", "accounting", "spec"},
    "runner": BASE
    | {"signals", "rng", "profiles", "workload", "engine", "facility", "accounting", "spec", "results", "build"},
    "cli": BASE | {"profiles", "spec", "results", "runner"},
    "": BASE | {"spec", "results", "runner"},  # sim/__init__.py
}
ONLY_IN_ENGINE = {"simpy"}
NOT_AT_START = {"numpy", "pandas", "pyarrow", "pint", "pydantic", "ruamel", "simpy", "rich", "scipy"}
STARTS = {"", "cli", "errors"}  # what `coldaisle --help` imports


def violations(folder: Path) -> list[str]:
    """Every import under ``folder`` (a package called sim) that the tables above do not allow."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        here = "" if parts == ("__init__",) else parts[0]
        if "_shipped" in parts:
            continue
        if here not in ALLOWED:
            found.append(f"{path.name}: '{here}' is not in the table of layers; say what it may import")
            continue
        for module, at_start in _imports(ast.parse(path.read_text(encoding="utf-8"))):
            top, _, rest = module.partition(".")
            if top == "sim":
                there = rest.partition(".")[0]
                if there != here and there not in ALLOWED[here]:
                    found.append(f"{'/'.join(parts)}: '{here or 'sim'}' imports '{there or 'sim'}'")
            elif top in ONLY_IN_ENGINE and here != "engine":
                found.append(f"{'/'.join(parts)}: only the engine imports {top}")
            if here in STARTS and at_start and top in NOT_AT_START:
                found.append(f"{'/'.join(parts)}: imports {top} before it is used")
    return found


def _imports(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Every module imported at run time, and whether as the module itself is imported; type-only ones left out."""
    type_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    top_level = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if id(node) in type_only:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in top_level) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports here are absolute"
            names = [f"sim.{alias.name}" for alias in node.names] if node.module == "sim" else [node.module or ""]
            yield from ((name, id(node) in top_level) for name in names)


def test_the_layers_stay_apart() -> None:
    assert violations(ROOT / "sim") == []


@pytest.mark.parametrize(
    ("place", "source", "says"),
    [
        ("engine/a.py", "from sim.accounting.ledger import Ledger", "'engine' imports 'accounting'"),
        ("accounting/a.py", "from sim.engine.world import simulate", "'accounting' imports 'engine'"),
        ("accounting/a.py", "def f():\n    import simpy", "only the engine imports simpy"),
        ("units.py", "from sim import signals", "'units' imports 'signals'"),
        ("profiles/a.py", "import sim.spec.site", "'profiles' imports 'spec'"),
        ("cli.py", "import pandas", "imports pandas before it is used"),
        ("novel/a.py", "", "'novel' is not in the table"),
    ],
)
def test_the_check_can_fail(tmp_path: Path, place: str, source: str, says: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    assert says in "\n".join(violations(tmp_path))


def test_type_only_imports_are_free(tmp_path: Path) -> None:
    (tmp_path / "cli.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas\n")
    assert violations(tmp_path) == []
