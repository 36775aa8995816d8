#!/usr/bin/env bash
# Guess: in AIConfigurator's kernel tables, a file in the folder of a framework and a version holds kernels measured with
# that framework at that version.
# Found with aiconfigurator-core 0.12.0: in 83 of 736 tables the rows name another version or another framework. NCCL's
# folders 2.27.3 (H100, B200), 2.27 (B300, GB300) and 2.23 (GB200) all hold rows of 2.29.2, and the all-reduce of SGLang
# 0.5.6.post2 on an H100 is TensorRT-LLM's 1.2.0rc5, in rows that say so. Read the version from the rows, not the path.
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
every, other = 0, {}
for path in sorted(root.glob("*/*/*/*/*.parquet")):
    _, _, framework, version, _ = path.relative_to(root).parts
    every += 1
    if {"framework", "version"} <= set(pq.read_schema(path).names):
        rows = pq.read_table(path, columns=["framework", "version"])
        named = {(a.lower(), b) for a, b in zip(*(rows[c].to_pylist() for c in ("framework", "version")))}
        if named != {(framework, version)}:
            other["/".join(path.relative_to(root).parts)] = named
print(f"aiconfigurator-core 0.12.0: {len(other)} of {every} tables hold rows of another framework or version")
for path in ("h100_sxm/comm/nccl/2.27.3/nccl_perf.parquet",
             "h100_sxm/comm/sglang/0.5.6.post2/custom_allreduce_perf.parquet"):
    print(" ", path, sorted(other[path]))
assert (len(other), every) == (83, 736), "changed: another number of tables differs from its folder"
assert other["h100_sxm/comm/nccl/2.27.3/nccl_perf.parquet"] == {("trtllm", "2.29.2")}
assert other["h100_sxm/comm/sglang/0.5.6.post2/custom_allreduce_perf.parquet"] == {("trtllm", "1.2.0rc5")}
PYTHON
