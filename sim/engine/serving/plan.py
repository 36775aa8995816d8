"""What both serving engines are told, in integers, and the few functions that give those integers their meaning.

An iteration runs one pass of the model over a batch: D sequences that decode a token each (or, with speculation, a
draft to verify) and the chunks of prompts that are prefilled. Its cost is a table over the number of tokens plus slopes
in the contexts they attend to, so it is affine while the batch stands still. Both engines read the same integer tables:
that is why they can be held equal to the nanosecond.

The kernel bakes constants of this module into its compiled code; ``compiled.fingerprint`` sees where they change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.errors import RunError
from sim.units import NS_PER_S, SECONDS_PER_HOUR, SECONDS_PER_NS
from sim.workload import routers
from sim.workload.routers import Router, draw
from sim.workload.serving_records import ROW_COLUMNS, SKETCH_BITS, SKETCH_SIZE, SKETCHES, sketch_bucket

__all__ = ["ROW_COLUMNS", "SKETCHES", "SKETCH_BITS", "SKETCH_SIZE", "draw", "sketch_bucket"]

Ints = npt.NDArray[np.int64]

FRACTION_BITS = 16
"""Iteration times are integers of 2**-16 ns; what is left below a nanosecond is carried to the next iteration."""

MOST_BITS = 62
LONGEST_S = (1 << MOST_BITS - FRACTION_BITS) * SECONDS_PER_NS
"""What is counted in such parts of a ns, an iteration or a hand-over, takes less: 19 h."""

COMPUTE, MEMORY, CAPPED, ENERGY = range(4)
"""Rows of a cost: the three times of which the longest counts (2**-16 ns), and the dynamic energy (nJ)."""

PAIR, READ, WINDOW_PAIR, WINDOW_READ, SEQUENCE, BLOCK, CHUNK = range(7)
"""Slopes of a cost: per (token x context token) attended, per context token read, the same within a sliding window,
per sequence in the batch, per KV block swapped."""

CHUNKED, PRIORITIZED, MIXED, STATIC = range(4)
"""How prompts meet decodes: chunks beside decodes within a token budget; whole prompts first, decodes wait; whole
prompts beside decodes; or closed batches that start and end together."""

ANY, PREFILL, DECODE = range(3)
"""Roles of a replica; ``PREFILL`` and ``DECODE`` make up a disaggregated deployment."""

COMPLETED, REJECTED, TIMED_OUT = range(3)

DECODES, PROMPTS, BOTH = range(3)
"""What is in an iteration."""

ROUTERS: dict[Router, int] = {name: code for code, name in enumerate(routers.ROUTERS)}
"""What ``Settings.router`` says of each router."""


def padded_tokens(ranks: int, decoded: int, prompt: int, chunks: int) -> int:
    """Tokens an iteration with ``chunks`` > 0 of prompts computes, where data-parallel ranks wait for each other.

    All ranks are padded to the largest. Sequences and chunks are spread evenly; of ``prompt`` tokens in few chunks,
    some ranks have none. One rank pads nothing. vLLM did so until 2026 (its pull requests 18724, 34102 and 46428).
    """
    of_the_largest = -(-prompt * -(-chunks // ranks) // chunks)
    return ranks * (-(-decoded // ranks) + of_the_largest) if ranks > 1 else decoded + prompt


@dataclass(frozen=True, eq=False)
class StepCost:
    """Cost of an iteration.

    ``table`` (3, tokens + 1, 4) by what is in it (decodes, prompts, both) and by tokens in the batch, ``slope`` (4, 7),
    both int64; rows and slopes as named above. No slope is negative, and an iteration with a token in it takes a
    nanosecond at least: the engines count on both. With prompts in it the tokens are those of ``padded_tokens`` over
    ``ranks``.

    Attention multiplies ``query_rows`` rows at least for each token that a sequence which decodes brings to an
    iteration where any sequence brings more than one: what it reads counts as so many pairs. 0: it makes no difference.
    """

    table: Ints
    slope: Ints
    ranks: int = 1
    query_rows: int = 0

    @classmethod
    def of(
        cls, table: npt.NDArray[np.float64], slope: npt.NDArray[np.float64], ranks: int = 1, query_rows: int = 0
    ) -> StepCost:
        """The cost from seconds and joules in the same shapes."""
        per = np.array([NS_PER_S << FRACTION_BITS] * 3 + [NS_PER_S], dtype=np.float64)
        if not float(np.max(table * per)) < 2.0**MOST_BITS:
            longest = f"{np.max(table[:, :, :ENERGY]) / SECONDS_PER_HOUR:.3g} h and {np.max(table[:, :, ENERGY]):.3g} J"
            raise RunError(f"a full iteration takes up to {longest}, more than can be counted")
        whole = np.rint(table * per).astype(np.int64)
        least = np.array([1 << FRACTION_BITS, 0, 0, 0])
        whole[:, 1:] = np.maximum(whole[:, 1:], least)
        return cls(whole, np.rint(slope * per[:, np.newaxis]).astype(np.int64), ranks, query_rows)

    @property
    def most_tokens(self) -> int:
        """The largest batch the table knows, in tokens."""
        return int(self.table.shape[1]) - 1


@dataclass(frozen=True)
class Settings:
    """The rules of a pool of replicas: batching, admission, routing, giving up. Times in ns; ``-1``: no limit."""

    max_num_seqs: int
    max_num_batched_tokens: int
    prefill: int = CHUNKED
    block_tokens: int = 16
    watermark_blocks: int = 0
    swap: bool = False
    hash_blocks: int = 0  # KV blocks in one hashed block of a prompt; 0: no prefix caching
    window: int = 0  # tokens that attention with a window reaches; 0: none
    chunked: bool = False  # the window is the chunk of so many tokens that a token is in, not the last so many
    kv_full: int = 1  # KV blocks that layers which keep all of a context take for ``block_tokens``
    kv_windowed: int = 0  # and layers that keep no more than a window
    kv_window_blocks: int = 0  # as often as this at most
    kv_state: int = 0  # KV blocks that a sequence takes whatever its length, for states of recurrences
    draft_tokens: int = 0
    accept: tuple[int, ...] = ()  # of 2**53: chance that the first i + 1 drafted tokens are all accepted
    router: int = 0  # by ``ROUTERS``
    balance_requests: int = 64  # prefix affinity gives way to the shortest queue beyond this difference
    queue_limit: int = -1
    timeout_ns: int = -1
    retries: int = 0
    backoff_ns: int = 0
    priorities: int = 1
    concurrency: int = 0  # users of a closed loop; 0: open arrivals
    think_ns: int = 0
    transfer_ns: int = 0  # latency of handing a KV cache from prefill to decode
    transfer_per_token: int = 0  # 2**-16 ns
    transfer_per_window_token: int = 0  # of the tokens within the window, on top
    transfer_nj: int = 0
    transfer_nj_per_token: int = 0
    transfer_nj_per_window_token: int = 0
    slo_ttft_ns: int = -1
    slo_tpot_ns: int = -1
    slo_e2e_ns: int = -1
    seed: int = 0
    rows: bool = False

    @property
    def has_slo(self) -> bool:
        """Whether a limit is stated by which a request is served well or not."""
        return max(self.slo_ttft_ns, self.slo_tpot_ns, self.slo_e2e_ns) >= 0

    def late(self, arrival_ns: Ints, first_ns: Ints, output: Ints, now_ns: int) -> int:
        """How many of requests that are not done have missed a limit by now, whatever comes: of so many tokens of
        ``output``, whose first came at ``first_ns`` (-1: it has not)."""
        begun = first_ns >= 0
        spent = (
            (np.where(begun, first_ns, now_ns) - arrival_ns, self.slo_ttft_ns),
            (np.where(begun & (output > 1), now_ns - first_ns, 0) // np.maximum(output - 1, 1), self.slo_tpot_ns),
            (now_ns - arrival_ns, self.slo_e2e_ns),
        )
        return int(np.any([(ns > limit_ns) & (limit_ns >= 0) for ns, limit_ns in spent], axis=0).sum())

    @property
    def verified_tokens(self) -> int:
        """Tokens a decoding sequence puts into an iteration."""
        return 1 + self.draft_tokens

    @property
    def kv_step(self) -> int:
        """KV blocks that ``block_tokens`` more of a young sequence take."""
        return self.kv_full + self.kv_windowed

    @property
    def kv_weights(self) -> tuple[int, int, int]:
        """KV blocks of ``block_tokens`` in layers that keep all and in those with a window, and of a state."""
        return self.kv_full, self.kv_windowed, self.kv_state

    @property
    def kv_hashed(self) -> int:
        """KV blocks that requests share of a hashed block: of layers that keep all; others' are each one's own."""
        return self.hash_blocks * self.kv_full

    def kv_blocks(self, tokens: int) -> int:
        """KV blocks of a sequence of so many tokens."""
        blocks = ceil_div(tokens, self.block_tokens)
        return self.kv_full * blocks + self.kv_windowed * min(blocks, self.kv_window_blocks) + self.kv_state

    def within(self, tokens: int) -> int:
        """How many of its ``tokens``, itself the last, a token reaches in layers with a window."""
        if not self.window:
            return 0
        return (tokens - 1) % self.window + 1 if self.chunked else min(tokens, self.window)


COUNTS = (
    "arrived",
    "completed",
    "rejected",
    "timed_out",
    "retries",
    "killed",
    "preemptions",
    "prompt_tokens",  # of completed requests
    "output_tokens",  # of completed requests
    "prefilled_tokens",  # computed, again after a preemption too
    "cached_tokens",  # of prompts, found in the prefix cache
    "looked_up_tokens",  # of prompts admitted with prefix caching on
    "decoded_tokens",  # emitted by decoding, whoever still wanted them
    "first_tokens",  # emitted by prefilling
    "wasted_tokens",  # emitted for requests that were then killed or timed out
    "transferred_tokens",
    "iterations",
    "kv_tokens",  # context tokens summed over iterations
    "kv_window_tokens",  # and of these within the window
    "kv_sequences",  # sequences that decode, summed over iterations
    "kv_iterations",  # iterations with a decode
    "good",  # completed within every stated SLO
    "waiting_area_ns",  # integral over time of requests waiting
    "running_area_ns",  # and of requests admitted
    "ttft_ns",
    "tpot_ns",
    "itl_ns",  # last less first token, of completed requests
    "e2e_ns",
    "queueing_ns",
    "tpot_count",
    "peak_blocks",
    "prefill_share_ns",
    "decode_share_ns",
    "prefill_share_nj",
    "decode_share_nj",
    "decode_iteration_ns",  # of iterations that decode and hold no prompt
    "too_long",  # rejected because no replica's KV cache could ever hold them
    "itl_count",  # gaps between tokens, of completed requests
    "step_gap_count",  # gaps between steps that bring tokens, of completed requests
)


WIDE = (
    "ttft_ns",
    "tpot_ns",
    "itl_ns",
    "e2e_ns",
    "queueing_ns",
    "prefill_share_ns",
    "decode_share_ns",
    "prefill_share_nj",
    "decode_share_nj",
)
"""Those of which a request brings so much that few of them pass 2**63: 100,000 that have waited for a week, or 2.6 MWh.
The kernel adds the lower and the upper halves of their words apart."""
HALF_BITS = 32
LOW_HALF = (1 << HALF_BITS) - 1


def largest_request(roles: Sequence[int], blocks: Sequence[int]) -> int:
    """KV blocks of the largest request that can be served: it must fit a replica of each role it passes through."""
    passed = ([size for at, size in zip(roles, blocks, strict=True) if at in (ANY, role)] for role in (PREFILL, DECODE))
    return min(max(sizes) for sizes in passed if sizes)


def ceil_div(a: int, b: int) -> int:
    """a / b rounded up."""
    return -(-a // b)
