"""Tries many cases in processes of their own, so that one which ends its process ends nothing else; and counts.

Cases are numbered; a number decides kind and seed. What is done is kept by blocks in ``results.jsonl``, with every
failure, so that a campaign goes on where it stopped and ranges of numbers may be tried on several machines.
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any

from sim.study.points import build_id
from tests.fuzz.guard import BAD, WAITING_S, Outcome, attempt
from tests.fuzz.kinds import KINDS

BLOCK = 250
RUN_NUMBERS = 1 << 32
"""Cases that run what they accept are numbered from here."""


@dataclass(frozen=True)
class Failure:
    """A case that ended badly: how to try it again, and how it ended."""

    kind: str
    seed: int
    outcome: Outcome

    @property
    def name(self) -> str:
        """For ``--replay``."""
        return f"{self.kind}:{self.seed}"


@dataclass
class Tally:
    """Ends by kind, failures, and the longest time of a case by kind."""

    ends: dict[str, Counter[str]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    longest_s: dict[str, float] = field(default_factory=dict)

    def add(self, kind: str, seed: int, outcome: Outcome, seconds: float) -> None:
        """One case more."""
        self.ends.setdefault(kind, Counter())[outcome.end] += 1
        self.longest_s[kind] = max(seconds, self.longest_s.get(kind, 0.0))
        if outcome.end in BAD:
            self.failures.append(Failure(kind, seed, outcome))

    def join(self, other: Tally) -> None:
        """Another's on top."""
        for kind, ends in other.ends.items():
            self.ends.setdefault(kind, Counter()).update(ends)
            self.longest_s[kind] = max(other.longest_s[kind], self.longest_s.get(kind, 0.0))
        self.failures += other.failures

    @property
    def tried(self) -> int:
        """Cases in all."""
        return sum(sum(ends.values()) for ends in self.ends.values())

    def by_fingerprint(self) -> dict[str, list[Failure]]:
        """Failures alike together, the commonest first."""
        found: dict[str, list[Failure]] = {}
        for failure in self.failures:
            found.setdefault(f"{failure.outcome.end}: {failure.outcome.fingerprint}", []).append(failure)
        return dict(sorted(found.items(), key=lambda pair: -len(pair[1])))

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as of ``of``."""
        failures = [{"kind": f.kind, "seed": f.seed, **asdict(f.outcome)} for f in self.failures]
        return {"ends": self.ends, "longest_s": self.longest_s, "failures": failures}

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Tally:
        """From plain data."""
        failures = [
            Failure(f["kind"], f["seed"], Outcome(f["end"], f["fingerprint"], f["details"])) for f in kept["failures"]
        ]
        return cls({kind: Counter(ends) for kind, ends in kept["ends"].items()}, failures, kept["longest_s"])


def kind_of(number: int, *, serving: bool = True) -> str:
    """The kind of case ``number``, drawn by weight; of runs, without ``serving`` only those that need no compiler."""
    rng = Random(f"kind {number}")
    if number >= RUN_NUMBERS:
        return "run-serving" if serving and rng.random() < 0.4 else "run"
    return rng.choices(list(KINDS), [kind.weight for kind in KINDS.values()])[0]


def tried(kind: str, seed: int, place: Path, *, limit_memory: bool = True) -> Outcome:
    """One case, in a folder of its own below ``place``."""
    folder = place / "case"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = Random(f"{kind}:{seed}")
    case = KINDS[kind]
    case.before(place)
    return attempt(lambda: case.case(folder, rng), limit_memory=limit_memory, may_end_in_run_error=case.runs)


Try = Callable[[str, int, Path], Outcome]


def campaign(
    numbers: Sequence[range],
    *,
    workers: int = 1,
    out: Path | None = None,
    serving: bool = True,
    each: Try = tried,
    watch: Callable[[Tally], None] = lambda _: None,
) -> Tally:
    """Tries every case of ``numbers``. With ``out``, what this build did there is not done again."""
    tally, done = Tally(), set()
    kept = out / "results.jsonl" if out is not None else None
    if out is not None and kept is not None:
        out.mkdir(parents=True, exist_ok=True)
        for first, count, before in _kept(kept):
            if (first, count) not in done:
                done.add((first, count))
                if any(first in whole for whole in numbers):
                    tally.join(before)
    blocks = iter([block for block in _blocks(numbers) if (block.start, len(block)) not in done])
    crew = [_Worker(serving, each) for _ in range(workers)]
    try:
        busy = [worker for worker in crew if worker.begin(next(blocks, None))]
        while busy:
            wait([worker.pipe for worker in busy], timeout=1.0)
            for worker in list(busy):
                block, found = worker.look()
                if block is None or found is None:
                    continue
                tally.join(found)
                if kept is not None:
                    with kept.open("a", encoding="utf-8") as stream:
                        stream.write(json.dumps([build_id(), block.start, len(block), found.as_dict()]) + "\n")
                watch(tally)
                if not worker.begin(next(blocks, None)):
                    busy.remove(worker)
    finally:
        for worker in crew:
            worker.end()
    return tally


def _kept(path: Path) -> Iterator[tuple[int, int, Tally]]:
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            build, first, count, found = json.loads(line)
        except ValueError:
            continue  # the last line of a campaign that was killed
        if build == build_id():
            yield first, count, Tally.of(found)


def _blocks(numbers: Sequence[range]) -> Iterator[range]:
    for whole in numbers:
        for start in range(whole.start, whole.stop, BLOCK):
            yield range(start, min(start + BLOCK, whole.stop))


class _Worker:
    """A process that tries blocks of cases and says before each which, and after each how it ended."""

    def __init__(self, with_serving: bool, each: Try) -> None:
        self._each = each
        self._with_serving = with_serving
        self._block: range | None = None
        self._found = Tally()
        self._at: tuple[str, int, float] | None = None
        self._next = 0
        self._place = Path(tempfile.mkdtemp(prefix="fuzz-"))
        self._start()

    def _start(self) -> None:
        self.pipe, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process: BaseProcess = context.Process(
            target=_work, args=(theirs, self._place, self._with_serving, self._each), daemon=False
        )
        self._process.start()
        theirs.close()

    def begin(self, block: range | None) -> bool:
        """Sends it to work on ``block``, if there is one."""
        self._block, self._found, self._at = block, Tally(), None
        if block is None:
            return False
        self._next = block.start
        self.pipe.send((block.start, block.stop))
        return True

    def look(self) -> tuple[range | None, Tally | None]:
        """The block and what came of it, if it is through. A process that is dead, or after its time, is replaced."""
        try:
            while self.pipe.poll():
                said = self.pipe.recv()
                if said is None:
                    return self._block, self._found
                if len(said) == 2:
                    self._at = (*said, time.monotonic())
                else:
                    self._found.add(*said)
                    self._at, self._next = None, said[1] + 1
        except (EOFError, OSError):
            self._again(Outcome("crashed", "the process ended", f"exit code {self._process.exitcode}"))
        else:
            if self._at is not None and time.monotonic() - self._at[2] > 2 * WAITING_S:
                self._process.kill()
                self._again(Outcome("slow", "did not hear its alarm", "was killed"))
        return None, None

    def _again(self, outcome: Outcome) -> None:
        """Another process for the rest of the block."""
        assert self._block is not None
        self._process.join()
        if self._at is None:  # between cases: there is no one to blame, but it must not go on for ever
            self._at = (kind_of(self._next, serving=self._with_serving), self._next, time.monotonic())
        kind, seed, since = self._at
        self._found.add(kind, seed, outcome, time.monotonic() - since)
        self._at, self._next = None, seed + 1
        self._start()
        self.pipe.send((self._next, self._block.stop))

    def end(self) -> None:
        """Leaves nothing behind."""
        self._process.kill()
        self._process.join()
        shutil.rmtree(self._place, ignore_errors=True)


def _work(pipe: Connection, place: Path, serving: bool, each: Try) -> None:
    while True:
        try:
            start, stop = pipe.recv()
        except EOFError:
            return
        for number in range(start, stop):
            kind = kind_of(number, serving=serving)
            pipe.send((kind, number))
            began = time.monotonic()
            outcome = each(kind, number, place)
            pipe.send((kind, number, outcome, time.monotonic() - began))
        pipe.send(None)
