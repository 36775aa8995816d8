"""What is wrong with work in stages: its devices and their profiles, its replicas, and where its devices are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sim.build.resolved import Resolved
from sim.checks.loads import load_fits
from sim.checks.named_profiles import faults
from sim.documents import KeyPath
from sim.errors import InputError
from sim.later import later
from sim.units import SECONDS_PER_NS

if TYPE_CHECKING:
    from sim.profiles.machines.device import DeviceProfile


with later():
    from sim.spec.split import OfPeak, UserDevices


Found = Iterator[tuple[KeyPath, str]]


def devices_known(resolved: Resolved) -> Found:
    """Profiles of devices are there, have the peaks that are asked of them, and watts that rise with work."""
    for name, fleet in resolved.federated.items():
        for kind, client in fleet.devices.items():
            if client.profile is not None:
                try:
                    resolved.catalog.device(client.profile)
                except InputError as error:
                    yield from ((("workloads", name, "devices", kind, "profile"), fault) for fault in faults(error))
    for name, written in resolved.split.items():
        for kind, one in written.devices.items():
            path: KeyPath = ("workloads", name, "devices", kind)
            profile = None
            if one.profile is not None:
                try:
                    profile = resolved.catalog.device(one.profile)
                except InputError as error:
                    yield from (((*path, "profile"), fault) for fault in faults(error))
                    continue
            yield from _device(path, one, profile)


def _device(path: KeyPath, one: UserDevices, profile: DeviceProfile | None) -> Found:
    from sim.build.split import device_watts

    speed = one.compute
    if isinstance(speed, OfPeak) and profile is not None and speed.precision not in profile.peak:
        known = ", ".join(profile.peak) or "none at all"
        yield (*path, "compute", "precision"), f"'{profile.name}' has no peak for {speed.precision}  ({known})"
    working, transferring, waiting, standby = device_watts(one, profile)
    if not standby <= waiting <= min(working, transferring):
        shown = f"{standby:g} W standby, {waiting:g} W waiting, {transferring:g} W transferring, {working:g} W working"
        yield path, f"needs standby <= waiting <= transferring and working: {shown}"


def stages_take_time(resolved: Resolved) -> Found:
    """A speed of zero does no work."""
    for name, written in resolved.split.items():
        for where, of in (("devices", written.devices), ("places", written.places)):
            for at, one in of.items():
                if one.compute is not None and not isinstance(one.compute, OfPeak) and not one.compute:
                    yield ("workloads", name, where, at, "compute"), "must be above zero"


def places_fit(resolved: Resolved) -> Found:
    """Loads and peaks of places in use against the GPUs of their pools."""
    for name, written in resolved.split.items():
        for place, label in resolved.pools[name].items():
            gpu, spec = resolved.gpus.get(label), written.places[place]
            path: KeyPath = ("workloads", name, "places", place)
            if gpu is None:
                continue
            if spec.load is not None:
                yield from load_fits((*path, "load"), spec.load, gpu)
            if isinstance(spec.compute, OfPeak) and spec.compute.precision not in gpu.peak:
                known = ", ".join(gpu.peak)
                yield (
                    (*path, "compute", "precision"),
                    f"'{gpu.name}' has no peak for {spec.compute.precision}  ({known})",
                )


def places_have_room(resolved: Resolved, held: Mapping[str, int]) -> Found:
    """Replicas of all places beside what services of other kinds hold in the same pools throughout."""
    taken = dict(held)
    for name, place, label, slots, _ in resolved.groups:
        if name not in resolved.split or label not in resolved.machines:
            continue
        taken[label] = taken.get(label, 0) + slots
        there = resolved.machines[label].slots
        if taken[label] > there:
            what = "GPUs" if label in resolved.gpus else "sockets"
            yield (
                ("workloads", name, "places", place, "replicas"),
                f"services ask for {taken[label]:,} {what} of '{label}', which has {there:,}",
            )


def devices_are_made(resolved: Resolved) -> Found:
    """With a lifetime of devices each kind says what making one emitted; and none says it without."""
    accounting = resolved.parts.accounting
    if accounting is None:
        return
    lifetime = accounting.device_lifetime
    unread = any(at not in resolved.parts.workloads for at in resolved.parts.names)  # what it is, nobody knows
    if lifetime is not None and not resolved.split and not unread:
        yield ("accounting", "device_lifetime"), "no workload has devices that are held (kind: split)"
    owners: dict[str, tuple[str, UserDevices]] = {}
    for name, written in resolved.split.items():
        for kind, one in written.devices.items():
            path: KeyPath = ("workloads", name, "devices", kind)
            if lifetime is None and one.embodied is not None:
                yield (*path, "embodied"), "needs accounting.device_lifetime, over which it is spread; e.g. '3 years'"
            elif lifetime is not None and one.embodied is None and one.profile is None:
                yield (*path, "embodied"), "required with accounting.device_lifetime, e.g. '60 kgCO2e'; or a 'profile'"
            other, known = owners.setdefault(kind, (name, one))
            if lifetime is not None and (known.profile, known.embodied) != (one.profile, one.embodied):
                yield path, f"'{other}' calls other devices '{kind}': making them would be taken for one; rename one"


def split_problems(resolved: Resolved) -> Found:
    """All that does not depend on what else runs."""
    yield from devices_known(resolved)
    yield from stages_take_time(resolved)
    yield from places_fit(resolved)
    yield from _not_too_many(resolved)


MOST_REQUESTS = 5_000_000
"""Each is a process of its own."""


def _not_too_many(resolved: Resolved) -> Found:
    duration_ns = resolved.parts.duration_ns
    for name, written in resolved.split.items():
        arrivals = written.arrivals
        if arrivals.kind != "poisson" or duration_ns is None:
            continue
        if arrivals.rate * duration_ns * SECONDS_PER_NS > MOST_REQUESTS:
            yield ("workloads", name, "arrivals", "rate"), f"gives more than {MOST_REQUESTS:,} requests in stages"
