"""The Azure conversation trace as a whole command, beside Splitwise-sim's own: ``beside-splitwise --peer FOLDER``.

FOLDER is a clone of Mutinifni/splitwise-sim (last seen with commit 3780880) in whose ``.venv`` its ``requirements.txt``
are installed; they ask for Python 3.11. Nothing is written there. Both read the trace from a file and the same table of
latencies, and write what each request took; the two take turns, so that a slow moment of the machine hits both.
"""

from __future__ import annotations

import csv
import json
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import splitwise
from benchmarks.process import Spent, spent
from benchmarks.startup import COMMAND, ENVIRONMENT
from benchmarks.table import Row
from sim.results.files import to_yaml
from sim.units import NS_PER_S
from sim.workload.traces import read_trace

REACH = 10.0
OPTIONS = (
    "applications.0.scheduler=token_jsq",
    "applications.0.model_architecture=llama2-70b",
    "applications.0.model_size=llama2-70b-fp16",
    "cluster=dgx-h100",
    "cluster.servers.1.count=8",
    "start_state=baseline",
    "performance_model=db",
)
"""Its baseline on eight DGX H100: join the shortest queue by tokens, prompts and tokens in one batch."""
MEDIANS = {"ttft_s": "ttft_times_median", "tpot_s": "tbt_times_median", "e2e_s": "response_times_median"}
"""Each of this project's summary, and what it is called there."""
COLUMNS = (
    "request_id",
    "request_type",
    "application_id",
    "arrival_timestamp",
    "batch_size",
    "prompt_size",
    "token_size",
)
FIRST_S = 1.0
"""It has no instances yet when a request comes at 0 s."""


def write_trace(file: Path) -> None:
    """The trace in Splitwise-sim's columns."""
    requests = read_trace(splitwise.TRACE).requests
    with file.open("w", newline="") as target:
        out = csv.writer(target)
        out.writerow(COLUMNS)
        columns = zip(requests.arrival_ns, requests.prompt_tokens, requests.output_tokens, strict=True)
        for i, (at_ns, prompt, output) in enumerate(columns):
            out.writerow([i, 2, 0, FIRST_S + at_ns / NS_PER_S, 1, prompt, output])


def peer_python(peer: Path) -> str:
    """The Python of a clone. Raises ``SystemExit`` where it has none."""
    python = peer.resolve() / ".venv" / "bin" / "python"
    if not python.is_file():
        raise SystemExit(f"{python} is not there; with it, {peer}'s own requirements are to be installed")
    return str(python)


def rows(*, quick: bool, peer: Path) -> Sequence[Row]:
    """Ratios of medians over pairs, memory of both, and the medians that both tell of the requests."""
    python = peer_python(peer)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_trace(folder / "trace.csv")
        splitwise.write_step_table(folder / "steps.csv")
        (folder / "azure.yaml").write_text(to_yaml(splitwise.scenario(folder / "steps.csv")), encoding="utf-8")
        there = f"hydra.run.dir={folder / 'there'}"
        theirs_command = [python, "run.py", *OPTIONS, f"trace.path={folder / 'trace.csv'}", there]
        ours_command = [*COMMAND, "run", "azure.yaml", "--quiet", "--out", "here"]
        _ours(ours_command, folder)  # for byte code and the disk's cache, as on any later day
        pairs = [(_ours(ours_command, folder), spent(theirs_command, peer)) for _ in range(1 if quick else 3)]
        with (folder / "there" / "summary.csv").open(newline="") as source:
            theirs = next(csv.DictReader(source))
        return [*compared(pairs), *_medians(folder, theirs)]


def _ours(command: Sequence[str], folder: Path) -> Spent:
    """A run into a new folder of results."""
    shutil.rmtree(folder / "here", ignore_errors=True)
    return spent(command, folder, ENVIRONMENT)


def _medians(folder: Path, theirs: dict[str, str]) -> Iterator[Row]:
    """What both say of the same requests."""
    found = json.loads((folder / "here" / "summary.json").read_text(encoding="utf-8"))["serving"]["conv"]
    for name, column in MEDIANS.items():
        ours_s, theirs_s = found[name]["p50"], float(theirs[column])
        yield Row(f"  median {name}", ours_s, "s", note=f"{theirs_s:.4f} s there, {ours_s / theirs_s - 1:+.0%}")


def compared(pairs: Sequence[tuple[Spent, Spent]], memory_mib: float | None = None) -> Iterator[Row]:
    """Whole commands, ours and theirs in turn: how many times as fast, by CPU and by the clock, and memory."""
    cpu = statistics.median(theirs.cpu_s / ours.cpu_s for ours, theirs in pairs)
    told = ", ".join(f"{ours.cpu_s:.2f} against {theirs.cpu_s:.2f} s" for ours, theirs in pairs)
    yield Row("whole command, times as fast", cpu, "x", REACH, f"CPU: {told}", at_least=True)
    wall = statistics.median(theirs.wall_s / ours.wall_s for ours, theirs in pairs)
    told = ", ".join(f"{ours.wall_s:.2f} against {theirs.wall_s:.2f} s" for ours, theirs in pairs)
    yield Row("  the same by the clock", wall, "x", note=told)
    ours_mib, theirs_mib = (max(of.peak_mib for of in side) for side in zip(*pairs, strict=True))
    yield Row("  memory", ours_mib, "MiB", memory_mib, f"{theirs_mib:.0f} MiB there")
