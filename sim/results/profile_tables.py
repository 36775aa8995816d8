"""The catalog for a terminal: what there is, and one profile with the source of every number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sim.documents import read_document
from sim.profiles.catalog import Catalog
from sim.profiles.conventions import ConventionProfile
from sim.profiles.denoisers.network import DenoiserProfile
from sim.profiles.grids import FuelsProfile, GridsProfile
from sim.profiles.language_models.model import STATE_WORD_BYTES, ModelProfile, ModelShape, shape
from sim.profiles.machines.device import DeviceProfile
from sim.profiles.machines.failures import FailuresProfile
from sim.profiles.machines.gpu import GPUProfile
from sim.profiles.machines.node import CPUProfile, NodeProfile
from sim.profiles.machines.unit_factors import UnitsProfile
from sim.profiles.methods import MethodProfile
from sim.profiles.ranges import numbers_of
from sim.profiles.shared_gpu.slices import SlicesProfile
from sim.profiles.sourced import Profile, Source, Sourced
from sim.profiles.stacks.denoising import DenoisingStackProfile
from sim.profiles.stacks.serving import StackProfile
from sim.profiles.stacks.training import TrainingStackProfile
from sim.results.tables import plain_table


def catalog_table(catalog: Catalog) -> RenderableType:
    """Every profile with the figures one chooses by, a table for each sort."""
    machines = plain_table("machine", "power", "size", "embodied kg")
    denoisers = plain_table("denoiser", "network", "title")
    models = plain_table("model", "parameters", "active", "KV of a token")
    stacks = plain_table("stack", "of", "title")
    electricity = plain_table("electricity", "basis", "of", "title")
    failures = plain_table("failures", "parts", "title")
    slices = plain_table("slices", "kinds", "title")
    units = plain_table("units", "above rest", "at rest", "title")
    conventions = plain_table("convention", "lines", "title")
    methods = plain_table("method", "work x time x power", "title")
    for table in (machines, models, denoisers, stacks, electricity, failures, slices, units, conventions, methods):
        table.columns[0].no_wrap = True
    electricity.columns[3].no_wrap, electricity.columns[3].justify = False, "left"
    stacks.columns[2].no_wrap, stacks.columns[2].justify = False, "left"
    for table in (denoisers, failures, slices, conventions, methods):
        table.columns[2].no_wrap, table.columns[2].justify = False, "left"
    units.columns[3].no_wrap, units.columns[3].justify = False, "left"
    for name in catalog.paths():
        profile = catalog.read(name)
        match profile:
            case StackProfile():
                stacks.add_row(name, "serving", profile.title)
            case TrainingStackProfile():
                stacks.add_row(name, "training", profile.title)
            case DenoisingStackProfile():
                stacks.add_row(name, "denoising", profile.title)
            case DenoiserProfile():
                denoisers.add_row(name, profile.network.kind, profile.title)
            case ModelProfile():
                models.add_row(name, *_model_figures(profile))
            case FuelsProfile():
                electricity.add_row(name, profile.basis or "", _substances(profile), profile.title)
            case GridsProfile():
                electricity.add_row(name, profile.basis, f"{len(profile.regions)} regions", profile.title)
            case FailuresProfile():
                failures.add_row(name, str(len(profile.components)), profile.title)
            case SlicesProfile():
                slices.add_row(name, str(len(profile.slices)), profile.title)
            case UnitsProfile():
                spreads = (f"{100 * float(value):.3g} %" for value in (profile.active.value, profile.idle.value))
                units.add_row(name, *spreads, profile.title)
            case ConventionProfile():
                conventions.add_row(name, str(len(profile.lines) + len(profile.added)), profile.title)
            case MethodProfile():
                methods.add_row(name, _factors(profile), profile.title)
            case GPUProfile() | CPUProfile() | NodeProfile() | DeviceProfile():
                bounds = profile.embodied
                kilograms = " to ".join(_kilograms(bound.value) for bound in (bounds.low, bounds.high))
                machines.add_row(name, *_figures(profile), kilograms)
    return Group(machines, models, denoisers, stacks, electricity, failures, slices, units, conventions, methods)


def _factors(profile: MethodProfile) -> str:
    def told(factor: object) -> str:
        return f"{factor.value:.3g}" if isinstance(factor, Sourced) else "unknown"

    power = f"-{profile.power_saved.value.text}" if profile.power_saved is not None else told(profile.power)
    return f"{told(profile.work)} x {told(profile.time)} x {power}"


def _substances(profile: FuelsProfile) -> str:
    return " and ".join(
        what for what, there in (("carbon", profile.carbon), ("water", profile.water_consumption)) if there
    )


def _model_figures(profile: ModelProfile) -> tuple[str, str, str]:
    known = shape(profile.architecture)
    active = f"{known.active_parameters / 1e9:.3g} B" if known.moe_layers else ""
    values = known.kv_values_per_token_full + known.kv_values_per_token_windowed
    return f"{known.parameters / 1e9:.4g} B", active, _kib(2 * values + known.index_bytes_per_token)


def _kib(byte: int) -> str:
    return f"{byte / 1024:.4g} KiB"


def _kept_figures(known: ModelShape) -> Iterator[tuple[str, str]]:
    """What of a token or a sequence is kept otherwise than the rest."""
    if known.window and not known.keeps_all:
        within = f"the {'chunk' if known.chunked else 'last'} of {known.window:,} tokens"
        yield "of which within", f"{within}: {_kib(2 * known.kv_values_per_token_windowed)}"
    if known.keeps_all:
        yield "of which attention reads", f"{known.window:,} tokens that an indexer chooses"
    if known.state_values:
        yield "state of a sequence", f"{known.state_values * STATE_WORD_BYTES / 1e6:.4g} MB"


def model_table(profile: ModelProfile) -> RenderableType:
    """A model: what its architecture comes to, and the architecture as published."""
    known = shape(profile.architecture)
    table = plain_table("of the model", "")
    counts = (
        ("parameters", f"{known.parameters:,}"),
        ("active for a token", f"{known.active_parameters:,}"),
        (
            "FLOP of a token",
            f"{known.matmul_flop_per_token:.4g} and "
            f"{known.attention_flop_full + known.absorbed_flop_full:,} a context token",
        ),
        ("KV cache of a token, 16 bits", _model_figures(profile)[2]),
        *_kept_figures(known),
        ("published in", profile.native_precision),
        ("context", f"{profile.context_tokens:,} tokens"),
    )
    for label, value in (*counts, *_stated(profile.architecture.model_dump(exclude_defaults=True))):
        table.add_row(label, value)
    return Group(
        Text(f"{profile.title}  ({profile.name})", style="bold"),
        table,
        Text("\n".join(f"{key}: {citation(source)}" for key, source in profile.sources.items())),
        Text(profile.note or "", style="dim"),
    )


def _stated(values: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _stated(value, f"{name}.")
        else:
            yield f"{within}{name}", str(value)


def _kilograms(grams: float) -> str:
    return f"{grams / 1000:.0f}"


def _figures(profile: GPUProfile | CPUProfile | NodeProfile | DeviceProfile) -> tuple[str, str]:
    match profile:
        case GPUProfile():
            power = profile.power
            watts = f"{power.idle.value:.0f} / {power.loaded.value:.0f} / {profile.tdp.value:.0f} W"
            return watts, profile.memory.capacity.value.text
        case CPUProfile():
            return f"{profile.power.idle.value:.0f} / {profile.power.full.value:.0f} W", f"{profile.cores} cores"
        case DeviceProfile():
            return f"{profile.power.idle.value:.2g} / {profile.power.working.value:.2g} W", "user's"
        case _:
            count, what = (profile.gpus.count, "GPU") if profile.gpus is not None else (profile.cpus.count, "CPU")
            return f"off {profile.standby.value:.0f} W", f"{count} {what}{'s' if count > 1 else ''}"


def profile_tables(profile: Profile) -> RenderableType:
    """One profile: every number with how it is known, then the sources."""
    if isinstance(profile, ModelProfile):
        return model_table(profile)
    if isinstance(profile, DenoiserProfile):
        return denoiser_table(profile)
    if isinstance(profile, ConventionProfile):
        return convention_table(profile)
    table = plain_table("number", "value", "known as", "source")
    notes: list[str] = []
    widest = 0  # of the values, which are not cut short in a narrow terminal
    for path, sourced in numbers_of(profile):
        low, high = (getattr(bound, "text", "") if bound is not None else "" for bound in (sourced.low, sourced.high))
        text = getattr(sourced.value, "text", str(sourced.value))
        table.add_row(path, text, sourced.confidence, sourced.source)
        widest = max(widest, len(text))
        said = [f"{low} to {high}." if low and high else "", sourced.note or ""]
        if any(said):
            notes.append(f"{path}: {' '.join(part for part in said if part)}")
    table.columns[1].min_width = widest
    sources = [f"{key}: {citation(source)}" for key, source in profile.sources.items()]
    return Group(
        Text(f"{profile.title}  ({profile.name})", style="bold"),
        table,
        Text("\n".join(sources)),
        Text("\n".join(["", *notes]), style="dim"),
    )


def denoiser_table(profile: DenoiserProfile) -> RenderableType:
    """A network that denoises, as published."""
    table = plain_table("of the network", "")
    table.columns[0].no_wrap = True
    own = profile.model_dump(exclude={"kind", "name", "title", "sources", "source", "note"}, exclude_defaults=True)
    for label, value in _stated(own | {"text_encoders": _plain_value(own.get("text_encoders", []))}):
        table.add_row(label, value)
        table.columns[0].min_width = max(table.columns[0].min_width or 0, len(label))
    return Group(
        Text(f"{profile.title}  ({profile.name})", style="bold"),
        table,
        Text("\n".join(f"{key}: {citation(source)}" for key, source in profile.sources.items())),
        Text(profile.note or "", style="dim"),
    )


def convention_table(profile: ConventionProfile) -> RenderableType:
    """A convention: each of its terms with how it is known, what it leaves out, and the sources."""
    table = plain_table("term", "what counts", "known as", "source")
    table.columns[0].no_wrap = True
    table.columns[1].justify, table.columns[1].no_wrap = "left", False
    whole = ("workloads", "building", "intensity", "water", "embodied", "outside")
    for name, term in {**profile.lines, **profile.added, **{name: getattr(profile, name) for name in whole}}.items():
        table.add_row(name, _term(term), term.confidence, term.source)
    left_out = [f"not counted: {component}, {reason}" for component, reason in profile.not_counted.items()]
    return Group(
        Text(f"{profile.title}  ({profile.name})", style="bold"),
        Text(profile.about),
        table,
        Text("\n".join(f"{key}: {citation(source)}" for key, source in profile.sources.items())),
        Text("\n".join(["", *left_out]), style="dim"),
    )


def _term(term: BaseModel) -> str:
    """What is written of a term, beside where it is from."""
    written = term.model_dump(exclude_none=True, exclude={"source", "confidence"})
    return ", ".join(f"{name.replace('_', ' ')} {_plain_value(value)}" for name, value in written.items())


def _plain_value(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name} {_plain_value(item)}" for name, item in value.items())
    if isinstance(value, list):
        return " ".join(_plain_value(item) for item in value)
    return str(getattr(value, "text", value))


def citation(source: Source) -> str:
    """A source as a line of a list of references."""
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
