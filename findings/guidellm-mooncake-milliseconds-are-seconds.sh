#!/usr/bin/env bash
# Guess: GuideLLM's reader for Mooncake's traces (`kind: mooncake`) replays them at their pace: Mooncake's times are milliseconds.
# Found with guidellm 0.8.1: times are taken for seconds. A request that came 3,000 ms after the first is sent 50 minutes after it,
# and an hour of the trace is replayed in 42 days, of which a run sees the first moments: a server under test idles where the trace
# has it full. Nothing warns of it; `time_scale: 0.001` gives Mooncake's pace.
# The tokenizer, which makes the prompts, is stood in for by one of words, and torch, which hands rows on, by empty classes; nothing
# is sent.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps guidellm==0.8.1 2>/dev/null
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.0.1 transformers==5.24.0 'click~=8.4.0' \
  'culsans~=0.10.0' 'httpx[http2]<1' eval_type_backport faker ftfy loguru more-itertools msgpack protobuf pydantic-settings \
  sanic tabulate uvloop websockets 2>/dev/null
cd "$folder"
export HF_HOME="$folder/cache" HF_HUB_OFFLINE=1
"$folder/venv/bin/python" -W ignore - 2>log <<'PYTHON'
import asyncio
import json
import multiprocessing
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import datasets  # looks for torch before there is anything of its name
import transformers

PARTS = ("torch", "torch.utils", "torch.utils.data", "torch.utils.data.dataloader", "torch.utils.data.dataset")
for name in PARTS:
    part = sys.modules[name] = ModuleType(name)
    for empty in ("DataLoader", "IterableDataset"):
        setattr(part, empty, type(empty, (), {"__class_getitem__": classmethod(lambda cls, _: cls)}))

from guidellm.data.deserializers import DatasetDeserializerFactory
from guidellm.scheduler import TraceReplayStrategy
from guidellm.schemas.base.info import RequestSettings
from guidellm.schemas.data.deserializers import FileDataArgs, MooncakeTraceFormatArgs

for name in PARTS:
    del sys.modules[name]


class Words:
    def encode(self, text):
        return [len(word) for word in text.split()]

    def decode(self, ids, **_):
        return " ".join("x" * length for length in ids)


ARRIVALS_MS = (0, 3000, 9000)
rows = [{"timestamp": ms, "input_length": 600, "output_length": 5, "hash_ids": [1, 2 + i]} for i, ms in enumerate(ARRIVALS_MS)]
Path("trace.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")


def sent_after_s(time_scale):
    """Seconds from the start of a replay to each request of the trace, as the scheduler is told by the reader."""
    asked = MooncakeTraceFormatArgs(source=FileDataArgs(kind="json_file", path="trace.jsonl"), time_scale=time_scale)
    read = DatasetDeserializerFactory.deserialize(config=asked, processor_factory=Words, random_seed=1)
    turns = [json.loads(row["conversation_turns"])["turns"][0]["columns"] for row in read]

    async def schedule():
        strategy = TraceReplayStrategy()
        strategy.init_processes_timings(worker_count=1, max_concurrency=1, mp_context=multiprocessing.get_context())
        strategy.init_processes_start(1000.0)
        told = [RequestSettings(relative_timestamp=turn["relative_timestamp_column"][0]) for turn in turns]
        return [await strategy.resolve_dequeued_target_start(0, 0.0, one) - 1000.0 for one in told]

    return asyncio.run(schedule())


plain, scaled = sent_after_s(1.0), sent_after_s(0.001)
print(f"guidellm {version('guidellm')}: requests of {ARRIVALS_MS} ms are sent {plain} s after the start, with time_scale 0.001 {scaled} s")
assert [round(1000 * one, 6) for one in scaled] == list(ARRIVALS_MS)
assert plain == list(ARRIVALS_MS), "changed: milliseconds are no longer taken for seconds"
PYTHON
