"""Opens every file a scenario names, to tell before the run what is wrong with it or that it does not cover the run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from sim.documents import Document, KeyPath
from sim.errors import InputError, Problem
from sim.signals import Signal
from sim.signals.csv_table import epoch_ns
from sim.spec.inputs import intensity_signal, interval_counts, price_signal, rate_signal, request_times
from sim.spec.parts import Parts
from sim.spec.servecheck import files as serving_files
from sim.spec.serving import Serving
from sim.spec.site import IntensitySeries, PriceSeries
from sim.spec.workloads import IntervalLog, RateLog, RequestLog
from sim.units import MAX_NS

Read = TypeVar("Read")


def file_problems(parts: Parts, document: Document, *, activity_files: bool, most_requests: int) -> list[Problem]:
    """Every problem with the files that ``parts`` name; logs of arrivals are opened only with ``activity_files``."""
    check = _FileCheck(parts, document, most_requests)
    for path, grid in parts.grids.items():
        check.grid(path, grid.intensity, grid.price)
    if activity_files:
        for name, workload in parts.workloads.items():
            if isinstance(workload, Serving):
                check.problems += [
                    found if isinstance(found, Problem) else document.problem(*found)
                    for found in serving_files(name, workload, parts.start)
                ]
        for name, arrivals in parts.arrivals.items():
            if isinstance(arrivals, RateLog | IntervalLog | RequestLog):
                check.arrivals(name, arrivals)
    return check.problems


class _FileCheck:
    def __init__(self, parts: Parts, document: Document, most_requests: int) -> None:
        self.problems: list[Problem] = []
        self._parts = parts
        self._document = document
        self._most_requests = most_requests
        self._start_ns = epoch_ns(parts.start) if parts.start is not None else 0

    def grid(self, place: KeyPath, intensity: float | IntensitySeries, price: float | PriceSeries | None) -> None:
        if isinstance(intensity, IntensitySeries):
            path: KeyPath = (*place, "intensity", "file")
            self._series(path, self._reading(path, lambda: intensity_signal(intensity, self._start_ns)))
        if isinstance(price, PriceSeries):
            path = (*place, "price", "file")
            self._series(path, self._reading(path, lambda: price_signal(price, self._start_ns, price.unit.currency)))

    def arrivals(self, name: str, log: RateLog | IntervalLog | RequestLog) -> None:
        path: KeyPath = ("workloads", name, "arrivals", "file")
        if isinstance(log, RateLog):
            rates = self._reading(path, lambda: rate_signal(log, self._start_ns))
            self._series(path, rates)
            if rates is not None:
                self._few_enough(path, rates.integral(rates.first_ns, rates.last_ns))
        elif isinstance(log, IntervalLog):
            counts = self._reading(path, lambda: interval_counts(log, self._start_ns))
            if counts is not None:
                self._covered(path, "the log", int(counts.edges_ns[0]), int(counts.edges_ns[-1]))
                self._few_enough(path, float(counts.counts.astype(float).sum()))
        else:
            times = self._reading(path, lambda: request_times(log, self._start_ns))
            end_ns = self._parts.duration_ns
            if times is None or self._parts.start is None:
                return
            if times[-1] < 0 or (end_ns is not None and times[0] >= end_ns):
                covers = f"{self._clock(int(times[0]))} .. {self._clock(int(times[-1]))}"
                self._complain(path, f"the log covers {covers}, all of it outside the run")

    def _series(self, path: KeyPath, signal: Signal | None) -> None:
        if signal is not None:
            self._covered(path, "the series", signal.first_ns, signal.last_ns)

    def _covered(self, path: KeyPath, what: str, first_ns: int, last_ns: int) -> None:
        """Complains unless ``[first_ns, last_ns)`` covers the run, as far as its length is known."""
        if self._parts.start is None:
            return
        end_ns = self._parts.duration_ns
        if first_ns <= 0 and (end_ns if end_ns is not None else 1) <= last_ns:
            return
        until = "its end" if end_ns is None else self._clock(end_ns)
        covers = f"{self._clock(first_ns)} .. {self._clock(last_ns)}"
        self._complain(path, f"{what} covers {covers}; the run lasts from {self._clock(0)} to {until}")

    def _few_enough(self, path: KeyPath, requests: float) -> None:
        if requests > self._most_requests:
            self._complain(path, f"holds {requests:.3g} requests; at most {self._most_requests:,} can be simulated")

    def _clock(self, ns: int) -> str:
        assert self._parts.start is not None
        return (self._parts.start + timedelta(microseconds=ns // 1000)).isoformat() if abs(ns) < MAX_NS else "ever"

    def _complain(self, path: KeyPath, message: str) -> None:
        self.problems.append(self._document.problem(path, message))

    def _reading(self, path: KeyPath, read: Callable[[], Read]) -> Read | None:
        try:
            return read()
        except InputError as error:
            for problem in error.problems:
                self._complain(path, str(problem))
            return None
