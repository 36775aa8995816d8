#!/usr/bin/env bash
# Guess: the intensities by country that CO2.js ships are what its own models take: marginalIntensity as averageIntensity.
# Found with @tgwf/co2 0.19.0: all marginal ones are text ('47' for Norway), and the model takes text for none: it warns on
# stderr and counts with the world's average of 494 g/kWh. So Norway and India emit alike, and Norway 2.4 times as much as at
# the 47 g that were given. The averages are numbers, and count.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit @tgwf/co2@0.19.0 >/dev/null 2>&1
cat > guess.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import { averageIntensity, co2, marginalIntensity } from "@tgwf/co2";

const model = new co2({ model: "swd", version: 4 });
function grams(intensity) {
  // of a GB, all of whose device, network and data center stand where a kWh is that much
  const everywhere = { device: intensity, network: intensity, dataCenter: intensity };
  return model.perByteTrace(1e9, false, { gridIntensity: everywhere }).co2;
}

for (const [name, kind] of Object.entries({ average: averageIntensity, marginal: marginalIntensity }))
  for (const country of ["NOR", "IND"]) {
    const given = kind.data[country];
    console.log(`@tgwf/co2 0.19.0, a GB in ${country}: ${name}, ${given} g/kWh as a ${typeof given}: ` +
      `${grams(given).toFixed(1)} g; as a number: ${grams(Number(given)).toFixed(1)} g`);
    if (name === "average") assert.equal(grams(given), grams(Number(given)));
  }
const world = model.perByte(1e9);
const { NOR: norway, IND: india } = marginalIntensity.data;
assert(Object.values(marginalIntensity.data).every((one) => typeof one === "string"), "changed: they are no text");
assert(Object.values(averageIntensity.data).every((one) => typeof one === "number"));
assert.equal(grams(norway), grams(india), "changed: the marginal intensity of a country counts");
assert(Math.abs(grams(norway) / world - 1) < 1e-9, "changed: it is not the world's average");
assert(grams(norway) > 2.4 * grams(Number(norway)));
JAVASCRIPT
node guess.mjs 2>warnings
sort warnings | uniq -c
