"""Files made to hurt end as bad input with the name of the file, and names made to hurt do nothing."""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import math
import os
import resource
import subprocess
import sys
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

import sim
from sim import reading
from sim.build.serving.step_table import read_step_table
from sim.cli import command as cli
from sim.cli.faults import describe
from sim.cli.options import inert, tell
from sim.documents import read_document
from sim.errors import InputError, RunError
from sim.loading.scenario import load_scenario
from sim.measure.fit.measured_csv import read_columns
from sim.measure.readers import read_recording as read_log
from sim.measure.readers.gathering import Gathering
from sim.measure.readers.text import Text
from sim.measure.readers.text import read_text as read_log_text
from sim.measure.recording import read as read_recording
from sim.results.files import MANIFEST, read, to_yaml, write
from sim.results.results import Results
from sim.signals.grid.plain import read_plain
from sim.signals.grid.series import Terms
from sim.study.store import Store
from sim.study.sweep.folder import STUDY
from sim.study.sweep.front import Front, Goal, front_of
from sim.study.sweep.run import sweep
from sim.weather.epw import read_epw
from sim.weather.open_meteo import read_open_meteo
from sim.weather.tmy3 import read_tmy3
from sim.workload.jobs.formats import Terms as JobTerms
from sim.workload.jobs.traces import read_jobs
from sim.workload.servegen import read_lengths, read_windows
from sim.workload.traces import read_trace
from tests.small import small

ROOT = Path(__file__).resolve().parent.parent
ESC = "\x1b]0;owned\x07\x1b[2J"

DEEP = "[" * 100_000 + "]" * 100_000
WIDE = "a,b\n" + "x" * 140_000 + ",1\n"
READERS: list[tuple[str, Callable[[Path], Any]]] = [
    ("w.json", read_open_meteo),
    ("w.csv", read_open_meteo),
    ("w.epw", read_epw),
    ("w.csv", read_tmy3),
    ("t.jsonl", read_trace),
    ("t.csv", read_trace),
    ("l.json", read_lengths),
    ("c.csv", read_windows),
    ("j.csv", read_jobs),
    ("j.swf", lambda path: read_jobs(path, terms=JobTerms(processors="slots"))),
    ("j.parquet", read_jobs),
    ("s.csv", lambda path: read_step_table(str(path))),
    ("m.csv", lambda path: read_columns(path, "work", ["power_w"])),
    ("r.parquet", read_recording),
    ("l.csv", read_log),
    ("p.csv", lambda path: read_series(path)),
    ("p.parquet", lambda path: read_series(path)),
]


def read_series(path: Path) -> Any:
    """A price of a CSV or Parquet file."""
    return read_plain(
        path,
        Terms("refuse", 0),
        time_column="datetime_utc",
        column="price",
        si_per_value=1.0,
        unit="USD/J",
        may_be_negative=True,
    )


CONTENTS = {
    "deep": DEEP.encode(),
    "deep in a record": ('{"timestamp": ' + DEEP + "}").encode(),
    "wide": WIDE.encode(),
    "quoted over lines": b'a,b\n"' + b"x\n" * 100_000,
    "nul": b"a,b\n\x00,1\n",
    "not text": bytes(range(256)) * 4,
    "empty": b"",
    "cut gzip": gzip.compress(os.urandom(4096))[:1000],
    "a number too long": b'{"hourly": ' + b"9" * 5000 + b"}",
    "parquet's ends": b"PAR1" + b"\xff" * 64 + b"PAR1",
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize(("name", "reader"), READERS, ids=[f"{reader.__name__}-{name}" for name, reader in READERS])
def test_every_reader_refuses(tmp_path: Path, content: str, name: str, reader: Callable[[Path], Any]) -> None:
    path = tmp_path / name
    path.write_bytes(CONTENTS[content])
    with pytest.raises(InputError) as refused:
        reader(path)
    assert {problem.file for problem in refused.value.problems} == {str(path)}


@pytest.mark.parametrize(("name", "reader"), READERS, ids=[f"{reader.__name__}-{name}" for name, reader in READERS])
def test_no_reader_waits_for_a_pipe(tmp_path: Path, name: str, reader: Callable[[Path], Any]) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="pipe"):
        reader(tmp_path / name)


@pytest.mark.parametrize("name", ["w.json.gz", "t.csv.gz", "l.json.gz"])
def test_a_bomb_takes_no_memory(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gigabyte of blanks in a megabyte, before a limit that is small so that this is quick."""
    monkeypatch.setattr("sim.weather.files.LARGEST_BYTES", 1 << 20)
    monkeypatch.setattr("sim.workload.servegen.MOST_BYTES", 1 << 20)
    path = tmp_path / name
    with gzip.open(path, "wb", compresslevel=1) as packed:
        for _ in range(64):
            packed.write(b" " * (1 << 20))
    read_it: Callable[[Path], Any] = {"w": read_open_meteo, "t": read_trace, "l": read_lengths}[name[0]]  # type: ignore[assignment]
    tracemalloc.start()
    with pytest.raises(InputError, match=r"more than|empty"):
        read_it(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 32 << 20


@pytest.mark.parametrize(("name", "reader"), READERS, ids=[f"{reader.__name__}-{name}" for name, reader in READERS])
def test_what_is_one_thing_over_and_over_is_refused_before_it_is_large(
    tmp_path: Path, name: str, reader: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row is written a million times, 400 of them in the room of one: no reader unpacks more than so many times what
    it was given. Here that is 20, not 100: it is long to wait for, memory being traced."""
    assert reading.MOST_UNPACKED == 100
    monkeypatch.setattr(reading, "MOST_UNPACKED", 20)
    monkeypatch.setattr(reading, "UNPACKED_AT_LEAST", 1 << 20)
    row = b"2022-07-04T00:00:00Z,1\n"
    (tmp_path / name).write_bytes(gzip.compress(b"datetime_utc,price\n" + row * 1_000_000, compresslevel=6))
    tracemalloc.start()
    with pytest.raises(InputError):
        reader(tmp_path / name)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 64 << 20


def test_a_log_has_a_number_of_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.measure.readers.text.MOST_LINES", 3)
    (tmp_path / "log").write_bytes(b"a\r\nb\rc\n")
    assert read_log_text(tmp_path / "log").lines == ("a", "b", "c")
    (tmp_path / "log").write_bytes(b"a\r\nb\rc\nd\n")
    with pytest.raises(InputError, match="more than 3 lines"):
        read_log_text(tmp_path / "log")


def test_a_series_has_a_number_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("cells", "plain"):
        monkeypatch.setattr(f"sim.signals.grid.{module}.MOST_ROWS", 2)
    (tmp_path / "s.csv").write_text("datetime_utc,price\n" + "2022-07-04T00:00:00Z,1\n" * 3, encoding="utf-8")
    times = pa.array([0, 1, 2], pa.timestamp("ns", tz="UTC"))
    pq.write_table(pa.table({"datetime_utc": times, "price": [1.0, 2.0, 3.0]}), tmp_path / "s.parquet")
    for name in ("s.csv", "s.parquet"):
        with pytest.raises(InputError, match="more than 2 rows"):
            read_series(tmp_path / name)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux")
def test_a_disk_that_cannot_be_read_is_named() -> None:
    with pytest.raises(InputError, match=r"/proc/self/mem(.|\n)*cannot be read: Input/output error"):
        read_document(Path("/proc/self/mem"))


def test_a_stream_ends_at_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "t.gz"
    path.write_bytes(gzip.compress(b"a\n" * 10_000))
    with reading.open_text(path, most=20_000) as text:
        assert len(text.read()) == 20_000
    with (
        pytest.raises(InputError, match="unpacks to more than 19,999 bytes"),
        reading.open_text(path, most=19_999) as text,
    ):
        text.read()


# --- Parquet ----------------------------------------------------------------------------------------------------------


def test_parquet_that_names_one_text_a_million_times_is_not_written_out(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    words = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1_000_000, dtype=np.int32)), pa.array(["x" * 100_000]))
    table = pa.table({"a": words}).cast(pa.schema({"a": pa.dictionary(pa.int32(), pa.string())}))
    pq.write_table(table, path, store_schema=False)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(InputError, match="bytes of text"):
        reading.read_parquet(path)


def test_parquet_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"a": ["x", None, "yz"], "n": [1, 2, 3], "d": pa.array(["k"] * 3).dictionary_encode()})
    pq.write_table(table, path)
    assert reading.read_parquet(path).equals(table)
    assert reading.read_parquet(path, columns=["n"]).column_names == ["n"]
    with pytest.raises(InputError, match="has no column 'q'"):
        reading.read_parquet(path, columns=["q"])


@pytest.fixture(scope="module")
def finished() -> Results:
    return sim.run(small())


def rehashed(folder: Path, name: str, content: bytes) -> None:
    """As somebody would who knows how the manifest is made."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files_sha256"][name] = hashlib.sha256(content).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest))


def tables() -> dict[str, bytes]:
    def packed(table: pa.Table) -> bytes:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        found: bytes = sink.getvalue().to_pybytes()
        return found

    good = packed(pa.table({"a": [1]}))
    cut = bytearray(good)
    cut[10:20] = b"\xff" * 10
    return {"no parquet": b"nonsense", "another table": good, "torn": bytes(cut), "empty": packed(pa.table({}))}


@pytest.mark.parametrize("name", ["ledger.parquet", "summary.json", "scenario.yaml", "jobs.parquet"])
@pytest.mark.parametrize("content", tables())
def test_a_run_that_was_tampered_with_is_bad_input(tmp_path: Path, finished: Results, name: str, content: str) -> None:
    write(finished, tmp_path / "out")
    rehashed(tmp_path / "out", name, tables()[content])
    if name == "jobs.parquet" and content in ("another table", "empty"):
        return  # a table that no command reads by its columns
    with pytest.raises(InputError):
        read(tmp_path / "out")


@pytest.mark.parametrize("text", [DEEP, "[]", '{"energy_kwh": true}', "nonsense", '{"a": NaN}'])
def test_a_summary_or_manifest_that_was_tampered_with_is_bad_input(
    tmp_path: Path, finished: Results, text: str
) -> None:
    out = tmp_path / "out"
    write(finished, out)
    rehashed(out, "summary.json", text.encode())
    with pytest.raises(InputError, match=r"summary\.json"):
        read(out)
    (out / MANIFEST).write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json"):
        read(out)


@pytest.mark.parametrize(
    ("table", "value"), [("jobs", 5), ("jobs", {"tune": 5}), ("serving", []), ("cost", 5), ("water_l", None)]
)
def test_a_table_of_a_summary_that_was_tampered_with_is_named(
    tmp_path: Path, finished: Results, table: str, value: object
) -> None:
    write(finished, tmp_path)
    rehashed(tmp_path, "summary.json", json.dumps({**finished.summary, table: value}).encode())
    with pytest.raises(InputError, match=rf"summary\.json(.|\n)*lacks {table}"):
        read(tmp_path)


@pytest.mark.parametrize("column", ["start_ns", "slot_ns", "energy_j", "owner"])
@pytest.mark.parametrize("value", [None, "x", [1], math.inf, 1e295])
def test_a_column_of_a_ledger_that_was_tampered_with_is_bad_input(
    tmp_path: Path, finished: Results, column: str, value: object
) -> None:
    """Also without a warning of NumPy's; texts may stand in a column of texts."""
    write(finished, tmp_path)
    good = pq.read_table(tmp_path / "ledger.parquet")
    kind = None if value is not None or column == "owner" else good.schema.field(column).type
    changed = pa.array([value] * len(good), kind)
    sink = pa.BufferOutputStream()
    pq.write_table(good.set_column(good.schema.get_field_index(column), column, changed), sink)
    rehashed(tmp_path, "ledger.parquet", sink.getvalue().to_pybytes())
    if (column, value) == ("owner", "x"):
        return
    with pytest.raises(InputError, match=r"ledger\.parquet"):
        read(tmp_path)


@pytest.mark.parametrize(
    "text", [DEEP, "[]", '{"name": 1}', '{"name": "x", "axes": [], "parts_sha256": {}, "columns": {}}']
)
def test_a_study_that_was_tampered_with_is_bad_input(tmp_path: Path, text: str) -> None:
    (tmp_path / STUDY).write_text(text)
    with pytest.raises(InputError, match="no finished study"):
        front_of(tmp_path, [Goal("a"), Goal("b")])


def test_a_cache_that_was_tampered_with_is_simulated_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = "ab" * 32
    store.keep(key, (DEEP + "\nrest").encode())
    assert store.read(key) is None


# --- nothing else reads files -----------------------------------------------------------------------------------------

READS = {
    "json.load",
    "json.loads",
    "csv.reader",
    "csv.DictReader",
    "gzip.open",
    "gzip.decompress",
    "open",
    "pq.read_table",
}
METHODS = {"read_text", "read_bytes", "open"}
ALLOWED = {
    "reading.py": "the guarded readers themselves",
    "content.py": "bytes of a file that was read before, to hash them",
    "kinds.py": "the sources of packages that add kinds, to name the build",
    "cli/command.py": "os.open of the null device",
    "measure/meters/rapl.py": "the kernel's own files under /sys and /proc",
    "measure/suite/program.py": "arguments that this package gave its own child",
    "running/peak_memory.py": "the kernel's own file under /proc",
    "results/atomic.py": "what was just staged, to sync it; the first bytes of a target, known to be a regular file",
    "results/files.py": "bytes of a regular file, to hash them",
    "study/sweep/folder.py": "the lock",
    "study/sweep/journal.py": "lines with a checksum, in a folder found to be the study's own",
    "study/search/optimize.py": "lines of a regular file, each parsed by the guarded reader",
    "study/sources.py": "the package's own sources, to name the build",
    "study/store.py": "files with a hash, in a folder of the cache's own",
    "study/packed.py": "bytes whose hash was checked before",
    "study/sweep/again.py": "bytes whose hash was checked before; rows that this process has just written",
    "study/sweep/run.py": "inputs that were read and checked before, to send them along",
    "study/sweep/tables.py": "the schema of a part, in a folder found to be the study's own",
    "study/sweep/tasks.py": "inputs that came along; this process's own memory in /proc",
    # read by their own guarded ways, or on their way to the common ones
    "signals/csv_table.py": "regular lines up to a limit; csv.Error is caught",
    "signals/grid/cells.py": "grids' JSON",
    "measure/readers/__init__.py": "the first bytes, to tell the format",
    "measure/readers/text.py": "text of meters",
    "measure/readers/codecarbon.py": "one line of text that was read",
    "measure/readers/table.py": "one line of text that was read",
    "measure/readers/mlperf.py": "one line of text that was read",
    "measure/readers/prometheus.py": "text that was read",
    "cli/completion.py": "a run's own summary, quietly: a shell is told nothing where it is damaged",
    "cli/explore.py": "opens a browser",
    "cli/starters.py": "the package's own files; the new file that it writes",
    "engine/kernels/build.py": "the package's own sources, and what was just linked",
    "engine/kernels/loading.py": "the package's own library and sources",
    "report/page.py": "the package's own scripts and styles",
    "explore/pages.py": "the package's own script and style",
    "explore/server.py": "the body of a request, up to a limit; what is no JSON is told",
    "explore/keeping.py": "a report that was found to be this package's own",
    "explore/shelf.py": "the first line of a regular file, up to a limit; errors are caught",
    "engine/serving/opening.py": "opens the queue to replicas, and no file",
    "engine/serving/lives.py": "likewise",
    "exports/codecarbon.py": "a target, to see whether it is an export of ours",
    "exports/perfetto.py": "what stands in the schema of a run's own table, read by the guarded reader",
    "exports/ghg.py": "a target, to see whether it is an export of ours",
    "follow/server.py": "what a server answered, up to a limit; errors are caught",
}


def reads(tree: ast.AST) -> set[str]:
    """How a module reads files or syntaxes by itself."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in READS or (isinstance(node.func, ast.Attribute) and node.func.attr in METHODS):
                found.add(name)
    return found


def test_files_are_read_by_the_guarded_readers() -> None:
    own = {
        path.relative_to(ROOT / "sim").as_posix()
        for path in sorted((ROOT / "sim").rglob("*.py"))
        if "_shipped" not in path.parts and reads(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert own - ALLOWED.keys() == set()


@pytest.mark.parametrize(
    "source", ["import json\njson.loads(x)", "path.read_text()", "with p.open() as f: pass", "open(p)"]
)
def test_the_check_can_fail(source: str) -> None:
    assert reads(ast.parse(source))


# --- names ------------------------------------------------------------------------------------------------------------


def coldaisle(*words: str, cwd: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    code = "import sys, sim.cli.command; sim.cli.main()"
    return subprocess.run(
        [sys.executable, "-c", code, *words], cwd=cwd, capture_output=True, text=True, check=False, **more
    )


def test_what_a_name_holds_is_shown_and_not_obeyed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.yaml").write_text(to_yaml({**small(), "name": f"mine{ESC}\x9b2J\u202e"}))
    assert cli._end(["run", str(tmp_path / "s.yaml")])[0] == 0
    shown = capsys.readouterr().out
    assert "mine" in shown
    assert shown == inert(shown)
    status, message, _ = cli._end(["check", str(tmp_path / f"no{ESC}file.yaml")])
    tell(message)
    said = capsys.readouterr().err
    assert status == 2
    assert "no such file" in said
    assert said == inert(said)


@pytest.mark.parametrize("path", ["name", "site.name", "cluster.nodes.0.name"])
def test_a_name_has_a_length(path: str) -> None:
    with pytest.raises(InputError, match="at most 200 characters"):
        load_scenario(small(), {path: "x" * 10_000})


def test_names_of_parts_have_a_length() -> None:
    """Some pages at most for a workload, which is text wherever it stands; a line or two for what is not."""
    data = small()
    data["workloads"]["x" * 10_241] = data["workloads"].pop("tune")
    with pytest.raises(InputError, match="at most 10,240 characters"):
        load_scenario(data)
    data = small()
    data["sites"] = {"x" * 201: data.pop("site")}
    with pytest.raises(InputError, match="at most 200 characters"):
        load_scenario(data)


def test_cells_are_no_formulas(tmp_path: Path) -> None:
    texts = ['=HYPERLINK("http://x")', "+1 W", "-2 W", "@SUM(A1)", "\tx", "plain", "-3.5e2", "+7", None]
    points = pa.table({"point": range(9), "status": ["done"] * 9, "axis.a": texts, "carbon": [-1.5] * 9})
    front = Front("f", (Goal("carbon"),), ("axis.a",), points, 9, 0, 0)
    front.write(tmp_path / "front.csv")
    front.write(tmp_path / "front.csv")  # over its own
    read_back = pacsv.read_csv(tmp_path / "front.csv")
    cells = read_back.column("axis.a").to_pylist()
    assert [cell[0] for cell in cells[:5]] == ["'"] * 5
    assert cells[5:8] == ["plain", "-3.5e2", "+7"]
    assert read_back.column("carbon").to_pylist() == [-1.5] * 9


# --- faults of the machine --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_sweep_on_a_full_disk_names_the_path(tmp_path: Path) -> None:
    """A limit on file size stands in for the full disk."""
    base = tmp_path / "s.yaml"
    base.write_text(to_yaml(small()))
    (tmp_path / "study.yaml").write_text("base: s.yaml\naxes: {seed: [1, 2]}\n")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))

    done = coldaisle(
        "sweep", "study.yaml", "--out", "out", "--no-cache", "--workers", "1", cwd=tmp_path, preexec_fn=limit
    )
    assert done.returncode == 1
    assert "cannot write out" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_disk_that_fails_in_the_middle_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sim.study.sweep.journal.Spool.flush", full)
    with pytest.raises(RunError, match=r"cannot write .*out: No space left on device"):
        sweep({"base": small(), "axes": {"seed": [1, 2]}}, tmp_path / "out", cache=Store(tmp_path / "cache"))


def test_two_rows_of_one_instant_warn_nobody() -> None:
    """Of a counter that rises within one instant and falls later: no watts follow from no time."""
    counter = np.array([0.0, 10.0, 20.0, 5.0])
    times = np.array([0, 0, 10**9, 2 * 10**9])
    lines = np.array([1, 2, 3, 4])
    gathering = Gathering(Text("counters.csv", ()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rising = gathering._rising("gpu", counter, times, lines)
    assert rising.tolist() == [0.0, 10.0, 20.0, 20.0]


def test_a_message_is_told_as_far_as_anybody_reads_it() -> None:
    told = describe(InputError.one("loads.csv", f"machine '{'x' * 100_000}' is none", line=3))
    assert len(told) < 2_200
    assert told.endswith("more characters)")


SWF = b"1 0 0 10 1 -1 -1 1 -1 -1 1 1 1 -1 1 -1 -1 -1\n"
PHILLY = b'[{"jobid": "a", "attempts": [], "user": "u", "submitted_time": "2017-10-01 00:00:00"},\n'
TEXT: list[tuple[str, bytes, Callable[[Path], Any]]] = [
    ("j.csv", b"submit_s,run_s,gpus\n0,1,1\n", read_jobs),
    ("j.swf", SWF, lambda path: read_jobs(path, terms=JobTerms(processors="slots"))),
    ("j.json", PHILLY, lambda path: read_jobs(path, "philly", terms=JobTerms(zone="UTC"))),
    ("t.csv", b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,1,1\n", read_trace),
    ("l.json", b"{}\n", read_lengths),
    ("m.csv", b"work,power_w\n1,1\n", lambda path: read_columns(path, "work", ["power_w"])),
    ("p.csv", b"datetime_utc,price\n2024-01-01T00:00:00Z,1\n", read_series),
    ("s.yaml", b"name: x\n", read_document),
]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
@pytest.mark.parametrize(("name", "begins", "reader"), TEXT, ids=[name for name, _, _ in TEXT])
def test_what_is_no_text_is_told_by_its_line(
    tmp_path: Path, name: str, begins: bytes, reader: Callable[[Path], Any], pack: Callable[[bytes], bytes]
) -> None:
    """Behind a mark of UTF-8 and more lines than are read at once, in the middle of one."""
    path = tmp_path / name
    if pack is gzip.compress and reader is read_document:
        pytest.skip("scenarios are not packed")
    path.write_bytes(pack(b"\xef\xbb\xbf" + begins + (b" " * 20 + b"\n") * 60_000 + b"caf\xe9,1\n"))
    with pytest.raises(InputError) as refused:
        reader(path)
    [problem] = refused.value.problems
    assert "is not UTF-8 text" in problem.message
    assert problem.line == 60_001 + begins.count(b"\n")


def test_text_that_ends_within_a_character_is_told_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "j.csv"
    path.write_bytes(b"submit_s,run_s,gpus,user\n0,1,1,ren\xc3")
    with pytest.raises(InputError, match=r"j.csv:2: is not UTF-8 text \(unexpected end of data\)"):
        read_jobs(path)


def test_a_column_that_is_there_twice_is_refused_where_it_is_asked_for(tmp_path: Path) -> None:
    """The first of them was taken in a series, the last in a trace, and nothing said."""
    trace, table = tmp_path / "t.csv", tmp_path / "s.csv"
    trace.write_text("TIMESTAMP,ContextTokens,ContextTokens,GeneratedTokens\n2023-11-16 18:00:00,1,2,3\n")
    with pytest.raises(InputError, match=r"t\.csv:1: has two columns 'ContextTokens'"):
        read_trace(trace)
    table.write_text("phase,tokens,time_ms,time_ms\ndecode,1,2,3\nprefill,1,2,3\n")
    with pytest.raises(InputError, match=r"s\.csv:1: has two columns 'time_ms'"):
        read_step_table(str(table))
    loads = tmp_path / "loads.csv"
    loads.write_text("\nmachine,load,load,power_w\nm,0,0,50\nm,0.5,1,150\n")
    with pytest.raises(InputError, match=r"loads\.csv:1: has two columns 'load'"):
        read_columns(loads, "machine", ["load", "power_w"])
