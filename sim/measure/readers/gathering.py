"""Collects what a reader finds, then puts it in order and says what is odd: the same for every format."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sim.measure.alike_faults import kind
from sim.measure.known import holes, usual_ns
from sim.measure.missing import told
from sim.measure.readers.stamps import REMEDY, Stamps, may_be_set_forward, moved_on
from sim.measure.readers.text import Text
from sim.measure.recording import MEASURED, Device, Fault, Floats, Kind, Recording, Unknown
from sim.units import MAX_NS, NS_PER_S, SECONDS_PER_NS

Ints = npt.NDArray[np.int64]

NS_PER_MS = NS_PER_S // 1000

MOST_ALIKE = 20
"""Faults of one kind that are kept one by one before the rest are only counted."""

MOST_KINDS = 200
"""Kinds of fault that are told apart."""


STAMP_NS = NS_PER_S
"""Stamps of whole seconds: things that follow each other may seem to overlap by so much."""

MAY_BE_NEGATIVE = ("temperature_c",)
"""Quantities that are no amount."""

DEAD_SAMPLES = 3
"""Alike over a second or more, from which a meter may count as dead."""

MOST_TIMES_USUAL = 2.0
"""A counter that falls has wrapped if that makes an energy of up to so many times the usual; else it was reset."""


def hashed(serial: str) -> str:
    """A short name that tells serials apart without giving them away; '' stays ''."""
    return hashlib.sha256(serial.encode()).hexdigest()[:16] if serial else ""


class Gathering:
    """Rows in the order they are read, the devices they belong to, and faults."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.stamps = Stamps(text.zone)
        self.devices: dict[str, Device] = {}
        self.counter_ranges_j: dict[str, tuple[float, ...]] = {}  # at which a device's counter may start over
        self._faults: list[Fault] = []
        self._unknown: list[Unknown] = []
        self._alike: Counter[str] = Counter()
        self._last_alike: dict[str, int] = {}
        self._complete = text.cut is None
        self._times: list[int] = []
        self._names: list[str] = []
        self._phases: list[str] = []
        self._lines: list[int] = []
        self._columns: dict[str, list[float]] = {}
        for damage in (*text.damaged, *([text.cut] if text.cut is not None else [])):
            self.fault(damage.reason, line=damage.line)

    def device(self, name: str, kind: Kind, *, model: str = "", serial: str = "", machine: str = "") -> str:
        """Makes the device known, if it is not yet; its name."""
        if name not in self.devices:
            self.devices[name] = Device(name, kind, model, hashed(serial), machine=machine)
        return name

    def fault(self, reason: str, *, line: int | None = None, device: str = "", time_ns: int | None = None) -> None:
        """Notes something that was not read; only counts it where there are many of its kind already."""
        fault = Fault(reason, line, device, time_ns)
        alike = kind(fault)
        if alike not in self._alike and len(self._alike) >= MOST_KINDS:
            alike, fault = "", Fault("more faults, of other kinds", line, device, time_ns)
        self._alike[alike] += 1
        if self._alike[alike] <= MOST_ALIKE:
            self._last_alike[alike] = len(self._faults)
            self._faults.append(fault)
        else:
            at = self._last_alike[alike]
            self._faults[at] = replace(self._faults[at], more=self._faults[at].more + 1)

    def incomplete(self, reason: str, *, line: int | None = None, device: str = "", time_ns: int | None = None) -> None:
        """A fault that means that the end is missing."""
        self._complete = False
        self.fault(reason, line=line, device=device, time_ns=time_ns)

    def add(self, line: int, time_ns: int, device: str, measured: Mapping[str, float], phase: str = "") -> None:
        """One device at one moment. What is not given is NaN; a time or a value that no meter can have is a fault."""
        if not 0 <= time_ns < MAX_NS:
            self.fault("its time lies before 1970 or after 2116", line=line or None, device=device)
            return
        for name in measured:
            if name not in self._columns:
                self._columns[name] = [np.nan] * len(self._times)
        self._times.append(time_ns)
        self._names.append(device)
        self._phases.append(phase)
        self._lines.append(line)
        for name, column in self._columns.items():
            value = measured.get(name, np.nan)
            if math.isinf(value) or (value < 0.0 and name not in MAY_BE_NEGATIVE):
                self.fault(f"{name} cannot be {value:g}; it is left out", line=line or None, device=device)
                value = np.nan
            column.append(value)

    def recording(
        self, origin: Mapping[str, Any], *, same_span: bool = True, units: Mapping[str, str] | None = None
    ) -> Recording:
        """Everything in order. ``same_span``: all devices should last from the start to the end; one that does not is
        told. ``units``: of devices that may be one thing at different times, what that is; those that do not overlap
        become one.

        Raises ``InputError`` where no row could be used.
        """
        if not self._times:
            why = f" ({self._faults[0]})" if self._faults else ""
            raise self.text.refuse(f"holds no samples{why}")
        times = np.array(self._times, dtype=np.int64)
        lines = np.array(self._lines, dtype=np.int64)
        columns = {name: np.array(self._columns[name]) for name in MEASURED if name in self._columns}
        rows = self._rows_of_devices()
        for name, here in rows.items():
            if self.stamps.local and self.stamps.zone is None:
                times[here] = self._undo_changes_of_clock(name, times[here], lines[here])
            self._tell_order(name, times[here], lines[here])
            self._leave_out_dead_meters(name, here, times, columns)
            if "energy_j" in columns:
                order = here[np.argsort(times[here], kind="stable")]
                columns["energy_j"][order] = self._rising(name, columns["energy_j"][order], times[order], lines[order])
        self._tell_clock()
        self._join(units or {}, times, rows)
        found = told(
            Recording.of(
                {"time_ns": times, "device": self._names, "phase": self._phases, **columns},
                [device for device in self.devices.values() if device.name in rows],
                faults=self._faults,
                complete=self._complete,
                origin={"file": Path(self.text.file).name, **origin},
            ),
            same_span=same_span,
        )
        return replace(found, unknown=tuple(self._unknown))

    def _rows_of_devices(self) -> dict[str, Ints]:
        """Places of the rows of each device that has some, in the order of the file."""
        codes, found = pd.factorize(np.array(self._names, dtype=object))
        order = np.argsort(codes, kind="stable").astype(np.int64)
        return dict(zip(found, np.split(order, np.cumsum(np.bincount(codes))[:-1]), strict=True))

    def _undo_changes_of_clock(self, device: str, times: Ints, lines: Ints) -> Ints:
        """The times of a local clock without a zone, moved on where it was set back; where it may have been set forward
        is said, and stays a hole."""
        moved, changes = moved_on(times)
        for row, change in changes:
            reason = (
                f"the clock goes back by about {change / NS_PER_S / 60:g} min here: taken for a change of clock, and"
                f" all rows from here on are moved on by it; {REMEDY}"
            )
            self.fault(reason, line=int(lines[row]) or None, device=device, time_ns=int(times[row]))
        order = np.unique(moved)
        gaps = np.diff(order)
        usual = usual_ns(order)
        # Of a log with rows every ten minutes or more seldom an hour is no hole, though it may be a change of clock.
        hole = holes(order)
        for at in np.flatnonzero(hole | (gaps >= MOST_TIMES_USUAL * usual)).tolist():
            gap_ns = int(gaps[at])
            if may_be_set_forward(gap_ns, usual):
                reason = (
                    f"the clock jumps forward by {gap_ns / NS_PER_S:g} s, about as much as at a change of clock:"
                    f" if it was one, {REMEDY}{'; else nothing is known of that time' if hole[at] else ''}"
                )
                self.fault(reason, device=device, time_ns=int(order[at]))
        return moved

    def _tell_clock(self) -> None:
        if self.stamps.zone is not None and not self.stamps.local:
            self.fault(f"--zone {self.stamps.zone} is not used: its times do not depend on a zone")
        if self.stamps.assumed:
            times = "time comes" if self.stamps.assumed == 1 else "times come"
            reason = f"{self.stamps.assumed:,} {times} twice, as clocks went back: taken for the first of the two"
            self.fault(reason)

    def _join(self, units: Mapping[str, str], times: Ints, rows: Mapping[str, Ints]) -> None:
        """Devices of one of ``units`` that follow each other in time become one; of those that overlap each counts."""
        spans = sorted((int(times[rows[n]].min()), int(times[rows[n]].max()), n) for n in units if n in rows)
        ends: dict[str, list[tuple[int, str]]] = {}  # of each unit: the end of its last device, and how it is called
        for begin, end, name in spans:
            lanes = ends.setdefault(units[name], [])
            free = next((i for i, (last, _) in enumerate(lanes) if begin >= last - STAMP_NS), None)
            if free is None:
                lane = units[name] if not lanes else f"{units[name]} {len(lanes) + 1}"
                lanes.append((end, lane))
                if len(lanes) > 1:
                    self.fault(f"overlaps with another {units[name]} in time: both are counted", device=name)
            else:
                lane = lanes[free][1]
                lanes[free] = (end, lane)
            self.devices[name] = replace(self.devices[name], unit=lane)

    def _tell_order(self, device: str, times: Ints, lines: Ints) -> None:
        late = np.flatnonzero(np.diff(times) < 0)
        if len(late):
            rows = f"{len(late):,} rows were earlier than the rows before them, the first here"
            message = f"{'this row was earlier than the row before it' if len(late) == 1 else rows}"
            message += "; all were sorted by time"
            if self.stamps.local and self.stamps.zone is None:
                message += f"; if a change of clock did that, {REMEDY}"
            self.fault(message, line=int(lines[late[0] + 1]), device=device, time_ns=int(times[late[0] + 1]))

    def _leave_out_dead_meters(self, device: str, rows: Ints, times: Ints, columns: Mapping[str, Floats]) -> None:
        """A meter that never says anything but 0 W, or a counter that never moves, is none: NaN, not zero."""
        for name, said in (("power_w", "reads 0 W throughout"), ("energy_j", "counts nothing throughout")):
            column = columns.get(name)
            known = rows[~np.isnan(column[rows])] if column is not None else rows[:0]
            if column is None or len(known) < DEAD_SAMPLES:
                continue
            dead = not column[known].any() if name == "power_w" else bool((column[known] == column[known[0]]).all())
            if dead and times[known].max() - times[known].min() >= NS_PER_S:
                column[rows] = np.nan
                self.fault(f"its meter {said}; it is taken for none", device=device)

    def _rising(self, device: str, counter: Floats, times: Ints, lines: Ints) -> Floats:
        """The counter with its falls taken out: a wrap is undone; over a reset it stands still, since nothing says what
        was used."""
        known = np.flatnonzero(~np.isnan(counter))
        steps = np.diff(counter[known])
        falls = np.flatnonzero(steps < 0)
        if not len(falls):
            return counter  # as it was read, to the last bit
        waits_s = np.diff(times[known]).astype(np.float64) * SECONDS_PER_NS
        rising = (steps > 0) & (waits_s > 0)  # two samples at one time say nothing of power
        usual_w = float(np.median(steps[rising] / waits_s[rising])) if rising.any() else 0.0
        for fall in falls:
            before, after = known[fall], known[fall + 1]
            full = [size for size in self.counter_ranges_j.get(device, ()) if size >= counter[known].max()]
            wrapped = [size + float(steps[fall]) for size in full]
            plausible = [step for step in wrapped if step <= MOST_TIMES_USUAL * usual_w * waits_s[fall]]
            steps[fall] = plausible[0] if plausible else 0.0
            if not plausible:
                reason = (
                    f"the energy counter fell from {counter[before]:.6g} J to {counter[after]:.6g} J: it was reset;"
                    f" the energy of the {waits_s[fall]:g} s between is not counted"
                )
                self.fault(reason, line=int(lines[after]) or None, device=device, time_ns=int(times[after]))
                self._unknown.append(Unknown(device, int(times[before]), int(times[after])))
        result = counter.copy()
        result[known[1:]] = counter[known[0]] + np.cumsum(steps)
        return result
