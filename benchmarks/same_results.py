"""Shows that two states of the sources give the same bytes: ``python -m benchmarks.same_results COMMIT [NAME ...]``.

Runs every shipped scenario and study (or those named) with the sources of COMMIT and with those here, each in a
process of its own, and compares ``summary.json``, ``ledger.parquet`` and a study's rows byte by byte. What
names the machine, the time or the version of the sources stands in manifests, which are not compared.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-c", "from sim.cli import main; main()"]


def written(tree: Path, file: Path, out: Path) -> dict[str, bytes]:
    """What the sources of ``tree`` write of one shipped scenario or study, by the name of the file."""
    study = file.parent.name == "studies"
    arguments = ["sweep" if study else "run", str(file), "--out", str(out)]
    command = [*COMMAND, *arguments, *(["--workers", "1"] if study else ["--quiet"])]
    cache = {"XDG_CACHE_HOME": str(out.parent / f"cache-{out.parent.name}")}
    env = os.environ | cache | {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(command, env=env, cwd=tree, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{file.name} with {tree}: exit {done.returncode}\n{done.stderr}")
    names = ["ledger.parquet", "summary.json", "jobs.parquet", "requests.parquet", "draws.parquet"]
    if study:
        return {str(path.relative_to(out)): rows(path) for path in sorted(out.rglob("*.parquet"))}
    return {name: (out / name).read_bytes() for name in names if (out / name).is_file()}


def rows(path: Path) -> bytes:
    """The rows of a study but for the hashes of its points, in which the sources themselves count."""
    table = pq.read_table(path)
    table = table.drop_columns([name for name in table.column_names if name.endswith("sha256")])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def main() -> None:
    """Prints a line for each scenario and study; exit status 1 if any differs."""
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    commit, *names = sys.argv[1:]
    shipped = [*sorted(ROOT.glob("scenarios/*.yaml")), *sorted(ROOT.glob("scenarios/studies/*.yaml"))]
    wanted = [file for file in shipped if not names or file.stem in names]
    differing = 0
    with tempfile.TemporaryDirectory() as scratch:
        before = Path(scratch, "before")
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", before, commit], cwd=ROOT, check=True)
        try:
            for file in wanted:
                there = before / file.relative_to(ROOT)
                if not there.is_file():
                    print(f"{file.stem:30} not in {commit}")
                    continue
                old = written(before, there, Path(scratch, "out-before", file.stem))
                new = written(ROOT, file, Path(scratch, "out-here", file.stem))
                changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
                differing += bool(changed)
                print(f"{file.stem:30} {'differs: ' + ', '.join(changed) if changed else f'same: {len(old)} files'}")
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", before], cwd=ROOT, check=True)
    raise SystemExit(1 if differing else 0)


if __name__ == "__main__":
    main()
