#!/usr/bin/env bash
# Guess: a filter gives the same rows from a Parquet file as from the same table in memory, whatever the row groups.
# Found with duckdb 2.0.0 and pyarrow 26.0.1: a reading that is NaN is left out of a row group's least and most, as the format
# asks, and DuckDB believes them: `isnan(power_w)` finds none of a file's NaNs, and `power_w <= 400` takes one in. In memory
# NaN is the largest number of all. pyarrow's dataset skips such a row group likewise. A file that DuckDB itself wrote has no
# least and most, and gives the rows of the table; Polars 2.1.0 reads both as they are.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0 polars==2.1.0 pyarrow==26.0.1 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq

watts = pa.table({"power_w": pa.array([400.0, float("nan"), 400.0, 400.0])})
pq.write_table(watts, "watts.parquet")
duckdb.sql("COPY watts TO 'by-duckdb.parquet'")


def counted(source: str, where: str) -> int:
    return duckdb.sql(f"SELECT count(*) FROM {source} WHERE {where}").fetchall()[0][0]


print(f"duckdb {duckdb.__version__}, rows of four readings, one of them NaN:")
for where in ("isnan(power_w)", "power_w > 500", "power_w <> 400", "power_w <= 400"):
    found = [counted(source, where) for source in ("watts", "'watts.parquet'", "'by-duckdb.parquet'")]
    print(f"  {where:15} in memory {found[0]}, in pyarrow's file {found[1]}, in DuckDB's own file {found[2]}")
    assert found == ([3, 4, 3] if where == "power_w <= 400" else [1, 0, 1]), f"changed: {found}"

above = ~(pc.field("power_w") <= 500)
found = [watts.filter(above).num_rows, pa.dataset.dataset("watts.parquet").to_table(filter=above).num_rows]
print(f"pyarrow {pa.__version__}, not (power_w <= 500): in memory {found[0]}, in the file {found[1]}")
assert found == [1, 0], f"changed: {found}"
found = [table.filter(pl.col("power_w").is_nan()).collect().height for table in (pl.from_arrow(watts).lazy(), pl.scan_parquet("watts.parquet"))]
print(f"polars {pl.__version__}, NaN: in memory {found[0]}, in the file {found[1]}")
assert found == [1, 1], f"changed: {found}"
PYTHON
