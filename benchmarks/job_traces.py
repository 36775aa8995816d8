"""Traces of a million rows, made up, written to a folder and read: seconds of a processor, and memory at its peak.

Each is read in a process of its own. Bounded memory: the table of jobs itself, of 27 columns and an id each, is some
300 MB of what is shown; a file is held 8 million characters at a time.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.table import Row
from sim.running.peak_memory import peak_bytes
from sim.workload.jobs.formats import Terms
from sim.workload.jobs.traces import read_jobs

ROWS, FEWER, SECONDS = 1_000_000, 100_000, 10.0
TERMS = {"swf": Terms(processors="slots"), "slurm": Terms(zone="America/New_York"), "alibaba-2023": Terms()}
SACCT = "JobID|User|Account|Partition|QOS|State|Submit|Eligible|Start|End|Timelimit|Elapsed|NNodes|NCPUS|AllocTRES"
PODS = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time"


def _times(n: int) -> list[list[int]]:
    """Submission, start, end and size of ``n`` jobs."""
    rng = np.random.default_rng(1)
    submit = np.cumsum(rng.integers(0, 20, n))
    start = submit + rng.integers(0, 5000, n)
    end = start + np.rint(rng.lognormal(7.0, 2.0, n)).astype(np.int64)
    return [column.tolist() for column in (submit, start, end, 2 ** rng.integers(0, 8, n))]


def _swf(n: int) -> Iterator[str]:
    yield "; UnixStartTime: 1700000000"
    for i, (submit, start, end, size) in enumerate(zip(*_times(n), strict=True)):
        run = end - start
        asked = f"{size:4} {2 * run:7} -1 1 {i % 500} 1 -1 1 -1 -1 -1"
        yield f"{i:8} {submit:9} {start - submit:6} {run:7} {size:4} -1 -1 {asked}"


def _sacct(n: int) -> Iterator[str]:
    """Half of the rows are jobs, the others their batch steps."""
    yield SACCT
    submit, start, end, size = _times(n // 2)
    since = np.datetime64("2023-06-01T00:00:00")
    times = (since + np.array(one).astype("timedelta64[s]") for one in (submit, start, end))
    stamps = [np.datetime_as_string(one).tolist() for one in times]
    for i, (asked, began, ended) in enumerate(zip(*stamps, strict=True)):
        run = end[i] - start[i]
        days = f"{run // 86_400}-" if run >= 86_400 else ""
        elapsed = f"{days}{run // 3600 % 24:02}:{run // 60 % 60:02}:{run % 60:02}"
        state = ("COMPLETED", "FAILED", f"CANCELLED by {i % 500}")[i % 3]
        tres = (
            f"billing={size[i]},cpu={size[i]},gres/gpu:a100={1 + i % 4},gres/gpu={1 + i % 4},mem={1 + i % 16}G,node=1"
        )
        rest = f"{asked}|{asked}|{began}|{ended}|2-00:00:00|{elapsed}|1|{size[i]}|{tres}"
        yield f"{i}|u{i % 500}|a{i % 20}|gpu|normal|{state}|{rest}"
        yield f"{i}.batch||a{i % 20}|||{state}|{rest}"


def _pods(n: int) -> Iterator[str]:
    yield PODS
    for i, (submit, start, end, _) in enumerate(zip(*_times(n), strict=True)):
        part, began = (1000, 460, 810)[i % 3], "" if i % 9 == 0 else start
        yield f"pod-{i},12000,16384,1,{part},{('', 'V100M16|V100M32')[i % 2]},LS,Running,{submit},{end},{began}"


MADE: dict[str, Callable[[int], Iterator[str]]] = {"swf": _swf, "slurm": _sacct, "alibaba-2023": _pods}


def made(form: str, count: int, path: str) -> None:
    """Writes a trace of so many rows."""
    with Path(path).open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in MADE[form](count))


def measured(form: str, path: str) -> None:
    """Reads a trace and prints the seconds of the processor and the MiB at the peak."""
    began = time.process_time()
    read_jobs(Path(path), terms=TERMS[form])
    peak = peak_bytes() / 2**20
    sys.stdout.write(f"{time.process_time() - began} {peak}\n")


def _alone(call: str) -> str:
    """What a function of this module prints in a process of its own, whose memory starts as small as it can."""
    code = f"from benchmarks import job_traces; job_traces.{call}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def rows(*, quick: bool) -> list[Row]:
    """Of each format, two rows."""
    count, shown = FEWER if quick else ROWS, []
    with TemporaryDirectory() as folder:
        for form in MADE:
            path = str(Path(folder) / form)
            _alone(f"made({form!r}, {count}, {path!r})")
            seconds, peak = map(float, _alone(f"measured({form!r}, {path!r})").split())
            shown.append(Row(f"{form}, {count:,} rows", seconds, "s of a processor", reach=SECONDS))
            shown.append(Row(f"{form}, memory at its peak", peak, "MiB"))
    return shown
