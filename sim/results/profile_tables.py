"""The catalog for a terminal: what there is, and one profile with the source of every number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sim.documents import read_document
from sim.profiles.catalog import Catalog
from sim.profiles.hardware import CPUProfile, GPUProfile, NodeProfile
from sim.profiles.sourced import Embodied, Profile, Source, Sourced
from sim.results.tables import plain_table


def catalog_table(catalog: Catalog) -> Table:
    """Every profile with the figures one chooses by."""
    table = plain_table("profile", "power", "size", "embodied kg")
    table.columns[0].no_wrap = True
    for name in catalog.paths():
        profile = catalog.read(name)
        bounds = profile.embodied
        kilograms = " to ".join(_kilograms(bound.value) for bound in (bounds.low, bounds.high))
        table.add_row(name, *_figures(profile), kilograms)
    return table


def _kilograms(grams: float) -> str:
    return f"{grams / 1000:.0f}"


def _figures(profile: GPUProfile | CPUProfile | NodeProfile) -> tuple[str, str]:
    if isinstance(profile, GPUProfile):
        power = profile.power
        return (
            f"{power.idle.value:.0f} / {power.loaded.value:.0f} / {profile.tdp.value:.0f} W",
            profile.memory.capacity.value.text,
        )
    if isinstance(profile, CPUProfile):
        return f"{profile.power.idle.value:.0f} / {profile.power.full.value:.0f} W", f"{profile.cores} cores"
    count, what = (profile.gpus.count, "GPU") if profile.gpus is not None else (profile.cpus.count, "CPU")
    return f"off {profile.standby.value:.0f} W", f"{count} {what}{'s' if count > 1 else ''}"


def profile_tables(profile: Profile) -> RenderableType:
    """One profile: every number with how it is known, then the sources."""
    table = plain_table("number", "value", "known as", "source")
    table.columns[0].no_wrap = True
    notes: list[str] = []
    for path, sourced in _numbers(profile, ""):
        low, high = (getattr(bound, "text", "") if bound is not None else "" for bound in (sourced.low, sourced.high))
        text = getattr(sourced.value, "text", str(sourced.value))
        table.add_row(path, text, sourced.confidence, sourced.source)
        said = [f"{low} to {high}." if low and high else "", sourced.note or ""]
        if any(said):
            notes.append(f"{path}: {' '.join(part for part in said if part)}")
    sources = [f"{key}: {_citation(source)}" for key, source in profile.sources.items()]
    return Group(
        Text(f"{profile.title}  ({profile.name})", style="bold"),
        table,
        Text("\n".join(sources)),
        Text("\n".join(["", *notes]), style="dim"),
    )


def _numbers(value: Any, path: str) -> Iterator[tuple[str, Sourced[Any]]]:
    if isinstance(value, Sourced):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, Profile | Embodied) or hasattr(type(value), "model_fields"):
        for name in type(value).model_fields:
            yield from _numbers(getattr(value, name), f"{path}.{name}" if path else name)


def _citation(source: Source) -> str:
    where = [
        source.locator,
        f"doi {source.doi}" if source.doi else None,
        f"arXiv:{source.arxiv}" if source.arxiv else None,
    ]
    details = ", ".join(part for part in (*where, source.url) if part)
    return f'{source.author}, "{source.title}", {source.year}{", " + details if details else ""}'


def scenario_table(paths: Mapping[str, Path]) -> Table:
    """The shipped scenarios and what each is about."""
    table = plain_table("scenario", "about")
    table.columns[1].justify = "left"
    table.columns[1].no_wrap = False
    for name, path in paths.items():
        table.add_row(name, str(read_document(path).data.get("name", "")))
    return table
