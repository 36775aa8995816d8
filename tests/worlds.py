"""Small machines and recorders that the tests build worlds from, with numbers chosen to be easy to add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sim.accounting.bins import Bins
from sim.accounting.ledger import Ledger
from sim.accounting.recorder import LedgerRecorder
from sim.engine.machines.failures import NodeFailures
from sim.engine.metering.draws import NodeHardware, Rest, Supply
from sim.engine.metering.meter import Draw
from sim.engine.plans import Policies, Workloads
from sim.engine.queueing.service import ServicePlan
from sim.engine.training.plan import TrainingPlan
from sim.engine.world import Outcome, Pool, simulate
from sim.rng import Streams
from sim.units import HOUR_NS, NS_PER_S

S = NS_PER_S
H = HOUR_NS


def hardware(*, slots: int = 4, supply: bool = True, boot_s: int = 100, shutdown_s: int = 20) -> NodeHardware:
    """A node of ``slots`` GPUs: 50 W idle each, CPUs 100 to 300 W, DRAM 20 to 40 W, board 30 to 30 W."""
    return NodeHardware(
        name="node",
        slots=slots,
        gpu="gpu",
        gpu_idle_w=50.0,
        sockets=1,
        cpu_idle_w=100.0,
        cpu_full_w=300.0,
        cpu_exponent=0.8,
        parts=(Rest("dram", 20.0, 40.0), Rest("board", 30.0, 30.0)),
        supply=Supply(4000.0, (0.1, 0.5, 1.0), (0.90, 0.96, 0.94)) if supply else None,
        standby_w=10.0,
        boot_ns=boot_s * S,
        boot_w=500.0,
        shutdown_ns=shutdown_s * S,
        shutdown_w=200.0,
    )


def pool(count: int = 1, **changes: object) -> Pool:
    """``count`` such nodes, always on and never failing unless ``changes`` say otherwise: whole nodes do, with an
    ``mtbf_ns`` and a ``repair_ns``."""
    values: dict[str, object] = {
        "name": "pool",
        "hardware": hardware(),
        "count": count,
        "powered": True,
        "idle_timeout_ns": None,
    }
    mtbf_ns, repair_ns = changes.pop("mtbf_ns", None), changes.pop("repair_ns", 0)
    if mtbf_ns is not None:
        values["failures"] = NodeFailures(mtbf_ns, repair_ns)  # type: ignore[arg-type]  # values of several types in one mapping
    return Pool(**{**values, **changes})  # type: ignore[arg-type]


def job(**changes: object) -> TrainingPlan:
    """An hour's job on four GPUs at 350 W, 80 W loaded."""
    values: dict[str, object] = {
        "name": "job",
        "pool": "pool",
        "gpus": 4,
        "work_ns": H,
        "submit_ns": 0,
        "setup_ns": 0,
        "checkpoint_every_ns": None,
        "checkpoint_ns": 0,
        "time_limit_ns": None,
        "on_failure": "restart",
        "active_w": 350.0,
        "loaded_w": 80.0,
        "cpu_load": 0.5,
    }
    return TrainingPlan(**{**values, **changes})  # type: ignore[arg-type]


@dataclass
class Tape:
    """Records every segment as it was settled, before any binning."""

    segments: list[tuple[str, tuple[Draw, ...], int, int]] = field(default_factory=list)

    def record(self, pool: str, draws: Sequence[Draw], start_ns: int, end_ns: int, count: int = 1) -> None:
        """Keeps the segment, of each node."""
        self.segments += [(pool, tuple(draws), start_ns, end_ns)] * count


def run(
    pools: Sequence[Pool],
    training: Sequence[TrainingPlan] = (),
    services: Sequence[ServicePlan] = (),
    *,
    duration_ns: int | None = None,
    seed: int = 0,
    bin_ns: int = H,
) -> tuple[Outcome, Ledger]:
    """Simulates and returns the outcome with its ledger."""
    recorder = LedgerRecorder({pool.name: "site" for pool in pools}, Bins(bin_ns))
    work = Workloads(training=training, services=services)
    outcome = simulate(pools, work, Policies(), duration_ns=duration_ns, streams=Streams(seed), recorder=recorder)
    return outcome, recorder.ledger(outcome.end_ns)
