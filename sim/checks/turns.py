"""How many turns of conversations would wait at once: an estimate, made before any of them takes memory.

Turns are drawn with their conversation and held until they come. With geometric turns of mean m, a think time z and
r conversations a second begun, r x z x m x (m - 1) turns wait on average (Little's law: each of a conversation's later
turns waits for those before it), and never more than come within the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.documents import KeyPath
from sim.later import later
from sim.units import NS_PER_S

with later():
    from sim.spec.requests import ArrivalProcess, Clients, Lengths


if TYPE_CHECKING:
    from sim.spec.requests import Prefix, Turns
    from sim.spec.serving import Serving


MOST_TURNS = 10_000_000
TURN_BYTES = 7 * 8 * 3
"""Seven columns of int64, once held and twice more while they are sorted."""


def turn_problems(path: KeyPath, spec: Serving, duration_ns: int | None) -> Iterator[tuple[KeyPath, str]]:
    """Conversations of which more turns would wait than memory is for."""
    arrivals = spec.arrivals
    streams: list[tuple[KeyPath, ArrivalProcess, Lengths | None, Prefix | None]] = []
    if isinstance(arrivals, Clients):
        streams = [
            ((*path, "arrivals", "clients", i, "prefix", "turns"), client.arrivals, client.lengths, client.prefix)
            for i, client in enumerate(arrivals.clients)
        ]
    elif isinstance(arrivals, ArrivalProcess):
        streams = [((*path, "prefix", "turns"), arrivals, spec.lengths, spec.prefix)]
    for at, process, lengths, prefix in streams:
        if prefix is None or prefix.kind != "conversations" or lengths is None:
            continue
        turns, held = _held(process, lengths, prefix, duration_ns)
        if held > MOST_TURNS:
            rate, think = process.most_per_s, prefix.think_time.text
            streams_of = f"{rate:g} conversations/s of {turns:,.0f} turns that fit, {think} apart"
            size = f"{TURN_BYTES} B each: {held * TURN_BYTES / 1e9:,.1f} GB"
            remedy = f"at most {MOST_TURNS:,} are held: lower turns, max_tokens, think_time or the rate"
            yield at, f"about {held:,.0f} turns would wait at once ({streams_of}), {size}; {remedy}"


def _held(process: ArrivalProcess, lengths: Lengths, prefix: Turns, duration_ns: int | None) -> tuple[float, float]:
    """Turns of a conversation, as far as they fit, and those of all that wait at once."""
    fitting = max(1.0, prefix.max_tokens / lengths.mean_tokens)
    turns = min(float(prefix.turns), fitting)
    rate, think_s = process.most_per_s, prefix.think_time / NS_PER_S
    # Where the tokens end a conversation, all are of a length: turns x (turns - 1) / 2 in place of the geometric law's.
    pairs = turns * (turns - 1.0) if turns < fitting else turns * (turns - 1.0) / 2.0
    held = rate * think_s * pairs
    if duration_ns is not None:
        run_s = duration_ns / NS_PER_S
        held = min(held, rate * run_s * min(turns, 1.0 + run_s / think_s) / 2.0)
    return turns, min(held, float(process.requests or held))
