"""Campaigns condensed into figures: how many trials came to what, and what each outcome took."""

from __future__ import annotations

from typing import Any

from sim.units import HOUR_NS, J_PER_KWH, NS_PER_S
from sim.workload.records import CampaignRecord, TrialOutcome

OUTCOMES: tuple[TrialOutcome, ...] = ("kept", "killed", "cut")


def campaign_metrics(record: CampaignRecord) -> dict[str, Any]:
    """Figures of one campaign. Training is told by what became of the trial, evaluations by themselves; they add up to
    ``gpu_hours`` and ``energy_kwh``, which are what its trials held and what the machines drew for them.

    ``best_rank`` is where the best that was found stands among all trials that began, 1 for the best of all: of whole
    trainings if there are any, else of those that came furthest. Only ranks are modelled; see ``sim.workload.trials``.
    """
    trials = record.trials
    outcomes: tuple[TrialOutcome, ...] = (*OUTCOMES, "failed") if record.failing else OUTCOMES
    by_outcome = {outcome: [trial for trial in trials if trial.outcome == outcome] for outcome in outcomes}
    evaluation_ns = sum(trial.evaluation_gpu_ns for trial in trials)
    evaluation_j = sum(trial.evaluation_j for trial in trials)
    metrics: dict[str, Any] = {
        "status": record.status,
        "trials": len(trials),
        **{outcome: len(those) for outcome, those in by_outcome.items()},
        "gpu_hours": (evaluation_ns + sum(trial.held_gpu_ns for trial in trials)) / HOUR_NS,
        "energy_kwh": (evaluation_j + sum(trial.energy_j for trial in trials)) / J_PER_KWH,
        "lost_gpu_hours": sum(trial.lost_gpu_ns for trial in trials) / HOUR_NS,
        "interruptions": sum(trial.interruptions for trial in trials),
        "makespan_s": (record.ended_ns - record.submitted_ns) / NS_PER_S,
        "by_outcome_gpu_hours": {
            **{name: sum(trial.held_gpu_ns for trial in those) / HOUR_NS for name, those in by_outcome.items()},
            "evaluation": evaluation_ns / HOUR_NS,
        },
        "by_outcome_kwh": {
            **{name: sum(trial.energy_j for trial in those) / J_PER_KWH for name, those in by_outcome.items()},
            "evaluation": evaluation_j / J_PER_KWH,
        },
    }
    seen = [(-trial.progress, trial.shown, trial) for trial in trials if trial.shown is not None]
    if record.ranked and seen:
        best = min(seen, key=lambda one: one[:2])[2]
        metrics["best_rank"] = 1 + sum(trial.quality < best.quality for trial in trials)
    return metrics
