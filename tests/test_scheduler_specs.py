"""What may be written of a scheduler and its placement, and that each field of it decides something."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.build.jobs.schedulers import scheduler
from sim.content import content_hash
from sim.errors import InputError
from sim.loading.scenario import load_scenario
from sim.spec.cluster import Cluster
from tests.job_worlds import jobs_scenario
from tests.small import small

EASY = {"kind": "easy"}
SHARES = {"kind": "fair-share", "by": "user", "half_life": "7 d", "others": 1, "backfill": "easy"}
TYPICAL = {"share": 1, "gpu_milli": 500, "cpus": 4, "memory": "16 GiB"}
QUOTAS: dict[str, Any] = {
    "kind": "quotas",
    "queues": {"a": {"slots": 4, "borrow": 0}},
    "others": {"slots": 4, "borrow": 4},
    "reclaim": "any",
    "within": "strict",
}
CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (EASY, {"candidates": "shortest"}),
    (EASY, {"placement": {"kind": "packed"}}),
    ({"kind": "fifo"}, {"placement": {"kind": "topology"}}),
    ({"kind": "fifo", "placement": {"kind": "topology"}}, {"placement": {"kind": "topology", "most_racks": 1}}),
    ({"kind": "fifo"}, {"placement": {"kind": "fgd", "typical": [TYPICAL]}}),
    ({"kind": "fifo"}, {"placement": {"kind": "least-power", "order": ["dgx-a100"]}}),
    ({"kind": "conservative"}, {"depth": 5}),
    (SHARES, {"by": "account"}),
    (SHARES, {"half_life": "never"}),
    (SHARES, {"shares": {"a": 2}}),
    (SHARES, {"others": 2}),
    (SHARES, {"backfill": "none"}),
    ({"kind": "priority", "preemption": "none", "backfill": "easy"}, {"preemption": "lower"}),
    ({"kind": "priority", "preemption": "none", "backfill": "easy"}, {"aging": 1}),
    ({"kind": "deadline", "urgency": "slack", "late": "last", "backfill": "none"}, {"urgency": "deadline"}),
    ({"kind": "deadline", "urgency": "slack", "late": "last", "backfill": "none"}, {"late": "first"}),
    ({"kind": "spot", "regular": EASY}, {"regular": {"kind": "fifo"}}),
    ({"kind": "carbon-aware", "signal": "carbon", "then": EASY}, {"signal": "price"}),
    ({"kind": "carbon-aware", "signal": "carbon", "then": EASY}, {"then": {"kind": "fifo"}}),
    (QUOTAS, {"queues": {"a": {"slots": 4, "borrow": 0, "cohort": "x"}}}),
    (QUOTAS, {"reclaim": "never"}),
    (QUOTAS, {"within": "passing"}),
    ({"kind": "elastic", "every": "1 min"}, {"every": "2 min"}),
]


@pytest.mark.parametrize(("written", "change"), CHANGES)
def test_what_is_written_reaches_the_scheduler(written: dict[str, Any], change: dict[str, Any]) -> None:
    """And so the key of a run."""
    nodes = [{"profile": "dgx-a100", "count": 1}]
    plain = Cluster.model_validate({"nodes": nodes, "scheduler": written})
    changed = Cluster.model_validate({"nodes": nodes, "scheduler": written | change})
    assert content_hash(scheduler(plain)) != content_hash(scheduler(changed))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"kind": "fifo", "placement": {"kind": "least-power", "order": ["dgx-b100"]}}, "unknown pool 'dgx-b100'"),
        ({"kind": "spot", "regular": {"kind": "easy", "placement": {"kind": "best"}}}, "unknown 'best'"),
        (QUOTAS | {"others": {"slots": 0, "borrow": 0}}, "would wait for ever"),
        ({"kind": "fair-share", "by": "user", "half_life": "7 d", "backfill": "easy"}, "required"),
        (SHARES | {"others": 0}, "must be above 0"),
        ({"kind": "fifo", "placement": {"kind": "fgd", "typical": [TYPICAL | {"gpus": 1}]}}, "or for a part of one"),
        ({"kind": "elastic"}, "required"),
    ],
)
def test_what_cannot_be_is_refused(written: dict[str, Any], told: str) -> None:
    data = small()
    data["cluster"]["scheduler"] = written
    with pytest.raises(InputError) as refused:
        load_scenario(data)
    assert told in str(refused.value)


def test_names_that_no_job_has_are_told() -> None:
    """Of shares, quotas and kinds that serve; one of several may have none, and a workload is a name, too."""
    data = jobs_scenario()
    limits = {"row": {"per": "row", "limit": "90 kW"}}
    shares = SHARES | {"by": "account", "shares": {"alll": 2}}
    for written, path, told in (
        ({"regular": shares, "kind": "spot"}, "cluster.scheduler.regular.shares", "has the account 'alll'"),
        (QUOTAS, "cluster.scheduler.queues", "no job has the queue 'a'"),
        (QUOTAS | {"queues": {"a": QUOTAS["queues"]["a"], "research": QUOTAS["queues"]["a"]}}, "", ""),
    ):
        data["cluster"]["scheduler"] = written
        found = [(problem.path, problem.message) for problem in sim.check(data)]
        assert [one[0] for one in found] == ([path] if path else [])
        assert not path or told in found[0][1]
    data = jobs_scenario() | {"policies": [{"kind": "power-limits", "domains": limits, "serving": ["chat"]}]}
    assert [problem.path for problem in sim.check(data)] == ["policies.0.serving"]
