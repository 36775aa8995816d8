#!/usr/bin/env bash
# Guess: message_size in AIConfigurator's tables of collectives is in bytes, as NCCL's own tests print it: the same size
# takes the same time whatever the values are.
# Found with aiconfigurator-core 0.12.0 (NCCL 2.29.2, 8 H100): it counts values. The same size takes 1.8 to 1.95 times as
# long in 16 bits as in int8, for all-gather, all-to-all and reduce-scatter; read as bytes, links would seem half as fast.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps aiconfigurator-core==0.12.0 2>/dev/null
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==25.0.0 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import distribution

import pyarrow.parquet as pq

root = distribution("aiconfigurator-core").locate_file("aiconfigurator_core/systems/data")
ms = {}
for row in pq.read_table(root / "h100_sxm" / "comm" / "nccl" / "2.29.2" / "nccl_perf.parquet").to_pylist():
    if row["num_gpus"] == 8 and row["message_size"] == 2**28:
        ms[row["op_name"], row["nccl_dtype"]] = row["latency"]
for name in ("all_gather", "alltoall", "reduce_scatter"):
    half, byte = ms[name, "half"], ms[name, "int8"]
    print(f"aiconfigurator-core 0.12.0, {name} of size 2^28 on 8 H100: half {half:.3f} ms, int8 {byte:.3f} ms")
    assert 1.75 < half / byte < 2.05, "changed: sizes are told in another unit"
PYTHON
