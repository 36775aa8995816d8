"""Units of a pool are those of a profile that is there, as many as the pool has, and of something that it has."""

from __future__ import annotations

from collections.abc import Iterator

from sim.build.machines.pools import Machine
from sim.build.resolved import Resolved
from sim.checks.named_profiles import faults
from sim.documents import KeyPath
from sim.errors import InputError
from sim.later import later
from sim.paths import joined
from sim.validation import nearest

with later():
    from sim.spec.unit_effects import DrawnUnits, UnitsOfProfile


Found = Iterator[tuple[KeyPath, str]]


def units_fit(resolved: Resolved) -> Found:
    """Of all pools."""
    assert resolved.parts.cluster is not None
    for i, pool in enumerate(resolved.parts.cluster.nodes):
        machine = resolved.machines.get(pool.label)
        path: KeyPath = ("cluster", "nodes", i, "unit_effect")
        written = pool.unit_effect
        if isinstance(written, UnitsOfProfile):
            yield from _of_profile(path, written, machine, resolved)
        elif isinstance(written, DrawnUnits):
            yield from _has_them((*path, "of"), written.of, machine)


def remarks(resolved: Resolved) -> Iterator[str]:
    """Pools whose units are taken from measurements of another model, a line each."""
    for i, (label, machine) in enumerate(resolved.machines.items()):
        written = machine.pool.unit_effect
        if not isinstance(written, UnitsOfProfile):
            continue
        profile = resolved.catalog.units(written.profile)
        here = machine.board if profile.of == "gpu" else machine.whole_node
        seen = profile.measured_on
        if here is not None and seen and not any(here.name.startswith(name) for name in seen):
            at: KeyPath = ("cluster", "nodes", i, "unit_effect")
            yield f"{joined(at)}: '{profile.name}' was measured on {', '.join(seen)}, not on {here.name} ('{label}')"


def _of_profile(path: KeyPath, written: UnitsOfProfile, machine: Machine | None, resolved: Resolved) -> Found:
    try:
        profile = resolved.catalog.units(written.profile)
    except InputError as error:
        yield from (((*path, "profile"), fault) for fault in faults(error))
        return
    yield from _has_them((*path, "profile"), profile.of, machine)
    if written.units is None:
        return
    for j, name in enumerate(written.units):
        if name not in profile.units:
            yield (*path, "units", j), f"'{written.profile}' knows no unit '{name}'{nearest(name, profile.units)}"
    if machine is not None:
        wanted = machine.pool.count * (machine.node.slots if profile.of == "gpu" else 1)
        if len(written.units) != wanted:
            yield (*path, "units"), f"names {len(written.units):,} units where the pool has {wanted:,}"


def _has_them(path: KeyPath, of: str, machine: Machine | None) -> Found:
    if machine is not None and of == "gpu" and machine.gpu is None:
        yield path, f"is of GPUs, of which '{machine.pool.label}' has none; 'of: node' is of its nodes as a whole"
