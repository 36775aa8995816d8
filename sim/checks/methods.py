"""What speaks against the methods of a workload: contradictions, factors that nobody knows, work that is modelled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.build.method_uses import Use, active_w, loads_of, told, uses, works_of
from sim.build.resolved import Resolved
from sim.checks.named_profiles import faults
from sim.documents import KeyPath
from sim.errors import InputError
from sim.later import later
from sim.paths import joined

with later():
    from sim.build.methods import method_of
    from sim.profiles.methods import contradictions, together


if TYPE_CHECKING:
    from sim.profiles.methods import Method


Found = Iterator[tuple[KeyPath, str]]


def methods_fit(resolved: Resolved) -> Found:
    """Methods that can stand beside each other, on work that they can change, within what their GPUs can draw."""
    for use in uses(resolved):
        methods: list[Method] = []
        for i, choice in enumerate(use.methods):
            try:
                methods.append(method_of(choice, resolved.catalog))
            except InputError as error:
                yield from (((*use.path, "methods", i), fault) for fault in faults(error))
        if len(methods) < len(use.methods):
            continue
        for i, why in contradictions(tuple(methods)):
            yield (*use.path, "methods", i), why
        refused = [*_of_work(use, methods, resolved)]
        yield from refused
        if not refused:
            yield from _watts(use, methods, resolved)


def _of_work(use: Use, methods: list[Method], resolved: Resolved) -> Found:
    """Work whose time and power follow from laws that know the method, or that no method of GPUs changes."""
    at: KeyPath = (*use.path, "methods")
    if not use.gpus:
        yield at, "change what GPUs do; this workload stands on sockets"
        return
    for work in works_of(use, resolved):
        if work.kind == "model":
            yield at, "go with work that is given; of a model, say its 'precision' and what is left of its architecture"
            return
        if work.kind == "steps":
            for i, method in enumerate(methods):
                if method.family in ("precision", "quantisation"):
                    yield (*at, i), f"'{method.name}' is in the steps already, which say their 'precision'"
    if any(load.kind == "nameplate" for load in loads_of(use, resolved)):
        changing = [m.name for m in methods if m.power != 1.0 or m.saved_w]
        if changing:
            yield at, f"'{changing[0]}' changes power, and nameplate power is counted, not drawn: give a measured load"


def _watts(use: Use, methods: list[Method], resolved: Resolved) -> Found:
    """With methods, too, a GPU at work draws no less than an idle one, and no more than its limit."""
    for label in resolved.pools[use.workload].values():
        gpu = resolved.gpus.get(label)
        if gpu is None:
            continue
        try:
            watts = active_w(use, label, resolved)
        except KeyError:  # a precision that the GPU has no figures for, which is told with the load
            continue
        for before_w in watts:
            after_w, idle_w, tdp_w = before_w * together(methods, before_w).power, gpu.power.idle.value, gpu.tdp.value
            if not min(idle_w, before_w) <= after_w <= max(tdp_w, before_w):
                limits = f"the {idle_w:g} W that '{gpu.name}' draws idle and its TDP of {tdp_w:g} W"
                yield (
                    (*use.path, "methods"),
                    f"leave {after_w:.4g} W of {before_w:.4g} W, which is not between {limits}",
                )


def remarks(resolved: Resolved) -> Iterator[str]:
    """What is assumed of methods beyond what was measured of them, a line each."""
    for use in uses(resolved):
        for place, why in told(use, resolved):
            at: KeyPath = (*use.path, "methods") if place is None else (*use.path, "methods", place)
            yield f"{joined(at)}: {why}"
