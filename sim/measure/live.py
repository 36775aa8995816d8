"""A recording of this machine, as asked on the command line: checks it, opens the meters, samples, lets go."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sim.errors import InputError, Problem, RunError
from sim.measure.meters.nvml import NvmlSource, open_nvml
from sim.measure.meters.rapl import cpu_model, open_rapl
from sim.measure.meters.record import HIGHEST_HZ, LOWEST_HZ, Command, Progress, record
from sim.measure.meters.source import Missing, Source
from sim.measure.recording import Recording
from sim.measure.suite.plan import SuiteRun, refuse_without_torch
from sim.results.atomic import parquet_of_ours, refuse_unusable

SUITE_STEP_S = 10.0


@dataclass(frozen=True)
class Wanted:
    """What was asked for: a time, a command, or the suite (then ``seconds`` is the length of a step)."""

    out: Path
    hz: float
    idle_s: float
    seconds: float | None = None
    suite: bool = False
    power_caps: bool = False
    command: Sequence[str] = ()


def refuse_wrong(wanted: Wanted) -> None:
    """Raises ``InputError`` with everything that is wrong with what was asked."""
    wrong: list[tuple[str, str]] = []
    if not (LOWEST_HZ <= wanted.hz <= HIGHEST_HZ):
        wrong.append(("--hz", f"must be samples per second from {LOWEST_HZ:g} to {HIGHEST_HZ:g}, not {wanted.hz:g}"))
    if wanted.seconds is not None and not (0 < wanted.seconds < math.inf):
        wrong.append(("--seconds", f"must be a time above zero, not {wanted.seconds:g}"))
    if not (0 <= wanted.idle_s < math.inf):
        wrong.append(("--idle", f"must be a time of zero or more, not {wanted.idle_s:g}"))
    if wanted.seconds is None and not wanted.suite and not wanted.command:
        wrong.append(("", "say how long or what: --seconds N, --suite, or -- COMMAND ..."))
    if wanted.suite and wanted.command:
        wrong.append(("--suite", "runs by itself; record the command without it"))
    if wanted.power_caps and not wanted.suite:
        wrong.append(("--power-caps", "adds steps to the suite; give --suite too"))
    if wanted.command and shutil.which(wanted.command[0]) is None:
        wrong.append(("COMMAND", f"no program '{wanted.command[0]}' can be run"))
    problems = [Problem("record", None, path, message) for path, message in wrong]
    try:
        refuse_unusable(wanted.out, folder=False, ours=parquet_of_ours)
    except InputError as error:
        problems += error.problems
    if problems:
        raise InputError(problems)


def record_here(wanted: Wanted, *, watch: Callable[[Progress], None] | None = None) -> Recording:
    """Samples this machine's GPUs and CPUs as asked. Raises ``RunError`` where no meter or suite is to be had."""
    nvml, rapl = open_nvml(), open_rapl(model=cpu_model())
    missing = [source for source in (nvml, rapl) if isinstance(source, Missing)]
    sources: list[Source] = [source for source in (nvml, rapl) if not isinstance(source, Missing)]
    with ExitStack() as held:
        for source in sources:
            held.callback(source.close)
        if wanted.suite:
            refuse_without_torch(nvml.reason if isinstance(nvml, Missing) else None)
        if not sources:
            reasons = "\n".join(f"  {source}" for source in missing)
            raise RunError(f"there is nothing to record on this machine; nothing was written:\n{reasons}")
        if not wanted.suite:
            activity = Command(wanted.command) if wanted.command else None
            return record(
                sources,
                hz=wanted.hz,
                seconds=wanted.seconds,
                activity=activity,
                idle_seconds=wanted.idle_s,
                missing=missing,
                watch=watch,
            )
        if isinstance(nvml, NvmlSource):  # the suite puts limits back itself, unless it is killed
            held.enter_context(nvml.keeping_power_limits())
        suite = SuiteRun(seconds=wanted.seconds or SUITE_STEP_S, power_caps=wanted.power_caps)
        recording = record(
            sources, hz=wanted.hz, activity=suite, idle_seconds=wanted.idle_s, missing=missing, watch=watch
        )
        if not suite.work and suite.failure is not None:
            raise RunError(f"the suite cannot run; nothing was written: {suite.failure}")
        return recording


def failure(recording: Recording) -> str | None:
    """What the command or the suite came to, where it failed by itself; the recording is good all the same."""
    for name in ("command", "suite"):
        ended = recording.origin.get(name, {})
        status = ended.get("exit_status")
        if ended and ended["ended_by"] == "itself" and status != 0:
            how = f"was ended by signal {-status}" if status is not None and status < 0 else f"exited with {status}"
            return f"the {name} {how}; what was sampled is kept"
    return None
