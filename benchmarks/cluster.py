"""The cluster: schedulers and job traces, whole commands from a scenario to its results, beside other simulators.

Seconds are of CPU, ours and theirs: all of these run in one thread, and by the clock a shared machine would tell of
others' work. A command is one in a process of its own, what it compiles kept from an earlier one; most of a short one
is starting up, so the same is timed in a process that is warm, too, from the scenario and its files to the results.
Peers run side by side where they install (``cluster_peers``); a figure that is *quoted* was measured on another
machine.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import sim
from benchmarks import cluster_peers, cluster_scenarios
from benchmarks.cluster_peers import Run, measured
from benchmarks.table import Row
from sim.engine.fleet import records as k
from sim.engine.fleet.fast import FastFleet
from sim.engine.fleet.shape import PoolShape
from sim.loading.scenario import load_scenario
from sim.results.files import to_yaml
from sim.running.run import built_of
from sim.running.simulation import simulate

GIBIBYTE_MIB = 1024.0
COMMAND = "from sim.cli import main; main()"


def whole(scenario: dict[str, Any], folder: Path) -> Run:
    """``coldaisle run`` of a scenario, in a process of its own."""
    file = folder / "scenario.yaml"
    file.write_text(to_yaml(scenario), encoding="utf-8")
    return measured([sys.executable, "-c", COMMAND, "run", str(file), "--quiet", "--json"], folder)


def rows(*, quick: bool) -> list[Row]:
    """All of it; ``quick`` shrinks the million and the table of ratios, and says so."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warm_up(folder)
        found: list[Row] = []
        for part in (power_changes, hosts, a_day, partial(million, quick=quick), partial(ratios, quick=quick), nasa):
            found += part(folder)
        return found


def warm_up(folder: Path) -> None:
    """Compiles what the others run."""
    file = folder / "warm.csv"
    cluster_scenarios.jobs_on_gpus(file, 6000, 100, 0.8)
    first = whole(cluster_scenarios.on_gpus(file, 100), folder)
    again = whole(cluster_scenarios.on_gpus(file, 100), folder)
    print(f"compiled, if need was: the first command took {first.cpu_s:.1f} s of CPU, the next {again.cpu_s:.1f} s")


def run_anew(scenario: dict[str, Any], folder: Path) -> None:
    """Runs a scenario in this process, its files read again."""
    for file in folder.iterdir():
        os.utime(file)
    sim.run(scenario)


def both(case: str, scenario: dict[str, Any], folder: Path, seconds: float, note: str) -> Iterator[Row]:
    """A scenario as a command, and in this process once it is warm."""
    command = whole(scenario, folder)
    warm_s = min(_cpu_s(partial(run_anew, scenario, folder)) for _ in range(2))
    yield Row(case, warm_s, "s", seconds, note)
    yield Row("  whole command", command.cpu_s, "s", seconds, f"{command.seconds:.1f} s by the clock")
    yield Row("  its memory", command.peak_mib, "MiB")


def power_changes(folder: Path) -> Iterator[Row]:
    """A day of a large machine, every change of power integrated."""
    scenario = cluster_scenarios.frontier_day(folder)
    *timed, memory = both("9,472 nodes, a day, 830 jobs of many loads", scenario, folder, 2.0, "RAPS 24 s (quoted)")
    yield from (*timed, replace(memory, reach=300.0, note="RAPS 1.9 GB (quoted)"))


def hosts(folder: Path) -> Iterator[Row]:
    """A week of hosts with guests."""
    scenario = cluster_scenarios.hosts_week(folder)
    *timed, memory = both(
        "277 hosts, a week, 2.3 M changes of load", scenario, folder, 3.0, "OpenDC 5.0-5.6 s (quoted)"
    )
    yield from (*timed, replace(memory, reach=300.0, note="OpenDC 577-694 MB (quoted)"))


def a_day(folder: Path) -> Iterator[Row]:
    """Many jobs in a day, queued and scheduled here, neither there."""
    file = folder / "day.csv"
    cluster_scenarios.jobs_on_gpus(file, 124_000, 1000, 0.85, span_s=cluster_scenarios.DAY_S)
    scenario = cluster_scenarios.on_gpus(file, 1000)
    yield from both("1,000 nodes, a day, 124,000 jobs, EASY", scenario, folder, 3.0, "LEAF 3.3 s (quoted)")
    leaf = cluster_peers.told_by(cluster_peers.LEAF, folder, str(file), "1000")
    if leaf is not None:
        told = "the same table; no queue, no scheduler, power every minute, read and simulated"
        yield Row("  LEAF, beside it", leaf.printed["cpu_s"], "s", note=told)


def million(folder: Path, *, quick: bool) -> Iterator[Row]:
    """A million jobs."""
    jobs = 200_000 if quick else 1_000_000
    file = folder / "million.csv"
    cluster_scenarios.jobs_on_gpus(file, jobs, 1250, 0.9)
    run = whole(cluster_scenarios.on_gpus(file, 1250), folder)
    told = f"whole command, {run.seconds:.1f} s by the clock" + (f"; {jobs:,} jobs alone" if quick else "")
    yield Row("1,000,000 jobs on 10,000 GPUs, EASY", run.cpu_s, "s", 45.0, told)
    yield Row("  its memory", run.peak_mib / GIBIBYTE_MIB, "GiB", 1.5)


def _cpu_s(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def ratios(folder: Path, *, quick: bool) -> Iterator[Row]:
    """Time per job on a hundred times as many nodes, as rows and as entries of a scenario. CPU time, simulated and
    booked, the best of several: both sides of the ratio run in one process."""
    times = 2 if quick else 5
    jobs = 50_000 if quick else 200_000
    builds = {}
    for nodes in (100, 10_000):
        file = folder / f"on-{nodes}.csv"
        cluster_scenarios.jobs_on_gpus(file, jobs, nodes, 0.85)
        builds[nodes] = built_of(load_scenario(cluster_scenarios.on_gpus(file, nodes)))
    best = {nodes: min(_cpu_s(partial(simulate, built)) for _ in range(times)) for nodes, built in builds.items()}
    told = ", ".join(f"{1e6 * spent / jobs:.1f} us on {nodes:,}" for nodes, spent in best.items())
    yield Row("time per job, 10,000 nodes / 100, rows", best[10_000] / best[100], "x", 1.5, told)
    jobs = 600 if quick else 3000
    entries = {
        nodes: built_of(load_scenario(cluster_scenarios.trainings(nodes, jobs))) for nodes in (100, 1000, 10_000)
    }
    best = {nodes: min(_cpu_s(partial(simulate, built)) for _ in range(2)) for nodes, built in entries.items()}
    told = ", ".join(f"{1e3 * spent / jobs:.2f} ms on {nodes:,}" for nodes, spent in best.items())
    yield Row("  the same, each an entry of the scenario", best[10_000] / best[100], "x", 1.5, f"{told}; 11 x before")


def nasa(folder: Path) -> Iterator[Row]:
    """The NASA iPSC trace under FIFO and EASY, beside AccaSim, as recorded and half again as dense."""
    if not cluster_scenarios.NASA.is_file():
        print("the NASA trace is not here (../shared/data): its rows are left out")
        return
    for rate_scale in (1.0, 1.5):
        file = folder / "nasa.swf"
        cluster_scenarios.write_nasa(file, rate_scale)
        for rule in ("fifo", "easy"):
            yield from _beside_accasim(folder, file, rule, f"NASA iPSC, {rate_scale:g} x as dense, {rule}")


def _beside_accasim(folder: Path, file: Path, rule: str, case: str) -> Iterator[Row]:
    scenario = cluster_scenarios.nasa(file, rule)
    command = whole(scenario, folder)
    spent = min(_cpu_s(partial(run_anew, scenario, folder)) for _ in range(3))
    wait_s = command.printed["batch"]["jobs"]["wait_s"]["mean"]
    theirs = cluster_peers.told_by(cluster_peers.ACCASIM, folder, str(file), str(cluster_scenarios.NASA_NODES), rule)
    if theirs is None:
        yield Row(case, spent, "s", note=f"mean wait {wait_s:.3f} s; AccaSim is not installed here")
        return
    told = f"{spent:.2f} s, read, simulated and accounted; AccaSim {theirs.printed['cpu_s']:.1f} s, read and simulated"
    yield Row(f"{case}: faster than AccaSim", theirs.printed["cpu_s"] / spent, "x", 20.0, told, at_least=True)
    told = f"{command.cpu_s:.1f} against {theirs.cpu_s:.1f} s of CPU; starting up is most of ours"
    yield Row("  whole commands", theirs.cpu_s / command.cpu_s, "x", note=told)
    off_s = wait_s - theirs.printed["mean_wait_s"]
    told = f"{wait_s:.6f} against {theirs.printed['mean_wait_s']:.6f} s"
    if rule == "easy" and off_s:
        told += (
            f"; its EASY keeps nothing for the head: backfill without any reservation gives {greedy_wait_s(file):.6f} s"
        )
    yield Row("  mean wait, difference", off_s, "s", note=told)


def greedy_wait_s(file: Path) -> float:
    """Mean wait of an SWF file where whoever has room passes a head that has none.

    That is what AccaSim 1.1.3 calls EASY: ``EASYBackfilling.scheduling_method`` works a reservation out and hands the
    allocator ``reserved_nodes=[]``, so that no job is held off any node.
    """
    columns = np.loadtxt(file, dtype=np.int64, usecols=(1, 3, 4))
    submit, run, slots = (np.ascontiguousarray(column) for column in columns.T)
    rules = k.BY_ARRIVAL, k.GREEDY, k.BY_ARRIVAL, k.ANYWHERE
    pools = [PoolShape("all", cluster_scenarios.NASA_NODES, 1)]
    none = np.zeros(len(submit), np.int64)
    held = FastFleet(pools, rules, submit, run, slots, none, [(0,)], none, [run]).run(1 << 60)
    return float((held.start_ns - submit).mean())
