#!/usr/bin/env bash
# Guess: `if-run --output computed`, run in a folder called results-1.1, writes computed.yaml there.
# Found with @grnsft/if 1.1.0: what follows the last dot of the whole path is cut off and .yaml put in its place, and that
# dot may be a folder's: it writes results-1.yaml beside the folder, over whatever is there, and nothing into the folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix . @grnsft/if@1.1.0
mkdir results-1.1
cd results-1.1
cat > manifest.yml <<'YAML'
name: a sum
description: of one observation
tags: {}
initialize:
  plugins:
    twice: {method: Sum, path: builtin, config: {input-parameters: [carbon, carbon], output-parameter: twice}}
tree:
  children:
    part:
      pipeline: {compute: [twice]}
      inputs: [{timestamp: '2025-01-01T00:00:00Z', duration: 3600, carbon: 1}]
YAML
node ../node_modules/@grnsft/if/build/if-run/index.js --manifest manifest.yml --output computed > ../log 2>&1 ||
  { cat ../log; exit 1; }
echo "@grnsft/if 1.1.0, --output computed in results-1.1: in the folder $(ls | tr '\n' ' '), beside it $(cd .. && ls -d results*.yaml)"
[ ! -e computed.yaml ] && [ -e ../results-1.yaml ] || { echo "changed: the folder's dot is left alone"; exit 1; }
