#!/usr/bin/env bash
# Guess: a column of durations in a Parquet file is a duration to whoever reads it, or is refused.
# Found with pyarrow 26.0.1, duckdb 2.0.0, polars 2.1.0 and fastparquet 2026.9.0: Parquet has no such type. pyarrow and Polars
# write bare integers and keep the unit in Arrow's own note: DuckDB and fastparquet read 1.5 s as 1,500, 1,500,000 or
# 1,500,000,000, as the writer counted. fastparquet writes a time of day instead: Polars reads a job of 30 hours as null.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0 polars==2.1.0 pyarrow==26.0.1 fastparquet==2026.9.0 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from datetime import timedelta

import duckdb
import fastparquet
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

times = [timedelta(seconds=1.5), timedelta(hours=30)]
for unit, ticks in (("ms", 1_500), ("us", 1_500_000), ("ns", 1_500_000_000)):
    pq.write_table(pa.table({"took": pa.array(times, pa.duration(unit))}), "arrow.parquet")
    seen = duckdb.sql("SELECT took, typeof(took) FROM 'arrow.parquet' LIMIT 1").fetchall()[0]
    fast = fastparquet.ParquetFile("arrow.parquet").to_pandas().took[0]
    polars = pl.read_parquet("arrow.parquet")["took"][0]
    print(f"1.5 s written in {unit} by pyarrow: {seen[0]} {seen[1]} to duckdb, {fast} to fastparquet, {polars} to polars")
    assert seen == (ticks, "BIGINT") and fast == ticks and polars == times[0], "changed"

fastparquet.write("fast.parquet", pd.DataFrame({"took": pd.to_timedelta(times)}))
found = pl.read_parquet("fast.parquet")["took"].to_list()
print(f"1.5 s and 30 h written by fastparquet: {found} to polars")
assert str(found[0]) == "00:00:01.500000" and found[1] is None, f"changed: {found}"
PYTHON
