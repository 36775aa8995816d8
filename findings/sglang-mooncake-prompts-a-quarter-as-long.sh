#!/usr/bin/env bash
# Guess: a benchmark that replays Mooncake's trace sends prompts as long as the trace says, if not the same words.
# Found with sglang 0.5.23 (benchmark.serving --dataset-name mooncake): `input_length` is never read. Each hashed block, which is of
# 512 tokens, becomes its number and 128 times "hi", so that a prompt of 6,955 tokens has fewer *characters* than that, and some
# 1,800 tokens, a quarter. Output lengths and times are the trace's. What it says of prefill, of a cache's hits and of watts is of
# another load than Mooncake's.
# The generator of requests is run as it is shipped; the tokenizer that counts the prompt for its report is stood in for by words.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 requests==2.32.5 tqdm==4.67.1 2>/dev/null
venv/bin/pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.11 \
  --platform manylinux_2_34_x86_64 --dest . sglang==0.5.23 2>/dev/null
venv/bin/python -W ignore - <<'PYTHON'
import asyncio
import sys
import types
import zipfile
from pathlib import Path

NEEDED = [f"sglang/benchmark/{name}.py" for name in ("datasets/common", "datasets/mooncake", "utils")]
with zipfile.ZipFile(next(Path().glob("sglang-*.whl"))) as wheel:
    for name in NEEDED:
        wheel.extract(name)
transformers = types.ModuleType("transformers")
for name in ("AutoProcessor", "AutoTokenizer", "PreTrainedTokenizer", "PreTrainedTokenizerBase", "PreTrainedTokenizerFast"):
    setattr(transformers, name, type(name, (), {}))
sys.modules["transformers"] = transformers
sys.path.insert(0, ".")
from sglang.benchmark.datasets.mooncake import get_mooncake_request_over_time


class Words:
    def encode(self, text):
        return text.split()

    def apply_chat_template(self, messages, **_):
        return "\n".join(message["content"] for message in messages)


# the first rows of Mooncake's trace of conversations have this form
rows = [{"timestamp": 0, "input_length": 6955, "output_length": 52, "hash_ids": list(range(46, 60))},
        {"timestamp": 20, "input_length": 6472, "output_length": 26, "hash_ids": list(range(46, 59))}]


async def sent():
    return [request async for request in get_mooncake_request_over_time(list(rows), Words(), 1.0, 1)]


for row, request in zip(rows, asyncio.run(sent())):
    print(f"sglang 0.5.23, a prompt of {row['input_length']} tokens in {len(row['hash_ids'])} blocks: {len(request.prompt)} characters, "
          f"{request.prompt_len} words; {request.output_len} tokens out")
    assert request.output_len == row["output_length"]
    assert len(request.prompt) < row["input_length"], "changed: the prompt may be as long as the trace says"
    assert request.prompt_len < 0.3 * row["input_length"]
PYTHON
