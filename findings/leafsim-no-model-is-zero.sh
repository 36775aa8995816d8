#!/usr/bin/env bash
# Guess: asking for the power of a machine whose power model was forgotten is an error; and a meter's energy holds all that
# was drawn.
# Found with leafsim 0.4.2: the power is 0 W, static and dynamic; and a PowerMeter samples, so a load of half a second
# between two samples of a second is not in its sum at all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check leafsim==0.4.2 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import simpy
from leaf.application import SourceTask
from leaf.infrastructure import Node
from leaf.power import PowerMeter, PowerModelNode

forgotten = Node("forgotten", cu=10).measure_power()
print(f"leafsim 0.4.2: a node without a power model: {forgotten}")
assert float(forgotten) == 0.0, "changed: a missing model is no longer 0 W"

env = simpy.Environment()
node = Node("node", cu=10, power_model=PowerModelNode(max_power=100, static_power=0))
meter = PowerMeter(node)


def burst():
    yield env.timeout(0.25)
    task = SourceTask(cu=10, bound_node=node)
    task.allocate(node)
    yield env.timeout(0.5)
    task.deallocate()


env.process(meter.run(env))
env.process(burst())
env.run(until=5)
joules = sum(float(sample) for sample in meter.measurements)
print(f"half a second at 100 W: {joules:g} J in the samples of a meter, 50 J drawn")
assert joules == 0.0, "changed: the meter sees what happens between its samples"
PYTHON
