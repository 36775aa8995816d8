#!/usr/bin/env bash
# Guess: increase() of node_exporter's node_rapl_package_joules_total is the energy that a socket drew, but for some
# extrapolation at the ends: Prometheus is made for counters that start over.
# Found with Prometheus 2.42 (Debian 12): it takes a wrap for a restart from 0 and loses what was counted between the last
# scrape and the wrap. RAPL's counters wrap every 2^32 units of 2^-16 J, some 65.5 kJ: at a steady 200 W, scraped each
# minute, an hour of 720 kJ comes out 9 % lower. The same counter that never wraps gives all of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq 'prometheus=2.42.*' > log 2>&1 || { cat log; exit 1; }
dpkg -x prometheus_*.deb .
python3 - > rules.yml <<'PY'
wrap = 2**32 * 15.258e-6  # J: max_energy_range_uj of such a socket is 65532610987
counted = [200.0 * 60 * minute for minute in range(61)]
def series(name, values):
    return f"      - {{series: '{name}', values: '{' '.join(f'{value:.3f}' for value in values)}'}}"
print("tests:")
print("  - interval: 1m")
print("    input_series:")
print(series("node_rapl_package_joules_total", [value % wrap for value in counted]))
print(series("never_wraps_joules_total", counted))
print("    promql_expr_test:")
for name, joules in (("never_wraps", 720000), ("node_rapl_package", 1)):
    print(f"      - {{expr: 'round(increase({name}_joules_total[1h]))', eval_time: 1h, exp_samples: [{{labels: '{{}}', value: {joules}}}]}}")
PY
usr/bin/promtool test rules rules.yml > said 2>&1 || true
got=$(sed -n 's/.*got:.*{} \([0-9.E+]*\)"*.*/\1/p' said)
echo "Prometheus 2.42: increase() of an hour at 200 W is 720000 J without wraps, and $got J with them"
grep -q never_wraps said && { cat said; echo "changed: the counter without wraps does not give 720000 J"; exit 1; }
python3 -c "import sys; share = float(sys.argv[1]) / 720e3; sys.exit(not 0.85 < share < 0.95)" "$got" || { cat said; echo "changed"; exit 1; }
