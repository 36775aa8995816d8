"""What an iteration takes: its time, carried to whole ns, and its energy."""

from __future__ import annotations

from sim.engine.serving import plan as p
from sim.engine.serving.plan import StepCost
from sim.engine.serving.reference.state import Replica, Request, State


def launch(
    state: State, replica: Replica, decoding: list[Request], chunks: list[tuple[Request, int]], swapped_blocks: int
) -> None:
    """Begins an iteration of these decodes and chunks of prompts."""
    verified = state.settings.verified_tokens
    alone = _work(state, [(q.context, verified) for q in decoding])
    cost = replica.cost
    beside = _beside_prompts(cost, alone)
    if verified > 1:
        alone = beside
    only = _cost(cost, p.DECODES, len(decoding) * verified, alone, (len(decoding), swapped_blocks, 0))
    if chunks:
        work = _work(state, [(_begun(q), n) for q, n in chunks])
        prompt = sum(n for _, n in chunks)
        tokens = p.padded_tokens(cost.ranks, len(decoding) * verified, prompt, len(chunks))
        both = [a + b for a, b in zip(beside, work, strict=True)]
        members = (len(decoding) + len(chunks), swapped_blocks, len(chunks))
        total = _cost(cost, p.BOTH if decoding else p.PROMPTS, tokens, both, members)
    else:
        total = only
    span = replica.remainder + max(total[:3])
    replica.remainder = span & ((1 << p.FRACTION_BITS) - 1)
    replica.start_ns, replica.end_ns = state.now, state.now + (span >> p.FRACTION_BITS)
    replica.nominal_ns = max(total[:3]) >> p.FRACTION_BITS
    replica.busy = True
    replica.decoding, replica.chunks = decoding, chunks
    replica.energy_nj = total[p.ENERGY]
    replica.decode_only = (max(only[:3]) >> p.FRACTION_BITS, only[p.ENERGY])
    replica.own_nj_per_read = int(cost.slope[p.ENERGY, p.PAIR] + cost.slope[p.ENERGY, p.READ])
    replica.booked_ns = replica.booked_nj = 0
    replica.reads, replica.window_reads = alone[p.READ], alone[p.WINDOW_READ]


def _begun(request: Request) -> int:
    return 0 if request.padded_output else request.context


def _work(state: State, parts: list[tuple[int, int]]) -> list[int]:
    """Pairs and reads, without and with a window, of new tokens (second) on a context (first) of each sequence."""
    work = [0, 0, 0, 0]
    for context, new in parts:
        work[p.PAIR] += new * context + new * (new + 1) // 2
        work[p.READ] += context + new
        if state.settings.window:
            work[p.WINDOW_PAIR] += sum(state.settings.within(context + i) for i in range(1, new + 1))
            work[p.WINDOW_READ] += state.settings.within(context + 1) + new - 1
    return work


def _beside_prompts(cost: StepCost, decodes: list[int]) -> list[int]:
    """Work of sequences that decode, where some sequence brings more than a token."""
    work = list(decodes)
    for pairs, reads in ((p.PAIR, p.READ), (p.WINDOW_PAIR, p.WINDOW_READ)):
        work[pairs] = max(work[pairs], cost.query_rows * work[reads])
    return work


def _cost(cost: StepCost, what: int, tokens: int, work: list[int], members: tuple[int, int, int]) -> list[int]:
    """``members``: sequences, swapped blocks, and chunks of prompts."""
    parts = [*work, *members]
    return [
        int(cost.table[what, tokens, row])
        + sum(int(slope) * part for slope, part in zip(cost.slope[row], parts, strict=True))
        for row in range(4)
    ]
