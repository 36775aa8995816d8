"""Arrivals, lengths and prefixes as written -> the stream of requests, from generators named after the workload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from sim.instants import named_zone
from sim.kinds import builder
from sim.later import later
from sim.rng import Streams
from sim.spec import requests as spec
from sim.units import NS_PER_S, SECONDS_PER_NS
from sim.workload.replay import Replay
from sim.workload.requests import ClosedLoop, Generated, Ints, LengthLaw, Merged, RequestSource
from sim.workload.traces import read_trace

with later():
    from sim.workload import lengths as law
    from sim.workload import processes as process
    from sim.workload.prefixes import Conversations, Documents
    from sim.workload.servegen import Client, read_lengths, read_windows


@dataclass(frozen=True)
class Asked:
    """What arrivals may ask of the workload or route that they belong to.

    ``name`` names its random streams; ``difficulty`` and ``key`` are columns of its trace to read with it.
    """

    name: str
    lengths: spec.Lengths | None
    prefix: spec.Prefix | None
    start_ns: int
    duration_ns: int | None
    streams: Streams
    difficulty: str | None = None
    priority: int = 0
    key: str | None = None


def request_source(arrivals: spec.RequestArrivals, asked: Asked) -> RequestSource:
    """The stream of a workload that has passed its checks. Raises ``InputError`` for files that cannot be read."""
    made: RequestSource = builder(arrivals)(arrivals, asked)
    return made


def poisson(arrivals: spec.Poisson, asked: Asked) -> RequestSource:
    """By exponential gaps."""
    return _renewal(arrivals, asked, partial(process.exponential_gaps, float(arrivals.rate)))


def gamma(arrivals: spec.GammaRenewal, asked: Asked) -> RequestSource:
    """By gamma gaps."""
    return _renewal(arrivals, asked, partial(process.gamma_gaps, float(arrivals.rate), arrivals.cv))


def weibull(arrivals: spec.WeibullRenewal, asked: Asked) -> RequestSource:
    """By Weibull gaps."""
    return _renewal(arrivals, asked, partial(process.weibull_gaps, float(arrivals.rate), arrivals.cv))


def modulated(arrivals: spec.Modulated, asked: Asked) -> RequestSource:
    """By a rate that jumps between states."""
    rates = tuple(float(state.rate) for state in arrivals.states)
    dwells_s = tuple(state.dwell / NS_PER_S for state in arrivals.states)
    states = process.Modulated(rates, dwells_s, asked.streams.named(f"states/{asked.name}"))
    return _thinned(arrivals, asked, states)


def diurnal(arrivals: spec.DiurnalRate, asked: Asked) -> RequestSource:
    """By a rate that follows the day."""
    zone = named_zone(arrivals.zone) if arrivals.zone is not None else None
    rate, peak = float(arrivals.rate), arrivals.peak_to_mean
    day = process.Diurnal(rate, peak, arrivals.peak_hour, arrivals.weekend, asked.start_ns, zone)
    return _thinned(arrivals, asked, day)


def _renewal(
    arrivals: spec.ArrivalProcess, asked: Asked, gaps: Callable[[np.random.Generator], process.Gaps]
) -> RequestSource:
    return generated(arrivals, asked, process.Renewal(gaps, asked.streams.named(f"arrivals/{asked.name}")))


def _thinned(arrivals: spec.ArrivalProcess, asked: Asked, rate: process.Rate) -> RequestSource:
    drawn, thinning = (asked.streams.named(f"{what}/{asked.name}") for what in ("arrivals", "thinning"))
    return generated(arrivals, asked, process.Thinned(rate, drawn, thinning))


def generated(arrivals: spec.ArrivalProcess, asked: Asked, times: Callable[[], Iterator[Ints]]) -> RequestSource:
    """Requests that come at ``times`` (ns, in chunks), with the lengths and the beginnings that are asked for."""
    assert asked.lengths is not None  # the cross-check has refused it otherwise
    name, prefix, streams = asked.name, asked.prefix, asked.streams
    drawn = length_law(name, asked.lengths, streams)
    if isinstance(prefix, spec.Turns):
        return Conversations(
            times=times,
            lengths=drawn,
            turns=float(prefix.turns),
            think_s=prefix.think_time * SECONDS_PER_NS,
            most_tokens=prefix.max_tokens,
            block_tokens=prefix.block_tokens,
            until_ns=asked.duration_ns,
            limit=arrivals.requests,
            turning=streams.named(f"turns/{name}"),
            thinking=streams.named(f"think/{name}"),
            priority=asked.priority,
        )
    source = Generated(times, drawn, asked.duration_ns, arrivals.requests, asked.priority)
    return _documents(name, source, prefix, streams) if prefix is not None else source


def _documents(name: str, source: RequestSource, prefix: spec.SharedDocuments, streams: Streams) -> RequestSource:
    chosen = streams.named(f"documents/{name}")
    return Documents(source, prefix.count, prefix.tokens, prefix.zipf, prefix.block_tokens, chosen)


def clients(arrivals: spec.Clients, asked: Asked) -> Merged:
    """Each client's requests, from random streams of its own."""
    return Merged(
        tuple(
            request_source(
                client.arrivals,
                replace(
                    asked,
                    name=f"{asked.name}/{client.name}",
                    lengths=client.lengths,
                    prefix=client.prefix,
                    priority=client.priority,
                ),
            )
            for client in arrivals.clients
        )
    )


def closed_loop(arrivals: spec.ClosedLoopUsers, asked: Asked) -> RequestSource:
    """What users ask in turn; the engine knows when."""
    assert asked.lengths is not None  # the cross-check has refused it otherwise
    source = ClosedLoop(length_law(asked.name, asked.lengths, asked.streams), arrivals.requests)
    if isinstance(asked.prefix, spec.SharedDocuments):
        return _documents(asked.name, source, asked.prefix, asked.streams)
    return source


def routed(arrivals: spec.RoutedArrivals, _asked: Asked) -> RequestSource:
    """Nothing of their own: the arrivals of the route stand in their place."""
    raise AssertionError(f"the requests of route '{arrivals.route}' are shared out by it")


def length_law(name: str, lengths: spec.Lengths, streams: Streams) -> Callable[[], LengthLaw]:
    """A law that begins anew each time it is asked for. Raises ``InputError`` for a trace that cannot be read."""
    made: Callable[[], LengthLaw] = builder(lengths)(lengths, name, streams)
    return made


def separate(lengths: spec.SeparateLengths, name: str, streams: Streams) -> law.Separate:
    """Prompts and outputs from a stream each."""
    prompts, outputs = streams.named(f"prompts/{name}"), streams.named(f"outputs/{name}")
    return law.Separate(_tokens(lengths.prompt), _tokens(lengths.output), prompts, outputs)


def joint(lengths: spec.JointLengths, name: str, streams: Streams) -> law.Resampled:
    """Rows of a trace."""
    rows = read_trace(Path(lengths.file), skip=lengths.on_bad_rows == "skip").requests
    return law.Resampled(rows.prompt_tokens, rows.output_tokens, streams.named(f"lengths/{name}"))


def _tokens(tokens: spec.TokenLaw) -> law.Law:
    made: law.Law = builder(tokens)(tokens)
    return made


def constant(tokens: spec.ConstantTokens) -> law.Law:
    """Always as many."""
    return partial(law.constant, tokens.tokens)


def uniform(tokens: spec.UniformTokens) -> law.Law:
    """Between two numbers."""
    return partial(law.uniform, tokens.low, tokens.high)


def lognormal(tokens: spec.LognormalTokens) -> law.Law:
    """By mean and coefficient of variation."""
    return partial(law.lognormal, tokens.mean, tokens.cv, tokens.min, tokens.max)


def histogram(tokens: spec.HistogramTokens) -> law.Law:
    """By weights."""
    return partial(law.histogram, tuple(tokens.tokens), tuple(tokens.weights))


def replay(arrivals: spec.TraceReplay, asked: Asked) -> Replay:
    """A trace, played again."""
    trace = read_trace(
        Path(arrivals.file),
        arrivals.format,
        skip=arrivals.on_bad_rows == "skip",
        block_tokens=arrivals.block_tokens,
        difficulty=asked.difficulty,
        key=asked.key,
    )
    by_clock = arrivals.align == "clock" and trace.first_ns is not None
    return Replay(
        trace=trace,
        rate_scale=arrivals.rate_scale,
        prompt_scale=arrivals.prompt_scale,
        output_scale=arrivals.output_scale,
        repeat=arrivals.repeat,
        offset_ns=(trace.first_ns or 0) - asked.start_ns if by_clock else 0,
        until_ns=asked.duration_ns,
        limit=arrivals.requests,
    )


def servegen(arrivals: spec.ServeGen, asked: Asked) -> Merged:
    """The clients of ServeGen, merged."""
    return Merged(
        tuple(
            Client(
                read_windows(Path(files.file)),
                read_lengths(Path(files.lengths.file)),
                arrivals.rate_scale,
                asked.duration_ns,
                gaps=asked.streams.named(f"arrivals/{asked.name}/{i}"),
                prompts=asked.streams.named(f"prompts/{asked.name}/{i}"),
                outputs=asked.streams.named(f"outputs/{asked.name}/{i}"),
            )
            for i, files in enumerate(arrivals.clients)
        )
    )
