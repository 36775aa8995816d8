#!/usr/bin/env bash
# Guess: 3.6 MJ of a product that a life-cycle database counts in kWh is 1 kWh of it, or is refused.
# Found with bw2data 4.8 and bw2calc 3.1.0 (Brightway): an exchange's unit is a label. 3.6 is taken of whatever the supplier
# counts in, so that a training that takes 3.6 MJ of electricity at 0.4 kg a kWh emits 1.44 kg instead of 0.4, and nothing says so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check bw2data==4.8 bw2calc==3.1.0 2>/dev/null
cd "$folder"
export BRIGHTWAY2_DIR="$folder/projects"
mkdir "$BRIGHTWAY2_DIR"
"$folder/venv/bin/python" - 2>errors.txt <<'PYTHON' || { cat errors.txt; exit 1; }
import bw2calc
import bw2data

bw2data.projects.set_current("units")
made = {"type": "production", "amount": 1}
bw2data.Database("air").write({("air", "co2"): {"name": "CO2", "unit": "kilogram", "type": "emission", "exchanges": []}})
bw2data.Database("hall").write({
    ("hall", "grid"): {"name": "electricity", "unit": "kilowatt hour", "exchanges": [
        {"input": ("hall", "grid"), "unit": "kilowatt hour", **made},
        {"input": ("air", "co2"), "unit": "kilogram", "type": "biosphere", "amount": 0.4},
    ]},
    ("hall", "training"): {"name": "training", "unit": "unit", "exchanges": [
        {"input": ("hall", "training"), "unit": "unit", **made},
        {"input": ("hall", "grid"), "unit": "megajoule", "type": "technosphere", "amount": 3.6},
    ]},
})
bw2data.Method(("climate",)).write([(("air", "co2"), 1.0)])
demand, packages, _ = bw2data.prepare_lca_inputs({bw2data.get_node(database="hall", code="training"): 1}, method=("climate",))
lca = bw2calc.LCA(demand, data_objs=packages)
lca.lci()
lca.lcia()
print(f"3.6 megajoule of an electricity of 0.4 kg per kilowatt hour: {lca.score:.3f} kg; by the units 0.400 kg")
assert abs(lca.score - 1.44) < 1e-6, f"changed: {lca.score}"
PYTHON
