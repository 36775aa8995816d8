"""Whether networks that denoise are known, fit the pictures that are asked of them, and run on the GPUs given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sim.build.resolved import Resolved
from sim.build.serving.host_times import reference_cpu
from sim.checks.named_profiles import faults
from sim.documents import KeyPath
from sim.errors import InputError
from sim.later import later

with later():
    from sim.build.serving.denoising import lacking
    from sim.spec.passes import Denoising

if TYPE_CHECKING:
    from sim.profiles.denoisers.network import DenoiserProfile

Found = Iterator[tuple[KeyPath, str]]


def pictures_fit(resolved: Resolved) -> Found:
    """Unknown networks, stacks and CPUs of these; GPUs that lack what their times follow from."""
    catalog = resolved.catalog
    for name, service in resolved.services.items():
        asked, at = service.service_time, ("workloads", name, "service_time")
        if not isinstance(asked, Denoising):
            continue
        wanted: list[tuple[str, str, Callable[[str], object]]] = [
            ("network", asked.network, catalog.denoiser),
            ("stack", asked.stack, lambda name: reference_cpu(catalog.denoising_stack(name), catalog)),
        ]
        unknown = []
        for field, profile, read in wanted:
            try:
                read(profile)
            except InputError as error:
                unknown.append(field)
                yield from (((*at, field), fault) for fault in faults(error))
        network = catalog.denoiser(asked.network) if "network" not in unknown else None
        yield from ((at, message) for message in _film(asked, network))
        label = next(iter(resolved.pools[name].values()), "")
        gpu = resolved.gpus.get(label)
        without = lacking(asked, gpu, network) if gpu is not None else None
        if without is not None:
            yield (*at, "precision"), without


def _film(asked: Denoising, network: DenoiserProfile | None) -> Iterator[str]:
    if network is None:
        return
    if asked.frames > 1 and network.frames_compression == 1:
        yield f"'{network.name}' makes pictures, no films: leave 'frames' out"
    least = network.compression * (network.network.patch if network.network.kind == "transformer" else 1)
    if min(asked.height, asked.width) < least:
        yield f"pictures of '{network.name}' have at least {least} pixels of height and width"
