"""A trace as the jobs of a run: windows, rates, clocks, and what is asked where a trace leaves something open."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sim.build.jobs.source import JobsAsked, jobs_of, replay_of, trace_of
from sim.errors import InputError
from sim.instants import epoch_ns
from sim.rng import Streams
from sim.spec.job_source import TraceJobs
from sim.units import HOUR_NS, NS_PER_S
from sim.workload.jobs import loads_table
from sim.workload.jobs.plain import write_jobs
from sim.workload.jobs.table import COLUMNS, LABELS, NAMED, RECORDED, UNKNOWN, JobTable
from sim.workload.jobs.traces import read_jobs

START_NS = epoch_ns(datetime(2024, 1, 2, 10, 0, tzinfo=UTC))
PLAIN = """submit_utc,run_s,gpus,user,recorded_start_utc,recorded_end_utc,recorded_state,deadline_utc
2024-01-02T10:00:00Z,60,8,ann,2024-01-02T10:00:10Z,2024-01-02T10:01:10Z,completed,2024-01-02T11:00:00Z
2024-01-02T10:10:00Z,,4,bob,,,never,
2024-01-02T10:20:00Z,0,4,bob,2024-01-02T10:20:00Z,2024-01-02T10:20:00Z,failed,
2024-01-02T10:30:00Z,,2,ann,2024-01-02T10:40:00Z,,running,
2024-01-02T11:00:00Z,90,1,ann,2024-01-02T11:00:00Z,2024-01-02T11:01:30Z,completed,
"""
ALL = {"never_started": "30 s", "unfinished": "as-recorded", "zero_runtime": "1 s"}


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "jobs.csv"
    path.write_text(PLAIN)
    return path


def source(path: Path, **written: Any) -> TraceJobs:
    return TraceJobs.model_validate({"kind": "trace", "file": str(path), **written})


def asked(start_ns: int = START_NS, duration_ns: int | None = None) -> JobsAsked:
    return JobsAsked("research", start_ns, duration_ns, Streams(1))


def seconds(table: JobTable) -> list[float]:
    return [ns / NS_PER_S for ns in table.submit_ns.tolist()]


def test_what_a_trace_leaves_open_is_asked_for(plain: Path) -> None:
    with pytest.raises(InputError) as caught:
        jobs_of(source(plain), asked())
    said = [(problem.line, problem.message) for problem in caught.value.problems]
    assert [line for line, _ in said] == [3, 4, 5]
    asked_for = ("'never_started'", "'zero_runtime'", "'unfinished'")
    assert all(name in message for (_, message), name in zip(said, asked_for, strict=True))
    assert all("leave-out, or how long" in message for _, message in said[:2]), "what may be written there"
    assert "as-recorded" in said[2][1]
    with pytest.raises(InputError, match="1 job ran for 0 s"):
        jobs_of(source(plain, **{**ALL, "zero_runtime": None}), asked())


def test_each_rule_is_kept(plain: Path) -> None:
    table = jobs_of(source(plain, **ALL), asked())
    # The last instant of the trace is 11:01:30; the running job is seen to run from 10:40 until then.
    assert (table.run_ns // NS_PER_S).tolist() == [60, 30, 1, 1290, 90]
    fixed = jobs_of(source(plain, **{**ALL, "unfinished": "2 h"}), asked())
    assert fixed.run_ns[3] == 2 * HOUR_NS
    out = replay_of(source(plain, **dict.fromkeys(ALL, "leave-out")), asked())
    assert (out.table.run_ns // NS_PER_S).tolist() == [60, 90]
    assert sorted(out.left_out.values()) == [1, 1, 1]


def test_windows_clocks_and_ends(plain: Path) -> None:
    assert seconds(jobs_of(source(plain, **ALL), asked())) == [0, 600, 1200, 1800, 3600]
    window = {"start": "15 min", "end": "60 min"}
    assert seconds(jobs_of(source(plain, window=window, **ALL), asked())) == [300, 900]
    late = asked(START_NS + 900 * NS_PER_S)
    by_clock = replay_of(source(plain, align="clock", **ALL), late)
    assert seconds(by_clock.table) == [300, 900, 2700]
    assert by_clock.left_out == {"submitted before the run starts": 2}
    short = replay_of(source(plain, **ALL), asked(duration_ns=1800 * NS_PER_S))
    assert seconds(short.table) == [0, 600, 1200]
    assert short.left_out == {"submitted after the run ends": 2}
    assert seconds(jobs_of(source(plain, jobs=2, **ALL), asked())) == [0, 600]
    assert seconds(jobs_of(source(plain, window=window, align="clock", **ALL), late)) == [300, 900]
    with pytest.raises(InputError, match="leaves no job to run: 5 submitted before the window"):
        jobs_of(source(plain, window={"start": "2 d"}, **ALL), asked())


def test_what_lies_outside_needs_no_rule(plain: Path) -> None:
    assert len(jobs_of(source(plain, window={"start": "40 min"}), asked())) == 1


def test_a_trace_without_a_clock_cannot_be_aligned(tmp_path: Path) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text("submit_s,run_s,gpus\n5,60,8\n")
    assert seconds(jobs_of(source(path), asked())) == [0]
    with pytest.raises(InputError, match="align: start"):
        jobs_of(source(path, align="clock"), asked())


def test_a_faster_rate_brings_the_same_jobs_sooner(plain: Path) -> None:
    slow, fast = (jobs_of(source(plain, rate_scale=scale, **ALL), asked()) for scale in (1.0, 4.0))
    assert seconds(fast) == [one / 4 for one in seconds(slow)]
    assert np.array_equal(fast.run_ns, slow.run_ns)
    assert slow.recorded_start_ns.tolist()[0] == 10 * NS_PER_S
    assert set(fast.recorded_start_ns.tolist()) == {UNKNOWN}  # it was recorded under another load
    assert slow.deadline_ns[0] - slow.submit_ns[0] == fast.deadline_ns[0] - fast.submit_ns[0] == HOUR_NS


def test_bad_rows_stop_or_are_skipped(plain: Path) -> None:
    plain.write_text(PLAIN + "yesterday,1,1,ann,,,,\n")
    with pytest.raises(InputError, match=r"jobs.csv:7: submit_utc is no time: 'yesterday'"):
        trace_of(source(plain))
    trace = trace_of(source(plain, on_bad_rows="skip"))
    assert (trace.report.rows, trace.report.skipped, trace.report.jobs) == (6, 1, 5)


@pytest.mark.parametrize(
    "written",
    [
        {"window": {"start": "2 d", "end": "1 d"}},
        {"rate_scale": 0},
        {"zone": "Mars/Olympus"},
        {"unfinished": "never"},
        {"format": "pbs"},
        {"jobs": 0},
    ],
)
def test_what_is_written_wrong_is_refused(written: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        source(Path("jobs.csv"), **written)


# --- The plain table --------------------------------------------------------------------------------------------------


def test_units_stand_in_the_names(tmp_path: Path) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text("submit_min,run_h,gpus,cores,memory_gib,limit_s,spot\n0,0.5,0.25,1.5,4,7200,true\n2,1,8,,,,0\n")
    table = read_jobs(path).table
    assert table.submit_ns.tolist() == [0, 120 * NS_PER_S]
    assert table.run_ns.tolist() == [HOUR_NS // 2, HOUR_NS]
    assert (table.gpus.tolist(), table.gpu_milli.tolist()) == ([0, 8], [250, 0])
    assert (table.cpu_milli.tolist(), table.memory_mib.tolist()) == ([1500, UNKNOWN], [4096, UNKNOWN])
    assert (table.limit_ns.tolist(), table.spot.tolist()) == ([2 * HOUR_NS, UNKNOWN], [1, 0])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("submit_s,run_s,gpu\n0,1,1\n", "a column 'gpu' that says nothing; did you mean 'gpus'?"),
        ("submit_s,submit_ms,run_s,gpus\n0,0,1,1\n", "says 'submit' twice"),
        ("submit_utc,run_s,gpus,deadline_s\n2024-01-01,1,1,5\n", "one is on a clock and the other is not"),
        ("submit_s,run_s,gpus,cores,cpu_milli\n0,1,1,1,1\n", "says the same twice"),
        ("submit_local,run_s,gpus\n2024-01-01T00:00,1,1\n", "'zone'"),
        ("submit_s,run_s,gpus\n0,-1,1\n", "runs for less than no time"),
        ("submit_s,run_s,gpus\n0,1,1.5\n", "neither whole ones nor a part of one"),
        ("submit_s,run_s,gpus,gpu_milli\n0,1,1,500\n", "asks for gpus and for gpu_milli"),
        ("submit_s,run_s,gpus,spot\n0,1,1,maybe\n", "neither 1 nor 0"),
        ("submit_s,run_s,gpus,cpu_load\n0,1,1,1.5\n", "a cpu_load above 1"),
        ("submit_s,run_s,gpus\n0,1,\n", "does not say how many GPUs"),
        ("submit_s,run_s,user\n0,1,ann\n", "asks for no GPU and no core"),
    ],
)
def test_a_plain_table_that_cannot_be_used(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_jobs(path)
    assert says in str(caught.value)


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8)
HOSTS = st.sampled_from(["n1", "n[001-004,7],login", "r[1-2]n[01-16]", "a,b"])
NS = st.integers(0, 10**18)


def _or_unknown(some: st.SearchStrategy[int]) -> st.SearchStrategy[int]:
    return st.just(UNKNOWN) | some


@st.composite
def tables(draw: st.DrawFn) -> JobTable:
    """Any jobs that there can be, the first submitted at 0."""
    n = draw(st.integers(1, 5))

    def column(some: st.SearchStrategy[int]) -> Any:
        return np.array(draw(st.lists(some, min_size=n, max_size=n)), dtype=np.int64)

    def real(most: float) -> Any:
        some = st.just(np.nan) | st.floats(0.0, most)
        return np.array(draw(st.lists(some, min_size=n, max_size=n)))

    submit = np.sort(column(NS))
    submit -= submit[0]
    milli = column(st.just(0) | st.integers(1, 999))
    gpus = np.where(milli > 0, 0, column(st.integers(1, 10**6)))
    start = np.where(column(st.booleans().map(int)), submit + column(NS), UNKNOWN)
    ends = (start != UNKNOWN) & (column(st.booleans().map(int)) == 1)
    names = {label: tuple(draw(st.lists(NAMES, unique=True, max_size=3))) for label in LABELS}
    names["recorded_nodes"] = tuple(draw(st.lists(HOSTS, unique=True, max_size=3)))
    least, more = column(_or_unknown(st.integers(0, 100))), column(_or_unknown(st.integers(0, 100)))
    return JobTable(
        submit_ns=submit,
        run_ns=np.where(ends, np.maximum(column(_or_unknown(NS)), 0), column(_or_unknown(NS))),
        gpus=gpus,
        gpu_milli=milli,
        cpu_milli=column(_or_unknown(st.integers(0, 10**9))),
        memory_mib=column(_or_unknown(st.integers(0, 10**9))),
        limit_ns=np.full(n, 2 * 10**18),
        priority=column(st.integers(0, 100)),
        spot=column(st.integers(0, 1)),
        deadline_ns=column(_or_unknown(NS)),
        slack_ns=column(NS),
        min_gpus=np.minimum(least, gpus),
        max_gpus=np.where(more == UNKNOWN, UNKNOWN, gpus + more),
        **{label: column(st.integers(UNKNOWN, len(names[label]) - 1)) for label in NAMED},
        gpu_w=real(1e4),
        cpu_load=real(1.0),
        recorded_start_ns=start,
        recorded_end_ns=np.where(ends, start + column(NS), UNKNOWN),
        recorded_state=column(st.integers(0, len(RECORDED) - 1)),
        recorded_j=real(1e12),
        job_id=draw(st.lists(NAMES, min_size=n, max_size=n)),
        names=names,
    )


def same(one: JobTable, other: JobTable) -> bool:
    """All but the codes of names, which may be others."""
    columns = [name for name in COLUMNS if name not in (*NAMED, "line")]
    equal = all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in columns)

    def named(table: JobTable, label: str) -> list[str | None]:
        names = [*table.names.get(label, ()), None]
        return [names[code] for code in getattr(table, label).tolist()]

    return equal and all(named(one, label) == named(other, label) for label in NAMED)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_is_written_is_read_again(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"jobs.{ending}"
    check: Callable[[], None] = given(tables())(lambda table: _round_trip(table, path))
    check()


def _round_trip(table: JobTable, path: Path) -> None:
    path.unlink(missing_ok=True)
    write_jobs(table, path)
    again = read_jobs(path).table
    assert same(table, again)
    assert list(again.job_id) == list(table.job_id)


def test_a_name_over_lines_is_not_written(tmp_path: Path) -> None:
    one = np.ones(1, dtype=np.int64)
    table = JobTable(one * 0, one, one, user=one * 0, names={"user": ("two\nlines",)})
    with pytest.raises(ValueError, match="goes over lines"):
        write_jobs(table, tmp_path / "jobs.csv")


# --- Loads over time --------------------------------------------------------------------------------------------------

JOBS = "job_id,submit_s,run_s,gpus\nb,10,100,2\na,0,60,1\nc,20,30,1\n"
LOADS = "job_id,offset_s,gpu_w,cpu_load\na,0,400,0.5\nb,0,100,\nb,25,300,\na,30,200,0.1\n"


def _written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


def _with_loads(tmp_path: Path, loads: str) -> JobTable:
    jobs, file = _written(tmp_path / "jobs.csv", JOBS), _written(tmp_path / "loads.csv", loads)
    return jobs_of(source(jobs, loads=str(file)), asked())


def test_loads_over_time_follow_their_jobs(tmp_path: Path) -> None:
    table = _with_loads(tmp_path, LOADS)
    assert list(table.job_id) == ["a", "b", "c"]
    assert table.loads is not None
    assert table.loads.first.tolist() == [0, 2, 4, 4]
    assert (table.loads.offset_ns // NS_PER_S).tolist() == [0, 30, 0, 25]
    assert table.loads.gpu_w.tolist() == [400.0, 200.0, 100.0, 300.0]
    # means over the run: (30 s x 400 W + 30 s x 200 W) / 60 s, and (25 s x 100 W + 75 s x 300 W) / 100 s
    assert table.gpu_w.tolist()[:2] == [300.0, 250.0]
    assert np.isnan(table.gpu_w[2])
    assert table.cpu_load.tolist()[0] == pytest.approx(0.3)
    assert np.isnan(table.cpu_load[1:]).all()


@pytest.mark.parametrize(
    ("loads", "says"),
    [
        (LOADS + "d,0,1,1\n", "loads.csv:6: is of no job of the trace: 'd'"),
        (LOADS + "c,5,1,1\n", "loads.csv:6: is the first of its job, and not at 0"),
        (LOADS + "b,20,1,1\n", "loads.csv:6: is not after the row of its job before"),
        (LOADS + "c,0,-1,1\n", "a gpu_w below 0"),
        (LOADS + "c,0,1,2\n", "a cpu_load that is not from 0 to 1"),
        ("job_id,offset_s,watts\na,0,1\n", "a column 'watts' that says nothing"),
        ("job_id,gpu_w\na,1\n", "needs the columns job_id, offset_s"),
        ("job_id,offset_s,gpu_w\n", "holds no loads"),
    ],
)
def test_loads_that_cannot_be_used(tmp_path: Path, loads: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        _with_loads(tmp_path, loads)
    assert says in str(caught.value)


def test_loads_are_the_same_however_they_are_cut_to_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _with_loads(tmp_path, LOADS)
    monkeypatch.setattr(loads_table, "BLOCK", 16)
    monkeypatch.setattr(loads_table, "AT_ONCE", 1)
    small = _with_loads(tmp_path, LOADS + "\n")  # a line with nothing on it, which is another file
    assert whole.loads is not None
    assert small.loads is not None
    for name in vars(whole.loads):
        assert np.array_equal(getattr(whole.loads, name), getattr(small.loads, name), equal_nan=True)
    assert np.array_equal(whole.gpu_w, small.gpu_w, equal_nan=True)
    assert np.array_equal(whole.cpu_load, small.cpu_load, equal_nan=True)
    with pytest.raises(InputError, match=r"loads\.csv:8: is not after the row of its job before"):
        _with_loads(tmp_path, LOADS + "\nc,0,1,1\nb,25,1,1\n")


def test_a_column_that_loads_lack_takes_no_memory(tmp_path: Path) -> None:
    loads = _with_loads(tmp_path, "job_id,offset_s,cpu_load\na,0,0.5\na,30,0.25\n").loads
    assert loads is not None
    assert loads.gpu_w.strides == (0,)
    assert np.isnan(loads.gpu_w).all()
    assert loads.cpu_load.tolist() == [0.5, 0.25]


def test_reading_loads_holds_little_more_than_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a row: its job, time and load as they are gathered (20 B), a column of them once more as they are joined
    (8 B), and which rows are the first of their jobs (2 B); beside it, a block of text and its cells."""
    rows = 400_000
    table = jobs_of(source(_written(tmp_path / "jobs.csv", JOBS)), asked())
    lines = (f"{'ab'[i // (rows // 2)]},{i % (rows // 2)},0.5\n" for i in range(rows))
    file = _written(tmp_path / "loads.csv", "job_id,offset_s,cpu_load\n" + "".join(lines))
    monkeypatch.setattr(loads_table, "BLOCK", 1 << 18)
    monkeypatch.setattr(loads_table, "AT_ONCE", 1 << 14)
    tracemalloc.start()
    try:
        loads_table.with_loads(table, file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 30 * rows + 10 * loads_table.BLOCK


def test_what_is_written_reaches_the_reader(tmp_path: Path) -> None:
    """Each field that says what a trace does not changes what is read."""
    gaia = tmp_path / "gaia.csv"
    gaia.write_text("arrival_time,length,cpus\n0,0.5,2\n")
    as_slots = jobs_of(source(gaia, processors="slots", time_unit="hours"), asked())
    as_cores = jobs_of(source(gaia, processors="cores", time_unit="seconds", format="gaia"), asked())
    assert (as_slots.gpus.tolist(), as_slots.run_ns.tolist()) == ([2], [HOUR_NS // 2])
    assert (as_cores.cpu_milli.tolist(), as_cores.run_ns.tolist()) == ([2000], [NS_PER_S // 2])
    with pytest.raises(InputError, match="is not of the format 'swf'"):
        jobs_of(source(gaia, processors="slots", format="swf"), asked())
    local = tmp_path / "local.csv"
    local.write_text("submit_local,run_s,gpus\n2024-01-02T10:00:00,1,1\n")
    firsts = [trace_of(source(local, zone=zone)).first_ns for zone in ("UTC", "Asia/Shanghai")]
    assert firsts == [START_NS, START_NS - 8 * HOUR_NS]
    jobs, tasks = tmp_path / "jobs.csv", tmp_path / "tasks.csv"
    jobs.write_text("j1,i1,ann,Terminated,100.0,900.0\n")
    tasks.write_text("j1,worker,1.0,Terminated,110.0,900.0,600.0,29.3,100.0,T4\n")
    assert jobs_of(source(jobs, tasks=str(tasks)), asked()).recorded_start_ns.tolist() == [10 * NS_PER_S]
    assert source(jobs, tasks=str(tasks)).files == ((("file",), str(jobs)), (("tasks",), str(tasks)))


# --- No field is accepted and ignored ---------------------------------------------------------------------------------

SIDE_FILES = {
    "jobs.csv": PLAIN,
    "local.csv": "submit_local,run_s,gpus\n2024-01-02T10:00:00,1,1\n",
    "gaia.csv": "arrival_time,length,cpus\n0,0.5,2\n",
    "bad.csv": "submit_s,run_s,gpus\n0,1,1\n5,x,1\n",
    "pai.csv": "j1,i1,ann,Terminated,100.0,900.0\n",
    "tasks.csv": "j1,worker,1.0,Terminated,110.0,900.0,600.0,29.3,100.0,T4\n",
    "named.csv": JOBS,
    "loads.csv": LOADS,
}
GAIA = {"file": "gaia.csv", "processors": "slots", "time_unit": "hours"}
FELT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "kind": ({}, {"file": "named.csv"}),  # what it is, with another file: the field has one word
    "file": ({}, {"file": "named.csv"}),
    "tasks": ({"file": "pai.csv"}, {"file": "pai.csv", "tasks": "tasks.csv"}),
    "loads": ({"file": "named.csv"}, {"file": "named.csv", "loads": "loads.csv"}),
    "format": (GAIA, {**GAIA, "format": "swf"}),
    "zone": ({"file": "local.csv", "align": "clock", "zone": "UTC"}, {"file": "local.csv", "zone": "Asia/Shanghai"}),
    "processors": (GAIA, {**GAIA, "processors": "cores"}),
    "time_unit": (GAIA, {**GAIA, "time_unit": "seconds"}),
    "on_bad_rows": ({"file": "bad.csv"}, {"file": "bad.csv", "on_bad_rows": "skip"}),
    "never_started": (ALL, {**ALL, "never_started": "31 s"}),
    "unfinished": (ALL, {**ALL, "unfinished": "31 s"}),
    "zero_runtime": (ALL, {**ALL, "zero_runtime": "leave-out"}),
    "align": (ALL, {**ALL, "align": "clock"}),
    "window": (ALL, {**ALL, "window": {"start": "15 min"}}),
    "rate_scale": (ALL, {**ALL, "rate_scale": 2}),
    "jobs": (ALL, {**ALL, "jobs": 2}),
}


def test_every_field_is_felt(tmp_path: Path) -> None:
    for name, text in SIDE_FILES.items():
        (tmp_path / name).write_text(text)

    def outcome(written: dict[str, Any]) -> tuple[Any, ...]:
        files = {name: str(tmp_path / written[name]) for name in ("tasks", "loads") if name in written}
        made = source(
            tmp_path / written.get("file", "jobs.csv"), **{k: v for k, v in written.items() if k != "file"} | files
        )
        try:
            table = jobs_of(made, asked(START_NS - HOUR_NS))
        except InputError as error:
            return (str(error),)
        return tuple(getattr(table, name).tobytes() for name in COLUMNS), str(table.told)

    assert set(FELT) == set(TraceJobs.model_fields)
    for field, (before, after) in FELT.items():
        assert outcome(before) != outcome(after), field
