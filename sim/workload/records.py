"""What is known of a request or a job once it is over; none of these types has a half-filled state."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sim.workload.rounds import Counts


JobStatus = Literal["completed", "killed", "unfinished"]
TrialOutcome = Literal["kept", "killed", "cut", "failed"]
"""Trained to the end; stopped by the rule of its campaign; cut off before it was judged."""


@dataclass(frozen=True)
class ScheduleRecord:
    """What a schedule did with a job. Means are of ``signal`` in ``unit`` (SI).

    ``waited_ns`` was spent unpaused before its first start, ``paused_ns`` after that, ``switching_ns`` on saving and
    restarting around pauses. ``finish_delay_ns`` is what it ended later than it would have, started at once and alone;
    None until it is completed, as ``deadline_met`` is, or where there is no deadline. ``forecast_mean`` is the forecast
    over the time it was planned to work, None where no plan was made; ``actual_mean`` the truth over the time it did,
    ``immediate_mean`` over the time it would have taken at once, None where the series ends before.
    """

    signal: str
    unit: str
    waited_ns: int
    pauses: int
    restarts: int
    paused_ns: int
    switching_ns: int
    finish_delay_ns: int | None
    deadline_ns: int | None
    deadline_met: bool | None
    forecast_mean: float | None
    actual_mean: float | None
    immediate_mean: float | None


Activity = Literal["productive", "lost", "checkpoints", "detection", "restarts", "planned_stops", "waiting"]


@dataclass(frozen=True)
class ReliabilityRecord:
    """What faults did to a job that recovers from them. ``interruptions`` are unexpected, by component.

    ``activities`` say for how many ns since it first started, and with how many J since it was submitted, the gang was
    at work that was kept or lost, stood still for checkpoints, had not noticed yet, was being restarted or serviced, or
    waited (booting, set-up, pauses). ``slowed_ns`` is what slow parts added to the time at work. ``corrupted`` says
    that wrong results nobody has noticed are in what was done. ``mtbf_ns`` is the mean expected for its gang.
    """

    interruptions: Mapping[str, int]
    planned_stops: int
    slowed_ns: int
    corrupted: bool
    activities: Mapping[Activity, tuple[int, float]]
    checkpoint_every_ns: int | None
    mtbf_ns: float | None


@dataclass(frozen=True)
class JobRecord:
    """One training job. Times in ns from the start of the run; ``started_ns`` is None if it never held its gang.

    ``done_ns`` is the productive time kept, ``lost_ns`` productive time that a failure or a kill threw away,
    ``slowed_ns`` what power caps added to the time at work, ``held_ns`` the time its gang was held, from being placed
    to being released: ``done + lost + slowed <= held``, and the rest is booting, setting up, checkpoints, and pauses
    in which it kept its gang. ``cap_changes`` counts how often a cap changed what it may draw, and ``worked_ns`` says
    how long it was at work under which cap in W, None for no cap. ``straddling_ns`` of the time at work was spent
    waiting for the link between islands of a node, on more of which the gang lay than it needed. For ``paused_ns``
    limits of power had it stand still with its gang, and ``sheds`` times they took that from it.
    """

    workload: str
    status: JobStatus
    gpus: int
    submitted_ns: int
    started_ns: int | None
    ended_ns: int
    work_ns: int
    done_ns: int
    lost_ns: int
    held_ns: int
    interruptions: int
    checkpoints: int
    slowed_ns: int = 0
    cap_changes: int = 0
    worked_ns: tuple[tuple[float | None, int], ...] = ()
    schedule: ScheduleRecord | None = None
    reliability: ReliabilityRecord | None = None
    straddling_ns: int = 0
    paused_ns: int = 0
    sheds: int = 0


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a campaign, which began at least one turn.

    ``progress`` is the share of its whole training that it has shown something at, ``factor`` its work relative to the
    stated one, ``gpus`` its largest gang. GPU time held while it trained (of which ``lost`` was thrown away) and while
    it was evaluated, and the J of each, are apart. ``quality`` is lower for better, and only its rank means anything;
    ``shown`` is what it showed of it last.
    """

    number: int
    variant: int
    factor: float
    gpus: int
    outcome: TrialOutcome
    progress: float
    started_ns: int | None
    ended_ns: int | None
    held_gpu_ns: int
    lost_gpu_ns: int
    evaluation_gpu_ns: int
    interruptions: int
    quality: float
    shown: float | None
    energy_j: float
    evaluation_j: float


@dataclass(frozen=True)
class CampaignRecord:
    """A campaign and its trials, in the order in which they began; ``ranked`` where its rule judges them, ``failing``
    where some come to nothing of themselves."""

    workload: str
    submitted_ns: int
    ended_ns: int
    status: Literal["completed", "out-of-budget", "unfinished"]
    ranked: bool
    trials: tuple[TrialRecord, ...]
    failing: bool = False


@dataclass(frozen=True)
class FederatedRecord:
    """A federated training: ``done`` of ``rounds`` rounds, those abandoned, and what became of clients in all of them.

    ``samples`` are those of updates that counted, ``round_ns`` the times of rounds that did, without the server's own.
    ``joules`` are by source and use (see ``sim.workload.rounds``); the server's are in the ledger alone.
    """

    workload: str
    submitted_ns: int
    ended_ns: int
    completed: bool
    rounds: int
    done: int
    abandoned: int
    interruptions: int
    samples: float
    counts: Counts
    round_ns: tuple[int, ...]
    joules: Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class ThrottleRecord:
    """A time in which a site's machines wanted more than it may draw: the extremes of what held within it.

    ``least_share`` is the lowest share of their power above loaded that jobs were left with, ``most_exceeded_w`` what
    could not be shed even so.
    """

    site: str
    start_ns: int
    end_ns: int
    least_limit_w: float
    most_wanted_w: float
    least_share: float
    most_exceeded_w: float


@dataclass
class ServiceLog:
    """Every request of one service as columns of int64, appended in the order in which requests finish.

    ``arrival <= start <= done`` for each finished request. ``rejected_ns`` holds the arrivals turned away at a full
    queue, ``open_ns`` the arrivals still waiting or in service when the run ended. ``batches`` counts service starts.
    ``exits`` counts requests by where they left a network that has early exits; ``start_up_ns`` is what ``start_ups``
    of replicas took together, by the size of an image or as it was stated. ``replica_ns`` integrates the replicas that
    are up over time, where they come and go. Requests that took ``slo_e2e_ns`` at most were good (None: none is said to
    be).
    """

    workload: str
    replicas: int
    arrival_ns: array[int] = field(default_factory=lambda: array("q"))
    start_ns: array[int] = field(default_factory=lambda: array("q"))
    done_ns: array[int] = field(default_factory=lambda: array("q"))
    rejected_ns: array[int] = field(default_factory=lambda: array("q"))
    open_ns: array[int] = field(default_factory=lambda: array("q"))
    batches: int = 0
    busy_ns: int = 0
    retries: int = 0
    exits: dict[str, int] = field(default_factory=dict)
    start_ups: int = 0
    start_up_ns: int = 0
    from_image: bool = False
    replica_ns: int | None = None
    slo_e2e_ns: int | None = None

    @property
    def requests(self) -> int:
        """Number of requests that arrived, whatever became of them."""
        return len(self.done_ns) + len(self.rejected_ns) + len(self.open_ns)
