"""Arrivals, lengths and prefixes as written -> the stream of requests, from generators named after the workload."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sim.instants import named_zone
from sim.rng import Streams
from sim.spec import requests as spec
from sim.units import NS_PER_S, SECONDS_PER_NS
from sim.workload import lengths as law
from sim.workload import processes as process
from sim.workload.prefixes import Conversations, Documents
from sim.workload.requests import ClosedLoop, Generated, Merged, RequestSource
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
            turning=streams.named(f"turns/{name}"),
            thinking=streams.named(f"think/{name}"),
            priority=priority,
        )
    source = Generated(times, drawn, duration_ns, arrivals.requests, priority)
    return _documents(name, source, prefix, streams) if prefix is not None else source


def _documents(name: str, source: RequestSource, prefix: spec.SharedDocuments, streams: Streams) -> RequestSource:
    chosen = streams.named(f"documents/{name}")
    return Documents(source, prefix.count, prefix.tokens, prefix.zipf, prefix.block_tokens, chosen)


def _times(name: str, arrivals: spec.Process, start_ns: int, streams: Streams) -> process.Renewal | process.Thinned:
    drawn = streams.named(f"arrivals/{name}")
    if isinstance(arrivals, spec.Poisson):
        return process.Renewal(partial(process.exponential_gaps, float(arrivals.rate)), drawn)
    if isinstance(arrivals, spec.GammaRenewal):
        return process.Renewal(partial(process.gamma_gaps, float(arrivals.rate), arrivals.cv), drawn)
    if isinstance(arrivals, spec.WeibullRenewal):
        return process.Renewal(partial(process.weibull_gaps, float(arrivals.rate), arrivals.cv), drawn)
    thinning = streams.named(f"thinning/{name}")
    if isinstance(arrivals, spec.Modulated):
        rates = tuple(float(state.rate) for state in arrivals.states)
        dwells_s = tuple(state.dwell / NS_PER_S for state in arrivals.states)
        states = process.Modulated(rates, dwells_s, streams.named(f"states/{name}"))
        return process.Thinned(states, drawn, thinning)
    zone = named_zone(arrivals.zone) if arrivals.zone is not None else None
    day = process.Diurnal(
        float(arrivals.rate), arrivals.peak_to_mean, arrivals.peak_hour, arrivals.weekend, start_ns, zone
    )
    return process.Thinned(day, drawn, thinning)


def length_law(name: str, lengths: spec.Lengths, streams: Streams) -> law.Separate | law.Resampled:
    """A law that begins anew each time it is asked for. Raises ``InputError`` for a trace that cannot be read."""
    if isinstance(lengths, spec.JointLengths):
        rows = read_trace(Path(lengths.file), skip=lengths.on_bad_rows == "skip").requests
        return law.Resampled(rows.prompt_tokens, rows.output_tokens, streams.named(f"lengths/{name}"))
    prompts, outputs = streams.named(f"prompts/{name}"), streams.named(f"outputs/{name}")
    return law.Separate(_tokens(lengths.prompt), _tokens(lengths.output), prompts, outputs)


def _tokens(tokens: spec.TokenLaw) -> law.Law:
    if isinstance(tokens, spec.ConstantTokens):
        return partial(law.constant, tokens.tokens)
    if isinstance(tokens, spec.UniformTokens):
        return partial(law.uniform, tokens.low, tokens.high)
    if isinstance(tokens, spec.LognormalTokens):
        return partial(law.lognormal, tokens.mean, tokens.cv, tokens.min, tokens.max)
    return partial(law.histogram, tuple(tokens.tokens), tuple(tokens.weights))


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
        gaps=streams.named(f"arrivals/{name}/{i}"),
        prompts=streams.named(f"prompts/{name}/{i}"),
        outputs=streams.named(f"outputs/{name}/{i}"),
    )
