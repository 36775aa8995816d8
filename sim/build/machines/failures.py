"""Failures, spares and recovery as written -> what the engine is given; and how often they interrupt a gang."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sim.kinds import builder
from sim.later import later
from sim.profiles.catalog import Catalog
from sim.profiles.machines.gpu import GPUProfile
from sim.profiles.sourced import Sourced
from sim.spec.cluster import NodePool
from sim.units import NS_PER_S

with later():
    from sim.profiles.machines.failures import Device, Process, Slowdown, Switch
    from sim.spec import failures as spec


if TYPE_CHECKING:
    from sim.engine.machines.cluster import Spares
    from sim.engine.machines.failures import ComponentFailures, FailurePlan, Hazard
    from sim.engine.training.recovery import RecoveryPlan
    from sim.spec.workloads import Checkpoint


def failure_plan(written: spec.Failures | spec.FailureLaw | None, slots: int, catalog: Catalog) -> FailurePlan | None:
    """How nodes of ``slots`` GPUs fail, if they do."""
    if written is None:
        return None
    if isinstance(written, spec.Failures):
        from sim.engine.machines.failures import NodeFailures

        return NodeFailures(_mean_ns(written.mtbf), int(written.repair))
    made: FailurePlan = builder(written)(written, slots, catalog)
    return made


_FAR_S = 1e20
"""Longer than any run, and far from the end of what a float can hold."""


def _mean_ns(mtbf_s: float) -> int:
    """A mean time between failures that may be longer than any run."""
    return max(1, round(min(float(mtbf_s), _FAR_S) * NS_PER_S))


def components(written: spec.ComponentFailures, slots: int, catalog: Catalog) -> ComponentFailures:
    """A hazard for every component; of one's own before those of the same name in the profile."""
    from sim.engine.machines.failures import ComponentFailures

    return ComponentFailures(
        tuple(_hazard(name, part, written, slots) for name, part in parts(written, catalog).items())
    )


def parts(written: spec.ComponentFailures, catalog: Catalog) -> Mapping[str, Any]:
    """Every part that fails by its name. Raises ``InputError`` for an unknown profile."""
    profiled = catalog.failures(written.profile).components if written.profile is not None else {}
    return {**profiled, **written.parts}


def _plain(value: Any) -> Any:
    """What a scenario writes plainly and a profile with its source."""
    return value.value if isinstance(value, Sourced) else value


def _hazard(name: str, part: Any, written: spec.ComponentFailures, slots: int) -> Hazard:
    from sim.engine.machines.failures import Hazard

    shape = _plain(part.shape)
    nodes, per_node, rate = 1, 1, 1.0
    if isinstance(part, Switch):
        nodes = int(_plain(part.nodes))
    else:
        per_node = slots if part.per == "gpu" else 1
    if isinstance(part, Slowdown):
        rate = float(_plain(part.rate))
    stays = isinstance(part, Process)
    return Hazard(
        component=name,
        per_node=per_node,
        nodes=nodes,
        mtbf_ns=_mean_ns(_plain(part.mtbf)),
        shape=float(shape) if shape is not None else None,
        settled=part.fleet == "settled",
        shows="slow" if isinstance(part, Slowdown) else part.shows,
        repair_ns=None if stays else int(written.repairs.get(name, written.repair)),
        rate=rate,
    )


def how_they_show(written: spec.Failures | spec.FailureLaw | None, catalog: Catalog) -> Mapping[str, str]:
    """What has to be noticed of a pool's failures, by component. Raises ``InputError`` for an unknown profile."""
    if written is None:
        return {}
    if not isinstance(written, spec.ComponentFailures):
        return {"node": "crash"}
    return {
        name: part.shows if isinstance(part, Device | Switch | Process) else "slow"
        for name, part in parts(written, catalog).items()
    }


def spares(pool: NodePool, gpu: GPUProfile | None) -> Spares | None:
    """The spares of a pool, if it has any; hot ones at the loaded power of their GPUs."""
    if pool.spares is None:
        return None
    from sim.engine.machines.cluster import Spares

    loaded_w = float(gpu.power.loaded.value) if gpu is not None else 0.0
    return Spares(pool.spares.count, pool.spares.state, int(pool.spares.replace), loaded_w)


def interval_ns(checkpoint: Checkpoint | None, mtbf_ns: float | None) -> int | None:
    """Work between checkpoints, ns: as written, or by a law, and no less than what is written beside the work.

    None without checkpoints, and for a law where nothing fails, which the checks refuse.
    """
    if checkpoint is None:
        return None
    if isinstance(checkpoint.every, int):
        return int(checkpoint.every)
    if mtbf_ns is None:
        return None
    from sim.training.checkpoints import daly_interval_s, young_interval_s

    law = young_interval_s if checkpoint.every == "young" else daly_interval_s
    best_ns = round(law(checkpoint.stall_ns / NS_PER_S, mtbf_ns / NS_PER_S) * NS_PER_S)
    return max(best_ns, checkpoint.behind_ns, 1)


def recovery_plan(written: spec.RecoveryTimes, mtbf_ns: float | None) -> RecoveryPlan:
    """How a job goes on after a fault; what cannot happen on its pool is never waited for."""
    from sim.engine.training.recovery import RecoveryPlan

    noticed = written.detection
    return RecoveryPlan(
        crash_ns=int(noticed.crash or 0),
        hang_ns=int(noticed.hang or 0),
        silent_ns=int(noticed.silent or 0),
        slow_ns=int(noticed.slow or 0),
        schedule_ns=int(written.schedule),
        load_ns=int(written.load) + int(written.warm_up),
        stop_every_ns=int(written.planned.every) if written.planned is not None else None,
        stop_ns=int(written.planned.takes) if written.planned is not None else 0,
        mtbf_ns=mtbf_ns,
    )
