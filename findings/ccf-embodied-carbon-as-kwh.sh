#!/usr/bin/env bash
# Guess: Cloud Carbon Footprint's kWh of an hour of a server are its own: the same in Stockholm as in Virginia, up to PUE.
# Found with @cloud-carbon-footprint/aws 0.15.0: 0.07 kWh in Stockholm, 0.02 in Virginia. Embodied carbon is divided by
# the region's grams per kWh and added to the energy, so that an hour uses the more the cleaner its grid is; carbon is
# right. Of an m5.xlarge in Stockholm three quarters of the kWh are none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix . @cloud-carbon-footprint/aws@0.15.0
cat > asked.cjs <<'JAVASCRIPT'
const assert = require('node:assert')
const { AWSAccount } = require('@cloud-carbon-footprint/aws')
const regions = { 'ap-southeast-2': 'APS2', 'us-east-1': 'USE1', 'eu-west-3': 'EUW3', 'eu-north-1': 'EUN1' }
const asked = Object.entries(regions).map(([region, prefix]) => ({
  serviceName: 'AmazonEC2', region, usageType: `${prefix}-BoxUsage:m5.xlarge`, usageUnit: 'Hrs', vCpus: '4',
}))
AWSAccount.getCostAndUsageReportsDataFromInputData(asked).then(told => {
  for (const { region, kilowattHours, co2e } of told) {
    const [kwh, g, grid] = [kilowattHours, 1e6 * co2e, (1e6 * co2e) / kilowattHours]
    console.log(`@cloud-carbon-footprint/aws 0.15.0, an hour of m5.xlarge in ${region}: ${kwh.toFixed(4)} kWh, ${g.toFixed(2)} g (${grid.toFixed(0)} g/kWh)`)
  }
  const [first, , , last] = told
  assert(last.kilowattHours > 3 * first.kilowattHours, 'changed: the same hour takes about the same kWh everywhere')
  // what is made is the same everywhere, so that carbon is a line in the grid's intensity, and its kWh are not
  const [dirty, clean] = [first, last].map(one => one.co2e / one.kilowattHours)
  const own = (first.co2e - last.co2e) / (dirty - clean)
  console.log(`its own kWh, by how carbon grows from grid to grid: ${own.toFixed(4)}`)
  assert(own > 0 && last.kilowattHours > 3 * own, 'changed')
})
JAVASCRIPT
node --no-warnings asked.cjs 2>/dev/null
