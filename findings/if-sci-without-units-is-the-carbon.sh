#!/usr/bin/env bash
# Guess: where nothing was served, the Impact Framework's SCI is undefined: an error, or no number.
# Found with @grnsft/if 1.1.0: it is the carbon itself, as if one unit had been served. A replica that idles for an hour
# at 100 g scores 100 g a request, the same as one that serves a single request; the exit status is 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix . @grnsft/if@1.1.0
cat > manifest.yml <<'YAML'
name: an idle hour
description: nobody asks
tags: {}
initialize:
  plugins:
    sci: {method: Sci, path: builtin, config: {functional-unit: requests}}
tree:
  children:
    idle:
      pipeline: {compute: [sci]}
      inputs: [{timestamp: '2025-01-01T00:00:00Z', duration: 3600, carbon: 100, requests: 0}]
    busy:
      pipeline: {compute: [sci]}
      inputs: [{timestamp: '2025-01-01T00:00:00Z', duration: 3600, carbon: 100, requests: 1}]
YAML
node node_modules/@grnsft/if/build/if-run/index.js --manifest manifest.yml --output computed.yaml > log 2>&1 || { cat log; exit 1; }
found=$(sed -n 's/^ *sci: //p' computed.yaml | grep -E '^[0-9.]+$' | tr '\n' ' ')
echo "@grnsft/if 1.1.0: SCI of 100 g for 0 requests and for 1: $found"
[ "$found" = "100 100 " ] || { echo "changed: no units are told from one"; exit 1; }
