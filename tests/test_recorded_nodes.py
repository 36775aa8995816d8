"""Where jobs ran, as Slurm lists it: read by its grammar, mapped to the nodes of a scenario, and held against a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import InputError
from sim.loading.scenario import load_scenario
from sim.measure.judge.job_places import places_of
from sim.measure.judge.job_traces import compare
from sim.measure.judge.job_traces_text import comparison_table
from sim.running.replay import replayed
from sim.running.run import built_of
from sim.running.simulation import ended
from sim.units import NS_PER_S
from sim.workload.jobs.formats import Terms
from sim.workload.jobs.hostlists import hosts
from sim.workload.jobs.node_map import NodeMap
from sim.workload.jobs.traces import read_jobs
from sim.workload.trace_formats import BadRowError
from tests.job_batches import batch_of, ints, inventory, table

HEAD = "JobID|State|Submit|Start|End|AllocTRES|NNodes|NodeList"
DAY = "2024-01-02T"


def row(job: str, start: str, end: str, gpus: int, nodes: int, listed: str, state: str = "COMPLETED") -> str:
    tres = f"cpu={4 * gpus},gres/gpu={gpus},node={nodes}"
    return f"{job}|{state}|{DAY}10:00:00|{DAY}{start}|{DAY}{end}|{tres}|{nodes}|{listed}"


# --- Lists of hosts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("node[001-003,7],login1", ["node001", "node002", "node003", "node7", "login1"]),
        ("rack[1-2]n[09-10]", ["rack1n09", "rack1n10", "rack2n09", "rack2n10"]),
        ("n[8-10]-ib", ["n8-ib", "n9-ib", "n10-ib"]),
        ("a", ["a"]),
        ("None assigned", []),
        ("", []),
    ],
)
def test_lists_are_those_that_scontrol_shows(text: str, names: list[str]) -> None:
    assert list(hosts(text)) == names


@pytest.mark.parametrize(
    "text", ["n[3-1]", "n[1", "n1]", "n[]", "n[1-2-3]", "n[a-b]", "a,,b", "a,", "n[[1]]", "a,a", "n[1-3,2]"]
)
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(BadRowError):
        hosts(text)


def test_a_list_of_more_than_there_can_be_is_refused_before_it_is_made() -> None:
    for text in ("n[1-999999999999]", "n[1-99999]x[1-99999]"):
        with pytest.raises(BadRowError, match="more than there can be"):
            hosts(text)


@given(st.sets(st.integers(0, 300), min_size=1), st.integers(1, 4))
def test_numbers_keep_their_zeros(numbers: set[int], width: int) -> None:
    listed = ",".join(f"{number:0{width}}" for number in sorted(numbers))
    assert hosts(f"gpu[{listed}]") == tuple(f"gpu{number:0{width}}" for number in sorted(numbers))
    first, last = min(numbers), max(numbers)
    if len(str(last)) <= width:
        assert hosts(f"gpu[{first:0{width}}-{last:0{width}}]") == tuple(
            f"gpu{number:0{width}}" for number in range(first, last + 1)
        )


# --- In an export of sacct --------------------------------------------------------------------------------------------


def sacct(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEAD, *rows]) + "\n")
    return path


def test_sacct_says_where_jobs_ran(tmp_path: Path) -> None:
    trace = read_jobs(
        sacct(
            tmp_path / "sacct.txt",
            row("1", "10:00:00", "11:00:00", 16, 2, "gpu[1-2]"),
            row("2", "10:00:00", "11:00:00", 8, 1, "gpu3"),
            row("3+0", "10:00:00", "11:00:00", 8, 1, "gpu4"),
            row("3+1", "10:00:00", "11:00:00", 8, 1, "cpu[1-2]"),
            row("4", "Unknown", "10:30:00", 8, 1, "None assigned", "CANCELLED by 7").replace(
                f"{DAY}Unknown", "Unknown"
            ),
        ),
        terms=Terms(zone="UTC"),
    )
    names = [*trace.table.names["recorded_nodes"], None]
    by_job = dict(zip(trace.table.job_id, (names[code] for code in trace.table.recorded_nodes), strict=True))
    assert by_job == {"1": "gpu[1-2]", "2": "gpu3", "3+0": "gpu4,cpu[1-2]", "4": None}
    assert any("other than as many nodes" in told and "line 5" in told for told in trace.report.told())


def test_a_list_that_cannot_be_read_is_told_by_its_line(tmp_path: Path) -> None:
    bad = sacct(tmp_path / "sacct.txt", row("1", "10:00:00", "11:00:00", 8, 1, "gpu[3-1]"))
    with pytest.raises(InputError, match=r"sacct.txt:2: is no list of nodes: 'gpu\[3-1\]'"):
        read_jobs(bad, terms=Terms(zone="UTC"))


# --- A map to the nodes of a scenario ---------------------------------------------------------------------------------


def scenario(file: Path, **workload: Any) -> dict[str, Any]:
    """Two pools of two nodes of eight GPUs, and the jobs of an export."""
    return {
        "name": "mapped",
        "start": "2024-01-02T00:00:00Z",
        "site": {"grid": {"intensity": "400 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.2}},
        "cluster": {
            "nodes": [{"profile": "dgx-a100", "count": 2, "name": one} for one in ("old", "new")],
            "scheduler": {"kind": "fifo"},
        },
        "workloads": {
            "queue": {
                "kind": "jobs",
                "pools": ["old", "new"],
                "source": {"kind": "trace", "file": str(file), "zone": "UTC"},
                "load": {"kind": "measured", "active": "350 W"},
                "cpu_load": 0.1,
                **workload,
            }
        },
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    }


MAP = {"gpu[1-2]": "old", "gpu[3-4]": "new"}
RAN = (
    row("1", "10:00:00", "11:00:00", 8, 1, "gpu4"),
    row("2", "10:00:00", "11:00:00", 8, 1, "gpu3"),
    row("3", "11:00:00", "12:00:00", 16, 2, "gpu[3-4]"),
    row("4", "10:00:00", "11:00:00", 4, 1, "gpu1"),
)


def test_jobs_run_in_the_pool_where_they_ran(tmp_path: Path) -> None:
    """Without the map the first pool takes them; with it three are of the new one, and wait for each other there."""
    file = sacct(tmp_path / "sacct.txt", *RAN)

    def pools(**workload: Any) -> list[str]:
        [batch] = ended(built_of(load_scenario(scenario(file, **workload)))).batches
        first = batch.log.node[batch.log.first_place[:-1]]
        by_job = dict(zip(batch.log.job.tolist(), first.tolist(), strict=True))
        return [batch.inventory.pools[int(batch.inventory.pool[by_job[job]])] for job in range(4)]

    assert pools(node_map=MAP) == ["new", "new", "new", "old"]
    assert pools()[:2] == ["old", "old"]


@pytest.mark.parametrize(
    ("workload", "says"),
    [
        ({"node_map": {"gpu[1-4]": "older"}}, "is none of its pools"),
        ({"node_map": {"gpu[1-4]": "old"}}, "has 4 nodes of the pool 'old', which has 2"),
        ({"node_map": {"gpu[1-2]": "old", "gpu[2-3]": "new"}}, "has the node 'gpu2' twice"),
        ({"node_map": {"gpu[1-": "old"}}, "is no list of nodes"),
        ({"node_map": {"gpu[1-2]": "old", "gpu3": "new"}}, "jobs ran on 'gpu4', which is in none of its lists"),
        ({"node_map": MAP, "gpu_types": {"a100": "old"}}, "give 'gpu_types' or 'node_map', not both"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(tmp_path: Path, workload: dict[str, Any], says: str) -> None:
    file = sacct(tmp_path / "sacct.txt", *RAN)
    with pytest.raises(InputError) as refused:
        load_scenario(scenario(file, **workload))
    assert says in str(refused.value)


def test_a_map_of_jobs_whose_nodes_nobody_knows_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "jobs.csv"
    file.write_text("submit_s,run_s,gpus\n0,60,8\n")
    data = scenario(file, node_map=MAP)
    data["workloads"]["queue"]["source"].pop("zone")
    with pytest.raises(InputError, match="says nothing: the source does not say on which nodes"):
        load_scenario(data)


# --- Held against a run -----------------------------------------------------------------------------------------------


class Heard:
    """What a run tells who watches it."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.now_ns: Callable[[], int] = lambda: 0
        self.end_ns: int | None = None

    def stage(self, doing: str) -> None:
        self.stages.append(doing)

    def simulating(self, now_ns: Callable[[], int], end_ns: int | None) -> None:
        self.now_ns, self.end_ns = now_ns, end_ns


def test_validate_compares_where_jobs_ran(tmp_path: Path) -> None:
    """The two nodes of the new pool were and are held for two hours of two; a node of the old one for one, by half."""
    file = sacct(tmp_path / "sacct.txt", *RAN)
    heard = Heard()
    batch, name, node_map = replayed(scenario(file, node_map=MAP), file, {}, workload=None, zone=None, watch=heard)
    assert heard.stages == ["simulating"]
    assert heard.now_ns() > 0  # who watches may ask how far it is
    found = compare("sacct", batch, name, node_map)
    places = found.places
    assert places is not None
    assert (places.jobs, places.as_many, places.used) == (4, 1.0, (3, 3))
    assert found.measures["nodes_per_job"].recorded == found.measures["nodes_per_job"].simulated == 1.25
    by_node = places.by_node
    assert by_node is not None
    assert by_node.nodes == ("old/0", "old/1", "new/0", "new/1")
    assert by_node.recorded.tolist() == [0.25, 0.0, 1.0, 1.0]
    assert by_node.simulated.tolist() == [0.25, 0.0, 1.0, 1.0]
    assert by_node.mean_absolute == 0.0
    assert by_node.correlation == pytest.approx(1.0)
    assert found.as_dict()["placement"]["by_node"]["recorded"] == [0.25, 0.0, 1.0, 1.0]
    assert comparison_table(found) is not None


def test_without_a_map_only_how_many_nodes_are_compared() -> None:
    """Recorded on two nodes and on one, run on one each: half are on as many."""
    jobs = table([0, 0], [100, 100], [2, 2])
    stints = [
        {"job": j, "start": 0, "end": 100 * NS_PER_S, "outcome": "completed", "places": {j: 2000}} for j in (0, 1)
    ]
    batch = batch_of(jobs, stints, inventory(2, 4), 100 * NS_PER_S)
    told: dict[str, Any] = {
        "recorded_start_ns": ints(0, 0),
        "recorded_end_ns": ints(100, 100) * NS_PER_S,
        "recorded_nodes": ints(0, 1),
        "names": {"recorded_nodes": ("a[1-2]", "a3")},
    }
    found = compare("x", replace(batch, table=replace(batch.table, **told)), "s")
    assert found.places is not None
    assert (found.places.as_many, found.places.used, found.places.by_node) == (0.5, (3, 2), None)
    assert found.measures["nodes_per_job"].recorded == 1.5
    assert found.measures["nodes_per_job"].simulated == 1.0
    nowhere = {**told, "names": {}, "recorded_nodes": ints(-1, -1)}
    assert "placement" not in compare("x", replace(batch, table=replace(batch.table, **nowhere)), "s").as_dict()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 9), st.integers(1, 9)), min_size=1))
def test_what_nodes_held_is_what_jobs_held(jobs: list[tuple[int, int, int, int]]) -> None:
    """Over all nodes, as recorded, of jobs cut to the run."""
    first, more, start, length = (np.array(column, np.int64) for column in zip(*jobs, strict=True))
    lists = tuple(f"h[{a}-{min(3, a + b)}]" for a, b in zip(first.tolist(), more.tolist(), strict=True))
    n, end_ns = len(jobs), 12 * NS_PER_S
    rows = table([0] * n, length.tolist(), [2] * n)
    stints = [{"job": 0, "start": 0, "end": int(length[0]) * NS_PER_S, "outcome": "completed", "places": {0: 2000}}]
    batch = batch_of(rows, stints, inventory(4, 8), end_ns)
    told: dict[str, Any] = {
        "recorded_start_ns": start * NS_PER_S,
        "recorded_end_ns": (start + length) * NS_PER_S,
        "recorded_nodes": np.arange(n),
        "names": {"recorded_nodes": lists},
    }
    judged = replace(batch, table=replace(batch.table, **told))
    places = places_of(
        judged, judged.table.recorded_start_ns, judged.table.recorded_end_ns, NodeMap.of({"h[0-3]": "a"})
    )
    assert places is not None
    assert places.by_node is not None
    held_s = (np.minimum(start + length, 12) - start).sum()
    assert places.by_node.recorded.sum() * 8 * 12 == pytest.approx(2 * held_s)
