"""How often ML.ENERGY's servers were asked their data set: a fact of each model, task and board.

Up to which number of sequences a set of requests was sent once, twice and so on. The driver sends the whole set again
in the same order (``load_requests``). Source: ml-energy/benchmark on GitHub, commits up to c1d6557f: ``benchmark.yaml``
of each task for the requests of a set and the batches that a model without a file of its own is asked;
``sweeps.yaml`` of each model and board; ``mlenergy/benchmark/llm/workloads.py``.

Not all of those files are at hand: what stands below as ``LIKE`` is taken to be as another's. A file changed while rows
were measured (Qwen3-VL 235B with videos), and the latest is taken. Models that have batches of their own and were
measured at others, too, were asked those as by default.
"""

from __future__ import annotations

from collections.abc import Mapping

SETS = {"gpqa": 198, "lm-arena-chat": 1024, "sourcegraph-fim": 1024, "image-chat": 1024, "video-chat": 512}
"""Requests of a task's data set that are sent."""

Upto = tuple[tuple[int, int], ...]
"""Up to so many sequences, so often."""

DEFAULT: Mapping[str, Upto] = {
    "gpqa": ((128, 1), (256, 2), (384, 3), (512, 4)),
    "lm-arena-chat": ((512, 1),),
    "sourcegraph-fim": ((512, 1),),
    "image-chat": ((512, 1),),
    "video-chat": ((512, 1),),
}
OWN: Mapping[tuple[str, str, str], Upto] = {
    ("gpqa", "Qwen3-235B-A22B-Thinking-2507", "B200"): ((128, 1), (256, 2), (512, 3), (768, 5)),
    ("gpqa", "Qwen3-235B-A22B-Thinking-2507-FP8", "B200"): ((128, 1), (256, 2), (512, 3), (1024, 6)),
    ("gpqa", "Qwen3-30B-A3B-Thinking-2507", "B200"): ((128, 1), (256, 2), (512, 3), (1024, 6)),
    ("gpqa", "Qwen3-30B-A3B-Thinking-2507", "H100"): ((192, 1), (256, 2)),
    ("gpqa", "NVIDIA-Nemotron-Nano-9B-v2", "B200"): ((128, 1), (256, 2), (512, 3), (768, 4)),
    ("gpqa", "gpt-oss-120b", "B200"): ((128, 1), (256, 2), (512, 3), (1024, 6), (1536, 9), (2048, 12), (4096, 24)),
    ("gpqa", "gpt-oss-120b", "H100"): ((128, 1), (256, 2), (384, 3), (512, 4), (768, 5), (1024, 6), (1536, 9)),
    ("lm-arena-chat", "Qwen3-8B", "B200"): ((128, 1), (512, 2), (1536, 4), (2048, 6)),
    ("lm-arena-chat", "Qwen3-32B", "B200"): ((192, 1), (512, 2)),
    ("lm-arena-chat", "Qwen3-30B-A3B-Instruct-2507", "H100"): ((192, 1), (1024, 2), (1536, 3)),
    ("lm-arena-chat", "Qwen3-30B-A3B-Instruct-2507", "B200"): ((192, 1), (1024, 2), (1536, 3)),
    ("lm-arena-chat", "Qwen3-235B-A22B-Instruct-2507", "B200"): ((256, 1), (1024, 2), (2048, 3), (3072, 4), (4096, 6)),
    ("lm-arena-chat", "DeepSeek-V3.1", "B200"): ((512, 1), (1024, 2), (2048, 3), (3072, 4)),
    ("lm-arena-chat", "Llama-3.1-405B-Instruct", "B200"): ((512, 1), (1024, 2), (2048, 3), (3072, 4), (4096, 6)),
    ("lm-arena-chat", "Llama-3.1-8B-Instruct", "H100"): ((192, 1), (512, 2), (1024, 3)),
    ("sourcegraph-fim", "Qwen3-Coder-30B-A3B-Instruct", "B200"): ((32, 1), (128, 2), (512, 4), (1536, 6)),
    ("sourcegraph-fim", "Qwen3-Coder-30B-A3B-Instruct", "H100"): ((128, 1), (256, 2), (512, 3), (768, 4)),
    ("sourcegraph-fim", "Qwen3-Coder-480B-A35B-Instruct-FP8", "B200"): ((512, 1), (768, 2), (1024, 3), (2048, 4)),
    ("sourcegraph-fim", "Qwen3-Coder-480B-A35B-Instruct", "B200"): ((256, 1), (512, 2), (1024, 4), (1536, 6)),
    ("image-chat", "Qwen3-Omni-30B-A3B-Instruct", "B200"): ((128, 1), (512, 2), (1024, 3), (2048, 4)),
    ("image-chat", "Qwen3-VL-235B-A22B-Instruct", "B200"): ((384, 1), (1024, 2), (2048, 3), (4096, 6)),
    ("image-chat", "Qwen3-VL-235B-A22B-Instruct-FP8", "B200"): ((384, 1), (512, 2), (1024, 4), (2048, 8)),
    ("image-chat", "Qwen3-VL-8B-Instruct", "B200"): ((128, 1), (512, 2), (1024, 4), (2048, 6)),
    ("video-chat", "Qwen3-VL-235B-A22B-Instruct", "B200"): ((384, 1), (512, 2), (1024, 4), (2048, 5), (3072, 8)),
    ("video-chat", "Qwen3-VL-8B-Instruct", "H100"): ((128, 1), (256, 2), (512, 3)),
}
"""By task, the end of a model's name, and board; at the batches that were measured."""
LIKE: Mapping[tuple[str, str, str], tuple[str, str, str]] = {
    ("image-chat", "Qwen3-VL-30B-A3B-Instruct", "B200"): ("image-chat", "Qwen3-Omni-30B-A3B-Instruct", "B200"),
    ("video-chat", "Qwen3-VL-235B-A22B-Instruct-FP8", "B200"): ("video-chat", "Qwen3-VL-235B-A22B-Instruct", "B200"),
}


def repeats_of(task: str, model_id: str, board: str, batch: int) -> int:
    """How often a server of at most ``batch`` sequences was sent the set; beyond the largest there is, as that."""
    key = (task, model_id.rsplit("/", maxsplit=1)[-1], board)
    upto = OWN.get(LIKE.get(key, key), DEFAULT[task])
    return next((times for until, times in upto if batch <= until), upto[-1][1])


def requests_of(task: str, model_id: str, board: str, batch: int) -> int:
    """Requests that a server of at most ``batch`` sequences was sent."""
    return SETS[task] * repeats_of(task, model_id, board, batch)
