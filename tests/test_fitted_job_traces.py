"""Laws that ship against the traces that they are from: the first half gives their constants, the second judges."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmarks.job_laws import SHIPPED, TRACES, fitted, halves, judged
from sim.instants import named_zone
from sim.signals.local_clock import offsets_ns
from sim.units import DAY_NS, HOUR_NS
from sim.workload.jobs.fitted import RUNS, SIZES, WEEKS
from sim.workload.jobs.fitting import distance_of_sizes
from sim.workload.jobs.formats import Terms
from sim.workload.jobs.runtimes import Lognormal, Mixture
from sim.workload.jobs.traces import read_jobs

pytestmark = pytest.mark.shared_data


def constants(law: object) -> list[float]:
    assert isinstance(law, Mixture)
    parts = [part for part in law.laws if isinstance(part, Lognormal)]
    return [*law.shares, *(number for part in parts for number in (part.median_s, part.sigma))]


@pytest.mark.parametrize("trace", TRACES)
def test_the_first_half_gives_the_constants_that_ship(trace: str) -> None:
    """To the eight digits that are written."""
    found, shipped = fitted(halves(trace)[0]), RUNS[trace]
    assert found.sizes == SIZES[trace].sizes
    assert shipped.exponent == pytest.approx(found.exponent, abs=1e-7)
    assert shipped.longest_s == found.longest_s
    assert constants(shipped.law) == pytest.approx(constants(found.laws[SHIPPED]), rel=1e-6)


@pytest.mark.parametrize("trace", TRACES)
def test_notes_say_how_far_off_the_other_half_is(trace: str) -> None:
    """To the three digits of the note, of the family that ships and of those that do not; and of the sizes."""
    first, second = halves(trace)
    found = fitted(first)
    off = judged(found, second)
    told = RUNS[trace].note
    for name in ("lognormal", "weibull", "exponential"):
        said = re.search(rf"{name}\s+([\d.]+\d)", told, re.IGNORECASE)
        assert said is not None
        assert float(said[1]) == pytest.approx(off[name][0], abs=5.1e-4)
    said = re.search(r"on the others ([\d.]+\d)", told)
    assert said is not None
    assert float(said[1]) == pytest.approx(off[SHIPPED][0], abs=5.1e-4)
    size = re.search(r"to the others ([\d.]+\d)", SIZES[trace].note)
    assert size is not None
    assert float(size[1]) == pytest.approx(distance_of_sizes(found.sizes, second.milli), abs=5.1e-4)


def test_the_hours_of_nasa_are_better_than_even_ones_in_weeks_that_were_not_looked_at() -> None:
    """Six whole weeks give the weights, the next six judge them: less than half of the error of even hours and days."""
    file, terms = TRACES["nasa-ipsc-1993"]
    path = halves.__globals__["JOBS"] / file
    trace = read_jobs(path, terms=Terms(processors=terms.processors))
    assert trace.first_ns is not None
    weeks = WEEKS["nasa-ipsc-1993"]
    clock = trace.table.submit_ns + trace.first_ns
    local = clock + offsets_ns(named_zone(weeks.zone), clock)
    days = local // DAY_NS - local[0] // DAY_NS

    def weights(first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        now = local[(days >= first) & (days < end)]
        hours = np.bincount(now % DAY_NS // HOUR_NS, minlength=24)
        of_week = np.bincount((now // DAY_NS + 3) % 7, minlength=7)
        return hours / hours.mean(), of_week / of_week.mean()

    for shipped, seen, judged_by, told in zip(
        (weeks.hours, weeks.days), weights(0, 42), weights(42, 84), ((0.26, 0.80), (0.24, 0.46)), strict=True
    ):
        assert np.abs(np.array(shipped) - seen).max() < 0.0051, "two digits"
        errors = [float(np.sqrt(np.mean((said - judged_by) ** 2))) for said in (np.array(shipped), 1.0)]
        assert errors == pytest.approx(told, abs=0.0051)
