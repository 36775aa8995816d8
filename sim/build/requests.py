"""Arrivals, lengths and prefixes as written -> the stream of requests, from generators named after the workload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from sim.instants import named_zone
from sim.rng import Streams
from sim.spec import requests as spec
from sim.units import NS_PER_S, SECONDS_PER_NS
from sim.workload import lengths as law
from sim.workload import processes as process
from sim.workload.prefixes import Conversations, Documents
from sim.workload.requests import ClosedLoop, Generated, Ints, LengthLaw, Merged, RequestSource
from sim.workload.servegen import Client, read_lengths, read_windows
from sim.workload.traces import Replay, read_trace


def request_source(
    name: str,
    arrivals: spec.RequestArrivals,
    lengths: spec.Lengths | None,
    prefix: spec.Prefix | None,
    start_ns: int,
    duration_ns: int | None,
    streams: Streams,
    difficulty: str | None = None,
) -> RequestSource:
    """The stream of a workload that has passed its checks; ``difficulty`` is a column of its trace to read with it.

    Raises ``InputError`` for files that cannot be read.
    """
    if isinstance(arrivals, spec.TraceReplay):
        return _replay(arrivals, start_ns, duration_ns, difficulty)
    if isinstance(arrivals, spec.ServeGen):
        return Merged(tuple(_servegen(name, arrivals, i, duration_ns, streams) for i in range(len(arrivals.clients))))
    if isinstance(arrivals, spec.Clients):
        return Merged(
            tuple(
                _generated(
                    f"{name}/{client.name}",
                    client.arrivals,
                    client.lengths,
                    client.prefix,
                    client.priority,
                    start_ns,
                    duration_ns,
                    streams,
                )
                for client in arrivals.clients
            )
        )
    assert lengths is not None  # the cross-check has refused it otherwise
    assert not isinstance(arrivals, spec.RoutedArrivals)  # its route's arrivals stand in their place
    if isinstance(arrivals, spec.ClosedLoopUsers):
        source: RequestSource = ClosedLoop(length_law(name, lengths, streams), arrivals.requests)
        if isinstance(prefix, spec.SharedDocuments):
            source = _documents(name, source, prefix, streams)
        return source
    return _generated(name, arrivals, lengths, prefix, 0, start_ns, duration_ns, streams)


def _generated(
    name: str,
    arrivals: spec.Process,
    lengths: spec.Lengths,
    prefix: spec.Prefix | None,
    priority: int,
    start_ns: int,
    duration_ns: int | None,
    streams: Streams,
) -> RequestSource:
    times = _times(name, arrivals, start_ns, streams)
    drawn = length_law(name, lengths, streams)
    if isinstance(prefix, spec.Turns):
        return Conversations(
            times=times,
            lengths=drawn,
            turns=float(prefix.turns),
            think_s=prefix.think_time * SECONDS_PER_NS,
            most_tokens=prefix.max_tokens,
            block_tokens=prefix.block_tokens,
            until_ns=duration_ns,
            limit=arrivals.requests,
            choose=lambda: (streams(f"turns/{name}"), streams(f"think/{name}")),
            priority=priority,
        )
    source = Generated(times, drawn, duration_ns, arrivals.requests, priority)
    return _documents(name, source, prefix, streams) if prefix is not None else source


def _documents(name: str, source: RequestSource, prefix: spec.SharedDocuments, streams: Streams) -> RequestSource:
    return Documents(
        source, prefix.count, prefix.tokens, prefix.zipf, prefix.block_tokens, lambda: streams(f"documents/{name}")
    )


def _times(name: str, arrivals: spec.Process, start_ns: int, streams: Streams) -> Callable[[], Iterator[Ints]]:
    def times() -> Iterator[Ints]:
        rng = streams(f"arrivals/{name}")
        if isinstance(arrivals, spec.Poisson):
            return process.renewal(process.exponential_gaps(float(arrivals.rate), rng))
        if isinstance(arrivals, spec.GammaRenewal):
            return process.renewal(process.gamma_gaps(float(arrivals.rate), arrivals.cv, rng))
        if isinstance(arrivals, spec.WeibullRenewal):
            return process.renewal(process.weibull_gaps(float(arrivals.rate), arrivals.cv, rng))
        choice = streams(f"thinning/{name}")
        if isinstance(arrivals, spec.Modulated):
            rates = [float(state.rate) for state in arrivals.states]
            dwells_s = [state.dwell / NS_PER_S for state in arrivals.states]
            states = process.Modulation(rates, dwells_s, streams(f"states/{name}"))
            return process.thinned(max(rates), states.rate_at, rng, choice)
        zone = named_zone(arrivals.zone) if arrivals.zone is not None else None
        day = process.Diurnal(
            float(arrivals.rate), arrivals.peak_to_mean, arrivals.peak_hour, arrivals.weekend, start_ns, zone
        )
        return process.thinned(day.most_per_s, day.rate_at, rng, choice)

    return times


def length_law(name: str, lengths: spec.Lengths, streams: Streams) -> Callable[[], LengthLaw]:
    """A law that begins anew each time it is asked for. Raises ``InputError`` for a trace that cannot be read."""
    if isinstance(lengths, spec.JointLengths):
        rows = read_trace(Path(lengths.file), skip=lengths.on_bad_rows == "skip").requests
        return lambda: law.resampled(rows.prompt_tokens, rows.output_tokens, streams(f"lengths/{name}"))
    return lambda: law.separate(
        _draw(lengths.prompt, streams(f"prompts/{name}")), _draw(lengths.output, streams(f"outputs/{name}"))
    )


def _draw(tokens: spec.TokenLaw, rng: np.random.Generator) -> law.Draw:
    if isinstance(tokens, spec.ConstantTokens):
        return law.constant(tokens.tokens)
    if isinstance(tokens, spec.UniformTokens):
        return law.uniform(tokens.low, tokens.high, rng)
    if isinstance(tokens, spec.LognormalTokens):
        return law.lognormal(tokens.mean, tokens.cv, tokens.min, tokens.max, rng)
    return law.histogram(tokens.tokens, tokens.weights, rng)


def _replay(arrivals: spec.TraceReplay, start_ns: int, duration_ns: int | None, difficulty: str | None) -> Replay:
    skip, size = arrivals.on_bad_rows == "skip", arrivals.block_tokens
    trace = read_trace(Path(arrivals.file), arrivals.format, skip=skip, block_tokens=size, difficulty=difficulty)
    by_clock = arrivals.align == "clock" and trace.first_ns is not None
    return Replay(
        trace=trace,
        rate_scale=arrivals.rate_scale,
        prompt_scale=arrivals.prompt_scale,
        output_scale=arrivals.output_scale,
        repeat=arrivals.repeat,
        offset_ns=(trace.first_ns or 0) - start_ns if by_clock else 0,
        until_ns=duration_ns,
        limit=arrivals.requests,
    )


def _servegen(name: str, arrivals: spec.ServeGen, i: int, duration_ns: int | None, streams: Streams) -> Client:
    files = arrivals.clients[i]
    return Client(
        read_windows(Path(files.file)),
        read_lengths(Path(files.lengths.file)),
        arrivals.rate_scale,
        duration_ns,
        lambda: (streams(f"arrivals/{name}/{i}"), streams(f"prompts/{name}/{i}"), streams(f"outputs/{name}/{i}")),
    )
