#!/usr/bin/env bash
# Guess: entsoe-py's nett generation (nett=True) is generation less consumption of the same hour; an hour without a
# reading is unknown, as without nett, and a fleet that only pumped is negative.
# Found with entsoe-py 0.8.1: an hour without a reading is 0 MW where any type of plant in the answer consumed, and
# unknown where none did: the same gap in a country's nuclear is a standstill or a gap by whether somebody pumped. And
# pumped storage that is asked for alone and only pumped is told as generation: +50 MW.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check entsoe-py==0.8.1 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
from entsoe.parsers import parse_generation

NUCLEAR, PUMPED = "B14", "B10"


def series(domain, plants, points):
    told = "".join(f"<Point><position>{at}</position><quantity>{mw}</quantity></Point>" for at, mw in points)
    return (
        f'<TimeSeries><{domain}_Domain.mRID codingScheme="A01">10YFR-RTE------C</{domain}_Domain.mRID>'
        f"<curveType>A01</curveType><MktPSRType><psrType>{plants}</psrType></MktPSRType><Period><timeInterval>"
        "<start>2025-01-01T00:00Z</start><end>2025-01-01T03:00Z</end></timeInterval>"
        f"<resolution>PT60M</resolution>{told}</Period></TimeSeries>"
    )


def document(*parts):
    return f"<GL_MarketDocument>{''.join(parts)}</GL_MarketDocument>"


nuclear = series("inBiddingZone", NUCLEAR, [(1, 40000), (3, 41000)])  # nobody reported the second hour
generated = series("inBiddingZone", PUMPED, [(1, 0), (2, 0), (3, 100)])
pumped = series("outBiddingZone", PUMPED, [(1, 50), (2, 50), (3, 50)])
without = parse_generation(document(nuclear, generated), nett=True)["Nuclear"].iloc[1:2]
beside = parse_generation(document(nuclear, generated, pumped), nett=True)["Nuclear"]
plain = parse_generation(document(nuclear, generated, pumped))["Nuclear"].iloc[:, 0]
alone = parse_generation(document(pumped), nett=True).iloc[:, 0]
with_others = parse_generation(document(nuclear, pumped), nett=True)["Hydro Pumped Storage"]
print(f"entsoe-py 0.8.1, nuclear of an hour nobody reported: {plain.iloc[1]} MW; nett {beside.iloc[1]} MW; "
      f"pumped storage that took 50 MW: nett {with_others.iloc[0]:.0f} MW beside others, {alone.iloc[0]:+.0f} alone")
assert plain.isna().tolist() == [False, True, False]
assert without.isna().tolist() == [True]
assert beside.tolist() == [40000, 0, 41000], "changed: a gap is no 0 MW"
assert (with_others.iloc[0], alone.iloc[0]) == (-50, 50), "changed: what only pumped is negative alone, too"
PYTHON
