"""The manifest of a run: who ran what, from which inputs, on which profiles."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sim.build.accounts.accounting import accounting_plan
from sim.build.accounts.conventions import convention_profile
from sim.build.method_uses import profiles_of_methods
from sim.build.resolved import Resolved
from sim.documents import named_files
from sim.kinds import plugins
from sim.later import later
from sim.loading.scenario import Loaded
from sim.plain import as_text, inside, under
from sim.running.peak_memory import peak_bytes
from sim.spec.scenario import Scenario

with later():
    from sim.spec.failures import ComponentFailures
    from sim.spec.passes import Denoising
    from sim.spec.training import ModelWork


def manifest_of(loaded: Loaded, wall_s: float, known_sha256: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The manifest: who ran what, from which inputs; whatever may differ between runs of equal results, and more."""
    import hashlib

    from sim.results.files import sha256, to_json

    scenario, catalog = loaded.scenario, loaded.catalog
    profiles = profiles_used(loaded.answers)
    counted = convention_profile(scenario.accounting.convention)
    inputs = sorted({Path(file) for file in input_files(scenario)})
    tables = {name for spec in loaded.answers.serving.values() for name in spec.step_time.packages if _is_here(name)}
    packages = (
        "coldaisle",
        *sorted(tables),
        "simpy",
        "numpy",
        "pydantic",
        "pint",
        "ruamel.yaml",
        "pyarrow",
        "scipy",
        "numba",
    )
    return {
        "scenario": loaded.source,
        "seed": scenario.seed,
        "scenario_sha256": hashlib.sha256(to_json(loaded.resolved()).encode()).hexdigest(),
        "profiles_sha256": {name: sha256(catalog.path(name)) for name in profiles},
        **({"convention_sha256": {counted: sha256(catalog.path(counted))}} if counted is not None else {}),
        **_electricity(loaded),
        "inputs_sha256": {
            str(path): sha256(path) if path.is_file() else (known_sha256 or {})[str(path)] for path in inputs
        },
        "series": {
            site: {name: asdict(report) for name, report in own.reports.items()}
            | ({"weather": {"filled": own.weather_filled}} if own.weather_filled else {})
            for site, own in accounting_plan(loaded.answers).sites.items()
            if own.reports or own.weather_filled
        },
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in packages}},
        **({"kernels": code} if (code := _kernels(loaded)) else {}),
        **({"plugins": added} if (added := plugins()) else {}),
        **({"bin_chosen": loaded.bin_chosen} if loaded.bin_chosen is not None else {}),
        "wall_s": wall_s,
        "peak_memory_bytes": peak_bytes(),
    }


def _kernels(loaded: Loaded) -> dict[str, str]:
    """Of the compiled loops that the scenario's work may call, where their code comes from."""
    from sim.engine.kernels.loading import FLEET, METERING, SERVING, code_of

    called = [SERVING] if any(spec.engine == "fast" for spec in loaded.answers.serving.values()) else []
    if any(workload.kind == "jobs" for workload in loaded.scenario.workloads.values()):
        called += [FLEET, METERING]
    return {kernel.name: code_of(kernel) for kernel in called}


def _electricity(loaded: Loaded) -> dict[str, dict[str, str]]:
    """Facts about electricity that sites rest on: tables of averages and sets of factors by their hashes, and what the
    averages are."""
    from sim.build.site.grid import described
    from sim.results.files import sha256

    catalog, regions, names = loaded.catalog, set[str](), set[str]()
    waiting: list[Any] = [place.model_dump(mode="json") for place in loaded.scenario.places.values()]
    while waiting:
        part = waiting.pop()
        waiting += [inner for _, inner in inside(part)]
        if under(part, "kind") == "average":
            regions.add(part["region"])
        elif as_text(under(part, "factors")) is not None:
            names.add(part["factors"])
    names |= {catalog.region(code)[0].name for code in regions}
    hashes = {name: sha256(catalog.path(name)) for name in sorted(names)}
    averages = {code: described(code, catalog) for code in sorted(regions)}
    return ({"factors_sha256": hashes} if hashes else {}) | ({"averages": averages} if averages else {})


def _is_here(package: str) -> bool:
    """Whether it is installed; a run that is priced anew may come from where it was."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


@lru_cache(maxsize=64)
def _version(package: str) -> str:
    return version(package)


def profiles_used(resolved: Resolved) -> Sequence[str]:
    """Names of the profiles that a scenario rests on."""
    names = {name for spec in resolved.serving.values() for name in spec.profiles}
    pictures = [law for one in resolved.services.values() if isinstance(law := one.service_time, Denoising)]
    names |= {name for law in pictures for name in law.profiles}
    stacks = [resolved.catalog.stack(spec.stack) for spec in resolved.serving.values()]
    hosts = [stack.host for stack in stacks]
    hosts += [resolved.catalog.denoising_stack(law.stack).host for law in pictures]
    names |= {host.value for host in hosts if host is not None}
    names |= profiles_of_methods(resolved)
    works = [job.work for job in resolved.jobs.values()]
    works += [work for campaign in resolved.campaigns.values() for _, _, _, work in campaign.sizes]
    names |= {name for work in works if isinstance(work, ModelWork) for name in work.profiles}
    for machine in resolved.machines.values():
        failures = machine.pool.failures
        names |= (
            {failures.profile} if isinstance(failures, ComponentFailures) and failures.profile is not None else set()
        )
        effect = machine.pool.unit_effect
        names |= set(effect.profiles) if effect is not None else set()
        board = machine.board
        names |= {machine.whole_node.name, machine.cpu.name} | ({board.name} if board is not None else set())
        names |= {board.slices} if machine.uncut is not None and board is not None and board.slices else set()
    return sorted(names)


def input_files(scenario: Scenario) -> list[str]:
    """Every file that a scenario reads, as it names them."""
    places = [place.model_dump(mode="json") for place in scenario.places.values()]
    files = [holder[name] for holder, name, _ in named_files(places)]
    files += [scenario.accounting.embodied.factors] if scenario.accounting.embodied.factors is not None else []
    return files + [file for workload in scenario.asked.values() for _, file in workload.files]
