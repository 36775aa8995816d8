#!/usr/bin/env bash
# Guess: in pint, where t is a tonne and k a prefix, kt is a thousand tonnes as Mt is a million; a "ton" is 1,000 kg, or
# refused as ambiguous; and cfm, in which fans and racks are rated, is a flow of air or not known.
# Found with pint 0.25.3: kt is a knot, a speed; "ton" is the American one of 907 kg, without a word, so that carbon
# read from "1.5 ton" is 9 % too small; cfm is a hundredth of a femtometre; and MBtu is a million Btu, where American
# bills mean a thousand.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pint==0.25.3 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import pint

unit = pint.UnitRegistry()
for words, base, value in (
    ("1 Mt", "kilogram", 1e9),
    ("1 kt", "meter / second", 1852 / 3600),
    ("1 tonne", "kilogram", 1000.0),
    ("1 ton", "kilogram", 907.18474),
    ("1 cfm", "meter", 1e-17),
    ("1 MBtu", "joule", 1055.056e6),
):
    found = unit(words)
    print(f"pint 0.25.3: {words:8} is {found.to_base_units():.6g}")
    assert found.dimensionality == unit(base).dimensionality, f"changed: {words} is another quantity"
    assert abs(found.to(base).magnitude / value - 1) < 1e-6, f"changed: {words} is another amount"
PYTHON
