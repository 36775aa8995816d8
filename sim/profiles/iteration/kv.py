"""What a sequence keeps in the KV cache: of every token, of those within a window, and states whatever its length.

An engine counts KV in blocks, integers. Where layers differ, its block is what layers that keep all of a context take
for so many tokens, divided until layers with a window take a whole number too: the blocks that vLLM's hybrid KV cache
manager hands out to groups of layers ("Hybrid KV Cache Manager" in its design documents) follow the same arithmetic.

What it leaves out: tokens of a prompt beyond a window, which its layers keep until the iteration that computes them is
over; the room left by a chunk of attention that begins anew, which the next fills; copies of states at the ends of
cached prefixes; and that layers are padded to groups of equal size.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from sim.profiles.iteration.cost import kv_copies
from sim.profiles.iteration.terms import Precision
from sim.profiles.language_models.model import STATE_WORD_BYTES, ModelShape

LARGEST_SHARE = 1024
"""Blocks that layers of a kind take: the ratio of two kinds is met by whole numbers up to it (5 and 26 in Gemma 3)."""


@dataclass(frozen=True)
class Kept:
    """B that a tensor-parallel group keeps: of a token in layers that keep all, of one in layers with a window, and of
    a sequence."""

    full: float
    windowed: float
    state: float

    def plus(self, other: Kept) -> Kept:
        """Of two models."""
        return Kept(self.full + other.full, self.windowed + other.windowed, self.state + other.state)

    def as_if_full(self) -> Kept:
        """Where layers with a window keep all too."""
        return Kept(self.full + self.windowed, 0.0, self.state)


def kept(model: ModelShape, precision: Precision, tensor: int) -> Kept:
    """What a model keeps of a sequence; states are spread over the group, KV heads may be held several times."""
    a_value = float(precision.kv_value_bytes * kv_copies(model, tensor))
    found = Kept(
        model.kv_values_per_token_full * a_value,
        model.kv_values_per_token_windowed * a_value,
        float(model.state_values * STATE_WORD_BYTES),
    )
    return found.as_if_full() if model.keeps_all else found


@dataclass(frozen=True)
class Blocks:
    """``byte`` of a KV block in a tensor-parallel group; how many a block of tokens takes in layers that keep all and
    in those with a window, of which ``window_blocks`` at most; and how many a sequence's state takes."""

    byte: float
    full: int
    windowed: int
    window_blocks: int
    state: int

    @property
    def step(self) -> int:
        """That a block of tokens takes in a young sequence."""
        return self.full + self.windowed


def blocks(keeps: Kept, model: ModelShape, *, block_tokens: int, verified_tokens: int, whole_prefixes: bool) -> Blocks:
    """How KV is counted in blocks of ``block_tokens``, where ``verified_tokens`` of a sequence decode at once.

    With ``whole_prefixes`` sequences share what layers that keep all have of a prompt; a model that has none of these
    then keeps whole contexts, as blocks beyond a window stay in a prefix cache.
    """
    if whole_prefixes and not keeps.full:
        keeps = keeps.as_if_full()
    if not keeps.windowed:
        full, windowed, a_token = 1, 0, keeps.full
    elif not keeps.full:
        full, windowed, a_token = 0, 1, keeps.windowed
    else:
        full, windowed = _whole_numbers(keeps.full, keeps.windowed)
        a_token = max(keeps.full / full, keeps.windowed / windowed)
    byte = a_token * block_tokens
    most = -(-(model.window + verified_tokens - 2) // block_tokens) + 1
    if model.chunked:
        most = -(-model.window // block_tokens)
    return Blocks(byte, full, windowed, most if windowed else 0, -int(-keeps.state // byte))


def _whole_numbers(one: float, other: float) -> tuple[int, int]:
    """Small ones in the ratio of two sizes, to a thousandth."""
    if one > other:
        return _whole_numbers(other, one)[::-1]
    if one * LARGEST_SHARE < other:
        return 1, round(other / one)
    return Fraction(one / other).limit_denominator(LARGEST_SHARE).as_integer_ratio()
