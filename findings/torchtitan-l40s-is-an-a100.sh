#!/usr/bin/env bash
# Guess: torchtitan knows the peak of an L40S, which its table of boards lists, and its MFU is of that peak.
# Found with torchtitan 0.3.0: the table asks for "l40s", and the driver's name of the board is "NVIDIA L40S", so the board is
# unknown and taken for an A100, of 312 instead of 362 TFLOP/s: MFUs are printed a sixth too high, with a warning in the log.
# The function is run as it is shipped; torch and the list of the machine's devices are stood in for by plain objects.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$folder" torchtitan==0.3.0 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import ast
import zipfile
from pathlib import Path
from types import SimpleNamespace

wheel = zipfile.ZipFile(next(Path().glob("torchtitan-*.whl")))
tree = ast.parse(wheel.read("torchtitan/tools/utils.py"))
peak = next(node for node in tree.body if getattr(node, "name", "") == "get_peak_flops")
said = []
names = {
    "subprocess": SimpleNamespace(PIPE=-1, run=lambda *_, **__: SimpleNamespace(stdout="")),
    "logger": SimpleNamespace(warning=said.append),
}
exec(compile(ast.Module([peak], []), "utils.py", "exec"), names)
tflops = {name: names["get_peak_flops"](name) / 1e12 for name in ("NVIDIA L40S", "l40s", "NVIDIA A100-SXM4-80GB")}
for name, value in tflops.items():
    print(f"torchtitan 0.3.0: the peak of '{name}' is {value:.0f} TFLOP/s")
print("it logs:", *said)
assert tflops["l40s"] == 362.0, "changed: the table has another peak"
assert tflops["NVIDIA L40S"] == tflops["NVIDIA A100-SXM4-80GB"] == 312.0, "changed: the board is known"
PYTHON
