#!/usr/bin/env bash
# Guess: the power column of AIConfigurator's kernel tables is what the GPU draws while the kernel runs, so kernels that
# stream their cache at the same share of the memory's bandwidth draw about the same.
# Found with aiconfigurator-core 0.12.0 (decode attention of vLLM 0.22.0 on a B200, at 80 to 95 % of 8 TB/s): a median of
# 430 W for kernels of 10 to 18 us, 534 W for 56 to 100 us and 666 W beyond. The collector repeats a kernel 3,000
# times at most and reads NVML every 100 ms from the first launch on: a short kernel's watts are those of a meter that
# has hardly begun to rise. Do not fit a short kernel's energy to them without a model of the meter.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps aiconfigurator-core==0.12.0 2>/dev/null
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==25.0.0 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import distribution
from statistics import median

import pyarrow.parquet as pq

root = distribution("aiconfigurator-core").locate_file("aiconfigurator_core/systems/data")
path = root / "b200_sxm" / "attention" / "vllm" / "0.22.0" / "generation_attention_perf.parquet"
watts: dict[str, list[float]] = {"10 to 18 us": [], "56 to 100 us": [], "100 us and more": []}
for row in pq.read_table(path).to_pylist():
    width = {"bfloat16": 2, "fp8": 1}[row["kv_cache_dtype"]]
    byte = 2 * width * row["batch_size"] * row["step"] * row["num_key_value_heads"] * row["head_dim"]
    us = 1e3 * row["latency"]
    if row["window_size"] or row["power"] is None or not 0.8 < byte / (us * 1e-6) / 8e12 < 0.95:
        continue
    if 10 < us <= 18:
        watts["10 to 18 us"].append(row["power"])
    elif 56 < us <= 100:
        watts["56 to 100 us"].append(row["power"])
    elif us > 100:
        watts["100 us and more"].append(row["power"])
for name, values in watts.items():
    print(f"aiconfigurator-core 0.12.0, B200, 80-95 % of bandwidth, {name}: median {median(values):.0f} W of {len(values)}")
short, middle, long = (median(values) for values in watts.values())
assert 400 < short < 460 and 510 < middle < 560 and 640 < long < 700, "changed: short kernels are metered otherwise"
PYTHON
