"""The layers stay apart: who may import whom, read off the syntax trees of the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Each room of sim/ (a package, a part of one, or a module) and what of sim it may import. Downwards only; nothing else
# is allowed. A part of a package is a room of its own where it stands here; else it belongs to the package.
BASE = {
    "errors",
    "paths",
    "conversion",
    "units",
    "instants",
    "plain",
    "mistaken",
    "reading",
    "common_yaml",
    "documents",
    "possible",
    "quantities",
    "validation",
    "kinds",
    "shipped_kinds",
    "later",
    "content",
    "complaints",
}
MODELS = {"signals", "rng", "memo", "weather", "profiles", "training", "workload", "engine"}
MODELS |= {"facility", "onsite", "accounting"}
PROFILES = {
    "profiles/sourced": BASE,
    "profiles/power_laws": set[str](),
    "profiles/kernels": set[str](),
    "profiles/language_models": BASE | {"profiles/sourced"},
    "profiles/machines": BASE | {"profiles/sourced", "profiles/power_laws", "profiles/kernels"},
    "profiles/denoisers": BASE | {"profiles/sourced", "profiles/power_laws", "profiles/kernels"},
    "profiles/shared_gpu": BASE | {"profiles/sourced", "profiles/machines"},
    "profiles/stacks": BASE | {"profiles/sourced", "profiles/kernels", "profiles/machines"},
    "profiles/iteration": BASE | {"profiles/power_laws", "profiles/kernels", "profiles/language_models"},
    "profiles/kernel_tables": BASE | {"memo", "profiles/language_models", "profiles/iteration"},
}
"""The packages of profiles. Who may import profiles may import all of them; they know each other downwards only."""
SCENARIO = BASE | {"signals", "profiles", "training", "workload", "spec", "build", "checks", "loading"}
SHELL = {"cli/interrupts", "cli/completion", "cli/options", "cli/progress"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "complaints": {"errors"},
    "paths": set(),
    "conversion": set(),
    "units": {"errors", "plain", "conversion"},
    "instants": {"errors", "units"},
    "plain": set(),
    "reading": {"errors", "mistaken"},
    "mistaken": set(),
    "common_yaml": set(),
    "documents": {"errors", "paths", "plain", "reading", "common_yaml"},
    "possible": set(),
    "quantities": {"errors", "units", "instants", "plain", "possible"},
    "validation": {"errors", "plain", "documents", "later"},
    "content": {"errors", "validation"},
    "shipped_kinds": set(),
    "later": set(),
    "kinds": {"errors", "shipped_kinds", "validation"},
    "signals": {"errors", "complaints", "units", "instants", "plain", "reading"},
    "rng": set(),
    "memo": set(),
    **PROFILES,
    "profiles": BASE | {"memo"} | PROFILES.keys(),
    "profiles/machines/embodied": BASE | {"profiles", "profiles/sourced", "profiles/machines"},
    "training": BASE | {"memo", "profiles"},
    "onsite": {"errors", "units", "signals"},
    "workload": BASE | {"signals", "rng", "memo", "profiles/shared_gpu"},
    "engine": {"errors", "later", "units", "signals", "rng", "profiles/power_laws", "profiles/shared_gpu", "workload"},
    "weather": {"errors", "complaints", "units", "instants", "plain", "reading", "possible"},
    "facility": {"units", "weather"},
    "accounting": {"later", "units", "memo", "signals", "workload", "facility", "onsite"},
    "results": BASE | {"profiles", "workload", "accounting"},
    "published/expression": {"plain"},
    "published/tolerance": set(),
    "spec": BASE | {"profiles", "training", "workload", "published/expression", "published/tolerance"},
    "build": BASE | MODELS | {"spec"},
    "checks": BASE | {"signals", "profiles", "workload", "spec", "build"},
    "loading": BASE | {"profiles", "spec", "build", "checks"},
    "running": SCENARIO | MODELS | {"results"},
    "report": SCENARIO | {"accounting", "results"},
    "report/study": {"report", "results", "study/sweep"},
    "report/study_plots": {"report", "report/study", "validation"},
    "measure": BASE | {"results"},
    "measure/readers": BASE | {"measure"},
    "measure/meters": BASE | {"measure"},
    "measure/suite": BASE | {"measure", "measure/meters"},
    "measure/fit": BASE | {"profiles", "training", "results", "measure"},
    "measure/judge": BASE | {"profiles", "workload", "accounting", "results", "measure", "measure/fit"},
    "measure/live": BASE | {"results", "measure", "measure/meters", "measure/suite"},
    "study": SCENARIO | {"memo", "accounting", "results", "running"},
    "study/uncertain": SCENARIO | {"rng", "results", "running", "study"},
    "study/sweep": SCENARIO | {"results", "running", "study", "study/uncertain"},
    "study/search": SCENARIO | {"results", "running", "study", "study/uncertain", "study/sweep"},
    "published": SCENARIO | {"published/expression", "published/tolerance", "results", "running", "study"},
    "follow": SCENARIO | {"accounting", "results", "running", "exports", "measure", "measure/readers", "measure/judge"},
    "exports": BASE | {"accounting", "results", "study/sweep"},
    "explore": SCENARIO | {"results", "report", "report/study", "running", "study", "study/uncertain", "study/sweep"},
    "cli/interrupts": set(),
    "cli/progress": {"cli/interrupts"},
    "cli/completion": {"paths", "profiles", "loading", "results", "exports"},
    "cli/options": {"cli/completion"},
    "cli": SCENARIO
    | SHELL
    | {
        "results",
        "report",
        "report/study",
        "running",
        "study",
        "study/uncertain",
        "study/sweep",
        "study/search",
        "published",
        "",
    }
    | {"exports", "explore"}
    | {"measure", "measure/readers", "measure/meters", "measure/fit", "measure/judge", "measure/live", "follow"},
    "": SCENARIO | {"results", "running", "study", "study/uncertain", "study/sweep"},  # sim/__init__.py
}
ALLOWED = {
    name: below | PROFILES.keys() | {"profiles/machines/embodied"}
    if "profiles" in below and not name.startswith("profiles")
    else below
    for name, below in ALLOWED.items()
}
ONLY_IN_ENGINE = {"simpy"}
NOT_AT_START = {"networkx", "numpy", "pandas", "pyarrow", "pint", "pydantic", "ruamel", "simpy", "rich", "scipy"}
STARTS = {"", "cli", *SHELL, "errors"}  # what `coldaisle --help` imports


def room(parts: tuple[str, ...]) -> str:
    """The room of a module of sim: the longest part of its path that the table knows, else its package."""
    known = ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((name for name in known if name in ALLOWED), parts[0] if parts else "")


def violations(folder: Path) -> list[str]:
    """Every import under ``folder`` (a package called sim) that the tables above do not allow."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        here = "" if parts == ("__init__",) else room(parts)
        if "_shipped" in parts:
            continue
        if here not in ALLOWED:
            found.append(f"{path.name}: '{here}' is not in the table of layers; say what it may import")
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for module, at_start in _imports(tree, package=("sim", *parts[:-1])):
            top, _, rest = module.partition(".")
            if top == "sim":
                there = room(tuple(rest.split(".")) if rest else ())
                if there != here and there not in ALLOWED[here]:
                    found.append(f"{'/'.join(parts)}: '{here or 'sim'}' imports '{there or 'sim'}'")
            elif top in ONLY_IN_ENGINE and here != "engine":
                found.append(f"{'/'.join(parts)}: only the engine imports {top}")
            if here in STARTS and at_start and top in NOT_AT_START:
                found.append(f"{'/'.join(parts)}: imports {top} before it is used")
    return found


def _imports(tree: ast.Module, package: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    """Every module that a file of ``package`` imports at run time, and whether on being imported itself."""
    for node, at_start in _nodes(tree, at_start=True):
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_start) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join((*base, *filter(None, [node.module])))
            yield from ((f"{module}.{alias.name}", at_start) for alias in node.names)


def _nodes(parent: ast.AST, *, at_start: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Everything below ``parent`` but what only a type checker reads; a function's body does not run at the start."""
    type_only = isinstance(parent, ast.If) and ast.unparse(parent.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
    children = parent.orelse if isinstance(parent, ast.If) and type_only else ast.iter_child_nodes(parent)
    for child in children:
        yield child, at_start
        yield from _nodes(child, at_start=at_start and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))


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
        (
            "profiles/kernels/a.py",
            "import sim.profiles.iteration.cost",
            "'profiles/kernels' imports 'profiles/iteration'",
        ),
        ("profiles/machines/a.py", "import sim.profiles.catalog", "'profiles/machines' imports 'profiles'"),
        ("accounting/a.py", "from ..engine import world", "'accounting' imports 'engine'"),
        ("accounting/a.py", "from .. import engine", "'accounting' imports 'engine'"),
        ("accounting/__init__.py", "from ..engine.world import simulate", "'accounting' imports 'engine'"),
        ("units.py", "from . import signals", "'units' imports 'signals'"),
        ("units.py", "from .signals import Signal", "'units' imports 'signals'"),
        ("results/a.py", "if TYPE_CHECKING:\n    pass\nelse:\n    import simpy", "only the engine imports simpy"),
        ("cli/a.py", "import pandas", "imports pandas before it is used"),
        (
            "cli/a.py",
            "try:\n    import pyarrow.parquet\nexcept ImportError:\n    raise",
            "imports pyarrow before it is used",
        ),
        ("measure/fit/a.py", "from sim.measure.judge import recordings", "'measure/fit' imports 'measure/judge'"),
        ("measure/a.py", "from sim.measure.fit.cap import fit", "'measure' imports 'measure/fit'"),
        ("spec/a.py", "from sim.build.world import build", "'spec' imports 'build'"),
        ("build/a.py", "from sim.checks.scenario import crosscheck", "'build' imports 'checks'"),
        ("study/a.py", "from sim.study import sweep", "'study' imports 'study/sweep'"),
        ("novel/a.py", "", "'novel' is not in the table"),
    ],
)
def test_the_check_can_fail(tmp_path: Path, place: str, source: str, says: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    assert says in "\n".join(violations(tmp_path))


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("cli/a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas\n"),
        ("cli/a.py", "import typing\nif typing.TYPE_CHECKING:\n    import pandas\n"),
        ("accounting/a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sim.engine import world\n"),
        ("cli/a.py", "def frames():\n    import pandas\n"),
        ("accounting/a.py", "from . import bins\nfrom .ledger import Ledger\nfrom ..signals import Signal\n"),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, place: str, source: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    assert violations(tmp_path) == []


def test_the_table_only_points_downwards() -> None:
    """Taking away, again and again, what imports nothing that is left must leave nothing: there is no cycle."""
    left = dict(ALLOWED)
    while ground := [name for name, below in left.items() if not below & left.keys()]:
        left = {name: below for name, below in left.items() if name not in ground}
    assert left == {}


def test_starting_the_command_loads_nothing_heavy() -> None:
    """The table sees one step; this sees what those imports import in turn."""
    code = "import sys, sim.cli.command; print(*{name.partition('.')[0] for name in sys.modules})"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(shown.stdout.split()) & NOT_AT_START == set()


NOT_TO_CHECK = {"networkx", "numba", "pandas", "pint", "pyarrow", "rich", "scipy", "simpy"}
"""What ``coldaisle check`` of a scenario without traces, laws of draws and odd units does without: the engine, too."""


NOT_NAMED = {
    "campaign",
    "facility",
    "federated",
    "grid",
    "inference",
    "jobs",
    "onsite",
    "policies",
    "routes",
    "schedulers",
    "serving",
    "split",
    "uncertainty",
    "weather",
}
"""Parts of a scenario that ``bloom-training`` has not."""


def test_checking_loads_nothing_that_only_some_scenarios_need() -> None:
    code = "import sim, sys; assert not sim.check('bloom-training'); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(shown.stdout.split())
    assert {name.partition(".")[0] for name in loaded} & NOT_TO_CHECK == set()
    assert loaded & {f"sim.spec.{part}" for part in NOT_NAMED} == set()


def test_a_run_without_jobs_as_rows_loads_no_pandas(tmp_path: Path) -> None:
    """Nor does what writes it: Arrow would load it to ask whether a column is pandas'."""
    code = "import sim, sys; from sim.results.files import write; from pathlib import Path; "
    code += f"write(sim.run('bloom-training'), Path({str(tmp_path / 'run')!r})); print('pandas' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


def test_a_study_that_is_kept_starts_no_worker_and_loads_no_pandas(tmp_path: Path) -> None:
    code = f"""
import sys, sim
from multiprocessing import forkserver
from pathlib import Path
from sim.study.store import Store
from sim.study.sweep.run import sweep
from sim.study.sweep.tables import study_tables
study = {{"name": "two", "base": "bloom-training", "axes": {{"site.grid.intensity": ["30 gCO2e/kWh", "50 gCO2e/kWh"]}}}}
store = Store(Path({str(tmp_path / "kept")!r}))
if len(sys.argv) > 1:
    sweep(study, Path({str(tmp_path / "one")!r}), workers=1, cache=store)
else:
    study_tables(sweep(study, Path({str(tmp_path / "two")!r}), workers=1, cache=store))
    print(forkserver._forkserver._forkserver_pid, "pandas" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code, "first"], cwd=ROOT, check=True)
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["None", "False"]


def test_the_map_names_every_room_and_every_module_of_the_ground() -> None:
    """What stands in ``sim/`` itself in the table of layers; packages there, or in the row of the room they are in."""
    rows = [
        line for line in (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines() if "| " in line
    ]
    for path in (ROOT / "sim").glob("*.py"):
        assert any(f"`sim/{path.name}`" in row for row in rows), path.name
    for path in folders_of_modules():
        name = f"{path.relative_to(ROOT).as_posix()}/"
        parts = ["/".join(name.split("/")[k:]) for k in range(2, name.count("/"))]
        assert any(
            f"`{name}`" in row
            or any(f"| `{name.removesuffix(part)}` |" in row and f"`{part}`" in row for part in parts)
            for row in rows
        ), name


def folders_of_modules() -> list[Path]:
    """Every folder below ``sim`` with modules in it."""
    return sorted({path.parent for path in (ROOT / "sim").rglob("*.py")} - {ROOT / "sim"})


def test_every_folder_of_modules_is_a_package() -> None:
    """Else what goes through all modules, as these tests and their doctests do, passes by its."""
    assert [path.name for path in folders_of_modules() if not (path / "__init__.py").is_file()] == []
