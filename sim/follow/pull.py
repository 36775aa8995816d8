"""Power and energy that a Prometheus server has of a window, as a ``Recording``.

Samples as they were scraped, by range selectors on ``/api/v1/query``: with their own times, so that a gap is one. What
``/api/v1/query_range`` answers of a plain metric is none of this: it repeats the last sample for up to five minutes, so
that gaps of that length are hidden, and a dead exporter draws on. With a ``step``, for what is too much otherwise, it
is asked for ``last_over_time`` of one step, which looks no further back, in chunks of less than its 11,000 points.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sim.errors import InputError, RunError
from sim.follow.server import LESS, Server, TooMuchError
from sim.measure.readers.exporters import METRICS
from sim.measure.readers.prometheus import answered
from sim.measure.recording import Recording
from sim.plain import as_list, under
from sim.units import NS_PER_S

NAMES = tuple(name for name, metric in METRICS.items() if metric.measured in ("power_w", "energy_j"))
"""Metrics of power and energy that are asked for."""

MOST_POINTS = 10_000
"""Of one series in one answer of ``query_range``: Prometheus refuses more than 11,000."""
MOST_AT_ONCE = 400_000
"""Samples that one answer should hold, some 10 MiB."""
MOST_SAMPLES = 20_000_000
"""Of a window: they are held in memory."""
SCRAPES_PER_S = 1.0
"""At most, for how much is asked for at once; where a server is scraped faster, an answer is larger."""
SHORTEST_MS = 1_000
ABOUT_POWER = ("watt", "joule", "power", "energy")
MOST_NAMED = 12

Labels = tuple[tuple[str, str], ...]


class Asked(NamedTuple):
    """What is asked of a server: a window in ns since 1970, further label matchers (PromQL), and a step or 0."""

    start_ns: int
    end_ns: int
    match: str = ""
    step_ns: int = 0

    @property
    def selector(self) -> str:
        """All metrics of power and energy, of those that match."""
        return selector("|".join(NAMES), self.match)


def selector(names: str, match: str) -> str:
    """The series whose names match a pattern, and whose labels match."""
    inner = match.strip().removeprefix("{").removesuffix("}").strip().strip(",")
    return f'{{__name__=~"{names}"{"," if inner else ""}{inner}}}'


def pulled(server: Server, asked: Asked) -> Recording:
    """Everything that the server has of it. Raises ``InputError`` where that is nothing, and what asking raises."""
    count = _series(server, asked)
    found: dict[Labels, list[Any]] = {}
    warnings: list[Any] = []
    samples = 0
    for start_ms, end_ms in _chunks(asked, count):
        for one, values, told in _chunk(server, asked, start_ms, end_ms):
            warnings += [warning for warning in told if warning not in warnings]
            kept = found.setdefault(one, [])
            last = kept[-1][0] if kept else float("-inf")
            new = [pair for pair in values if pair[0] > last]  # a chunk begins where the last one ended
            kept += new
            samples += len(new)
        if samples > MOST_SAMPLES:
            raise RunError(f"{server.url} has more than {MOST_SAMPLES:,} samples of the window; {LESS}")
    series = ({"metric": dict(labels), "values": values} for labels, values in found.items())
    return answered(server.url, series, warnings)


def _series(server: Server, asked: Asked) -> int:
    """How many series there are. Raises ``InputError``, with what the server has instead, where there are none."""
    window = {"start": _second(asked.start_ns), "end": _second(asked.end_ns)}
    data, _ = server.ask("series", {"match[]": asked.selector, **window})
    series = as_list(data) or []
    if series:
        return len(series)
    every, _ = server.ask("label/__name__/values", window)
    names = [str(name) for name in as_list(every) or []]
    if not names:
        raise InputError.one(
            server.url, "has no samples at all in the window; is it the right server, and the right time?"
        )
    present = sorted(set(names) & set(NAMES))
    if present and asked.match:
        raise InputError.one("--match", f"fits no series of power; without it there are {_some(present)}")
    near = sorted(name for name in names if any(word in name.lower() for word in ABOUT_POWER))
    has = f"what it has that sounds like power: {_some(near)}" if near else "none of its metrics sounds like power"
    raise InputError.one(
        server.url, f"has none of the metrics that are read ({_some(list(NAMES))}) in the window; {has}"
    )


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _second(time_ns: int) -> str:
    return f"{time_ns // NS_PER_S}.{time_ns % NS_PER_S // 1_000_000:03d}"


def _chunks(asked: Asked, series: int) -> Iterator[tuple[int, int]]:
    """The window in pieces of few enough samples, in ms since 1970; each begins where the last one ended."""
    start_ms, end_ms = asked.start_ns // 1_000_000, -(-asked.end_ns // 1_000_000)
    if asked.step_ns:
        points = max(1, min(MOST_POINTS, MOST_AT_ONCE // series) - 1)
        length_ms = points * (asked.step_ns // 1_000_000)
    else:
        length_ms = max(SHORTEST_MS, int(MOST_AT_ONCE / series / SCRAPES_PER_S * 1_000))
    for begin_ms in range(start_ms, end_ms, length_ms):
        yield begin_ms, min(begin_ms + length_ms, end_ms)


def _chunk(
    server: Server, asked: Asked, start_ms: int, end_ms: int
) -> Iterator[tuple[Labels, list[Any], Sequence[Any]]]:
    """Labels and values of each series over a piece, which is halved where it is too much at once."""
    try:
        data, warnings = _ask(server, asked, start_ms, end_ms)
    except TooMuchError:
        step_ms = max(asked.step_ns // 1_000_000, SHORTEST_MS)
        half_ms = (end_ms - start_ms) // 2 // step_ms * step_ms
        if half_ms < step_ms:
            raise
        yield from _chunk(server, asked, start_ms, start_ms + half_ms)
        yield from _chunk(server, asked, start_ms + half_ms, end_ms)
        return
    series = as_list(under(data, "result"))
    if under(data, "resultType") != "matrix" or series is None:
        raise RunError(f"{server.url} answers no matrix to a question for a range")
    for one in series:
        try:
            labels = tuple(sorted((str(name), str(value)) for name, value in one["metric"].items()))
            values = [[float(moment), value] for moment, value in one["values"]]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise RunError(f"{server.url} answers a series without labels and values") from None
        yield labels, values, warnings


def _ask(server: Server, asked: Asked, start_ms: int, end_ms: int) -> tuple[Any, list[Any]]:
    if asked.step_ns:
        step_ms = asked.step_ns // 1_000_000
        # Up to Prometheus 2 a range holds the sample at its beginning, too, which belongs to the step before.
        question = f"last_over_time({asked.selector}[{max(step_ms - 1, 1)}ms])"
        window = {"start": f"{start_ms / 1_000:.3f}", "end": f"{end_ms / 1_000:.3f}", "step": f"{step_ms / 1_000:.3f}"}
        return server.ask("query_range", {"query": question, **window})
    question = f"{asked.selector}[{end_ms - start_ms}ms]"
    return server.ask("query", {"query": question, "time": f"{end_ms / 1_000:.3f}"})
