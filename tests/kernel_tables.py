"""Small tables of kernels, made up by simple laws, laid out as the optional package lays out measured ones.

A GPU of 1e15 FLOP/s and 4e12 B/s whose kernels never take less than 5 us; products of launched kernels 100 us.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FLOP_PER_S, BYTE_PER_S, FLOOR_S, LAUNCH_S = 1e15, 4e12, 5e-6, 100e-6
VERSION = "0.24.0"
ROWS = (1, 2, 4, 8, 16, 64, 256, 1024, 4096)
SIDES = (256, 1024, 4096, 16384, 65536)
CONTEXTS = (1, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)


def gemm_s(m: float, n: float, k: float, byte: float = 2.0) -> float:
    """What the made-up GPU takes for a product."""
    return FLOOR_S + max(2.0 * m * n * k / FLOP_PER_S, n * k * byte / BYTE_PER_S)


def read_s(sequences: float, context: float, kv_heads: float, head_dim: float) -> float:
    """For attention of decodes."""
    return 2.0 * FLOOR_S + sequences * context * kv_heads * head_dim * 4.0 / BYTE_PER_S


def attend_s(prompts: float, tokens: float, heads: float, head_dim: float) -> float:
    """For attention of whole prompts."""
    return 2.0 * FLOOR_S + prompts * tokens * (tokens + 1.0) / 2.0 * heads * head_dim * 4.0 / FLOP_PER_S


def experts_s(tokens: float, hidden: float, inter: float, topk: float, experts: float, spread: float) -> float:
    """For a mixture's experts on one GPU."""
    asked = experts * (1.0 - (1.0 - topk / experts) ** tokens)
    weights = 3.0 * hidden * inter / spread
    return float(4.0 * FLOOR_S + max(2.0 * weights * tokens * topk / FLOP_PER_S, 2.0 * weights * asked / BYTE_PER_S))


def reduce_s(values: float, gpus: float) -> float:
    """For an all-reduce."""
    return FLOOR_S + 4.0 * (gpus - 1.0) / gpus * values / 4e11


def install(folder: Path, *, system: str = "h100_sxm", package: str = "0.12.0") -> Path:
    """A package of made-up tables below ``folder``, which is to be put on the path; returns the folder of tables."""
    info = folder / f"aiconfigurator_core-{package}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: aiconfigurator-core\nVersion: {package}\n")
    data = folder / "aiconfigurator_core" / "systems" / "data" / system
    for (kind, framework, version, name), rows in tables().items():
        write(data / kind / framework / version / f"{name}.parquet", rows)
    (info / "RECORD").write_text("\n".join(str(path.stat().st_size) for path in sorted(data.rglob("*.parquet"))))
    return data


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """A file of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)


def tables() -> dict[tuple[str, str, str, str], list[dict[str, Any]]]:
    """Every table by kind of kernel, framework, version and name."""
    attention, gemm = ("attention", "vllm", VERSION), ("gemm", "vllm", VERSION)
    return {
        (*gemm, "gemm_perf"): list(_products(launched=True)),
        ("gemm", "sglang", "0.5.14", "gemm_perf"): list(_products(launched=False)),
        (*attention, "generation_attention_perf"): list(_decodes()),
        (*attention, "context_attention_perf"): list(_prompts()),
        ("moe", "vllm", "0.19.0", "moe_perf"): list(_mixtures()),
        ("comm", "vllm", VERSION, "custom_allreduce_perf"): list(_reduces()),
        ("quantize", "vllm", VERSION, "scale_matrix_perf"): list(_quantising(2e-6)),
    }


def _row(seconds: float, **columns: Any) -> dict[str, Any]:
    return {"framework": "x", "kernel_source": "k", **columns, "latency": 1e3 * seconds}


def _products(*, launched: bool) -> Iterator[dict[str, Any]]:
    for m, n, k in product(ROWS, SIDES, SIDES):
        yield _row(gemm_s(m, n, k), gemm_dtype="bfloat16", m=m, n=n, k=k)
        yield _row(gemm_s(m, n, k, 1.0), gemm_dtype="fp8", m=m, n=n, k=k)
        own = gemm_s(m, n, k, 1.0) * 1.1
        seconds = max(own, LAUNCH_S * (1.0 + 0.2 * np.sin(m))) if launched else own
        yield _row(seconds, gemm_dtype="fp8_block", m=m, n=n, k=k, kernel_source="host" if launched else "graph")


def _decodes() -> Iterator[dict[str, Any]]:
    for batch, context, heads, kv_heads in product((1, 4, 16, 64, 256), CONTEXTS, (8, 32), (1, 8)):
        if batch * context <= 1 << 20:
            shape = {"num_heads": heads, "num_key_value_heads": kv_heads, "head_dim": 128, "window_size": 0}
            seconds = read_s(batch, context, kv_heads, 128)
            yield _row(seconds, **shape, kv_cache_dtype="bfloat16", batch_size=batch, step=context - 1, isl=1)


def _prompts() -> Iterator[dict[str, Any]]:
    for batch, tokens, heads, kv_heads in product((1, 2, 8, 32), CONTEXTS[:-1], (8, 32), (1, 8)):
        if batch * tokens <= 1 << 16:
            shape = {"num_heads": heads, "num_key_value_heads": kv_heads, "head_dim": 128, "window_size": 0}
            seconds = attend_s(batch, tokens, heads, 128)
            yield _row(seconds, **shape, kv_cache_dtype="bfloat16", attn_dtype="bfloat16", batch_size=batch, isl=tokens)


def _mixtures() -> Iterator[dict[str, Any]]:
    for tokens, (tensor, expert), hidden in product(ROWS, ((1, 1), (1, 8), (8, 1)), (1024, 4096)):
        shape = {"hidden_size": hidden, "inter_size": 1536, "topk": 8, "num_experts": 128}
        spread = {"moe_tp_size": tensor, "moe_ep_size": expert}
        seconds = experts_s(tokens, hidden, 1536, 8, 128, tensor * expert)
        yield _row(seconds, moe_dtype="bfloat16", **shape, **spread, num_tokens=tokens, distribution="power_law_1.2")


def _reduces() -> Iterator[dict[str, Any]]:
    for gpus, values in product((2, 8), (128, 1 << 14, 1 << 20, 1 << 26)):
        yield _row(reduce_s(values, gpus), num_gpus=gpus, message_size=values, backend="vllm_graph")
        yield _row(reduce_s(values, gpus) + 20e-6, num_gpus=gpus, message_size=values, backend="vllm_eager")


def _quantising(floor_s: float) -> Iterator[dict[str, Any]]:
    for m, k in product(ROWS, SIDES):
        yield _row(floor_s + 3.0 * m * k / BYTE_PER_S, quant_dtype="fp8", m=m, k=k)
