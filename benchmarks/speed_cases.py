"""What ``speed`` measures: a case takes a size and returns the seconds of CPU that it cost, and joules that two
versions must agree on to the bit.

``python -m benchmarks.speed_cases NAME SIZE`` runs one and prints a line of JSON. It loads nothing of ``sim`` until a
case has begun, and little of it then, so that an earlier version can be measured by the same lines.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks import cluster_scenarios, growth_cases, nodes
from benchmarks.serving_scenarios import KEPT_UP_WITH, many_replicas, poisson_service

JOBS = 3000


def served(data: dict[str, Any]) -> tuple[float, str]:
    """A whole run of a service, in a process that has run one before; joules of it."""
    import sim

    sim.run(poisson_service(1000, "round-robin"))
    began = time.process_time()
    found = sim.run(data)
    return time.process_time() - began, found.energy.total_j().hex()


def simulated(data: dict[str, Any]) -> tuple[float, str]:
    """Simulated and booked, without what is read before; joules of it."""
    from sim.loading.scenario import load_scenario
    from sim.running.run import built_of
    from sim.running.simulation import simulate

    small = built_of(load_scenario(nodes.scenario("idle", 10)))
    simulate(small)
    built = built_of(load_scenario(data))
    began = time.process_time()
    ledger = simulate(built).ledger
    return time.process_time() - began, ledger.total_j().hex()


def round_robin(size: int) -> tuple[float, str]:
    """More requests than eight replicas keep up with."""
    return served(poisson_service(size, "round-robin"))


def shortest_queue(size: int) -> tuple[float, str]:
    """The same, each to the shortest queue."""
    return served(poisson_service(size, "join-shortest-queue"))


def kv_binding(size: int) -> tuple[float, str]:
    """A model that leaves so little memory for keys and values that they decide, and sequences are preempted."""
    return served(poisson_service(size, "join-shortest-queue", model="qwen3-32b", weights="bf16", rate="250 request/s"))


def kept_up_with(size: int) -> tuple[float, str]:
    """As many as eight replicas keep up with: what a billion are made of."""
    return served(poisson_service(size, "round-robin", rate=KEPT_UP_WITH))


def trainings(size: int) -> tuple[float, str]:
    """3,000 training jobs of mixed sizes on so many nodes."""
    return simulated(cluster_scenarios.trainings(size, JOBS))


def idle(size: int) -> tuple[float, str]:
    """A day of so many nodes, one of which has a job."""
    return simulated(nodes.scenario("idle", size))


def recovering(size: int) -> tuple[float, str]:
    """54 days of one job on so many nodes that loses one of them 405 times, with a checkpoint every 30 min."""
    return simulated(nodes.scenario("gives back", size))


def restarting(size: int) -> tuple[float, str]:
    """The same with checkpoints that stop nothing, which versions know that know no stalls."""
    lost = nodes.scenario("gives back", size)
    del lost["workloads"]["job"]["checkpoint"]["stall"]
    return simulated(lost)


def seconds_of_chat(size: int) -> tuple[float, str]:
    """So many hours of eight replicas on a node, in bins of a second."""
    import sim

    sim.run(poisson_service(1000, "round-robin"))  # the engine is loaded, or compiled
    return simulated(growth_cases.eight_replicas(size, 1))


CASES: dict[str, Callable[[int], tuple[float, str]]] = {
    case.__name__: case
    for case in (
        round_robin,
        shortest_queue,
        kv_binding,
        kept_up_with,
        trainings,
        idle,
        recovering,
        restarting,
        seconds_of_chat,
    )
}
ON_REPLICAS = "replicas:"
"""Begins the name of a router, for requests to so many replicas."""


def on_replicas(router: str, size: int) -> tuple[float, str]:
    """400,000 requests to so many replicas, half as many where their prefixes are followed."""
    return served(many_replicas(size, router, asked_of(router)))


def asked_of(router: str) -> int:
    """How many requests the replicas of a router are asked."""
    return 200_000 if router == "prefix-affinity" else 400_000


if __name__ == "__main__":
    name = sys.argv[1]
    if name.startswith(ON_REPLICAS):
        spent_s, figure = on_replicas(name.removeprefix(ON_REPLICAS), int(sys.argv[2]))
    else:
        spent_s, figure = CASES[name](int(sys.argv[2]))
    print(json.dumps({"cpu_s": spent_s, "figure": figure}))
