"""All that must be fast in one table: today's sources alone, or with ``--before FOLDER`` beside those of an earlier
version, in turns, with how many times as fast that is and whether both find the same joules.

FOLDER holds an earlier version (``git worktree add FOLDER COMMIT``). Each figure is CPU time of a process of its own,
with its peak of memory. What a fresh installation takes first is ``first-answer``; other simulators stand in
``beside-raps`` and ``beside-splitwise``, and what grows with what in ``growth``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process import Spent, spent
from benchmarks.speed_cases import JOBS, ON_REPLICAS, asked_of
from benchmarks.startup import ENVIRONMENT, ROOT, STUDY
from benchmarks.table import Row

BILLION = 1_000_000_000
CLI = "from sim.cli import main; main()"
COMMANDS = {"check": ("check", "bloom-training"), "run": ("run", "bloom-training", "--quiet")}
LABELS = {
    "check": "coldaisle check bloom-training",
    "run": "coldaisle run bloom-training",
    "sweep": "coldaisle sweep, 10 points, nothing changed since",
}
SHARES = {"check": 0.4, "run": 0.5, "sweep": 0.3}
"""Of what a command took, what it may take."""
ROUTERS = (
    "round-robin",
    "join-shortest-queue",
    "fewest-tokens",
    "least-kv",
    "random",
    "power-of-two",
    "session-affinity",
)
MOST_REPLICAS, PREFIX_REPLICAS, PREFIX_MIB = 4096, 512, 500.0


@dataclass(frozen=True)
class Found:
    """What a case cost in one version."""

    cpu_s: float
    peak_mib: float
    figure: str


class Version:
    """The sources of a folder, with the benchmarks of this one."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        scratch.mkdir()
        self.home = scratch / "home"
        self.home.mkdir()
        for entry in folder.resolve().iterdir():
            if entry.name not in ("benchmarks", ".git", ".venv"):
                (scratch / entry.name).symlink_to(entry)
        (scratch / "benchmarks").symlink_to(ROOT / "benchmarks")
        own = {"PYTHONPATH": str(scratch), "PYTHONSAFEPATH": "1", "XDG_CACHE_HOME": str(self.home)}
        self.environment = ENVIRONMENT | own

    def case(self, name: str, size: int) -> Found:
        """One case in a process of its own."""
        command = [sys.executable, "-m", "benchmarks.speed_cases", name, str(size)]
        done = spent(command, self.home, self.environment)
        said = json.loads(done.printed.strip().splitlines()[-1])
        return Found(said["cpu_s"], done.peak_mib, said["figure"])

    def known(self, name: str, size: int) -> Found | None:
        """The same, or None where this version ends with an error: it may not know what the scenario asks for."""
        try:
            return self.case(name, size)
        except subprocess.CalledProcessError:
            return None

    def command(self, *words: str) -> Spent:
        """A whole command."""
        return spent([sys.executable, "-c", CLI, *words], self.home, self.environment)


def rows(*, quick: bool, before: Path | None = None) -> Iterator[Row]:
    """A row for each figure, and with an earlier version one for how much faster it is."""
    with tempfile.TemporaryDirectory() as name:
        now = Version(ROOT, Path(name, "now"))
        then = Version(before, Path(name, "then")) if before is not None else None
        table = Table(now, then)
        yield from table.commands(2 if quick else 4)
        yield from table.requests(400_000 if quick else 2_000_000)
        yield from table.replicas(ROUTERS[:2] if quick else ROUTERS)
        yield from table.houses(quick=quick)


@dataclass(frozen=True)
class Table:
    """Rows of one version, or of two in turns."""

    now: Version
    then: Version | None

    @property
    def versions(self) -> tuple[Version, ...]:
        """Today's, and the earlier one if there is one."""
        return (self.now,) if self.then is None else (self.now, self.then)

    def commands(self, turns: int) -> Iterator[Row]:
        """Whole commands, the least of several: start-up is all of them."""
        for version in self.versions:
            (version.home / "study.yaml").write_text(STUDY, encoding="utf-8")
            version.command("sweep", "study.yaml", "--out", "first")  # simulates, and compiles byte code
        for name, share in SHARES.items():
            ran: dict[Version, list[Spent]] = {version: [] for version in self.versions}
            for turn in range(turns):
                words = COMMANDS.get(name, ("sweep", "study.yaml", "--out", f"again-{turn}"))
                for version, runs in ran.items():
                    runs.append(version.command(*words))
            best = [min(runs, key=lambda of: of.cpu_s) for runs in ran.values()]
            yield Row(LABELS[name], best[0].cpu_s, "s", note=f"{best[0].peak_mib:.0f} MiB")
            if self.then is not None:
                note = f"{best[1].cpu_s:.2f} s and {best[1].peak_mib:.0f} MiB before"
                yield Row("  of before", best[0].cpu_s / best[1].cpu_s, "x", share, note)

    def requests(self, count: int) -> Iterator[Row]:
        """Requests a second of eight replicas, and how long a billion would take two processes."""
        labels = {"round_robin": "round robin", "shortest_queue": "shortest queue", "kv_binding": "KV limit binding"}
        for name, label in labels.items():
            yield from self._beside(f"{count:,} requests, 8 replicas, {label}", name, count, 2.0)
        own = self.now.case("kept_up_with", count)
        minutes = own.cpu_s / count * BILLION / 2 / 60
        note = f"each of two processes, scaled up from {count:,} requests, {own.peak_mib:.0f} MiB"
        yield Row("a billion requests, kept up with", minutes, "min", 4.0, note)
        if self.then is not None:
            other = self.then.case("kept_up_with", count)
            was = other.cpu_s / count * BILLION / 2 / 60
            yield Row("  times as fast", was / minutes, "x", note=f"{was:.1f} min before, {other.peak_mib:.0f} MiB")

    def replicas(self, routers: Sequence[str]) -> Iterator[Row]:
        """What a request costs on the most replicas over what it costs on eight."""
        for router in routers:
            told, ratios = [], []
            for version in self.versions:
                few, many = (version.case(ON_REPLICAS + router, size) for size in (8, MOST_REPLICAS))
                ratios.append(many.cpu_s / few.cpu_s)
                us = [1e6 * found.cpu_s / asked_of(router) for found in (few, many)]
                told.append(f"{us[0]:.2f} and {us[1]:.2f} us, {many.peak_mib:.0f} MiB")
            note = told[0] + (f"; before {ratios[1]:.1f} x, {told[1]}" if self.then is not None else "")
            yield Row(f"a request on {MOST_REPLICAS:,} replicas over 8, {router}", ratios[0], "x", 2.0, note)
        own = self.now.case(f"{ON_REPLICAS}prefix-affinity", PREFIX_REPLICAS)
        note = f"{own.cpu_s:.1f} s"
        yield Row(f"prefix affinity on {PREFIX_REPLICAS} replicas, memory", own.peak_mib, "MiB", PREFIX_MIB, note)

    def houses(self, *, quick: bool) -> Iterator[Row]:
        """Jobs and nodes: what grows with the house."""
        own = {size: self.now.case("trainings", size) for size in (100, 10_000)}
        note = ", ".join(
            f"{1e3 * of.cpu_s / JOBS:.2f} ms on {size:,}, {of.peak_mib:.0f} MiB" for size, of in own.items()
        )
        yield Row("time per training job, 10,000 nodes over 100", own[10_000].cpu_s / own[100].cpu_s, "x", 1.5, note)
        yield from self._beside("3,000 training jobs on 1,000 nodes", "trainings", 1000, 10.0)
        yield from self._beside("54 days of 16,384 GPUs, 405 failures", "recovering", 2048, 40.0)
        yield from self._beside("  the same, checkpoints stop nothing", "restarting", 2048, 40.0)
        yield from self._beside("100,000 idle nodes, a day", "idle", 100_000, 20.0)
        hours = 1 if quick else 24
        yield from self._beside(f"bins of 1 s, {hours} h of 8 replicas", "seconds_of_chat", hours, 20.0)

    def _beside(self, label: str, name: str, size: int, reach: float) -> Iterator[Row]:
        own = self.now.case(name, size)
        other = self.then.known(name, size) if self.then is not None else None
        refused = "; the version before refuses the scenario" if self.then is not None and other is None else ""
        yield Row(label, own.cpu_s, "s", note=f"{own.peak_mib:.0f} MiB{refused}")
        if other is not None:
            same = "same joules" if own.figure == other.figure else "other joules"
            note = f"{other.cpu_s:.2f} s and {other.peak_mib:.0f} MiB before, {same}"
            yield Row("  times as fast", other.cpu_s / own.cpu_s, "x", reach, note, at_least=True)
