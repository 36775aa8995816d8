#!/usr/bin/env bash
# Guess: what a GB of memory adds in the Impact Framework's SciEmbodied is its memory-emissions-constant, 533 / 384 kg,
# and baselines are what the sum starts from: with all of them at 0 a machine is the sum of its parts.
# Found with @grnsft/if 1.1.0: the price of a GB is the constant times a sixteenth of baseline-memory. From a baseline
# without memory, memory costs nothing; from one of 64 GB, four times as much. And every vCPU of a cloud is charged a
# whole server of a tonne where no usage-ratio is given.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix . @grnsft/if@1.1.0
cat > manifest.yml <<'YAML'
name: memory
initialize:
  plugins:
    of-16: {path: builtin, method: SciEmbodied}
    of-64: {path: builtin, method: SciEmbodied, config: {baseline-memory: 64}}
    of-nothing: {path: builtin, method: SciEmbodied, config: {baseline-vcpus: 0, baseline-memory: 0, baseline-emissions: 0}}
tree:
  children:
    one-vcpu: {pipeline: {compute: [of-16]}, inputs: [&life {timestamp: "2024-01-01T00:00:00Z", duration: 126144000, vCPUs: 1}]}
    from-16-gb: {pipeline: {compute: [of-16]}, inputs: [{<<: *life, memory: 400}]}
    from-64-gb: {pipeline: {compute: [of-64]}, inputs: [{<<: *life, memory: 448}]}
    from-nothing: {pipeline: {compute: [of-nothing]}, inputs: [{<<: *life, memory: 384}]}
YAML
node node_modules/@grnsft/if/build/if-run/index.js --manifest manifest.yml --output computed.yaml > log 2>&1 || { cat log; exit 1; }
python3 - <<'PYTHON'
import re

text = open("computed.yaml").read()
kg = {
    name: float(re.search(rf"\n    {name}:.*?embodied-carbon: ([\d.]+)", text, re.S).group(1)) / 1000
    for name in ("one-vcpu", "from-16-gb", "from-64-gb", "from-nothing")
}
print(f"@grnsft/if 1.1.0, SciEmbodied over a life of four years: {kg['one-vcpu']:.0f} kg of one vCPU and 16 GB; 384 GB more are "
      f"{kg['from-16-gb'] - 1000:.0f} kg from a baseline of 16 GB, {kg['from-64-gb'] - 1000:.0f} from 64 GB, "
      f"{kg['from-nothing'] - 100:.0f} from none")
assert abs(kg["one-vcpu"] - 1000) < 1, "changed: a vCPU is no whole server"
assert abs(kg["from-16-gb"] - 1533) < 1
assert abs(kg["from-64-gb"] - 1000 - 4 * 533) < 1, "changed: a GB costs the same from any baseline"
assert abs(kg["from-nothing"] - 100) < 1, "changed: memory costs something from a baseline without any"
PYTHON
