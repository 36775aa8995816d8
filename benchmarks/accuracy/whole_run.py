"""The median time between tokens as ML.ENERGY reads it: of all gaps of all requests, from the first to the last.

A run is simulated whole: all requests of the row are there at once, as many at a time as the server batches, until the
last has ended. So the median is of what most tokens were written in. Where there are few more requests than the server
batches, most are written while it empties, and reasoning goes on long after the window in which power is read, with
contexts that are longer than in it. Of prompts that are met again each finds what ``prefix_cache`` tells of it: they
are all computed when they are sent first, and most of them hardly when they are sent again.

The same reading for all rows, whatever shares iterations with prompts have. Answers are as long as the published
histogram has them, in an order drawn once.

What is left out: tokens that a server or a client who is late hands over together are gaps of nothing there ("append
zeros for bundled tokens"), so that medians of servers whose hosts lag are lower than any iteration takes. What a late
host does is in no table. Source: ml-energy/benchmark, ``mlenergy/benchmark/llm/benchmark.py``: ``calculate_metrics``.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.mean_field import answers_of, asked_of, cache_of, layout_of
from benchmarks.accuracy.prefix_cache import BLOCK, hits
from benchmarks.accuracy.serving_stack import Bench, Configuration, deployment, scenario
from benchmarks.accuracy.sweeps import SETS


def median_s(bench: Bench, row: Mapping[str, Any], at: Configuration) -> float:
    """Median s between tokens of a row's whole run."""
    asked = scenario(at)
    del asked["duration"]
    served = asked["workloads"]["w"]
    del served["lengths"]
    served.pop("prefix", None)
    asked["outputs"].pop("requests")
    tokens = _tokens(row)
    cached = _cached(row, at, tokens)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "requests.jsonl"
        trace.write_text("".join(lines(at, tokens, cached)))
        served["arrivals"] = {"kind": "trace", "file": str(trace), "format": "mooncake", "block_tokens": BLOCK}
        served["batching"] |= {"prefix_cache": any(cached)}
        found: float = bench.of(asked).summary["serving"]["w"]["itl_s"]["p50"]
    return found


def _tokens(row: Mapping[str, Any]) -> npt.NDArray[np.int64]:
    """Output tokens of each request: as many of each length as the histogram has, in the order sent."""
    lengths, counts = answers_of(row)
    requests = asked_of(row)
    place = np.searchsorted(np.cumsum(counts) / counts.sum(), (np.arange(requests) + 0.5) / requests)
    tokens = np.maximum(1, np.rint(lengths[place])).astype(np.int64)
    return np.random.default_rng(1).permutation(tokens)


def _cached(row: Mapping[str, Any], at: Configuration, tokens: npt.NDArray[np.int64]) -> list[int]:
    """Blocks that each request finds of its prompt; the last token is always computed."""
    laid_out = deployment(layout_of(row, at.model))
    if laid_out.model.state_values:
        return [0] * len(tokens)
    each = hits(
        tuple(tokens.tolist()),
        batch=int(row["max_num_seqs"]),
        several=SETS[str(row["task"])],
        prompt=at.prompt_tokens,
        cache=cache_of(laid_out),
    )
    return [int(min(hit, at.prompt_tokens - 1.0) // BLOCK) for hit in each]


def lines(at: Configuration, tokens: npt.NDArray[np.int64], cached: list[int]) -> Iterator[str]:
    """The requests as a trace. What is found is the beginning of one text, which is as much as of prompts met again;
    all other blocks are a request's own."""
    blocks = -(-at.prompt_tokens // BLOCK)
    for request, (answer, known) in enumerate(zip(tokens.tolist(), cached, strict=True)):
        own = (request + 1) * (blocks + 1)
        ids = [*range(known), *range(own + known, own + blocks)]
        row = {"timestamp": 0, "input_length": at.prompt_tokens, "output_length": answer, "hash_ids": ids}
        yield json.dumps(row) + "\n"
