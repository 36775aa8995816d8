#!/usr/bin/env bash
# Guess: the uncompressed size that a Parquet file's metadata states bounds what reading it takes.
# Found with pyarrow 26.0.1: a text that repeats is stored once and pointed to. `total_byte_size` counts the pointers; reading
# the column as text writes it out again for every row. Here 2,000 rows of 5 kB: some 10 kB stated, 10 MB read.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import pyarrow as pa
import pyarrow.parquet as pq

rows, letters = 2_000, 5_000
pq.write_table(pa.table({"text": ["x" * letters] * rows}), "repeated.parquet")
about = pq.read_metadata("repeated.parquet")
stated = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
read = pq.read_table("repeated.parquet").nbytes
kept = pq.read_table("repeated.parquet", read_dictionary=["text"]).nbytes
print(f"pyarrow {pa.__version__}: stated uncompressed {stated:,} B; read as text {read:,} B; as a dictionary {kept:,} B")
assert read > 100 * stated, "changed: the stated size bounds what is read"
PYTHON
