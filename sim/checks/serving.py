"""What shows of a serving workload when it is held against the catalog, the cluster and the rest of the scenario."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sim.build.resolved import Resolved
from sim.build.serving import typical
from sim.build.serving.feasibility import objections
from sim.build.serving.host_times import reference_cpu
from sim.build.serving.step_table import read_step_table
from sim.checks.named_profiles import faults
from sim.checks.routes import where_written
from sim.documents import Document, KeyPath
from sim.errors import InputError, Problem
from sim.instants import epoch_ns
from sim.later import later
from sim.paths import joined
from sim.spec.work import NOBODY_WAITS
from sim.units import DAY_NS, NS_PER_S

with later():
    from sim.build.serving.kernel_steps import problems as kernel_problems
    from sim.build.serving.kernel_steps import remark
    from sim.spec.requests import Clients, JointLengths, ServeGen, TraceReplay
    from sim.spec.steps import KernelSteps, MeasuredSteps
    from sim.workload.servegen import read_lengths, read_windows
    from sim.workload.traces import read_trace


if TYPE_CHECKING:
    from sim.spec.requests import Lengths
    from sim.spec.serving import Serving
    from sim.workload.traces import Trace

Found = Iterator[tuple[KeyPath, str]]
OF_THE_WORKLOAD = ("precision", "compression", "stack", "network")
"""What a group of replicas is told to lack and the workload says of all of them."""


def stands_alone(name: str, spec: Serving, *, open_ended: bool) -> Found:
    """Contradictions within one workload, and between its arrivals and the length of the run."""
    path: KeyPath = ("workloads", name)
    yield from _requests(path, spec, open_ended=open_ended)
    batching, guess = spec.batching, spec.speculative
    verified = batching.max_num_seqs * (1 + (guess.draft_tokens if guess is not None else 0))
    if verified > batching.max_num_batched_tokens and batching.prefill != "static":
        message = f"must hold a token of every sequence{' and its drafts' if guess else ''}: at least {verified:,}"
        yield (*path, "batching", "max_num_batched_tokens"), message
    if batching.prefill == "static":
        for field, given in (("speculative", guess is not None), ("decode", spec.decode is not None)):
            if given:
                yield (*path, field), "does not go with static batching"
        if batching.prefix_cache:
            yield (*path, "batching", "prefix_cache"), "does not go with static batching"
    if spec.client.retries and spec.client.timeout is None and spec.queue_limit is None:
        yield (*path, "client", "retries"), "never happen without a 'timeout' or a 'queue_limit'"
    for field, group in spec.groups:
        if group.range is not None and spec.autoscale is None:
            yield (*path, field, "count"), "a range of replicas needs 'autoscale'; or give one number"
        if group.cap_changes is not None:
            times = [change.after for change in group.cap_changes]
            if not times:
                yield (*path, field, "power_cap"), "has no changes; leave it out"
            if times != sorted(set(times)):
                yield (*path, field, "power_cap"), "its changes must follow one another in time"
    if spec.autoscale is not None and not any(group.range for _, group in spec.groups):
        yield (*path, "autoscale"), "needs a range: count: {min: 1, max: 8}"
    for field, group in spec.groups:
        if spec.queue_limit == 0 and group.range is not None and group.range.min == 0:
            yield (*path, field, "count"), NOBODY_WAITS
    rule = spec.autoscale
    if rule is not None and rule.on == "kv" and rule.target > 1.0:
        yield (*path, "autoscale", "target"), "is a share of the KV cache: at most 1"
    if isinstance(spec.arrivals, Clients):
        names = [client.name for client in spec.arrivals.clients]
        for i, client in enumerate(spec.arrivals.clients):
            at: KeyPath = (*path, "arrivals", "clients", i)
            if client.name in names[:i]:
                yield (
                    (*at, "name"),
                    f"'{client.name}' is taken: each client needs a name, and random streams, of its own",
                )
            if client.priority >= spec.priorities:
                yield (*at, "priority"), f"needs 'priorities: {client.priority + 1}' or more"
    if spec.decode is not None and spec.network is None:
        yield (*path, "network"), "required: KV caches go from prefill to decode over it"


def _without(name: str) -> str:
    """How to be rid of a part, which may be inherited."""
    return f"leave it out, or take an inherited one away by '{name}: null'"


def _requests(path: KeyPath, spec: Serving, *, open_ended: bool) -> Found:
    arrivals = spec.arrivals
    if arrivals.kind == "routed":
        return  # of a route that is not there, which is told elsewhere
    if arrivals.brings_lengths:
        if spec.lengths is not None:
            yield (*path, "lengths"), f"{arrivals.kind} arrivals bring their own lengths; {_without('lengths')}"
        if spec.prefix is not None:
            yield (*path, "prefix"), f"does not go with {arrivals.kind} arrivals; {_without('prefix')}"
    elif spec.lengths is None:
        yield (*path, "lengths"), "required: {kind: separate, prompt: {...}, output: {...}}"
    if arrivals.kind == "closed-loop":
        if spec.prefix is not None and spec.prefix.kind == "conversations":
            yield (*path, "prefix"), "conversations need open arrivals"
        if spec.queue_limit is not None:
            yield (*path, "queue_limit"), "a user of a closed loop who is refused would ask again at once; leave it out"
    if open_ended and arrivals.endless:
        yield (*path, "arrivals"), "never end; give the scenario a 'duration', or say how many 'requests'"
    if spec.batching.prefix_cache:
        yield from _hashes(path, spec)


def _hashes(path: KeyPath, spec: Serving) -> Found:
    """Prefix caching needs prompts with hashed blocks of one size, whatever that of a KV block."""
    from sim.workload.traces import trace_formats

    arrivals = spec.arrivals
    prefixes = [client.prefix for client in arrivals.clients] if isinstance(arrivals, Clients) else [spec.prefix]
    tokens = {prefix.block_tokens for prefix in prefixes if prefix is not None}
    if isinstance(arrivals, TraceReplay):
        fixed = trace_formats()[arrivals.format].hashed_tokens if arrivals.format is not None else 0
        if arrivals.prompt_scale != 1.0:
            yield (*path, "arrivals", "prompt_scale"), "scaled prompts no longer have the blocks that were hashed"
        if fixed or arrivals.block_tokens:
            tokens = {arrivals.block_tokens or fixed}
        elif arrivals.format is None:
            return  # the file says, when it is opened
    if not tokens:
        yield (
            (*path, "batching", "prefix_cache"),
            "needs prompts that share beginnings: a 'prefix', or a trace with hashes",
        )
    elif len(tokens) > 1:
        yield (*path, "arrivals"), "clients must agree on the 'block_tokens' of their prefixes"


def against_catalog(resolved: Resolved, *, kernel_tables: bool) -> Found:
    """Unknown models and stacks; what does not fit its GPUs, or lacks its ``kernel_tables`` where they are needed."""
    catalog = resolved.catalog
    for name, spec in resolved.serving.items():
        path: KeyPath = ("workloads", name)
        guess = spec.speculative
        asked: list[tuple[KeyPath, str | None, Callable[[str], object]]] = [
            (("model",), spec.model_profile, catalog.model),
            (("stack",), spec.stack, lambda stack: reference_cpu(catalog.stack(stack), catalog)),
            (("speculative", "draft_model"), guess.draft_model if guess is not None else None, catalog.model),
        ]
        for field, profile, read in asked:
            try:
                read(profile) if profile is not None else None
            except InputError as error:
                yield from (((*path, *field), fault) for fault in faults(error))
        if spec.eager and isinstance(spec.step_time, MeasuredSteps):
            yield (*path, "eager"), "has no effect on a table of measured iterations: leave it out"
        if isinstance(spec.step_time, MeasuredSteps) and not typical.are_known(spec.step_time.lengths, spec.lengths):
            yield (*path, "step_time", "lengths"), typical.REQUIRED
        told: set[tuple[str, str]] = set()
        for group, deployment in resolved.deployments[name].items():
            if kernel_tables and isinstance(spec.step_time, KernelSteps):
                found = [each for each in kernel_problems(spec.step_time, deployment) if each not in told]
                told |= set(found)
                yield from (((*path, "step_time", *([field] if field else [])), why) for field, why in found)
            if spec.eager and deployment.stack.launch is None and "eager" not in {field for field, _ in told}:
                told.add(("eager", spec.stack))
                yield (*path, "eager"), f"needs a stack that knows what launches take, and {spec.stack!r} does not"
            for where, message in objections(deployment):
                yield (*path, where) if where in OF_THE_WORKLOAD else (*path, group, where), message


def remarks(resolved: Resolved) -> Iterator[str]:
    """What is possible and should be known: how little was measured of what measured kernels are to time."""
    for name, spec in resolved.serving.items():
        if isinstance(spec.step_time, KernelSteps):
            for group, deployment in resolved.deployments[name].items():
                told = remark(spec.step_time, deployment)
                if told is not None:
                    yield f"{joined(('workloads', name, group))}: {told}"


def files(name: str, spec: Serving, start: datetime | None, document: Document) -> Iterator[Problem]:
    """Opens every file that a serving workload names. Yields each problem found in one, with its line there, or with
    the field of ``document`` that names the file."""
    from sim.workload.traces import Trace

    def told(field: KeyPath, message: str) -> Problem:
        return document.problem(where_written(document, ("workloads", name, *field)), message)

    arrivals = spec.arrivals
    for field, read in _readers(spec):
        replayed = arrivals.kind == "trace" and field == ("arrivals", "file")
        try:
            opened = read()
        except InputError as error:
            rows = [problem for problem in error.problems if problem.line is not None]
            yield from rows
            yield from (told(field, str(problem)) for problem in error.problems if problem.line is None)
            if replayed and any(problem.line != 1 for problem in rows):  # a header is no row
                yield told(field, "has rows that cannot be used; 'on_bad_rows: skip' leaves them out")
        else:
            if isinstance(arrivals, TraceReplay) and isinstance(opened, Trace):
                yield from (told(at, message) for at, message in _replayed(spec, arrivals, opened, start))


def _readers(spec: Serving) -> Iterator[tuple[KeyPath, Callable[[], object]]]:
    """What opens each file, by the field below the workload that names it."""
    arrivals, lengths, steps = spec.arrivals, spec.lengths, spec.step_time
    if isinstance(arrivals, TraceReplay):
        trace, skip = Path(arrivals.file), arrivals.on_bad_rows == "skip"
        yield (
            ("arrivals", "file"),
            partial(read_trace, trace, arrivals.format, skip=skip, block_tokens=arrivals.block_tokens),
        )
    elif isinstance(arrivals, ServeGen):
        for i, client in enumerate(arrivals.clients):
            yield ("arrivals", "clients", i, "file"), partial(read_windows, Path(client.file))
            yield ("arrivals", "clients", i, "lengths", "file"), partial(read_lengths, Path(client.lengths.file))
    elif isinstance(arrivals, Clients):
        for i, stream in enumerate(arrivals.clients):
            yield from _rows_of(("arrivals", "clients", i, "lengths"), stream.lengths)
    if lengths is not None:
        yield from _rows_of(("lengths",), lengths)
    if isinstance(steps, MeasuredSteps):
        yield ("step_time", "file"), partial(read_step_table, steps.file)


def _rows_of(path: KeyPath, lengths: Lengths) -> Iterator[tuple[KeyPath, Callable[[], object]]]:
    if isinstance(lengths, JointLengths):
        yield (*path, "file"), partial(read_trace, Path(lengths.file), skip=lengths.on_bad_rows == "skip")


def _replayed(spec: Serving, arrivals: TraceReplay, trace: Trace, start: datetime | None) -> Found:
    """What shows of a trace to be replayed once it is open: its clock and its hashes."""
    if arrivals.align == "clock":
        if trace.first_ns is None:
            yield ("arrivals", "align"), f"the format '{trace.report.format}' has no clock: write 'start'"
        elif start is not None:
            first_ns, last_ns = trace.first_ns, trace.first_ns + int(trace.requests.arrival_ns[-1])
            if not first_ns - DAY_NS <= epoch_ns(start) <= last_ns:
                began = datetime.fromtimestamp(first_ns // NS_PER_S, tz=UTC)
                message = (
                    f"the trace begins at {began:%Y-%m-%dT%H:%M:%SZ}: start the scenario by its clock, within a day"
                )
                yield ("arrivals", "align"), message
    highest = int(trace.requests.priority.max())
    if highest >= spec.priorities:
        yield ("priorities",), f"the trace has priorities up to {highest}: needs 'priorities: {highest + 1}' or more"
    if not spec.batching.prefix_cache:
        return
    if not trace.has_hashes:
        message = f"finds nothing: the format '{trace.report.format}' has no hashed blocks; write 'prefix_cache: false'"
        yield ("batching", "prefix_cache"), message
    elif not trace.block_tokens:
        message = f"required: the format '{trace.report.format}' does not say how many tokens a hashed block has"
        yield ("arrivals", "block_tokens"), message
