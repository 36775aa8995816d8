#!/usr/bin/env bash
# Guess: a small matrix product in fp8 by blocks takes at most about twice the few microseconds that AIConfigurator's
# table of kernels has for it in 16 bits; summing the table over a model's layers gives the time of a decode step.
# Found with aiconfigurator-core 0.12.0 (tables of vLLM 0.24.0): no fp8_block product is below 55 us on an H100, 150 us
# on a B200 and 240 us on a GB200, whatever its shape, where 16 bits take 2 to 3 us: what was measured is the host that
# launches quantisation and product one by one, and not what a captured graph of them takes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps aiconfigurator-core==0.12.0 2>/dev/null
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==25.0.0 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import distribution

import pyarrow.compute as pc
import pyarrow.parquet as pq

root = distribution("aiconfigurator-core").locate_file("aiconfigurator_core/systems/data")
for system, least_us in (("h100_sxm", 55.0), ("b200_sxm", 150.0), ("gb200", 240.0)):
    rows = pq.read_table(root / system / "gemm" / "vllm" / "0.24.0" / "gemm_perf.parquet")
    us = {}
    for kind in ("bfloat16", "fp8_block"):
        small = pc.and_(pc.equal(rows["gemm_dtype"], kind), pc.less_equal(rows["m"], 16))
        us[kind] = 1e3 * pc.min(rows.filter(small)["latency"]).as_py()
    least = 1e3 * pc.min(rows.filter(pc.equal(rows["gemm_dtype"], "fp8_block"))["latency"]).as_py()
    print(f"{system}: up to 16 rows, the fastest product: bf16 {us['bfloat16']:.1f} us, fp8_block {us['fp8_block']:.1f} us")
    assert us["bfloat16"] < 3.0 and least > least_us, "changed: small fp8_block products are measured without the host"
PYTHON
