"""What is known of a serving workload once it has run: counts, sketches of latencies, and rows where asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Columns of a finished request, all int64. Times in ns from the start of the run (-1 where it never came to that);
# shares: ns of its replica's time and nJ of its GPUs' dynamic energy that its prefill and its decode answer for.
ROW_COLUMNS = (
    "request",
    "status",
    "arrival_ns",
    "scheduled_ns",
    "first_token_ns",
    "done_ns",
    "replica",
    "prompt_tokens",
    "output_tokens",
    "cached_tokens",
    "preemptions",
    "attempts",
    "prefill_ns",
    "decode_ns",
    "prefill_nj",
    "decode_nj",
)
STATUSES = ("completed", "rejected", "timed-out")

SKETCHES = ("ttft", "tpot", "itl", "e2e", "queueing", "decode_iteration", "step_gap")
"""Of requests, but for gaps between tokens, those between the steps that bring them, and iterations without prompts.

``itl`` are the gaps between the tokens of a request, whatever filled them: iterations, prompts that went first, the
wait after a preemption, a hand-over. The tokens that one step brings (a draft accepted) arrive together, with gaps of
0. ``step_gap`` are the gaps between the steps that bring a request a token or more; without speculation they are the
same. Both sketches take a gap when its token comes, also of requests that are then given up or still run at the end;
an attempt that begins anew (a client that tries again, a machine lost) begins its gaps anew. Means are of completed
requests: (last token - first token), summed, over the number of gaps. A static batch pads: its gaps go to its end."""
SKETCH_BITS = 7
SKETCH_SIZE = 64 << SKETCH_BITS
"""A sketch is a log-linear histogram of nanoseconds: 2**7 buckets an octave, so a bucket's middle is within 0.4 %.

Two of them add up to the sketch of both, whatever the order (the idea of DDSketch, Masson, Rim, Lee, VLDB 2019,
doi 10.14778/3352063.3352135, and of HdrHistogram), and bits of a float64 give the bucket."""


def sketch_bucket(value_ns: int) -> int:
    """The bucket of a duration: exponent and leading mantissa bits of its float64. 0 and 1 ns share the first."""
    bits = int(np.float64(max(value_ns, 1)).view(np.int64))
    return (bits >> (52 - SKETCH_BITS)) - (1023 << SKETCH_BITS)


def sketch_values() -> npt.NDArray[np.float64]:
    """The middle of every bucket (SKETCH_SIZE,), in ns; of the first 0: who did not wait, waited for 0 ns."""
    index = np.arange(SKETCH_SIZE)
    octave, step = index >> SKETCH_BITS, index & ((1 << SKETCH_BITS) - 1)
    middles = np.ldexp(1.0 + (step + 0.5) / (1 << SKETCH_BITS), octave)
    return np.asarray(np.where(index == 0, 0.0, middles), dtype=np.float64)


def sketch_quantile(sketch: Ints, share: float) -> float:
    """The duration in ns that ``share`` of a sketch's values do not exceed: the middle of the bucket that holds it."""
    upto = np.cumsum(sketch)
    return float(sketch_values()[int(np.searchsorted(upto, share * upto[-1]))])


class Rows(Protocol):
    """Rows of finished requests, in the order in which they finished; see ``row_spool.RowSpool``."""

    def __len__(self) -> int: ...
    def blocks(self) -> Iterator[Ints]: ...


@dataclass(frozen=True)
class ServingLog:
    """What is known of a serving workload after a run.

    Of requests that are ``unfinished``, some are ``late``: they have missed a limit, whatever becomes of them.
    ``counts`` by the names of ``engine.serving.plan.COUNTS``; ``sketches`` (7, SKETCH_SIZE) of ``SKETCHES``; ``rows``
    (n, 16) as ``ROW_COLUMNS``, of which there may be more than memory is for. ``phase_w`` are W of the loaded GPUs of a
    lane that prefills and of one that decodes, by which a request's share of time becomes energy. ``kv_blocks`` are
    those of a lane that decodes, ``most_kv_blocks`` of any lane; ``kv_weights`` how many of them ``block_tokens`` of a
    sequence take in layers that keep all and in those with a window, and a sequence for its state; ``handed_j`` are J
    that hand-overs took from GPUs outside of iterations, each told at ``handed_ns``, in or at the end of the bin of
    the ledger that holds it; ``replica_ns`` integrates the replicas that are up over time. ``unit_scale`` is what its
    GPUs drew at work over what their model would have. ``trace_problems`` are the first of the
    ``skipped_rows`` of its trace, with line and reason.
    ``network_busy`` is the share of time in which the links of replicas that prefill carried KV caches, latencies left
    out; None where caches are not handed over, or not in proportion to their tokens.
    ``step_shares`` say of an iteration of decodes and of one of prompts what share of its time is known in which way,
    where kernels were measured. ``iterations`` (n, 7) are those of its replicas where they are kept, columns as
    ``engine.serving.iterations.COLUMNS``, ``iterations_are_cut`` where later ones may have been left out.
    """

    workload: str
    counts: dict[str, int]
    sketches: Ints
    rows: Rows
    unfinished: int
    late: int
    has_slo: bool
    kv_blocks: int
    most_kv_blocks: int
    block_tokens: int
    kv_weights: tuple[int, int, int]
    phase_w: dict[str, float]
    unit_scale: float
    handed_ns: Ints
    handed_j: Floats
    replica_ns: int
    most_replicas: int
    cold_starts: int
    engine: str
    sampled: bool
    skipped_rows: int
    trace_problems: tuple[str, ...]
    network_busy: float | None = None
    step_shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    iterations: Ints | None = None
    iterations_are_cut: bool = False
