#!/usr/bin/env bash
# Guess: a schedule of two servers in the first shift and two in the second is two servers all day.
# Found with ciw 3.2.7: at the end of a shift its servers finish whom they serve, which is told, and those of the next shift begin at
# once beside them. In services of 30 minutes under a queue that never ends, four are served at a time after each change of shift, and
# in 400 minutes 30 are done, where two servers can do 26; the utilisation says 0.997. Whoever plays autoscaling with a Schedule
# gets at each step, up or down, the old replicas beside all new ones.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ciw==3.2.7 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
from itertools import accumulate

import ciw

END, SERVICE = 400, 30.0


def served(servers: object) -> tuple[int, int, float]:
    """How many were served until the end, how many at most at a time, and the utilisation."""
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Deterministic(1.0)],
        service_distributions=[ciw.dists.Deterministic(SERVICE)],
        number_of_servers=[servers],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(END)
    records = simulation.get_all_records(only=["service"])
    changes = [(one.service_end_date, -1) for one in records] + [(one.service_start_date, 1) for one in records]
    return len(records), max(accumulate(step for _, step in sorted(changes))), simulation.transitive_nodes[0].server_utilisation


plain = served(2)
shifts = served(ciw.Schedule(numbers_of_servers=[2, 2], shift_end_dates=[50, 100]))
print(f"ciw 3.2.7: served, most at a time, utilisation: two servers {plain}, two in each of two shifts {shifts}")
assert plain[:2] == (26, 2)
assert shifts[1] == 4, "changed: a shift's servers no longer come beside those of the shift before"
assert shifts[0] > END * 2 / SERVICE, "changed: no more are served than two servers can serve"
PYTHON
