#!/usr/bin/env bash
# Guess: a storage whose level nobody states begins empty.
# Found with oemof.solph 0.6.5: it begins as full as is best, for nothing. A load of 1 kW over half a day at 0.5 and half a day at
# 0.1 costs 7.2 from an empty battery, 2.4 by default (12 kWh are there at the start, and again at the end), and with
# balanced=False nothing at all: all 24 kWh of the day come out of a battery that nobody filled.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check oemof.solph==0.6.5 highspy==1.16.0 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import highspy
import pandas as pd
from oemof import solph
from oemof.solph.components import GenericStorage, Sink, Source
from oemof.solph.flows import Flow


def cost(**storage: object) -> float:
    """The least that a day costs, solved by HiGHS from the file that the model writes."""
    hours = pd.date_range("2024-01-01", periods=25, freq="h")
    system = solph.EnergySystem(timeindex=hours, infer_last_interval=False)
    bus = solph.buses.Bus(label="bus")
    grid = Source(label="grid", outputs={bus: Flow(variable_costs=[0.5] * 12 + [0.1] * 12)})
    load = Sink(label="load", inputs={bus: Flow(fix=[1.0] * 24, nominal_capacity=1.0)})
    battery = GenericStorage(
        label="battery", inputs={bus: Flow()}, outputs={bus: Flow()}, nominal_capacity=100.0, **storage
    )
    system.add(bus, grid, load, battery)
    solph.Model(system).write("day.lp", io_options={"symbolic_solver_labels": True})
    solver = highspy.Highs()
    solver.silent()
    solver.readModel("day.lp")
    solver.run()
    return round(solver.getInfo().objective_function_value, 6)


empty = cost(initial_storage_level=0.0)
unsaid = cost()
unbalanced = cost(balanced=False)
print(f"oemof.solph 0.6.5: begins empty {empty:g}, level not stated {unsaid:g}, and not balanced either {unbalanced:g}")
assert empty == 7.2
assert unsaid == 2.4, "changed: a storage of an unknown level no longer begins as full as is best"
assert unbalanced == 0.0, "changed: what a storage begins with is no longer a gift"
PYTHON
