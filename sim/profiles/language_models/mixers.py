"""What takes in the tokens before, beside attention: recurrences that keep a state, and indexers that choose tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from sim.profiles.language_models.architecture import Form, Recurrent

Split = Literal["columns", "rows", "whole"]
"""How tensor parallelism cuts a matrix: by columns (n), by rows (k), or not at all."""

PROMPT_CHUNK: dict[Form, int] = {"gated-delta": 64, "delta-by-channel": 64, "state-space": 128, "decayed": 256}
"""Tokens of a prompt that kernels take at once: those of flash-linear-attention, of Mamba-2 as the configurations of
Nemotron-H have it, and of MiniMax's lightning attention."""

STATE_BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}


@dataclass(frozen=True)
class Recurrence:
    """``layers`` that keep of a sequence one state, whatever its length: a matrix of ``key_dim`` by ``value_dim`` for
    each of ``heads``, which every token decays, adds to and reads.

    ``form`` says how: the gated delta rule (Yang et al., arXiv:2412.06464), the same with a decay of its own for every
    channel of the keys (Kimi delta attention, arXiv:2510.26692), a state space (Mamba-2, Dao and Gu, arXiv:2405.21060;
    its ``key_dim`` is the size of the state, its ``value_dim`` that of a head), or a fixed decay (lightning attention,
    arXiv:2405.17381). Queries and keys come in ``key_heads``, each for several heads. Before, ``channels`` pass
    a convolution over the last ``taps`` tokens (0: none), all but one of which are kept too, in 16 bits. States take
    ``state_bytes`` a value.
    """

    layers: int
    form: Form
    heads: int
    key_heads: int
    key_dim: int
    value_dim: int
    channels: int = 0
    taps: int = 0
    state_bytes: int = 4

    def on(self, tensor: int) -> Recurrence:
        """One GPU's share of a group of ``tensor``, by heads."""
        share = {name: -(-getattr(self, name) // tensor) for name in ("heads", "key_heads", "channels")}
        return replace(self, **share)

    @property
    def values(self) -> int:
        """Of one layer's state."""
        return self.heads * self.key_dim * self.value_dim

    @property
    def kept_bytes(self) -> int:
        """Of a sequence in one layer, the tokens kept for the convolution included; each decoded token reads and
        writes them."""
        return self.values * self.state_bytes + 2 * self.channels * (self.taps - 1)

    @property
    def flop(self) -> int:
        """Of a token in one layer, token by token: decay, outer product and sum, and reading cost 5 a value of the
        state; a delta rule reads once more, for what it corrects. The convolution is 2 a tap."""
        a_value = 7 if self.form in ("gated-delta", "delta-by-channel") else 5
        return a_value * self.values + 2 * self.channels * self.taps

    @property
    def prompt_flop(self) -> int:
        """Of a token of a prompt in one layer, computed in chunks as matrix products: attention within the chunk (whose
        masked half is left out), and what comes from and goes into the state at its ends. A delta rule solves
        a triangular system of the chunk's keys, for keys and values, on top. A state space scores once for all heads
        of a group."""
        chunk, delta = PROMPT_CHUNK[self.form], self.form in ("gated-delta", "delta-by-channel")
        scores = chunk * (self.key_heads if self.form == "state-space" else self.heads) * self.key_dim
        sums = chunk * self.heads * self.value_dim
        solved = 2 * (scores + sums) + scores if delta else 0
        return scores + sums + solved + (6 if delta else 4) * self.values + 2 * self.channels * self.taps

    @property
    def moved_values(self) -> int:
        """Values of 16 bits that a token brings and takes in one layer beside the state: queries and keys, values and
        results, decays, and what passes the convolution, in and out."""
        q_and_k = 2 * self.key_heads * self.key_dim
        decays = self.heads * (self.key_dim if self.form == "delta-by-channel" else 2)
        return q_and_k + 2 * self.heads * self.value_dim + decays + 2 * self.channels


@dataclass(frozen=True)
class Indexer:
    """``layers`` in which ``heads`` small heads score every token of the context, in 8 bits, by one key of
    ``head_dim`` values that all heads share; attention then reads the best ``top_k`` (DeepSeek sparse attention,
    arXiv:2512.02556, section 2.1). Every GPU of a tensor-parallel group scores all."""

    layers: int
    heads: int
    head_dim: int
    top_k: int

    @property
    def pair_flop(self) -> int:
        """Of a token and a token of its context in one layer: a product, a rectifier, a weighted sum."""
        return self.heads * (2 * self.head_dim + 3)

    @property
    def key_bytes(self) -> int:
        """Of a token in one layer's cache: 8 bits a value and a scale of 32 for 128."""
        return self.head_dim + 4 * -(-self.head_dim // 128)


def recurrence_of(written: Recurrent) -> Recurrence:
    """The recurrence of an architecture."""
    channels = 2 * written.key_heads * written.key_dim + written.heads * written.value_dim
    return Recurrence(
        layers=written.layers,
        form=written.form,
        heads=written.heads,
        key_heads=written.key_heads,
        key_dim=written.key_dim,
        value_dim=written.value_dim,
        channels=channels if written.taps else 0,
        taps=written.taps,
        state_bytes=STATE_BYTES[written.state],
    )


def projections(written: Recurrent, hidden: int) -> list[tuple[int, int, Split]]:
    """Matrices of a layer with a recurrence: (n, k) and how tensor parallelism cuts them.

    Beside queries, keys, values and the way out: a gate as wide as the values, decays and strengths of each head, or
    (a decay by channel) low-rank gates of decays and values.
    """
    inner, qk = written.heads * written.value_dim, written.key_heads * written.key_dim
    out: tuple[int, int, Split] = (hidden, inner, "rows")
    if written.form == "gated-delta":
        return [(2 * qk + 2 * inner, hidden, "columns"), (2 * written.heads, hidden, "columns"), out]
    if written.form == "state-space":
        return [(2 * qk + 2 * inner + written.heads, hidden, "columns"), out]
    if written.form == "decayed":
        return [(2 * qk + inner, hidden, "columns"), (inner, hidden, "columns"), out]
    rank = written.gate_rank or 0
    low: list[tuple[int, int, Split]] = [(2 * rank, hidden, "whole"), (qk, rank, "columns"), (inner, rank, "columns")]
    return [(2 * qk + inner, hidden, "columns"), (written.heads, hidden, "columns"), *low, out]


def small_parameters(written: Recurrent) -> int:
    """Of a layer with a recurrence, beside matrices: convolution, decays, norms."""
    found = recurrence_of(written)
    inner, taps = written.heads * written.value_dim, found.channels * written.taps
    if written.form == "gated-delta":
        return taps + 2 * written.heads + written.value_dim
    if written.form == "state-space":
        return taps + found.channels + 3 * written.heads + inner
    if written.form == "decayed":
        return inner
    return taps + written.heads + written.key_heads * written.key_dim + written.value_dim
