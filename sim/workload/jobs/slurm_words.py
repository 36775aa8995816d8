"""The words in which Slurm writes times, memory, resources and ids of jobs.

Source: the manual pages of sacct and slurm.conf (SchedMD).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from sim.workload.trace_formats import BadRowError, short

_TIME = re.compile(r"^(?:(?P<d>\d+)-)?(?:(?:(?P<h>\d+):)?(?P<m>\d+):)?(?P<s>\d+)(?:\.\d+)?$")
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)([KMGTPE]?)([nc]?)$")
_MIB = {"": 1.0, "K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2, "P": 1024.0**3, "E": 1024.0**4}
_COUNT = {"": 1, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_RANGE = re.compile(r"^(\d+)(?:-(\d+))?(?::(\d+))?$")
UNLIMITED = ("", "UNLIMITED", "Partition_Limit", "INVALID", "Unknown", "None")
MPS_OF_A_GPU = 100
"""What Slurm counts of ``gres/mps`` in a GPU where a site says nothing else."""
MOST_TASKS = 1 << 20
WHOLE = 1000


@lru_cache(maxsize=1 << 17)
def time_s(text: str) -> float:
    """Seconds of ``[D-]HH:MM:SS``, ``MM:SS`` or of either with a fraction, which only processor times have."""
    found = _TIME.match(text)
    if found is None:
        raise BadRowError(f"a time of {short(repr(text))}; it is written D-HH:MM:SS")
    days, hours, minutes, seconds = (int(found[name] or 0) for name in "dhms")
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def limit_s(text: str) -> float:
    """As ``time_s``; NaN for no limit."""
    return float("nan") if text in UNLIMITED else time_s(text)


class Memory(NamedTuple):
    """MiB, of each ``n`` node, of each ``c`` core, or of all (``""``)."""

    mib: float
    of: str


def memory(text: str) -> Memory:
    """What is written as ReqMem: ``16G``, ``4Gn`` (of a node), ``4000Mc`` (of a core); MiB where no unit stands."""
    found = _SIZE.match(text)
    if found is None:
        raise BadRowError(f"a memory of {short(repr(text))}")
    return Memory(float(found[1]) * _MIB[found[2]], found[3])


class Resources(NamedTuple):
    """What a job asks for or was given; None (of a type, ``""``) where it is not said."""

    cores: int | None = None
    mib: float | None = None
    nodes: int | None = None
    gpus: int = 0
    milli: int = 0
    gpu_type: str = ""


def resources(text: str) -> Resources:
    """Of a list such as ``billing=8,cpu=8,gres/gpu:a100=4,gres/gpu=4,mem=125G,node=2``, or of the older ``gpu:a100:4``.

    GPUs are those of ``gres/gpu``, or where it is missing the sum over types. ``gres/mps`` is a part of a GPU.
    """
    said: dict[str, str] = {}
    for one in filter(None, text.replace("(null)", "").split(",")):
        name, equals, value = one.partition("=")
        if not equals:
            name, _, value = one.rpartition(":")
            name = f"gres/{name.removeprefix('gres:').removeprefix('gres/')}"
        said[name.strip()] = value.strip()
    typed = {name.partition(":")[2]: _count(value) for name, value in said.items() if name.startswith("gres/gpu:")}
    gpus = _count(said["gres/gpu"]) if "gres/gpu" in said else sum(typed.values())
    milli = 0
    if not gpus and "gres/shard" in said:
        raise BadRowError("asks for gres/shard, and how many of them are in a GPU is not written")
    if not gpus and "gres/mps" in said:
        share = _count(said["gres/mps"]) * WHOLE // MPS_OF_A_GPU
        if share > WHOLE and share % WHOLE:
            raise BadRowError(f"asks for gres/mps={said['gres/mps']}: more than a GPU has, and no whole GPUs")
        gpus, milli = (share // WHOLE, 0) if share % WHOLE == 0 else (0, share)
    return Resources(
        cores=_count(said["cpu"]) if "cpu" in said else None,
        mib=memory(said["mem"]).mib if "mem" in said else None,
        nodes=_count(said["node"]) if "node" in said else None,
        gpus=gpus,
        milli=milli,
        gpu_type="+".join(sorted(name for name, count in typed.items() if count)),
    )


MOST_COUNTED = 1 << 53


def _count(text: str) -> int:
    found = _SIZE.match(text)
    if found is None or found[2] not in _COUNT or found[3]:
        raise BadRowError(f"a count of {short(repr(text))}")
    count = float(found[1]) * _COUNT[found[2]]
    if count > MOST_COUNTED:
        raise BadRowError(f"a count of {short(repr(text))}, more than there can be")
    return round(count)


def tasks_of(job_id: str) -> int:
    """How many tasks of an array a row stands for: ``12_[3-9:2%4]`` for four; 1 for a list that is cut short."""
    _, bracket, inside = job_id.partition("_[")
    if not bracket:
        return 1
    count = 0
    for one in inside.rstrip("]").partition("%")[0].split(","):
        found = _RANGE.match(one)
        if found is None:
            return 1
        first, last = int(found[1]), int(found[2] or found[1])
        count += max(0, last - first) // max(1, int(found[3] or 1)) + 1
    if count > MOST_TASKS:
        raise BadRowError(f"stands for {count:,} tasks of an array, more than there can be")
    return count
