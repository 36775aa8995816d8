#!/usr/bin/env bash
# Guess: in a network whose snapshots are time stamps 15 minutes apart, 1 MW over a day is 24 MWh.
# Found with pypsa 1.4.0: a snapshot weighs an hour whatever the index says. Energy, cost and emissions come out four times too
# large (96 MWh), and a battery of 1 MWh runs a 1 MW load for one quarter of an hour. `set_snapshots` takes
# `weightings_from_timedelta=True`, which nothing tells one to.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pypsa==1.4.0 highspy 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" - 2>errors.txt <<'PYTHON' || { cat errors.txt; exit 1; }
import logging

import pandas as pd
import pypsa

logging.disable(logging.CRITICAL)


def day(**how: bool) -> tuple[float, float, float]:
    """MWh generated, what they cost at 50 a MWh, and hours for which 1 MWh of battery carried a load of 1 MW."""
    network = pypsa.Network()
    network.set_snapshots(pd.date_range("2026-01-01", periods=96, freq="15min"), **how)
    network.add("Bus", "hall")
    network.add("Load", "servers", bus="hall", p_set=1)
    network.add("Generator", "grid", bus="hall", p_nom=1, marginal_cost=50)
    network.add("StorageUnit", "battery", bus="hall", p_nom=1, max_hours=1, state_of_charge_initial=1)
    network.optimize(solver_name="highs", log_to_console=False)
    on_battery = network.storage_units_t.p["battery"].clip(lower=0).sum() / 4
    return network.statistics.supply(components="Generator").sum() + 0.0, network.objective, on_battery


plain, told = day(), day(weightings_from_timedelta=True)
print(f"pypsa {pypsa.__version__}, 96 quarter hours of 1 MW, 1 MWh of them from a battery:")
for name, (energy, cost, hours) in (("as they are", plain), ("weightings_from_timedelta", told)):
    print(f"  {name:26} {energy:5.1f} MWh from the grid, cost {cost:,.0f}, {hours:.2f} h on the battery")
assert abs(plain[0] - 95) < 1e-6 and abs(plain[2] - 0.25) < 1e-6, f"changed: {plain}"
assert abs(told[0] - 23) < 1e-6 and abs(told[2] - 1) < 1e-6, f"changed: {told}"
PYTHON
