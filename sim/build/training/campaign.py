"""A campaign as written -> the plan that the engine follows."""

from __future__ import annotations

from sim.build.factors import factor_law
from sim.build.resolved import Resolved
from sim.build.training.gangs import trained_in
from sim.build.work import Around, training_plan
from sim.engine.training.campaign import CampaignPlan, Stage, Variant
from sim.kinds import builder
from sim.spec import campaign as spec
from sim.spec.training import ModelWork
from sim.units import HOUR_NS
from sim.workload import selection
from sim.workload.trials import Trials

FORWARD = 1.0 / 3.0
"""Of a training's operations, those of its forward passes, where nothing is known of the model: the backward pass takes
twice as many (Kaplan et al. 2020, "Scaling Laws for Neural Language Models", arXiv:2001.08361, section 2.1: 2 N of 6 N
FLOP a token). Of a model it is counted: less where activations are computed again, more where weights are frozen."""


def campaign(written: spec.CampaignSpec, around: Around) -> CampaignPlan:
    """A campaign, with the law of its trials, none of which is drawn yet."""
    pool = around.resolved.pool(around.name)
    rule: selection.Rule = builder(written.selection)(written.selection)
    evaluation, budget = written.evaluation, written.budget
    return CampaignPlan(
        name=around.name,
        submit_ns=int(written.start_after),
        variants=tuple(_variant(kind, written, around.name, pool, around.resolved) for kind in written.trials),
        trials=Trials(
            stream=around.streams.named(f"campaign/{around.name}"),
            weights=tuple(float(kind.share) for kind in written.trials),
            factors=factor_law(written.size),
            noise=written.selection.noise_of_curves,
            rungs=rule.rungs,
            failing=float(written.failed.share) if written.failed is not None else 0.0,
            fails_within=float(written.failed.within) if written.failed is not None else 1.0,
        ),
        rule=rule,
        anew=written.selection.trained_anew,
        at_once=written.at_once,
        budget_gpu_ns=int(budget.gpu_hours * HOUR_NS) if budget is not None else None,
        evaluated=float(evaluation.each) if evaluation is not None else 0.0,
        evaluated_at_end=float(evaluation.last) if evaluation is not None else 0.0,
    )


def _variant(kind: spec.TrialKind, written: spec.CampaignSpec, name: str, pool: str, resolved: Resolved) -> Variant:
    stages = []
    for _, since, gpus, work in kind.sizes:
        job = written.job(gpus, work, kind.methods)
        forward = FORWARD
        if isinstance(job.work, ModelWork):
            forward = trained_in(job, job.work, pool, resolved).gang.forward_share
        stages.append(Stage(since, training_plan(name, job, pool, resolved), forward))
    return Variant(tuple(stages))


def throughout(written: spec.AllTrials) -> selection.Throughout:
    """None is stopped."""
    return selection.Throughout(written.trials)


def halving(written: spec.SuccessiveHalving) -> selection.Halving:
    """Rung by rung."""
    return selection.Halving(written.trials, written.eta, written.rungs)


def asha(written: spec.AsynchronousHalving) -> selection.Asha:
    """Without waiting for others."""
    return selection.Asha(written.trials, written.eta, written.rungs)


def hyperband(written: spec.HyperbandSelection) -> selection.Hyperband:
    """Bracket by bracket."""
    return selection.Hyperband(written.eta, written.rungs)


def median(written: spec.MedianStopping) -> selection.Median:
    """By the median of those before."""
    return selection.Median(written.trials, float(written.grace), float(written.every), written.least)
