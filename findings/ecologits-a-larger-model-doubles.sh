#!/usr/bin/env bash
# Guess: of an answer, a request that took longer took more energy, and a model a little larger takes a little more.
# Found with ecologits 0.11.3: GPUs are those that hold the weights in 16 bits, rounded up to a power of two, and each of them
# takes what a token of all active parameters takes. So 134 instead of 133 billion parameters, of which 17 are active, are twice
# the energy; and a request counts for no longer than the model's own time, so 60 s and 600 s for 300 tokens are one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ecologits==0.11.3 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
from ecologits.impacts.llm import compute_llm_impacts


def joules(total: float, seconds: float | None = None) -> float:
    """Of an answer of 300 tokens by a model with 17 billion active parameters."""
    impacts = compute_llm_impacts(
        model_active_parameter_count=17,
        model_total_parameter_count=total,
        output_token_count=300,
        if_electricity_mix_adpe=0,
        if_electricity_mix_pe=0,
        if_electricity_mix_gwp=0.4,
        if_electricity_mix_wue=0,
        datacenter_pue=1.0,
        datacenter_wue=0,
        request_latency=seconds,
    )
    return impacts.energy.value * 3.6e6


for total in (66, 67, 133, 134, 266, 267):
    print(f"{total} billion parameters, 17 active: {joules(total):7.1f} J")
for seconds in (1.0, 5.0, 60.0, 600.0):
    print(f"133 billion, {seconds:g} s: {joules(133, seconds):.1f} J")
for below in (66, 133, 266):
    assert abs(joules(below + 1) / joules(below) - 2.0) < 1e-9, "changed: one billion more no longer doubles"
assert joules(133, 60.0) == joules(133, 600.0), "changed: time beyond the model's own counts"
assert joules(133, 1.0) < joules(133, 5.0) < joules(133, 60.0)
PYTHON
