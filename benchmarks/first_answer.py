"""How long the first serving run of a fresh installation takes: with the library of kernels that the wheel brings, and
compiled by Numba as where there is none.

A wheel is built and installed twice into environments of their own, out of one of which the library is taken. Caches
are empty; the dependencies are those of this environment. Each run is a process of its own, and seconds are of a core.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.process import Spent, spent
from benchmarks.table import Row

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ("disaggregated", "chat-service")
"""A small one, and one whose simulation takes longer than all else."""
REACH = 1 / 8


def note_of(run: Spent) -> str:
    """Besides the seconds of a core."""
    return f"{run.wall_s:.1f} s of time, {run.peak_mib:.0f} MiB"


def installed(wheel: Path, folder: Path) -> Path:
    """A fresh environment with the wheel; its command."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin" / "coldaisle"


def measured(command: Path, scenario: str, caches: Path) -> Spent:
    """One run of a shipped scenario."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "PYTHON"))}
    command_line = [str(command), "run", scenario, "--quiet"]
    return spent(command_line, caches, kept | {"XDG_CACHE_HOME": str(caches)})


def rows(*, quick: bool) -> Sequence[Row]:
    """First and second runs of each scenario, either way, and what the first takes of what it takes with Numba."""
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", scratch, str(ROOT)]
        subprocess.run(build, check=True, capture_output=True)
        (wheel,) = Path(scratch).glob("*.whl")
        for scenario in SCENARIOS[: 1 if quick else None]:
            runs: dict[str, list[Spent]] = {}
            for way in ("library", "Numba"):
                folder = Path(scratch, scenario, way)
                command = installed(wheel, folder / "venv")
                if way == "Numba":
                    (library,) = folder.glob("venv/lib/python*/site-packages/sim/engine/kernels/kernels.so.*")
                    library.unlink()
                runs[way] = [measured(command, scenario, folder) for _ in range(2)]
                for which, run in zip(("first", "second"), runs[way], strict=True):
                    found.append(Row(f"{scenario}, {which}, {way}", run.cpu_s, "s", note=note_of(run)))
            first = {way: both[0].cpu_s for way, both in runs.items()}
            found.append(Row(f"{scenario}, first: library over Numba", first["library"] / first["Numba"], "x", REACH))
    return found
