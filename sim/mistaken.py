"""A path that leads to another thing than was asked for: what lies there, and which command or path to use instead.

Only names of files are looked at: what is damaged is told by those who read it.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

MANIFEST, SCENARIO, STUDY = "manifest.json", "scenario.yaml", "study.json"
YAML = (".yaml", ".yml")
MOST_NAMED = 3
MOST_SOUGHT = 1000
"""Names of a folder that are looked at."""


def no_scenario(path: Path) -> str | None:
    """Why ``path`` is no scenario file, with what to give instead; None where it may be one."""
    if path.is_dir():
        if (path / MANIFEST).is_file() and (path / SCENARIO).is_file():
            return f"is the folder of a finished run; its scenario is {path / SCENARIO}"
        if (path / STUDY).is_file():
            return f"is the folder of a study; coldaisle report {path} shows it"
        inside = [found for found in _inside(path) if found.suffix in YAML]
        if inside:
            return f"is a folder; give a file of it: {_listed(inside)}"
        return "is a folder, with no scenario in it; coldaisle init writes one to begin with"
    if path.suffix == ".json" and (path.parent / MANIFEST).is_file() and (path.parent / SCENARIO).is_file():
        return f"is a file of a finished run; its scenario is {path.parent / SCENARIO}"
    if path.name == STUDY:
        return f"is a file of a finished study; coldaisle report {path.parent} shows it"
    if not path.exists() and path.parent.is_dir():
        meant = beside(path, YAML)
        return (
            f"no such file{meant}  (coldaisle init writes one to begin with; coldaisle scenarios lists those that ship)"
        )
    return None


def beside(path: Path, suffixes: tuple[str, ...] = ()) -> str:
    """What lies beside ``path``, where nothing is, under a name most like its own, or that there is no such folder."""
    if not path.parent.is_dir():
        return f"; there is no folder {path.parent}"
    there = {found.stem: found for found in _inside(path.parent) if found.suffix in (suffixes or (path.suffix,))}
    near = get_close_matches(path.stem, there, n=1)
    return f"; did you mean {there[near[0]]}?" if near else ""


def no_run(path: Path) -> str:
    """Why ``path``, which has no manifest, is no folder of a run, with what to give instead."""
    if not path.exists():
        return "there is no such folder; coldaisle run SCENARIO --out DIR writes one"
    if path.is_file():
        if (path.parent / MANIFEST).is_file():
            return f"is a file of a finished run; give its folder, {path.parent}"
        if path.suffix in YAML:
            return f"is a file and no finished run; run it first (coldaisle run {path} --out DIR), and give DIR"
        return "is a file; give the folder of a finished run (coldaisle run SCENARIO --out DIR writes one)"
    if (path / STUDY).is_file():
        return "is the folder of a study, and not of one run; coldaisle report, pareto and open take studies"
    runs = [found for found in _inside(path) if (found / MANIFEST).is_file()]
    if runs:
        return f"is no finished run, but holds some: {_listed(runs)}; coldaisle open {path} shows them all"
    return f"is no finished run: it has no {MANIFEST}; name a folder that coldaisle run SCENARIO --out DIR wrote"


def no_folder_of_runs(path: Path) -> str:
    """Why ``path`` is no folder that holds runs, with what to give instead."""
    return (
        no_run(path) if path.is_file() else "is no folder; give one that holds runs (coldaisle run SCENARIO --out DIR)"
    )


def _inside(folder: Path) -> list[Path]:
    try:
        names = [found for found, _ in zip(folder.iterdir(), range(MOST_SOUGHT), strict=False)]
    except OSError:
        return []
    return sorted(found for found in names if not found.name.startswith("."))


def _listed(paths: list[Path]) -> str:
    more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    return ", ".join(map(str, paths[:MOST_NAMED])) + more
