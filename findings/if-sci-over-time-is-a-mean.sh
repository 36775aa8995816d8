#!/usr/bin/env bash
# Guess: the SCI that the Impact Framework aggregates over time is the carbon of all observations over the units of all.
# Found with @grnsft/if 1.1.0: it is the plain mean of the SCI of each, whatever each served. One hour of 100 g for 1
# request and one of 100 g for 99: 2 g a request, and it says 50.5. Give it one observation, or divide the sums yourself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix . @grnsft/if@1.1.0
cat > manifest.yml <<'YAML'
name: two hours
description: as much carbon in both, most requests in the second
tags: {}
aggregation: {metrics: [carbon, requests, sci], type: both}
initialize:
  plugins:
    sci:
      method: Sci
      path: builtin
      config: {functional-unit: requests}
      parameter-metadata:
        inputs:
          requests: {description: requests, unit: none, aggregation-method: {time: sum, component: sum}}
tree:
  children:
    service:
      pipeline: {compute: [sci]}
      inputs:
        - {timestamp: '2025-01-01T00:00:00Z', duration: 3600, carbon: 100, requests: 1}
        - {timestamp: '2025-01-01T01:00:00Z', duration: 3600, carbon: 100, requests: 99}
YAML
node node_modules/@grnsft/if/build/if-run/index.js --manifest manifest.yml --output computed.yaml > log 2>&1 || { cat log; exit 1; }
sed -n '/^    service:/,/^  outputs:/p' computed.yaml | sed -n '/aggregated:/,$p' | head -4
sci=$(sed -n '/^    service:/,/^  outputs:/p' computed.yaml | sed -n '/aggregated:/,$p' | sed -n 's/^ *sci: //p' | head -1)
python3 - "$sci" <<'PYTHON'
import sys

said, whole = float(sys.argv[1]), (100 + 100) / (1 + 99)
print(f"@grnsft/if 1.1.0: SCI over both hours {said:.2f} g a request; carbon over requests {whole:.2f}")
assert abs(said - (100 / 1 + 100 / 99) / 2) < 1e-9, "changed: it is no mean of the hours any more"
PYTHON
