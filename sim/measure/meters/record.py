"""The sampling loop: meters read at a steady rate, by themselves or while a command runs.

Times are the wall clock at the start plus the monotonic clock since: they never step back, and how far the wall clock
was set meanwhile stands in the origin. A deadline that has passed when the loop gets to it is missed and counted, not
made up for. Every phase of the schedule begins and ends with a sample, so the energies of phases add up to the whole.

Phases are ``idle`` before a command (or what NVML shows a GPU to be: ``loaded``, ``busy``), ``command``, and ``after``;
a command that says what it does, as the suite does, names its own. Without a command the phase is the GPU's state.
"""

from __future__ import annotations

import os
import platform
import signal
import socket
import subprocess
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal, Protocol

from sim.errors import RunError
from sim.measure.meters.rapl import cpu_model
from sim.measure.meters.source import Missing, Reading, Source, hashed
from sim.measure.missing import told
from sim.measure.recording import MEASURED, Fault, Recording
from sim.units import NS_PER_S, SECONDS_PER_NS

LOWEST_HZ, HIGHEST_HZ = 0.1, 1000.0
"""Slower, a RAPL counter may wrap twice between samples (65 kJ of DRAM at 500 W: 130 s); faster, no meter has news."""

PACKAGES = (
    "torch",
    "triton",
    "vllm",
    "transformers",
    "nvidia-ml-py",
    "nvidia-cuda-runtime",
    "nvidia-cuda-runtime-cu12",
    "nvidia-cuda-runtime-cu11",
)


class Clock(Protocol):
    """The time, and a way to let it pass."""

    def wall_ns(self) -> int:
        """Since 1970; may be set meanwhile."""

    def monotonic_ns(self) -> int:
        """Since some moment; the same clock in every process of this machine."""

    def sleep(self, seconds: float, wake: threading.Event) -> None:
        """Until ``seconds`` have passed or ``wake`` is set."""


class SystemClock:
    """The clocks of this machine."""

    def wall_ns(self) -> int:
        """Since 1970; may be set meanwhile."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """On Linux the same clock in every process."""
        return time.monotonic_ns()

    def sleep(self, seconds: float, wake: threading.Event) -> None:
        """Until ``seconds`` have passed or ``wake`` is set."""
        wake.wait(seconds)


@dataclass(frozen=True)
class Mark:
    """From this moment of the monotonic clock on, the activity is in that phase."""

    monotonic_ns: int
    phase: str


class Activity(Protocol):
    """What goes on while samples are taken. It sets ``wake`` whenever there is news, its end included."""

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""

    @property
    def marks(self) -> Sequence[Mark]:
        """The phases so far, in order of time; none where it is all one."""

    @property
    def faults(self) -> Sequence[Fault]:
        """What went wrong in it."""

    @property
    def origin(self) -> Mapping[str, Any]:
        """What to say of it in the recording's origin, once it has ended."""

    def start(self, wake: threading.Event) -> None:
        """Starts it and returns at once. Raises ``RunError`` where it cannot be started."""

    def stop(self) -> None:
        """Ends it if it still runs, politely at first."""


Ending = Literal["itself", "coldaisle"]


class Command:
    """A program in a session of its own, so that Ctrl-C reaches it once: as the SIGINT that ``stop`` sends.

    Where ``on_line`` is given it gets every line the program writes to its standard output, in another thread.
    """

    marks: Sequence[Mark] = ()
    faults: Sequence[Fault] = ()

    def __init__(
        self,
        argv: Sequence[str],
        *,
        grace_s: float = 10.0,
        patience_s: float = 2.0,
        environment: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self.argv = list(argv)
        self._grace_s, self._patience_s = grace_s, patience_s
        self._environment = environment
        self._on_line = on_line
        self._process: subprocess.Popen[bytes] | None = None
        self._done = threading.Event()
        self.ended_by: Ending = "itself"

    @property
    def running(self) -> bool:
        """Whether it has been started, and has not ended or not been read to its end."""
        return self._process is not None and not self._done.is_set()

    @property
    def exit_status(self) -> int | None:
        """Exit status of the command, negative for a signal; None before it has ended."""
        return self._process.poll() if self._process is not None else None

    @property
    def origin(self) -> Mapping[str, Any]:
        """Its words, how it ended, and who ended it."""
        return {"command": {"argv": self.argv, "exit_status": self.exit_status, "ended_by": self.ended_by}}

    def start(self, wake: threading.Event) -> None:
        """Starts it. Raises ``RunError`` where the system refuses."""
        try:
            process = subprocess.Popen(
                self.argv,
                env=self._environment,
                stdout=subprocess.PIPE if self._on_line is not None else None,
                start_new_session=True,
            )
        except OSError as error:
            raise RunError(f"cannot start {self.argv[0]}: {error.strerror or error}; nothing was written") from None

        def watch() -> None:
            with process.stdout or nullcontext(()) as lines:
                for line in lines:
                    if self._on_line is not None:
                        self._on_line(line.decode(errors="replace"))
                    wake.set()
            process.wait()
            self._done.set()
            wake.set()

        self._process = process
        threading.Thread(target=watch, daemon=True).start()

    def stop(self) -> None:
        """SIGINT to the program and its children; after a while SIGTERM, then SIGKILL; SIGKILL at a second Ctrl-C."""
        if not self.running:
            return
        self.ended_by = "coldaisle"
        try:
            for number, patience_s in ((signal.SIGINT, self._grace_s), (signal.SIGTERM, self._patience_s)):
                self._signal(number)
                if self._done.wait(patience_s):
                    return
        except KeyboardInterrupt:
            pass
        self._signal(signal.SIGKILL)
        self._done.wait(self._patience_s)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


@dataclass(frozen=True)
class Progress:
    """Where a recording stands, about once a second."""

    seconds: float
    phase: str
    readings: Sequence[Reading]


def record(
    sources: Sequence[Source],
    *,
    hz: float,
    seconds: float | None = None,
    activity: Activity | None = None,
    idle_seconds: float = 0.0,
    missing: Sequence[Missing] = (),
    clock: Clock | None = None,
    watch: Callable[[Progress], None] | None = None,
) -> Recording:
    """Samples every source at ``hz``: for ``seconds``, or while ``activity`` runs and at most for ``seconds``.

    An activity gets ``idle_seconds`` of baseline before and after. Ctrl-C ends both and keeps what was sampled; the
    origin then says ``interrupted``. The sources stay open. Raises ``RunError`` where nothing was sampled at all.
    """
    session = _Session(sources, hz, clock or SystemClock(), watch)
    interrupted = False
    try:
        if activity is None:
            assert seconds is not None, "without an activity the time must be given"
            session.sample_until(seconds, "")
        else:
            if idle_seconds > 0:
                session.sample_until(idle_seconds, "idle")
            activity.start(session.wake)
            limit = session.elapsed_ns() * SECONDS_PER_NS + seconds if seconds is not None else None
            session.sample_until(limit, "command", lambda: activity.running)
            activity.stop()
            if idle_seconds > 0:
                session.sample_until(session.elapsed_ns() * SECONDS_PER_NS + idle_seconds, "after")
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if activity is not None:
            activity.stop()
    return session.recording(activity, missing, interrupted=interrupted)


class _Session:
    """The rows so far and the schedule they keep to."""

    def __init__(
        self, sources: Sequence[Source], hz: float, clock: Clock, watch: Callable[[Progress], None] | None
    ) -> None:
        self._sources = sources
        self._hz = hz
        self._clock = clock
        self._watch = watch
        self._period_ns = round(NS_PER_S / hz)
        self._wall_ns, self._monotonic_ns = clock.wall_ns(), clock.monotonic_ns()
        self._rows: list[tuple[Reading, str]] = []
        self._tick = self._samples = self._missed = self._watched_ns = 0
        self.wake = threading.Event()

    def elapsed_ns(self) -> int:
        """Since the start."""
        return self._clock.monotonic_ns() - self._monotonic_ns

    def now_ns(self) -> int:
        """Since 1970, never going back."""
        return self._wall_ns + self.elapsed_ns()

    def sample_until(self, end_s: float | None, phase: str, running: Callable[[], bool] = lambda: True) -> None:
        """Samples at once, at every deadline, whenever woken, and at the end: ``end_s`` since the start, or no longer
        running."""
        end_ns = round(end_s * NS_PER_S) if end_s is not None else None
        self._sample(phase)
        while running():
            now_ns = self.elapsed_ns()
            if end_ns is not None and now_ns >= end_ns:
                break
            tick = max(now_ns // self._period_ns, self._tick) + 1
            self._missed += tick - self._tick - 1
            due_ns = tick * self._period_ns
            until_ns = min(due_ns, end_ns) if end_ns is not None else due_ns
            self._clock.sleep((until_ns - now_ns) * SECONDS_PER_NS, self.wake)
            reached = self.elapsed_ns() >= due_ns or (until_ns == due_ns and not self.wake.is_set())
            self.wake.clear()
            self._tick = tick if reached else tick - 1
            self._sample(phase)

    def _sample(self, phase: str) -> None:
        readings = [reading for source in self._sources for reading in source.sample(self.now_ns)]
        self._rows += [(reading, _phase(reading, phase)) for reading in readings]
        self._samples += 1
        elapsed_ns = self.elapsed_ns()
        if self._watch is not None and elapsed_ns >= self._watched_ns:
            self._watched_ns = elapsed_ns + NS_PER_S
            self._watch(Progress(elapsed_ns * SECONDS_PER_NS, phase, readings))

    def recording(self, activity: Activity | None, missing: Sequence[Missing], *, interrupted: bool) -> Recording:
        """The whole recording, with the phases that the activity named put in."""
        seconds = self.elapsed_ns() * SECONDS_PER_NS
        faults = [Fault(str(source)) for source in missing]
        faults += [fault for source in self._sources for fault in source.faults]
        faults += [
            Fault("is at work before the command: the baseline is not idle", device=name) for name in self._busy()
        ]
        faults += activity.faults if activity is not None else []
        faults += [Fault("interrupted", time_ns=self.now_ns())] if interrupted else []
        if not self._rows:
            raise RunError("no meter gave a single sample; nothing was written: " + "; ".join(map(str, faults)))
        origin = {
            "tool": f"coldaisle record {metadata.version('coldaisle')}",
            "interrupted": interrupted,
            "machine": machine(),
            "sources": {source.name.lower(): dict(source.origin) for source in self._sources},
            "missing": {source.name.lower(): source.reason for source in missing},
            "sampling": {
                "hz_asked": self._hz,
                "hz_reached": (self._samples - 1) / seconds if seconds > 0 else None,
                "missed": self._missed,
                "seconds": seconds,
                "wall_clock_set_by_s": (self._clock.wall_ns() - self.now_ns()) * SECONDS_PER_NS,
            },
            **(activity.origin if activity is not None else {}),
        }
        return told(
            Recording.of(
                self._columns(activity.marks if activity is not None else ()),
                (device for source in self._sources for device in source.devices),
                faults=faults,
                complete=not interrupted and not any(source.lost for source in self._sources),
                origin=origin,
            ),
            same_span=False,  # a source tells by itself what it lost
        )

    def _busy(self) -> list[str]:
        return sorted({reading.device for reading, phase in self._rows if phase == "busy"}) if self._commanded() else []

    def _commanded(self) -> bool:
        return any(phase == "command" for _, phase in self._rows)

    def _columns(self, marks: Sequence[Mark]) -> dict[str, list[Any]]:
        starts = [self._wall_ns + mark.monotonic_ns - self._monotonic_ns for mark in marks]

        def named(reading: Reading, phase: str) -> str:
            i = bisect_right(starts, reading.time_ns) if phase == "command" else 0
            return marks[i - 1].phase if i else phase

        return {
            "time_ns": [reading.time_ns for reading, _ in self._rows],
            "device": [reading.device for reading, _ in self._rows],
            "phase": [named(reading, phase) for reading, phase in self._rows],
            **{name: [reading.values.get(name, float("nan")) for reading, _ in self._rows] for name in MEASURED},
        }


def _phase(reading: Reading, phase: str) -> str:
    """The schedule's word, but before a command (and without one) what the GPU is seen to do."""
    return reading.state or phase if phase in ("", "idle") else phase


def machine() -> dict[str, Any]:
    """What a recording says of where it was made; the host only as a hash, the packages of this Python."""
    packages = {}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    return {
        "host": hashed(socket.gethostname()),
        "system": platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "cpu": cpu_model(),
        "packages": packages,
    }
