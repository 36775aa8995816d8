"""A statement of SCI for AI (Green Software Foundation, SCI for AI Specification, as of commit 02bc0f1): two scores.

The *consumer's* boundary is runtime operations, per token, image, execution or inference; the *provider's* is the
making of a model, per token trained on or FLOP. Services are the consumer's here, trainings, campaigns and federated
rounds the provider's. Machines that nobody held belong to the one of both that a run has; a run that has both does not
say whose they are, so they stand apart. All three add up to the carbon of the run.

Left out, as nothing in a run tells it: data engineering, integration, end of life beyond what the embodied factors
hold, and whatever a run does not simulate of gateways and monitoring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.accounting.conventions import UNALLOCATED
from sim.exports import markdown
from sim.exports.run import Run, Share
from sim.exports.sci import boundary, boundary_parts, source_parts, sources
from sim.results.files import to_json
from sim.results.formats import number
from sim.results.work import answers
from sim.units import G_PER_KG

STANDARD = (
    "Green Software Foundation, Software Carbon Intensity for AI Specification (SCI for AI), on ISO/IEC 21031:2024"
)
CONSUMER, PROVIDER, APART = "consumer", "provider", "unallocated"
MADE_BY = ("jobs", "campaigns", "federated", "batch")
"""Parts of a summary whose workloads make models."""
RUN_BY = ("serving", "split")
"""Those whose workloads run them."""
NOTHING = (
    "has no service or training whose work can be counted: SCI for AI needs tokens or requests that were served, or "
    "tokens that were trained on (a workload whose work is given by a model)"
)
FLOP_PER_TFLOP = 1e12
STAGES = {
    CONSUMER: "runtime operations",
    PROVIDER: "model training",
    APART: "machines that nobody held, which neither answers for in this run",
}
BESIDE = "what serves beside the simulated machines: gateways, monitoring, the users' side, if not in the scenario"
NOT_COVERED = {
    CONSUMER: [BESIDE],
    PROVIDER: ["data engineering", "system integration", "end of life, beyond what the embodied factors hold"],
}


def statement(run: Run) -> dict[str, Any]:
    """The statement as plain data; grams. Raises ``InputError`` where a run has nothing to count."""
    persona_of = _personas(run.summary)
    personas = sorted(set(persona_of.values()))
    held = {
        persona: [share for share in run.shares if persona_of.get(share.workload) == persona] for persona in personas
    }
    rest = [share for share in run.shares if share.workload not in persona_of]
    if len(personas) == 1:
        held[personas[0]] += rest
        rest = []
    scores = {persona: _score(run.summary, persona, _carbon(shares), persona_of) for persona, shares in held.items()}
    if not any(score["functional_units"] for score in scores.values()):
        raise run.lacks(NOTHING)
    return {
        "generator": run.generator,
        "standard": STANDARD,
        "scenario": run.name,
        "start": run.start,
        "end": run.end,
        **scores,
        **({APART: {"stage": STAGES[APART], **_carbon(rest)}} if rest else {}),
        "total_g": run.summary["carbon_kg"]["total"] * G_PER_KG,
        "boundary": boundary(run),
        "sources": sources(run),
    }


def _personas(summary: Mapping[str, Any]) -> dict[str, str]:
    """Whose each workload is."""
    of = {name: PROVIDER for part in MADE_BY for name in summary.get(part, {})}
    return of | {name: CONSUMER for part in RUN_BY for name in summary.get(part, {})}


def _carbon(shares: list[Share]) -> dict[str, Any]:
    operational_g = sum(share.operational_kg for share in shares) * G_PER_KG
    embodied_g = sum(share.embodied_kg for share in shares) * G_PER_KG
    return {
        "workloads": sorted({share.workload for share in shares}),
        "operational_g": operational_g,
        "embodied_g": embodied_g,
        "carbon_g": operational_g + embodied_g,
    }


def _score(
    summary: Mapping[str, Any], persona: str, carbon: dict[str, Any], persona_of: Mapping[str, str]
) -> dict[str, Any]:
    own = [name for name in carbon["workloads"] if name != UNALLOCATED and persona_of.get(name) == persona]
    counted = (_served if persona == CONSUMER else _made)(summary, own)
    return {
        "stage": STAGES[persona],
        **carbon,
        "functional_units": {
            unit: {"count": count, "sci_g_per_unit": carbon["carbon_g"] / count}
            for unit, count in counted.items()
            if count
        },
        "not_covered": NOT_COVERED[persona],
    }


def _served(summary: Mapping[str, Any], names: list[str]) -> dict[str, float]:
    """Tokens (of prompts and of answers) where all services count them; answers that users got, in any case."""
    services = [summary["serving"].get(name) or summary.get("split", {})[name] for name in names]
    units = {}
    if services and all("output_tokens" in service for service in services):
        units["token"] = float(sum(service["prompt_tokens"] + service["output_tokens"] for service in services))
        units["output token"] = float(sum(service["output_tokens"] for service in services))
    return {**units, "inference": sum(answers(summary).values())}


def _made(summary: Mapping[str, Any], names: list[str]) -> dict[str, float]:
    """Tokens trained on and model FLOP, where the steps of all trainings are known."""
    steps = [summary["jobs"].get(name, {}).get("step") for name in names]
    if not steps or not all(step and "tokens" in step for step in steps):
        return {}
    tokens = float(sum(step["tokens"] for step in steps))
    return {"training token": tokens, "model FLOP": sum(map(_flop, steps))}


def _flop(step: Mapping[str, Any]) -> float:
    """Model FLOP of a job: the tokens it trained on x FLOP per GPU-second / tokens per GPU-second."""
    per_token = step["model_tflops_per_gpu"] * FLOP_PER_TFLOP / step["throughput_tok_per_s_per_gpu"]
    return float(step["tokens"]) * float(per_token)


def as_json(run: Run) -> str:
    """The statement for programs."""
    return to_json(statement(run))


def as_markdown(run: Run) -> str:
    """The statement for people."""
    said = statement(run)
    parts = [
        f"By {markdown.inert(STANDARD)}. From {said['start']} to {said['end']}; by {markdown.inert(said['generator'])}."
    ]
    for persona in (CONSUMER, PROVIDER):
        if persona in said:
            parts += _persona_parts(persona, said[persona])
    if APART in said:
        parts += [f"## In neither score: {number(said[APART]['carbon_g'])} g", markdown.inert(STAGES[APART]) + "."]
    parts += [f"In all {number(said['total_g'])} g, the carbon of the run."]
    parts += [*boundary_parts(said["boundary"]), *source_parts(said["sources"])]
    return markdown.page(f"SCI for AI of {said['scenario']}", parts)


def _persona_parts(persona: str, score: Mapping[str, Any]) -> list[str]:
    rows = [
        (unit, number(one["count"]), f"{one['sci_g_per_unit']:.6g} g")
        for unit, one in score["functional_units"].items()
    ]
    words = (
        f"{score['stage']}, of {', '.join(score['workloads'])}: {number(score['operational_g'])} g operational and "
        f"{number(score['embodied_g'])} g embodied"
    )
    none = "No functional unit of it is counted in this run."
    return [
        f"## {persona.capitalize()}",
        markdown.inert(words),
        markdown.table(("per", "units", "SCI"), rows) if rows else none,
        "Not covered:",
        markdown.items(score["not_covered"]),
    ]
