"""Job traces in their native formats: each of their traps by the rule that is stated for it."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import InputError
from sim.units import DAY_NS, HOUR_NS, NS_PER_S
from sim.workload.jobs.formats import Terms
from sim.workload.jobs.swf import _tabbed
from sim.workload.jobs.table import RECORDED, UNKNOWN, JobTable
from sim.workload.jobs.traces import JobTrace, job_formats, read_jobs

SLOTS = Terms(processors="slots")
MINUTE_NS = 60 * NS_PER_S


def read(
    tmp_path: Path,
    text: str,
    terms: Terms | None = None,
    name: str = "jobs.txt",
    wanted: str | None = None,
    **options: bool,
) -> JobTrace:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return read_jobs(path, wanted, terms=terms or Terms(), **options)


def states(table: JobTable) -> list[str]:
    return [RECORDED[code] for code in table.recorded_state.tolist()]


def named(table: JobTable, label: str) -> list[str | None]:
    names = [*table.names[label], None]
    return [names[code] for code in getattr(table, label).tolist()]


def rule(trace: JobTrace, words: str) -> tuple[int, list[int]]:
    """How many rows the rule with these words was applied to, and their lines."""
    found = [note for said, note in trace.report.notes.items() if words in said]
    assert len(found) == 1, list(trace.report.notes)
    return found[0].count, found[0].lines


# --- SWF -------------------------------------------------------------------------------------------------------------

SWF = """; Version: 2.2
; UnixStartTime: 1000000000
; MaxProcs: 8
;
    1     0   10   100    4   -1   -1    8   200 1024  1   3   1   2  0 -1 -1 -1
    2    50   -1    -1   -1   -1   -1    2    -1   -1 -1   3   1  -1  1 -1 -1 -1
    3    60    0    30    2   -1   -1   -1    10   -1  0   4   2   1  1 -1  1 60
    4    70   -1     0    0   -1   -1    4    60   -1  5   4   2   1  1 -1 -1 -1
    5    80    5    20    2   -1   -1    2    60   -1  1   4   2   1  1 -1 -1 -1
    5    85    0    10    2   -1   -1    2    60   -1  2   4   2   1  1 -1 -1 -1
    5    95    0    10    2   -1   -1    2    60   -1  3   4   2   1  1 -1 -1 -1
    6    90    0     0    1   -1   -1    1    60   -1  1   5   2   1  1 -1 -1 -1
"""


def test_swf(tmp_path: Path) -> None:
    trace = read(tmp_path, SWF, SLOTS)
    table = trace.table
    assert trace.report.format == "swf"
    assert (trace.report.rows, trace.report.jobs) == (8, 6)
    assert trace.first_ns == 1_000_000_000 * NS_PER_S
    assert (table.submit_ns // NS_PER_S).tolist() == [0, 50, 60, 70, 80, 90]
    assert table.gpus.tolist() == [8, 2, 2, 4, 2, 1]  # requested; where that is -1, allocated
    assert table.run_ns.tolist() == [100 * NS_PER_S, UNKNOWN, 30 * NS_PER_S, UNKNOWN, 20 * NS_PER_S, 0]
    assert table.limit_ns.tolist()[:3] == [200 * NS_PER_S, UNKNOWN, 10 * NS_PER_S]
    assert table.memory_mib.tolist()[:2] == [8, UNKNOWN]  # 1024 kB of each of 8 processors
    assert states(table) == ["completed", "unknown", "failed", "never", "completed", "completed"]
    assert table.recorded_start_ns.tolist()[:4] == [10 * NS_PER_S, UNKNOWN, 60 * NS_PER_S, UNKNOWN]
    assert named(table, "kind")[:2] == ["2", None]
    assert table.line.tolist() == [5, 6, 7, 8, 9, 12]
    assert rule(trace, "bursts of a job") == (2, [10, 11])
    assert rule(trace, "were allocated other processors") == (1, [5])
    assert rule(trace, "ran for longer than they asked for") == (1, [7])
    assert rule(trace, "waited for another job") == (1, [7])


@given(st.text(alphabet=" \t12-;\n", max_size=40))
def test_fields_of_swf_are_what_stands_between_spaces(text: str) -> None:
    lines = ["" if line.lstrip().startswith(";") else "\t".join(line.split()) for line in text.split("\n")]
    assert _tabbed(text) == "\n".join(lines)


def test_a_processor_is_what_the_user_says(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="processors: slots"):
        read(tmp_path, SWF)
    cores = read(tmp_path, SWF, Terms(processors="cores")).table
    assert cores.gpus.tolist() == [0] * 6
    assert cores.cpu_milli.tolist() == [8000, 2000, 2000, 4000, 2000, 1000]


def test_a_half_written_last_line_is_told(tmp_path: Path) -> None:
    cut = SWF + "    7   100    0    10    1   -1"
    with pytest.raises(
        InputError, match=r"jobs.txt:13: is the last and was cut off: it has 6 fields where there are 18"
    ):
        read(tmp_path, cut, SLOTS)
    trace = read(tmp_path, cut, SLOTS, skip=True)
    assert (trace.report.skipped, len(trace.table)) == (1, 6)
    whole = read(tmp_path, SWF.rstrip("\n"), SLOTS)  # all there, and perhaps cut within its last number
    assert rule(whole, "no end of line")[1] == [12]


def test_packed_traces(tmp_path: Path) -> None:
    packed = tmp_path / "jobs.swf.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("folder/jobs.swf", SWF)
    assert len(read_jobs(packed, terms=SLOTS).table) == 6
    packed.write_bytes(gzip.compress(SWF.encode()))
    assert len(read_jobs(packed, terms=SLOTS).table) == 6


# --- Slurm -----------------------------------------------------------------------------------------------------------

HEAD = "JobID|JobName|User|Account|Partition|QOS|State|Submit|Eligible|Start|End|Timelimit|Elapsed|NNodes|NCPUS|ReqMem"
HEAD += "|ReqTRES|AllocTRES|ConsumedEnergyRaw"


def sacct(job_id: str, state: str, submit: str, start: str, end: str, elapsed: str, **other: str) -> str:
    """A row; times are HH:MM of one day."""
    day = {"None": "None", "Unknown": "Unknown", "": ""}

    def at(time: str) -> str:
        return day.get(time, f"2024-01-02T{time}:00")

    alloc = other.get("alloc", "cpu=4,mem=8G,node=1")
    fields = [job_id, other.get("name", 'a "job"'), other.get("user", "ann"), "lab", "gpu", "normal", state, at(submit)]
    fields += [at(other.get("eligible", submit)), at(start), at(end), other.get("limit", "1-00:00:00"), elapsed]
    fields += [other.get("nodes", "1"), "4", other.get("memory", "2Gc"), other.get("asked", alloc), alloc]
    return "|".join([*fields, other.get("joules", "0")])


def slurm(*rows: str, parsable: bool = False) -> str:
    end = "|\n" if parsable else "\n"
    return "".join(f"{row}{end}" for row in (HEAD, *rows))


UTC = Terms(zone="UTC")
ROWS = (
    sacct(
        "89",
        "COMPLETED",
        "10:00",
        "10:05",
        "11:05",
        "01:00:00",
        alloc="cpu=16,gres/gpu:a100=8,gres/gpu=8,mem=1T,node=2",
    ),
    sacct("89.batch", "COMPLETED", "10:05", "10:05", "11:05", "01:00:00", joules="1000", user=""),
    sacct("89.extern", "COMPLETED", "10:05", "10:05", "11:05", "01:00:00", joules="7000", user=""),
    sacct("89.0", "COMPLETED", "10:05", "10:05", "11:05", "01:00:00", joules="2000", user=""),
    sacct("90", "CANCELLED by 1001", "10:01", "None", "10:30", "00:00:00", alloc="", asked="cpu=4,gres/gpu=1,node=1"),
    sacct("91_4", "FAILED", "10:02", "10:30", "10:30", "00:00:00", eligible="10:20", limit="UNLIMITED"),
    sacct("91_[5-9:2%2]", "PENDING", "10:02", "Unknown", "Unknown", "00:00:00", alloc="", asked="cpu=4,node=1"),
    sacct("1853+0", "COMPLETED", "10:03", "10:10", "10:40", "00:30:00", alloc="cpu=4,gres/gpu:h100=4,mem=8G,node=1"),
    sacct("1853+1", "COMPLETED", "10:03", "10:10", "10:50", "00:40:00", alloc="cpu=32,mem=64G,node=2"),
    sacct("1853+1.0", "COMPLETED", "10:03", "10:10", "10:50", "00:40:00", joules="9"),
    sacct("99", "RUNNING", "10:04", "11:00", "Unknown", "03:00:00", limit="Partition_Limit", alloc="cpu=4,gres/mps=50"),
    sacct("100", "TIMEOUT", "10:05", "10:10", "11:10", "00:45:00", alloc="", asked="cpu=4,gres/gpu:t4=2", memory="4Gn"),
    sacct("100", "PREEMPTED", "10:06", "11:10", "11:20", "00:10:00", joules="18446744073709551614"),
)


def test_energy_may_stand_among_other_resources(tmp_path: Path) -> None:
    """AllocTRES has that of the job; TRESUsageInTot that of its steps, which comes first, is summed, and counts only
    without a unit."""
    head = "JobID|User|State|Submit|Start|End|Elapsed|AllocTRES|TRESUsageInTot"
    times = "2024-01-02T10:00:00|2024-01-02T10:00:00|2024-01-02T11:00:00|01:00:00"
    rows = (
        f"1|ann|COMPLETED|{times}|billing=8,cpu=8,energy=3600000,gres/gpu=2,node=1|",
        f"2|ann|COMPLETED|{times}|cpu=8,gres/gpu=2,node=1|",
        f"2.0||COMPLETED|{times}|cpu=8|cpu=01:00:00,energy=1000,mem=1G",
        f"2.1||COMPLETED|{times}|cpu=8|energy=500",
        f"3|ann|COMPLETED|{times}|cpu=8,energy=1.5M,gres/gpu=2,node=1|",
    )
    path = tmp_path / "sacct.txt"
    path.write_text("\n".join([head, *rows]) + "\n")
    joules = read_jobs(path, terms=UTC).table.recorded_j
    assert joules[:2].tolist() == [3_600_000.0, 1500.0]
    assert np.isnan(joules[2])


def test_who_never_started_may_have_been_given_nothing(tmp_path: Path) -> None:
    """AllocTRES alone is empty for them: nobody knows what they asked for, and that is no bad row."""
    head = "JobID|User|State|Submit|Start|End|Elapsed|AllocTRES"
    ran = "1|ann|COMPLETED|2024-01-02T10:00:00|2024-01-02T10:00:00|2024-01-02T11:00:00|01:00:00|cpu=8,gres/gpu=2"
    gone = "2|bob|CANCELLED by 1001|2024-01-02T10:01:00|None|2024-01-02T10:30:00|00:00:00|"
    trace = read(tmp_path, f"{head}\n{ran}\n{gone}\n", UTC)
    assert trace.table.gpus.tolist() == [2]
    assert any("what they asked for is not in the trace" in told for told in trace.report.told())
    with pytest.raises(InputError, match="asks for no GPU and no core"):
        read(tmp_path, f"{head}\n{ran.replace('cpu=8,gres/gpu=2', '')}\n", UTC)


@pytest.mark.parametrize("parsable", [False, True], ids=["-P", "-p"])
def test_sacct(tmp_path: Path, parsable: bool) -> None:
    trace = read(tmp_path, slurm(*ROWS, parsable=parsable), UTC)
    table = trace.table
    at = {job_id: row for row, job_id in reversed(list(enumerate(table.job_id)))}
    assert (trace.report.format, trace.report.rows, len(table)) == ("slurm", 13, 10)

    def of(job_id: str, column: str) -> int:
        return int(getattr(table, column)[at[job_id]])

    first = [of("89", column) for column in ("gpus", "nodes", "cpu_milli", "memory_mib", "run_ns", "limit_ns")]
    assert first == [8, 2, 16_000, 1 << 20, HOUR_NS, DAY_NS]
    assert table.recorded_j[at["89"]] == 3000.0  # its steps, without the one around them
    assert rule(trace, "steps of a job") == (4, [3, 4, 5, 11])

    assert states(table)[at["90"]] == "never"  # CANCELLED by 1001, in the queue
    assert (of("90", "gpus"), of("90", "run_ns"), of("90", "recorded_start_ns")) == (1, UNKNOWN, UNKNOWN)
    assert of("91_4", "submit_ns") == 20 * MINUTE_NS  # eligible at 10:20
    assert (of("91_4", "run_ns"), of("91_4", "limit_ns"), states(table)[at["91_4"]]) == (0, UNKNOWN, "failed")
    pending = [row for row, job_id in enumerate(table.job_id) if job_id == "91_[5-9:2%2]"]
    assert len(pending) == 3  # tasks 5, 7 and 9
    assert {states(table)[row] for row in pending} == {"never"}

    het = [of("1853+0", column) for column in ("gpus", "cpu_milli", "memory_mib", "nodes", "run_ns")]
    assert het == [4, 36_000, 72 << 10, UNKNOWN, 40 * MINUTE_NS]
    assert "1853+1" not in at
    assert rule(trace, "parts of a het job") == (2, [9, 10])

    assert (of("99", "gpus"), of("99", "gpu_milli"), of("99", "limit_ns")) == (0, 500, UNKNOWN)
    assert (states(table)[at["99"]], of("99", "run_ns"), of("99", "recorded_end_ns")) == (
        "running",
        3 * HOUR_NS,
        UNKNOWN,
    )
    assert (of("100", "run_ns"), of("100", "memory_mib")) == (45 * MINUTE_NS, 4 << 10)  # as long as Elapsed says
    assert rule(trace, "suspended") == (1, [13])
    assert rule(trace, "requeued") == (1, [14])
    assert np.isnan(table.recorded_j[at["99"]])
    assert np.isnan(table.recorded_j[-1])
    assert named(table, "gpu_type")[at["89"]] == "a100"
    assert set(named(table, "queue")) == {"gpu"}
    assert trace.first_ns == 1_704_189_600 * NS_PER_S  # 2024-01-02 10:00 UTC


def test_sacct_needs_its_zone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"jobs.txt:2: .*'zone'"):
        read(tmp_path, slurm(*ROWS))
    there = read(tmp_path, slurm(*ROWS), Terms(zone="America/New_York"))
    assert there.first_ns == (1_704_189_600 + 5 * 3600) * NS_PER_S


def test_sacct_without_resources_says_what_a_cpu_is(tmp_path: Path) -> None:
    text = (
        "JobID|State|Submit|Start|End|NCPUS\n7|COMPLETED|2024-01-02T10:00:00|2024-01-02T10:00:00|2024-01-02T10:01:00|"
    )
    text += "16\n"
    with pytest.raises(InputError, match="GPUs are not in it"):
        read(tmp_path, text, UTC)
    assert read(tmp_path, text, Terms(zone="UTC", processors="cores")).table.cpu_milli.tolist() == [16_000]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (sacct("5", "COMPLETED", "10:00", "09:00", "11:00", "01:00:00"), "starts 3,600 s before it was submitted"),
        (sacct("5", "COMPLETED", "10:00", "11:00", "10:30", "01:00:00"), "ends 1,800 s before it was started"),
        (sacct("5", "COMPLETED", "10:00", "10:00", "11:00", "one hour"), "it is written D-HH:MM:SS"),
        (sacct("5", "COMPLETED", "10:00", "10:00", "11:00", "01:00:00", alloc="cpu=4,gres/shard=2"), "gres/shard"),
        (sacct("5", "COMPLETED", "10:00", "10:00", "11:00", "01:00:00", alloc="cpu=many"), "a count of 'many'"),
        (sacct("5", "COMPLETED", "noon?", "10:00", "11:00", "01:00:00"), "Submit is no time"),
        (sacct("5", "COMPLETED", "", "10:00", "11:00", "01:00:00"), "has no time of submission"),
        (
            sacct("5", "COMPLETED", "10:00", "10:00", "11:00", "01:00:00", name="a|b"),
            "has 20 fields where there are 19",
        ),
    ],
)
def test_a_row_of_sacct_that_cannot_be_used(tmp_path: Path, row: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, slurm(ROWS[0], row), UTC)
    assert [problem.line for problem in caught.value.problems] == [3]
    assert says in caught.value.problems[0].message
    assert len(read(tmp_path, slurm(ROWS[0], row), UTC, skip=True).table) == 1


def test_a_change_of_clock(tmp_path: Path) -> None:
    """In Berlin, 02:00 to 03:00 came twice on 2024-10-27, and never on 2024-03-31."""

    def row(job_id: str, day: str, submit: str, start: str, end: str, elapsed: str) -> str:
        times = [f"{day}T{time}:00" for time in (submit, submit, start, end)]
        return "|".join(
            [job_id, "x", "u", "a", "p", "q", "COMPLETED", *times, "", elapsed, "1", "1", "", "cpu=1", "cpu=1", ""]
        )

    text = slurm(
        row("1", "2024-10-27", "02:30", "02:30", "02:20", "00:50:00"),  # ends in the second of the two hours
        row("2", "2024-10-27", "02:40", "02:50", "03:10", "00:20:00"),  # starts in the second, by its Elapsed
        row("3", "2024-10-27", "02:45", "02:50", "03:10", "01:20:00"),  # starts in the first
    )
    trace = read(tmp_path, text, Terms(zone="Europe/Berlin"))
    assert (trace.table.run_ns // MINUTE_NS).tolist() == [50, 20, 80]
    assert ((trace.table.recorded_start_ns - trace.table.submit_ns) // MINUTE_NS).tolist() == [0, 70, 5]
    assert rule(trace, "a change of clock doubles")[0] == 3
    skipped = slurm(row("1", "2024-03-31", "01:30", "02:30", "03:30", "00:10:00"))
    with pytest.raises(InputError, match="never was in Europe/Berlin"):
        read(tmp_path, skipped, Terms(zone="Europe/Berlin"))


# --- Alibaba ---------------------------------------------------------------------------------------------------------

PODS = """name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time
a,12000,16384,1,1000,,LS,Running,0,100,0
b,6000,12288,1,460,V100M16|V100M32,BE,Succeeded,10,90,20
c,88000,327680,8,1000,,Burstable,Pending,12,500,
d,4000,8192,0,0,,LS,Failed,15,15,15
"""


def test_alibaba_2023(tmp_path: Path) -> None:
    trace = read(tmp_path, PODS)
    table = trace.table
    assert trace.report.format == "alibaba-2023"
    assert (table.gpus.tolist(), table.gpu_milli.tolist()) == ([1, 0, 8, 0], [0, 460, 0, 0])
    assert states(table) == ["completed", "completed", "never", "failed"]
    assert table.run_ns.tolist() == [100 * NS_PER_S, 70 * NS_PER_S, UNKNOWN, 0]
    assert named(table, "gpu_type") == [None, "V100M16|V100M32", None, None]
    assert rule(trace, "never scheduled") == (1, [4])
    assert trace.first_ns is None


JOBS_2020 = "j1,i1,ann,Terminated,100.0,900.0\nj2,i2,bob,Failed,50.0,60.0\n"
TASKS_2020 = """j1,ps,1.0,Terminated,110.0,900.0,600.0,29.296875,,
j1,worker,4.0,Terminated,120.0,900.0,400.0,10.0,100.0,V100
j2,tensorflow,3.0,Failed,55.0,60.0,100.0,1.0,50.0,MISC
j2,evaluator,1.0,Running,58.0,,100.0,1.0,25.0,T4
j3,worker,1.0,Waiting,,,100.0,1.0,100.0,T4
j4,worker,1.0,Terminated,70.0,80.0,100.0,1.0,150.0,T4
"""


def test_alibaba_2020(tmp_path: Path) -> None:
    tasks = tmp_path / "pai_task_table.csv"
    tasks.write_text(TASKS_2020)
    with pytest.raises(InputError, match="'tasks'"):
        read(tmp_path, JOBS_2020)
    with pytest.raises(InputError, match=r"pai_task_table.csv:5: has no time of submission"):
        read(tmp_path, JOBS_2020, Terms(tasks=tasks))
    trace = read(tmp_path, JOBS_2020, Terms(tasks=tasks), skip=True)
    table = trace.table
    assert named(table, "kind") == ["tensorflow"] * 3 + ["evaluator", "worker", "ps", "worker"]
    assert named(table, "user") == ["bob"] * 4 + [None, "ann", "ann"]
    assert (table.submit_ns // NS_PER_S).tolist() == [0, 0, 0, 0, 20, 50, 50]
    assert (table.recorded_start_ns // NS_PER_S).tolist() == [5, 5, 5, 8, 20, 60, 70]
    assert (table.gpus.tolist(), table.gpu_milli.tolist()) == ([0, 0, 0, 0, 2, 0, 4], [500] * 3 + [250, 0, 0, 0])
    assert table.cpu_milli.tolist() == [1000, 1000, 1000, 1000, 1000, 6000, 16_000]
    assert states(table)[3] == "running"
    assert rule(trace, "each is a job of its own") == (1, [3])
    assert rule(trace, "no job in the table of jobs")[1] == [6]
    alone = read_jobs(tasks, skip=True)
    assert rule(alone, "submitted when they start")[0] == 5
    assert alone.table.recorded_start_ns.tolist() == alone.table.submit_ns.tolist()


def test_alibaba_2025_and_2026(tmp_path: Path) -> None:
    head = (
        "instance_sn,role,app_name,cpu_request,cpu_limit,gpu_request,gpu_limit,rdma_request,rdma_limit,memory_request,"
    )
    head += "memory_limit,disk_request,disk_limit,max_instance_per_node,creation_time,scheduled_time,deletion_time\n"
    rows = "i1,HN,app_0,12,12,1,1,25,25,120.0,120.0,680.0,800.0,8,,,\n"
    rows += "i2,CN,app_1,64,64,0,0,1,1,320.5,321,1,1,-1,50.0,50.0,80.0\n"
    rows += "i3,HN,app_0,12,12,1,1,25,25,120.0,120.0,680.0,800.0,8,60.0,,90\n"
    trace = read(tmp_path, head + rows)
    table = trace.table
    assert states(table) == ["running", "completed", "never"]
    assert (table.submit_ns // NS_PER_S).tolist() == [0, 50, 60]
    assert table.memory_mib.tolist() == [120 * 1024, 328_192, 120 * 1024]
    assert rule(trace, "before the trace began") == (1, [2])
    assert rule(trace, "outlived") == (1, [2])
    spot = "job_name,organization,gpu_model,cpu_request,gpu_request,worker_num,submit_time,duration,job_type\n"
    spot += "1,13,A10,20,1,1,0,2764799,HP\n2,57,A100-SXM4-80GB,15,2,16,9,41060,Spot\n3,57,A10,4,0.5,1,9,10,Spot\n"
    spot += "4,57,A10,4,0.5,2,9,10,Spot\n"
    trace = read(tmp_path, spot)
    assert trace.report.format == "alibaba-2026"
    assert (trace.table.gpus.tolist(), trace.table.gpu_milli.tolist()) == ([1, 32, 0, 2], [0, 0, 500, 0])
    assert trace.table.spot.tolist() == [0, 1, 1, 1]
    assert trace.table.cpu_milli.tolist() == [20_000, 240_000, 4000, 8000]
    assert rule(trace, "a whole one each") == (1, [5])


# --- Philly, Helios, Acme, GAIA --------------------------------------------------------------------------------------


def philly(
    job_id: str, submitted: str, attempts: list[tuple[str | None, str | None, list[int]]], status: str = "Pass"
) -> dict[str, object]:
    detail = [
        {
            "start_time": start,
            "end_time": end,
            "detail": [{"ip": f"m{i}", "gpus": ["gpu"] * n} for i, n in enumerate(gpus)],
        }
        for start, end, gpus in attempts
    ]
    return {"status": status, "vc": "v", "jobid": job_id, "attempts": detail, "submitted_time": submitted, "user": "u"}


DAY = "2017-10-07 "
PHILLY = [
    philly(
        "a", DAY + "01:00:00", [(DAY + "01:10:00", DAY + "01:20:00", [8]), (DAY + "01:30:00", DAY + "02:00:00", [8])]
    ),
    philly("b", DAY + "01:05:00", [], "Killed"),
    philly("c", DAY + "01:06:00", [(DAY + "01:07:00", None, [2, 2])], "Failed"),
    philly(
        "d", DAY + "01:08:00", [(None, DAY + "01:09:00", [1]), (DAY + "01:10:00", DAY + "01:12:00", [3, 1])], "Killed"
    ),
    philly("e", "None", [(DAY + "01:07:00", None, [2, 2])]),
]


@pytest.mark.parametrize("indent", [None, 4])
def test_philly(tmp_path: Path, indent: int | None) -> None:
    text = json.dumps(PHILLY, indent=indent)
    zone = Terms(zone="America/Los_Angeles")
    with pytest.raises(InputError, match="has no time of submission"):
        read(tmp_path, text, zone)
    trace = read(tmp_path, text, zone, skip=True)
    table = trace.table
    assert list(table.job_id) == ["a", "c", "d"]
    assert table.run_ns.tolist() == [40 * MINUTE_NS, UNKNOWN, 2 * MINUTE_NS]
    assert (table.gpus.tolist(), table.nodes.tolist()) == ([8, 4, 4], [1, 2, UNKNOWN])
    assert named(table, "recorded_nodes") == ["m0", "m0,m1", "m0,m1"]
    assert states(table) == ["completed", "running", "cancelled"]
    assert (table.recorded_start_ns // MINUTE_NS).tolist() == [10, 7, 10]
    assert rule(trace, "no attempt")[0] == 1
    assert rule(trace, "left out of the run time")[0] == 1
    assert rule(trace, "unequal numbers of GPUs: the most")[0] == 1
    assert trace.first_ns == 1_507_363_200 * NS_PER_S  # 01:00 PDT
    if indent:
        assert text.split("\n")[int(table.line[1]) - 1].strip() == "{"
    with pytest.raises(InputError, match="'zone'"):
        read(tmp_path, text)
    cut = read(tmp_path, text[: text.index('"jobid": "d"')], zone, skip=True)
    assert "was cut off" in cut.report.problems[-1].message
    assert list(cut.table.job_id) == ["a", "c"]


def test_helios(tmp_path: Path) -> None:
    text = "job_id,user,vc,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration,queue\n"
    text += "1,u,v,8,16,2,COMPLETED,2020-06-09 18:41:01,2020-06-09 18:42:01,2020-06-10 04:55:09,36848,60\n"
    text += "2,u,v,1,4,1,CANCELLED,2020-06-09 18:41:27,,2020-06-09 18:45:36,,249\n"
    trace = read(tmp_path, text, Terms(zone="Asia/Shanghai"))
    assert trace.report.format == "helios"
    assert trace.first_ns == 1_591_699_261 * NS_PER_S
    assert trace.table.run_ns.tolist() == [36_788 * NS_PER_S, UNKNOWN]
    assert states(trace.table) == ["completed", "never"]
    assert named(trace.table, "queue") == ["v", "v"]
    assert trace.table.nodes.tolist() == [2, 1]


def test_helios_has_jobs_on_cores_and_jobs_that_had_not_ended(tmp_path: Path) -> None:
    """Half of its jobs ask for no GPU; RUNNING and SUSPENDED are words of a few."""
    text = "job_id,user,vc,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration,queue\n"
    text += "1,u,v,0,8,1,COMPLETED,2020-09-09 08:00:00,2020-09-09 08:00:01,2020-09-09 08:10:01,600,1\n"
    text += "2,u,v,8,64,1,RUNNING,2020-09-09 09:00:00,2020-09-09 09:00:00,,,0\n"
    text += "3,u,v,8,64,1,SUSPENDED,2020-09-09 09:00:00,2020-09-09 09:00:00,2020-09-09 10:00:00,3600,0\n"
    text += "4,u,v,8,64,1,NODE_FAIL,2020-09-09 09:00:00,2020-09-09 09:30:00,2020-09-09 10:00:00,1800,1800\n"
    table = read(tmp_path, text, Terms(zone="Asia/Shanghai")).table
    assert (table.gpus.tolist(), table.cpu_milli.tolist()) == ([0, 8, 8, 8], [8000, 64_000, 64_000, 64_000])
    assert states(table) == ["completed", "running", "running", "failed"]
    assert table.run_ns.tolist() == [600 * NS_PER_S, UNKNOWN, HOUR_NS, HOUR_NS // 2]


def test_philly_has_attempts_whose_ends_were_lost(tmp_path: Path) -> None:
    """An attempt without an end before others, as a word and as null, and a last one without a start: those of one job
    of the published log are so. The job runs for as long as the attempt that has both."""
    at = "2017-10-09 03:"
    attempts = [(f"{at}07:23", "None", [1]), (f"{at}11:14", f"{at}11:57", [1]), (f"{at}14:24", None, [1])]
    job = philly("e", f"{at}04:16", [*attempts, (None, f"{at}15:12", [1])])
    trace = read(tmp_path, json.dumps([job]), Terms(zone="America/Los_Angeles"))
    assert trace.table.run_ns.tolist() == [43 * NS_PER_S]
    assert trace.table.recorded_start_ns.tolist() == [(6 * 60 + 58) * NS_PER_S]
    assert states(trace.table) == ["completed"]
    assert rule(trace, "left out of the run time")[0] == 1


def test_acme(tmp_path: Path) -> None:
    seren = "job_id,user,node_num,gpu_num,cpu_num,type,state,submit_time,start_time,end_time,duration,queue,gpu_time\n"
    seren += (
        "57,u,1,8,128,Pretrain,FAILED,2023-03-01 00:18:22+08:00,2023-03-01 00:18:54+08:00,2023-03-01 00:20:51+08:00"
    )
    seren += ",117,32,936.0\n"
    trace = read(tmp_path, seren)
    assert trace.report.format == "acme"
    assert trace.first_ns == 1_677_601_102 * NS_PER_S
    assert named(trace.table, "kind") == ["Pretrain"]
    kalos = "job_id,user,node_num,gpu_num,cpu_num,mem_per_pod_GB,shared_mem_per_pod,type,state,submit_time,start_time,"
    kalos += "end_time,fail_time,stop_time,duration,queue,gpu_time\n"
    day = "2023-05-17 11:0"
    kalos += f"d,u,8,64,960,1000,100.0,Other,FAILED,{day}0:58+00:00,{day}1:08+00:00,{day}1:16+00:00,,,18,10.0,1152.0\n"
    trace = read(tmp_path, kalos)
    assert trace.table.run_ns.tolist() == [8 * NS_PER_S]  # its 'duration' of 18 s holds the 10 s that it waited
    assert trace.table.memory_mib.tolist() == [8 * 953_675]
    with pytest.raises(InputError, match="'zone' says nothing"):
        read(tmp_path, PODS, UTC)


def test_gaia_is_in_seconds_or_hours(tmp_path: Path) -> None:
    seconds = "arrival_time,length,cpus\n0.0,6302.0,1\n68.0,1000.0,3\n"
    assert read(tmp_path, seconds, SLOTS).table.run_ns.tolist() == [6302 * NS_PER_S, 1000 * NS_PER_S]
    either = "arrival_time,length,cpus\n0.0,0.5,1\n0.25,2.0,1\n"
    with pytest.raises(InputError, match="time_unit: hours"):
        read(tmp_path, either, SLOTS)
    assert read(tmp_path, either, SLOTS, name="pai-100k.csv").table.run_ns.tolist() == [HOUR_NS // 2, 2 * HOUR_NS]
    said = Terms(processors="slots", time_unit="seconds")
    assert read(tmp_path, either, said).table.run_ns.tolist() == [NS_PER_S // 2, 2 * NS_PER_S]


# --- All -------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("text", "terms", "says"),
    [
        ("submit_s,run_s,gpus\n0,1e305,1\n", Terms(), "run_s of 1e.305 lies beyond all time"),
        ("submit_s,run_s,gpus\n0,60,1e306\n", Terms(), "gpus of 1e.306 is no number of them"),
        (
            "JobID|Submit|Start|End|State|AllocTRES\n"
            f"1|2026-01-01T00:00:00|2026-01-01T00:00:00|2026-01-01T01:00:00|COMPLETED|cpu={'9' * 25},gres/gpu=1\n",
            Terms(zone="Europe/Berlin"),
            "a count of .*, more than there can be",
        ),
    ],
)
def test_more_than_64_bits_is_a_row_that_cannot_be_used(tmp_path: Path, text: str, terms: Terms, says: str) -> None:
    """Slurm's were a traceback, the others a warning of NumPy's."""
    (tmp_path / "jobs").write_text(text)
    with pytest.raises(InputError, match=says):
        read_jobs(tmp_path / "jobs", terms=terms)


@pytest.mark.parametrize("kind", [pa.duration("us"), pa.time64("us"), pa.list_(pa.float64()), pa.binary()])
def test_columns_of_parquet_that_csv_cannot_say_are_refused(tmp_path: Path, kind: pa.DataType) -> None:
    """Ten minutes as a duration were read as 600,000,000 s, and a list ended in a traceback."""
    run = pa.nulls(2, kind)
    pq.write_table(pa.table({"submit_s": [0, 1], "run_s": run, "gpus": [1, 1]}), tmp_path / "jobs.parquet")
    with pytest.raises(InputError, match=r"jobs\.parquet: 'run_s' is a column of .*; write numbers"):
        read_jobs(tmp_path / "jobs.parquet")


def test_a_table_of_any_format_may_be_parquet(tmp_path: Path) -> None:
    plain = tmp_path / "pods.csv"
    plain.write_text(PODS)
    pq.write_table(pacsv.read_csv(plain), tmp_path / "pods.parquet")
    columnar, text = read_jobs(tmp_path / "pods.parquet").table, read_jobs(plain).table
    assert columnar.run_ns.tolist() == text.run_ns.tolist()
    assert columnar.gpu_milli.tolist() == text.gpu_milli.tolist()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "is not of any known format"),
        ("submit_s,runtime,gpus\n0,60,1\n", "closest is coldaisle, of which it lacks: run_s"),
        ("submit_s,run_s,gpus,min_gpus,max_gpus\n0,60,4,5,8\n", "min_gpus of 5, more than the 4 gpus"),
        ("submit_s,run_s,gpus,min_gpus,max_gpus\n0,60,4,2,3\n", "max_gpus of 3, less than the 4 gpus"),
        (PODS.split("\n")[0] + "\n", "holds no jobs"),
        ("; MaxProcs: 4\n", "holds no jobs"),
        (PODS.replace("b,", 'b,"'), "has a quotation mark without its other"),
        (PODS + "e,many,8192,0,0,,LS,Failed,15,15,15\n", "cpu_milli is no number: 'many'"),
        (PODS + "e,1e400,8192,0,0,,LS,Failed,15,15,15\n", "cpu_milli is no finite number"),
        (PODS + "e,-5,8192,0,0,,LS,Failed,15,15,15\n", "cpu_milli of -5"),
        (PODS + "e,1,1,2,460,,LS,Failed,15,15,15\n", "460 thousandths of each of 2 GPUs"),
        (PODS + "e,0,1,0,0,,LS,Failed,15,15,15\n", "asks for no GPU and no core"),
        (PODS + "e,1,1,1,460,,LS,Failed,1e12,,15\n", "lies beyond all time"),
        ("name,name," + PODS, "two columns 'name'"),
        ('[{"attempts": [], "jobid": "x", "submitted_time": tomorrow}]', "is not valid JSON"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text, SLOTS if text.startswith(";") else UTC if text.startswith("[") else None)
    assert says in str(caught.value)


def test_bad_rows_are_counted_beyond_the_first_twenty(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, PODS + "x\n" * 50)
    assert "jobs.txt:55: the last of 30 more such rows" in str(caught.value)
    assert read(tmp_path, PODS + "x\n" * 50, skip=True).report.skipped == 50


def test_formats_are_told_apart() -> None:
    """Each is called what the registry calls it, and none takes the header of another."""
    forms = job_formats()
    assert {name: form.name for name, form in forms.items()} == {name: name for name in forms}
    for form in forms.values():
        head = ("|" if form.name == "slurm" else ",").join(form.columns) + "\n"
        fitting = [one.name for one in forms.values() if one.fits(head)]
        assert fitting in ([form.name], []), fitting


@pytest.mark.shared_data
def test_real_files(shared_data: Path) -> None:
    jobs = shared_data / "jobs"
    nasa = read_jobs(jobs / "NASA-iPSC-1993-3.1-cln.swf.zip", terms=SLOTS)
    assert (len(nasa.table), nasa.report.skipped) == (18_239, 0)
    assert (nasa.first_ns, int(nasa.table.gpus.max())) == (749_458_803 * NS_PER_S, 128)
    assert int((nasa.table.recorded_start_ns == UNKNOWN).sum()) == 18_239  # it gives starts as submissions
    pods = read_jobs(jobs / "alibaba_gpu_2023_pods.csv.gz")
    assert (len(pods.table), states(pods.table).count("never")) == (8152, 897)
    assert int((pods.table.gpu_milli > 0).sum()) > 3000
    gaia = read_jobs(jobs / "gaia_pai_1k.csv.gz", terms=SLOTS)
    assert (len(gaia.table), int(gaia.table.run_ns[0])) == (1000, 6302 * NS_PER_S)
