"""Arrivals, lengths and prefixes have the moments they promise, and do not depend on how they are drawn in pieces."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from sim.build.traffic.requests import Asked, request_source
from sim.rng import Streams
from sim.spec.requests import Lengths, Prefix, RequestArrivals
from sim.units import HOUR_NS, NS_PER_S
from sim.workload import prefixes
from sim.workload import processes as process
from sim.workload.exact import FAR_NS
from sim.workload.prefixes import BLOCKS_OF_ONE
from sim.workload.requests import Merged, RequestChunk, RequestSource, joined, plain_chunk

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
THURSDAY = 0  # 1970-01-01
LENGTHS = {
    "kind": "separate",
    "prompt": {"kind": "lognormal", "mean": 300, "cv": 1.0},
    "output": {"kind": "uniform", "low": 1, "high": 99},
}


def source(
    arrivals: dict[str, Any], prefix: dict[str, Any] | None = None, duration_ns: int | None = None
) -> RequestSource:
    own = arrivals["kind"] in ("clients", "trace")
    asked = Asked(
        "test",
        None if own else TypeAdapter(Lengths).validate_python(LENGTHS),
        None if prefix is None else TypeAdapter(Prefix).validate_python(prefix),
        THURSDAY,
        duration_ns,
        Streams(3),
    )
    return request_source(TypeAdapter(RequestArrivals).validate_python(arrivals), asked)


def gaps_s(arrivals: dict[str, Any]) -> Floats:
    whole = joined(list(source({**arrivals, "requests": 200_000}).chunks()))
    return np.diff(whole.arrival_ns) / NS_PER_S


@pytest.mark.parametrize(
    ("arrivals", "cv"),
    [
        ({"kind": "poisson", "rate": "5 request/s"}, 1.0),
        ({"kind": "gamma", "rate": "5 request/s", "cv": 2.5}, 2.5),
        ({"kind": "gamma", "rate": "5 request/s", "cv": 0.3}, 0.3),
        ({"kind": "weibull", "rate": "5 request/s", "cv": 2.0}, 2.0),
        ({"kind": "weibull", "rate": "5 request/s", "cv": 0.4}, 0.4),
    ],
)
def test_renewal_gaps_have_their_mean_and_cv(arrivals: dict[str, Any], cv: float) -> None:
    gaps = gaps_s(arrivals)
    assert gaps.mean() == pytest.approx(0.2, abs=4 * 0.2 * cv / np.sqrt(len(gaps)))
    fourth = ((gaps - gaps.mean()) ** 4).mean()
    error_of_variance = np.sqrt((fourth - gaps.var() ** 2) / len(gaps))
    assert gaps.var() == pytest.approx((0.2 * cv) ** 2, abs=5 * error_of_variance)


@pytest.mark.parametrize("rate_per_s", [3e-6, 1e-7, 1e-12, 1e-200])
def test_rare_arrivals_stay_in_order_and_rare(rate_per_s: float) -> None:
    """Sums of long gaps leave int64 after 292 years; a request a year is no flood of them."""
    rng = np.random.default_rng(1)
    times_ns = np.concatenate([*process.renewal(process.exponential_gaps(rate_per_s, rng))])
    assert times_ns[0] >= 0
    assert np.all(np.diff(times_ns) >= 0)
    assert times_ns[-1] == FAR_NS
    expected = rate_per_s * FAR_NS / NS_PER_S
    assert abs(len(times_ns) - 1 - expected) <= 5.0 * np.sqrt(expected) + 1.0


@given(st.floats(0.3, 8.0))
def test_weibull_shape_one_is_exponential_and_cv_falls_with_shape(shape: float) -> None:
    assert process.weibull_cv(1.0) == pytest.approx(1.0)
    assert process.weibull_cv(shape) > process.weibull_cv(shape * 1.01)


def test_modulated_arrivals_are_as_bursty_as_the_formula_says() -> None:
    """Index of dispersion of counts of a two-state MMPP over a long time: 1 + 2 p1 p2 (r1 - r2)^2 / (s r), with s the
    sum of the rates of leaving a state (Fischer and Meier-Hellstern 1993, doi 10.1016/0166-5316(93)90035-S)."""
    states = [{"rate": "20 request/s", "dwell": "2 s"}, {"rate": "2 request/s", "dwell": "6 s"}]
    whole = joined(list(source({"kind": "mmpp", "states": states, "requests": 400_000}).chunks()))
    mean = (20 * 2 + 2 * 6) / 8
    seconds = whole.arrival_ns[-1] / NS_PER_S
    leaving = 1 / 2 + 1 / 6
    dispersion = 1 + 2 * 0.25 * 0.75 * (20 - 2) ** 2 / (leaving * mean)
    assert len(whole) / seconds == pytest.approx(mean, abs=4 * np.sqrt(mean * dispersion / seconds))
    window_s = 200.0  # a hundred dwells: 1 - O(1 / (leaving x window)) of the limit
    counts = np.bincount((whole.arrival_ns // int(window_s * NS_PER_S)).astype(np.int64))[:-1]
    found = counts.var(ddof=1) / counts.mean()
    assert found == pytest.approx(dispersion * (1 - 1 / (leaving * window_s)), rel=4 * np.sqrt(2 / len(counts)))


def test_diurnal_hours_are_poisson_about_the_cosine() -> None:
    day_ns = 24 * HOUR_NS
    arrivals = {"kind": "diurnal", "rate": "0.5 request/s", "peak_to_mean": 1.6, "peak_hour": 14, "weekend": 0.5}
    whole = joined(list(source(arrivals, duration_ns=14 * day_ns).chunks()))
    hours = np.bincount(whole.arrival_ns // HOUR_NS, minlength=14 * 24).astype(float)
    edges = np.arange(14 * 24 + 1)
    phase = 2 * np.pi * (edges - 14) / 24
    integral = 1800 * (edges + 0.6 * 24 / (2 * np.pi) * np.sin(phase))
    weekday = (np.arange(14 * 24) // 24 + 3) % 7  # the run starts on a Thursday
    expected = np.diff(integral) * np.where(weekday >= 5, 0.5, 1.0)
    chi_squared = ((hours - expected) ** 2 / expected).sum()
    assert chi_squared == pytest.approx(len(hours), abs=4 * np.sqrt(2 * len(hours)))
    assert hours[:24].argmax() in (12, 13, 14, 15)


@given(st.lists(st.integers(1, 500), min_size=2, max_size=6))
@settings(max_examples=20)
def test_pieces_do_not_matter(sizes: list[int]) -> None:
    def drawn(size: int) -> Ints:
        gaps = process.gamma_gaps(3.0, 1.7, np.random.default_rng(5))
        parts = list(islice(process.renewal(gaps, size), -(-3000 // size)))
        return np.concatenate(parts)[:3000]

    assert all((drawn(size) == drawn(3000)).all() for size in sizes)


def whole_of(made: RequestSource, most: int = 40_000) -> RequestChunk:
    parts: list[RequestChunk] = []
    left = most  # counted down: there may be thousands of parts
    for part in made.chunks():
        parts.append(part)
        left -= len(part)
        if left <= 0:
            break
    whole = joined(parts)
    return whole.take(np.arange(min(most, len(whole))))


@pytest.mark.parametrize(
    ("arrivals", "prefix"),
    [
        ({"kind": "poisson", "rate": "50 request/s"}, None),
        ({"kind": "poisson", "rate": "50 request/s"}, {"kind": "documents", "count": 20, "tokens": 100, "zipf": 1.1}),
        ({"kind": "poisson", "rate": "50 request/s"}, {"kind": "conversations", "turns": 3, "think_time": "20 s"}),
        (
            {
                "kind": "mmpp",
                "states": [{"rate": "9 request/s", "dwell": "3 s"}, {"rate": "90 request/s", "dwell": "1 s"}],
            },
            None,
        ),
    ],
)
def test_streams_do_not_depend_on_the_size_of_their_chunks(
    monkeypatch: pytest.MonkeyPatch, arrivals: dict[str, Any], prefix: dict[str, Any] | None
) -> None:
    seen = []
    for size, begun, ids in ((1 << 15, 1 << 12, 1 << 16), (997, 1 << 20, 1 << 30), (1 << 15, 13, 101)):
        monkeypatch.setattr("sim.workload.processes.renewal.__defaults__", (size,))
        monkeypatch.setattr("sim.workload.prefixes.BEGUN_AT_ONCE", begun)
        monkeypatch.setattr("sim.workload.prefixes.IDS_AT_ONCE", ids)
        seen.append(whole_of(source(arrivals, prefix), 20_000))
    for name in RequestChunk.__dataclass_fields__:
        for other in seen[1:]:
            assert np.array_equal(getattr(seen[0], name), getattr(other, name)), name


class _Fixed:
    """A stream given as a list, in pieces of a size."""

    block_tokens = 0

    def __init__(self, times: list[int], size: int) -> None:
        self._times, self._size = times, size

    def chunks(self) -> Iterator[RequestChunk]:
        for i in range(0, len(self._times), self._size):
            part = np.array(self._times[i : i + self._size], dtype=np.int64)
            yield plain_chunk(part, part + 1, part + 1)


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 50), max_size=30).map(sorted), st.integers(1, 8)), min_size=1, max_size=4
    )
)
def test_merging_keeps_order_and_loses_nothing(streams: list[tuple[list[int], int]]) -> None:
    made = Merged(tuple(_Fixed(times, size) for times, size in streams))
    parts = list(made.chunks())
    assert all(len(part) for part in parts)
    whole = [int(t) for part in parts for t in part.arrival_ns]
    assert whole == sorted(t for times, _ in streams for t in times)


def test_clients_keep_their_shares_and_priorities() -> None:
    def client(name: str, rate: str, priority: int) -> dict[str, Any]:
        arrivals = {"kind": "poisson", "rate": rate, "requests": 10_000_000}
        return {"name": name, "arrivals": arrivals, "lengths": LENGTHS, "priority": priority}

    mix = {"kind": "clients", "clients": [client("a", "30 request/s", 0), client("b", "10 request/s", 2)]}
    whole = joined(list(source(mix, duration_ns=1000 * NS_PER_S).chunks()))
    assert (np.diff(whole.arrival_ns) >= 0).all()
    for priority, expected in ((0, 30_000), (2, 10_000)):
        assert (whole.priority == priority).sum() == pytest.approx(expected, abs=4 * np.sqrt(expected))


def test_conversations_grow_and_their_blocks_extend() -> None:
    prefix = {"kind": "conversations", "turns": 5, "think_time": "10 s", "max_tokens": 4000, "block_tokens": 16}
    whole = joined(
        list(source({"kind": "poisson", "rate": "2 request/s"}, prefix, duration_ns=2000 * NS_PER_S).chunks())
    )
    assert (np.diff(whole.arrival_ns) >= 0).all()
    assert (whole.prompt_tokens + whole.output_tokens <= 4000).all()
    for session in np.unique(whole.session)[:200]:
        turns = np.flatnonzero(whole.session == session)
        history = 0
        before: list[int] = []
        for turn in turns:
            assert whole.prompt_tokens[turn] > history
            history = int(whole.prompt_tokens[turn] + whole.output_tokens[turn])
            blocks = whole.prefix_hashes[whole.prefix_start[turn] : whole.prefix_start[turn + 1]].tolist()
            assert len(blocks) == whole.prompt_tokens[turn] // 16
            assert blocks[: len(before)] == before
            before = blocks
    # A geometric number of turns of mean 5, less those cut off at 4,000 tokens or by the end of the run.
    assert 3.0 < len(whole) / len(np.unique(whole.session)) < 5.0


def test_documents_are_quoted_by_zipfs_law() -> None:
    prefix = {"kind": "documents", "count": 50, "tokens": 64, "zipf": 1.0, "block_tokens": 16}
    whole = joined(list(source({"kind": "poisson", "rate": "9 request/s", "requests": 50_000}, prefix).chunks()))
    document = whole.prefix_hashes[whole.prefix_start[:-1]] // BLOCKS_OF_ONE
    chance = 1 / np.arange(1, 51) / (1 / np.arange(1, 51)).sum()
    counts = np.bincount(document, minlength=50)
    chi_squared = ((counts - 50_000 * chance) ** 2 / (50_000 * chance)).sum()
    assert chi_squared == pytest.approx(49, abs=4 * np.sqrt(2 * 49))
    long = np.diff(whole.prefix_start) > 4
    own = whole.prefix_hashes[whole.prefix_start[:-1][long] + 4]  # the fifth block of 16 is nobody else's
    assert len(np.unique(own)) == len(own)


def test_lengths_have_their_moments() -> None:
    whole = joined(list(source({"kind": "poisson", "rate": "9 request/s", "requests": 200_000}).chunks()))
    assert whole.prompt_tokens.mean() == pytest.approx(300, abs=4 * 300 / np.sqrt(200_000) + 0.5)
    assert whole.output_tokens.mean() == pytest.approx(50, abs=4 * 29 / np.sqrt(200_000))
    assert (whole.output_tokens.min(), whole.output_tokens.max()) == (1, 99)


@given(st.integers(0, 2**32 - 1), st.data())
def test_a_stretch_of_requests_is_what_taking_them_gives(seed: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 30))
    widths = rng.integers(0, 4, n)
    start = np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
    a, b, c, d, e = rng.integers(0, 100, (5, n))
    chunk = RequestChunk(a, b, c, d, e, start, rng.integers(0, 1000, int(start[-1])))
    begin = data.draw(st.integers(0, n))
    end = data.draw(st.integers(begin, n))
    taken, between = chunk.take(np.arange(begin, end)), chunk.between(begin, end)
    for name in RequestChunk.__dataclass_fields__:
        assert np.array_equal(getattr(taken, name), getattr(between, name)), name
    assert np.array_equal(joined([chunk.between(0, end), chunk.between(end, n)]).prefix_hashes, chunk.prefix_hashes)


def conversations(turns: float, rate: str = "1 request/s", hours: float = 1.0, most: int = 4096) -> RequestSource:
    """A stream of conversations of short turns, 45 s apart."""
    prefix = {"kind": "conversations", "turns": turns, "think_time": "45 s", "max_tokens": most}
    return source({"kind": "poisson", "rate": rate}, prefix, round(hours * HOUR_NS))


def test_ordinary_conversations_are_what_they_were() -> None:
    """Drawing turns in bounded pieces changes no byte of them."""
    whole = whole_of(conversations(6.0), 10**6)
    columns = (whole.arrival_ns, whole.prompt_tokens, whole.output_tokens, whole.session, whole.prefix_hashes)
    told = hashlib.sha256(b"".join(np.ascontiguousarray(column).tobytes() for column in columns)).hexdigest()
    assert (len(whole), told[:16]) == (17_725, "691068383a613b9e")


@pytest.mark.parametrize("turns", [1e4, 1e6])
def test_endless_conversations_take_no_more_than_their_turns(turns: float) -> None:
    """However many turns are wished for, those are drawn that fit; and none is held that comes after the end."""
    tracemalloc.start()
    try:
        whole = joined(
            [
                replace(c, prefix_start=c.prefix_start * 0, prefix_hashes=c.prefix_hashes[:0])
                for c in conversations(turns, hours=0.5).chunks()
            ]
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60e6
    assert (np.diff(whole.arrival_ns) >= 0).all()
    assert whole.arrival_ns[-1] < HOUR_NS // 2
    assert (whole.prompt_tokens + whole.output_tokens <= 4096).all()
    of_one = whole.take(np.flatnonzero(whole.session == 3))
    assert len(of_one) > 5
    assert (np.diff(of_one.prompt_tokens) > of_one.output_tokens[:-1]).all()


def test_pieces_of_turns_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = whole_of(conversations(50.0, hours=0.3, most=1 << 17), 10**6)
    monkeypatch.setattr(prefixes, "TURNS_AT_ONCE", 100)
    monkeypatch.setattr(prefixes, "CHUNK", 50)
    again = whole_of(conversations(50.0, hours=0.3, most=1 << 17), 10**6)
    for name in ("arrival_ns", "prompt_tokens", "output_tokens", "session", "prefix_hashes"):
        assert np.array_equal(getattr(whole, name), getattr(again, name))
