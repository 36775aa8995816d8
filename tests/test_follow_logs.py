"""The twin of ``coldaisle follow`` runs what a site's logs say ran, at the time at which it did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.errors import InputError
from sim.follow.twin import Asked, Twin, Window, run_twin
from sim.instants import parse_instant
from sim.results.files import to_yaml
from sim.units import NS_PER_S, SECONDS_PER_NS

DAY = "2024-03-04"
START_NS = parse_instant(f"{DAY}T10:00:00Z")
WINDOW = Window(START_NS, START_NS + 3600 * NS_PER_S, 60 * NS_PER_S)
ACTIVE_W = 350.0


def written(folder: Path, workload: dict[str, Any], **others: dict[str, Any]) -> str:
    """A node of eight GPUs on another day, whose logs are not there: the window and the logs are asked for."""
    data = {
        "name": "eight",
        "start": "2022-01-01T00:00:00Z",
        "duration": "10 min",
        "site": {"grid": {"intensity": "400 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.2}},
        "cluster": {"nodes": [{"profile": "dgx-a100", "count": 1}]},
        "workloads": {"work": workload, **others},
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    }
    path = folder / "eight.yaml"
    path.write_text(to_yaml(data))
    return str(path)


def jobs(**source: Any) -> dict[str, Any]:
    given = {"kind": "trace", "file": "not-there.txt", **source}
    return {"kind": "jobs", "source": given, "load": {"kind": "measured", "active": f"{ACTIVE_W:g} W"}, "cpu_load": 0.1}


def sacct(folder: Path) -> Path:
    """A job of four GPUs from 10:10 to 10:20, and one of two that began at 9:50 and ends at 10:05."""
    path = folder / "sacct.txt"
    head = "JobID|User|State|Submit|Start|End|Elapsed|Timelimit|AllocTRES"
    rows = [
        f"1|a|COMPLETED|{DAY}T09:50:00|{DAY}T09:50:00|{DAY}T10:05:00|00:15:00|01:00:00|cpu=8,gres/gpu=2,node=1",
        f"2|b|COMPLETED|{DAY}T10:10:00|{DAY}T10:10:00|{DAY}T10:20:00|00:10:00|01:00:00|cpu=8,gres/gpu=4,node=1",
    ]
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def active_w(twin: Twin) -> Any:
    """W of GPUs at work in each bin of the window."""
    edges, bins = twin.bins(WINDOW)
    own = twin.ledger.where(lambda key: key.component == "gpu" and key.state == "active")
    return own.energy_j[:, bins].sum(axis=0) / (np.diff(edges) * SECONDS_PER_NS)


@pytest.mark.parametrize(("lead_s", "before"), [(0, 0), (900, 5)])
def test_slurms_jobs_run_when_they_ran(tmp_path: Path, lead_s: int, before: int) -> None:
    """Four GPUs from minute 10 to 20; the job that began before the window is under way if the twin begins early."""
    asked = Asked(written(tmp_path, jobs()), jobs=sacct(tmp_path), zone="UTC", lead_ns=lead_s * NS_PER_S)
    twin = run_twin(asked, WINDOW)
    expected = np.zeros(60)
    expected[10:20] = 4 * ACTIVE_W
    expected[:before] = 2 * ACTIVE_W
    assert active_w(twin) == pytest.approx(expected)
    assert twin.name == "eight"


def test_requests_are_served_when_they_came(tmp_path: Path) -> None:
    """Twenty requests at 10:30: all work of the GPUs lies in the minutes from then on."""
    log = tmp_path / "requests.csv"
    rows = [f"{DAY} 10:30:{second:02d}.0000000,2000,200" for second in range(20)]
    log.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]) + "\n")
    workload = {
        "kind": "serving",
        "model": "llama-3.1-8b",
        "stack": "vllm-2025",
        "precision": {"weights": "bf16", "kv": "bf16"},
        "replicas": {"count": 1, "tensor_parallel": 1},
        "batching": {"max_num_seqs": 64, "max_num_batched_tokens": 4096},
        "routing": "round-robin",
        "arrivals": {"kind": "trace", "file": "not-there.csv"},
        "cpu_load": 0.1,
    }
    found = active_w(run_twin(Asked(written(tmp_path, workload), requests=log), WINDOW))
    assert np.flatnonzero(found).min() == 30
    assert np.flatnonzero(found).max() in (30, 31)


@pytest.mark.parametrize(
    ("source", "others", "asked", "says"),
    [
        ({"kind": "generated"}, {}, {"jobs": Path("x")}, "takes no log; write 'kind: trace'"),
        ({}, {}, {"requests": Path("x")}, "has no workload of the kind 'serving'"),
        ({}, {"more": jobs()}, {"jobs": Path("x")}, "has several of the kind 'jobs': work, more"),
        ({}, {}, {"jobs": Path("x"), "workload": "none"}, "'none' is no workload of the kind 'jobs'; there are: work"),
    ],
)
def test_a_log_that_no_workload_takes_is_refused(
    tmp_path: Path, source: dict[str, Any], others: dict[str, Any], asked: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError) as caught:
        Asked(written(tmp_path, jobs(**source), **others), **asked).given()
    assert says in str(caught.value)
