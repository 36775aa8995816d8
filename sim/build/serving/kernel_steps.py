"""A served model on measured kernels: which tables answer for it, for which lengths, and how much they know of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from sim.build.serving import typical
from sim.errors import InputError
from sim.later import later
from sim.memo import last_kept

with later():
    from sim.profiles.kernel_tables import package
    from sim.profiles.kernel_tables.tables import Shelf, versions


if TYPE_CHECKING:
    from sim.build.serving.deployment import Deployment
    from sim.profiles.kernel_tables.attentions import Lengths
    from sim.profiles.kernel_tables.known import MeasuredKernels, Shares
    from sim.spec.steps import KernelSteps

Kind = Literal["decode", "prompt"]
MUCH = 0.25
"""A larger share of the time of kernels that only the roofline knows is worth telling."""


def problems(spec: KernelSteps, deployment: Deployment) -> Iterator[tuple[str, str]]:
    """What keeps a deployment from being timed by measured kernels: a field below ``step_time``, and why."""
    try:
        installed = package.required()
    except InputError as error:
        yield "", error.problems[0].message
        return
    system = _system(spec, deployment)
    if system is None:
        known = ", ".join(package.SYSTEMS)
        yield "system", f"'{deployment.gpu.name}' has no tables of its own  ({known}); name a folder of the tables"
    elif system not in (folders := installed.folders):
        yield "system", f"no tables of '{system}' are installed  ({', '.join(folders)})"
    elif spec.version not in (found := versions(installed.folder(system), spec.framework)):
        yield "version", f"{spec.framework} was not measured in it on {system}  ({', '.join(found) or 'in none'})"
    if spec.fp8 is None and deployment.spec.precision.weights == "fp8":
        yield "fp8", "required with weights in fp8: block (as DeepSeek, Qwen3-FP8, MiniMax publish them) or tensor"
    if not typical.are_known(spec.lengths, deployment.spec.lengths):
        yield "lengths", typical.REQUIRED


@last_kept
def measured_kernels(spec: KernelSteps, deployment: Deployment) -> MeasuredKernels:
    """The tables for a deployment without problems. Raises ``InputError`` where the package is not there."""
    from sim.profiles.kernel_tables.known import MeasuredKernels
    from sim.profiles.kernel_tables.lookup import Lookup
    from sim.profiles.kernel_tables.roof import Roof

    system = _system(spec, deployment)
    assert system is not None
    shelf = Shelf(package.required().folder(system), spec.framework, spec.version)
    device = deployment.device(float(deployment.gpu.tdp.value))
    weights = deployment.spec.precision.weights
    lookup = Lookup(
        shelf,
        Roof(float(device.peak_flop_per_s), float(device.byte_per_s)),
        weights="fp8-block" if weights == "fp8" and spec.fp8 == "block" else weights,
        cache=deployment.spec.precision.kv,
        popularity=spec.popularity,
    )
    return MeasuredKernels(lookup, deployment.layout(), _lengths(spec, deployment))


def known_shares(spec: KernelSteps, deployment: Deployment, kind: Kind) -> Shares:
    """How the time of an iteration is known, without what contexts add: of as many decodes as may run, or of as many
    tokens of prompts as an iteration holds."""
    from sim.profiles.iteration.cost import DECODES, PROMPTS, head_runs, iteration_runs
    from sim.profiles.kernel_tables.known import shares

    batching, ranks = deployment.spec.batching, deployment.replicas.data_parallel
    tokens = float(batching.max_num_seqs if kind == "decode" else batching.max_num_batched_tokens * ranks)
    place, sampled = (DECODES, tokens / ranks) if kind == "decode" else (PROMPTS, 1.0)
    kernels, one, tdp_w = measured_kernels(spec, deployment), np.array([tokens]), float(deployment.gpu.tdp.value)
    layers, parts = kernels.split(deployment.layers)
    terms = replace(deployment.terms(tdp_w), layers=layers)
    runs = [*iteration_runs(terms, one), *head_runs(terms, np.array([sampled]))]
    whole = deployment.roofline(tdp_w, 1, known=kernels, layers=layers, tokens=one)
    seconds = kernels.with_attention(whole, parts, one).table[place, 0, :2].max()
    each = [(float(run.count), kernels.answer(run), float(np.max(run.time.seconds))) for run in runs]
    for part in parts:
        line = kernels.line(part, one)
        assert line is not None
        each.append((float(part.layers), (line.decodes, line.prompts)[place], 0.0))
    return shares(each, float(seconds))


def remark(spec: KernelSteps, deployment: Deployment) -> str | None:
    """What to tell before a run of a deployment whose kernels were measured in small part; None where in large."""
    found = {kind: known_shares(spec, deployment, kind) for kind in get_args(Kind)}
    told = [f"{of.roofline:.0%} of a full {kind} iteration" for kind, of in found.items() if of.roofline > MUCH]
    return f"no measured kernel tells {' and '.join(told)}: the roofline does" if told else None


def _system(spec: KernelSteps, deployment: Deployment) -> str | None:
    return spec.system if spec.system is not None else package.SYSTEMS.get(deployment.gpu.name)


def _lengths(spec: KernelSteps, deployment: Deployment) -> Lengths:
    """Of the workload, on one rank."""
    from sim.profiles.kernel_tables.attentions import Lengths

    batching, ranks = deployment.spec.batching, deployment.replicas.data_parallel
    prompt, context = typical.mean_lengths(spec.lengths, deployment.spec.lengths)
    return Lengths(prompt, context, batching.max_num_seqs / ranks, float(batching.max_num_batched_tokens))
