"""Tests start a process only where the process is what they test: each costs a second of a core, of which there are
thousands of tests to share fifteen minutes. ``tests.commands.coldaisle`` runs the command within that of the tests."""

from __future__ import annotations

import ast
from pathlib import Path

STARTS = {
    "test_added_kinds.py": "packages that are installed where only a new interpreter finds them",
    "test_bad_input.py": "a device that is full at the end of a pipe",
    "test_explore.py": "a package that is missing before anything is imported",
    "test_exports_read_back.py": "readers of others",
    "test_files.py": "kills, disks that are full, seeds of hashes",
    "test_flexible_training.py": "a script beside a scenario's data",
    "test_follow.py": "promtool",
    "test_follow_live.py": "exporters",
    "test_hostile_files.py": "a limit on the size of files",
    "test_kernel.py": "sources that are changed in a copy",
    "test_kernel_library.py": "what a run loads",
    "test_layers.py": "what an import loads",
    "test_laws_of_one_seed.py": "zones, locales and seeds of hashes, which a process has from its start",
    "test_packaging.py": "a wheel in an environment of its own",
    "test_peak_memory.py": "the memory of who began it",
    "test_readme.py": "what people type at a shell",
    "test_recipes.py": "sources that are changed in a copy",
    "test_study_again.py": "whether a study is run anew shows in what the process has loaded",
    "test_study_interrupts.py": "an interrupt",
    "test_study_kills.py": "kills",
    "test_terminal.py": "what is a terminal and what is not",
    "test_uncertain_scenarios.py": "errors that travel between processes",
    "test_units.py": "what an import loads",
}
"""Files whose tests start processes themselves, and why."""


def starts(path: Path) -> bool:
    """Whether a file of tests starts processes itself, or has the command started as one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import) and any(name.name == "subprocess" for name in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and (
            node.module == "subprocess" or any(name.name == "as_process" for name in node.names)
        ):
            return True
    return False


def test_only_named_files_start_processes() -> None:
    assert {path.name for path in Path(__file__).parent.glob("test_*.py") if starts(path)} == STARTS.keys()
