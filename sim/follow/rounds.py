"""One round of following, as asked on the command line: pull, run the twin, compare; and then the next one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sim.errors import InputError, Problem, QuantityError
from sim.follow.drift import Drift, Rule, drift, refuse_rules
from sim.follow.pull import Asked, pulled
from sim.follow.server import Server
from sim.follow.twin import Asked as AskedTwin
from sim.follow.twin import Window, pools_of, run_twin
from sim.instants import parse_instant
from sim.measure.judge.validation_text import parse_tolerances
from sim.measure.known import usual_ns
from sim.measure.missing import of_each
from sim.measure.recording import Recording
from sim.running.run import Watch
from sim.units import MAX_NS, NS_PER_S, parse_ns

BINS = 60
"""Of a window, unless that makes them shorter than ``READINGS_A_BIN`` readings of the slowest meter, or a second."""
READINGS_A_BIN = 4
AROUND = 60 * NS_PER_S
"""Before and after the window, so that its first and last bins have a reading on both sides."""


class Times(NamedTuple):
    """When: a window of the past, or how long the windows are that end now, and how often there is one."""

    start: str | None = None
    end: str | None = None
    once: bool = False
    every: str | None = None
    window: str | None = None
    bin: str | None = None
    step: str | None = None
    lead: str | None = None
    rounds: int | None = None


@dataclass(frozen=True)
class Following:
    """All that a round needs, checked. Times in ns; ``bin_ns`` and ``step_ns`` are 0 where they were not given."""

    name: str
    server: Server
    twin: AskedTwin
    rules: tuple[Rule, ...]
    match: str
    tolerances: dict[str, float]
    start_ns: int | None
    length_ns: int
    every_ns: int
    rounds: int
    bin_ns: int
    step_ns: int

    def windows(
        self, now_ns: Callable[[], int] = time.time_ns, sleep: Callable[[float], None] = time.sleep
    ) -> Iterator[tuple[int, int]]:
        """Start and end of each round; those that end now come every ``every_ns``, whatever a round takes."""
        if self.start_ns is not None:
            yield self.start_ns, self.start_ns + self.length_ns
            return
        due_ns = now_ns()
        for number in range(self.rounds):
            if number:
                due_ns = max(due_ns + self.every_ns, now_ns())
                sleep(max(0, due_ns - now_ns()) / NS_PER_S)
            end_ns = due_ns // NS_PER_S * NS_PER_S
            yield end_ns - self.length_ns, end_ns

    def round(self, start_ns: int, end_ns: int, watch: Watch | None = None) -> Drift:
        """The drift over one window. Raises ``InputError`` and ``RunError`` as asking, running and comparing do."""
        if watch is not None:
            watch.stage("asking the server")
        asked = Asked(start_ns - AROUND, min(end_ns + AROUND, time.time_ns()), self.match, self.step_ns)
        recording = pulled(self.server, asked)
        window = Window(start_ns, end_ns, self.bin_ns or _bin_ns(recording, end_ns - start_ns))
        return drift(recording, run_twin(self.twin, window, watch), window, self.rules)


def following(
    server: Server,
    twin: AskedTwin,
    times: Times,
    *,
    pools: Sequence[str] = (),
    match: str = "",
    tolerances: Sequence[str] = (),
) -> Following:
    """What was asked, checked. Raises ``InputError`` with everything that is wrong with it."""
    problems: list[Problem] = []
    when = _read(times, problems)
    rules = tuple(_rules(pools, problems))
    if twin.requests is not None and twin.jobs is not None:
        problems.append(
            Problem("--jobs", None, "", "and --requests are not read together; set the file of one by --set")
        )
    if problems:
        raise InputError(problems)
    wanted = AskedTwin(**{**twin.__dict__, "lead_ns": when.lead_ns})
    name, known, duration_ns = pools_of(wanted)
    refuse_rules(known, rules, twin.scenario)
    length_ns = when.length_ns or duration_ns or 0
    if not length_ns:
        raise InputError.one("--window", "needed: the scenario has no duration of its own")
    if length_ns + when.lead_ns >= MAX_NS:
        raise InputError.one("--lead", "is too long")
    rounds = (times.rounds or _FOREVER) if times.every is not None else 1
    words = [word if "=" in word else f"energy={word}" for word in tolerances]
    return Following(
        name,
        server,
        wanted,
        rules,
        match,
        parse_tolerances(words),
        when.start_ns,
        length_ns,
        when.every_ns,
        rounds,
        when.bin_ns,
        when.step_ns,
    )


_FOREVER = 1 << 60


class _When(NamedTuple):
    """``Times`` in ns; 0 is what was not given, None a start that is not of the past. ``length_ns`` is that of a
    window, whichever way it was said."""

    start_ns: int | None
    length_ns: int
    every_ns: int
    lead_ns: int
    bin_ns: int
    step_ns: int


def _read(times: Times, problems: list[Problem]) -> _When:
    def read(option: str, text: str | None) -> int:
        try:
            found = parse_ns(text) if text is not None else 0
        except QuantityError as error:
            problems.append(Problem(option, None, "", error.message))
            return 0
        if text is not None and found <= 0 and option != "--lead":
            problems.append(Problem(option, None, "", "must be above zero"))
        return found

    ways = [times.start is not None or times.end is not None, times.once, times.every is not None]
    if sum(ways) != 1:
        problems.append(Problem("follow", None, "", "say when: --start and --end, or --once, or --every TIME"))
    if (times.start is None) != (times.end is None):
        problems.append(Problem("follow", None, "", "needs both --start and --end"))
    if times.start is not None and times.window is not None:
        problems.append(
            Problem("--window", None, "", "is the length of windows that end now; --start and --end say it")
        )
    if times.rounds is not None and times.every is None:
        problems.append(Problem("--rounds", None, "", "counts what --every repeats"))
    every_ns, bin_ns, step_ns, lead_ns, length_ns = (
        read(f"--{name}", getattr(times, name)) for name in ("every", "bin", "step", "lead", "window")
    )
    if 0 < step_ns < NS_PER_S // 1_000:
        problems.append(Problem("--step", None, "", "must be a millisecond or more"))
    start_ns, end_ns = _instant("--start", times.start, problems), _instant("--end", times.end, problems)
    if start_ns is not None and end_ns is not None and start_ns >= end_ns:
        problems.append(Problem("--end", None, "", "must be later than --start"))
    if start_ns is not None and end_ns is not None:
        length_ns = end_ns - start_ns
    return _When(start_ns, length_ns, every_ns, lead_ns, bin_ns, step_ns)


def _instant(option: str, text: str | None, problems: list[Problem]) -> int | None:
    if text is None:
        return None
    try:
        return parse_instant(text)
    except ValueError as error:
        problems.append(Problem(option, None, "", f"must be a time such as 2026-03-01T08:00:00Z: {error}"))
        return None


def _rules(words: Sequence[str], problems: list[Problem]) -> Iterator[Rule]:
    for word in words:
        pool, equals, pattern = word.partition("=")
        if pool and equals and pattern:
            yield Rule(pool, pattern)
        else:
            problems.append(Problem("--pool", None, "", f"'{word}' is no rule; write POOL=PATTERN, e.g. h100='gpu-*'"))


def _bin_ns(recording: Recording, length_ns: int) -> int:
    """Bins in whole seconds that divide a window into some sixty, with a few readings of each meter in them."""
    slowest = [usual_ns(np.unique(rows["time_ns"].to_numpy(np.int64))) for _, rows in of_each(recording)]
    least_s = READINGS_A_BIN * float(np.nanmax([1.0 / READINGS_A_BIN, *(each / NS_PER_S for each in slowest)]))
    return int(max(1, round(max(length_ns / NS_PER_S / BINS, least_s)))) * NS_PER_S
