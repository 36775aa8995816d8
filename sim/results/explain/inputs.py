"""What numbers of a footprint rest on: constants of profiles with source and confidence, and what the scenario says.

A line of the footprint is known as well as its weakest input. What the scenario states is the user's own, and is told
apart: nobody here can say how well it is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim.accounting.footprint import Part
from sim.accounting.ledger import Key
from sim.errors import InputError
from sim.paths import joined
from sim.plain import as_list, as_mapping
from sim.profiles.conventions import ConventionProfile
from sim.profiles.machines.gpu import GPUProfile
from sim.profiles.machines.node import NodeProfile
from sim.profiles.ranges import numbers_of
from sim.profiles.sourced import Sourced
from sim.results.explain.lines import MADE
from sim.results.explain.run import Explained
from sim.results.formats import flow
from sim.results.profile_tables import citation

WEAKEST_FIRST = ("assumed", "derived", "cited", "datasheet", "calibrated", "measured", "stated")
"""Confidences, the weakest first. What is stated weakens nothing: it is the question that was asked."""
OF_GRID: Mapping[str, tuple[str, ...]] = {
    "operational_g": ("grid", "intensity"),
    "marginal_g": ("grid", "marginal"),
    "market_g": ("grid", "market"),
    "cost": ("grid", "price"),
    "offsite_l": ("water", "ewif"),
    "withdrawal_l": ("water", "ewif"),
    "onsite_l": ("water", "wue"),
}
"""What of a site prices a quantity of a line."""


@dataclass(frozen=True)
class Input:
    """A number that a result rests on: where it stands, its value, how well it is known, and its source."""

    name: str
    value: str
    confidence: str
    source: str


def weakest(inputs: Sequence[Input]) -> str:
    """The confidence of what rests on all of them."""
    return min((one.confidence for one in inputs), key=WEAKEST_FIRST.index, default="stated")


def stated(name: str, value: Any) -> Input:
    """What the scenario says."""
    return Input(name, flow(value), "stated", "the scenario")


def sourced(profile: Any, path: str, one: Sourced[Any]) -> Input:
    """A number of a profile; one that was fitted to recordings is calibrated."""
    source = profile.sources[one.source]
    fitted = getattr(profile, "calibration", None)
    calibrated = fitted is not None and any(path.endswith(name) for name in fitted.constants)
    text = getattr(one.value, "text", str(one.value))
    return Input(f"{profile.name}: {path}", text, "calibrated" if calibrated else one.confidence, citation(source))


class Inputs:
    """Finds the inputs of lines; each kind of line once."""

    def __init__(self, run: Explained) -> None:
        self._run = run
        self._known: dict[tuple[str, ...], tuple[Input, ...]] = {}

    def power(self, key: Key, part: Part) -> tuple[Input, ...]:
        """What decides the watts of a line of IT equipment, of networks or of devices."""
        about = (key.hardware, key.component, key.state, key.owner, part)
        if about not in self._known:
            self._known[about] = tuple(self._power(key, part))
        return self._known[about]

    def _power(self, key: Key, part: Part) -> Iterator[Input]:
        convention = self._convention(key.component)
        if convention is not None:
            yield convention
            return
        if part in ("network", "devices"):
            yield stated(joined(("workloads", key.owner)), f"{key.component} as written there")
            return
        measured = self._stated_load(key)
        if measured is not None:
            yield measured
            return
        profile = self._profile(key.hardware)
        if isinstance(profile, GPUProfile):
            yield from (sourced(profile, path, one) for path, one in _gpu(profile, key, self._precisions(key.owner)))
        elif isinstance(profile, NodeProfile):
            yield from self._node(profile, key)
        elif profile is not None:
            numbers = ((path, one) for path, one in numbers_of(profile) if path.startswith("power."))
            yield from (sourced(profile, path, one) for path, one in numbers)

    def _node(self, node: NodeProfile, key: Key) -> Iterator[Input]:
        active = key.state == "active"
        if key.state in ("off", "booting", "stopping"):
            if key.component == "board" and key.state == "off":
                yield sourced(node, "standby", node.standby)
            elif key.state != "off":
                step = node.boot if key.state == "booting" else node.shutdown
                yield sourced(node, f"{'boot' if key.state == 'booting' else 'shutdown'}.power", step.power)
        elif key.component == "cpu":
            cpu = self._run.catalog.cpu(node.cpus.profile)
            yield sourced(cpu, "power.idle", cpu.power.idle)
            if active:
                yield sourced(cpu, "power.full", cpu.power.full)
                yield sourced(cpu, "power.exponent", cpu.power.exponent)
        elif key.component == "psu_loss" and node.psu is not None:
            psu = node.psu
            yield Input(f"{node.name}: psu.efficiency", "by load", psu.confidence, citation(node.sources[psu.source]))
        else:
            own = getattr(node, key.component, None)
            for name in ("idle", "active") if active else ("idle",):
                one = getattr(own, name, None)
                if isinstance(one, Sourced):
                    yield sourced(node, f"{key.component}.{name}", one)

    def _convention(self, component: str) -> Input | None:
        convention = self._run.scenario["accounting"].get("convention", "physical")
        rule = as_mapping(convention)
        if rule is None or rule.get("kind") == "physical":
            return None
        if rule.get("kind") != "profile":
            return stated("accounting.convention", rule.get("kind"))
        profile = self._run.catalog.read(str(rule["profile"]))
        assert isinstance(profile, ConventionProfile)
        term = {**profile.lines, **profile.added}.get(component)
        if term is None:
            return stated("accounting.convention", profile.name)
        source = citation(profile.sources[term.source])
        return Input(f"{profile.name}: {component}", "a term of it", term.confidence, source)

    def _stated_load(self, key: Key) -> Input | None:
        """A draw of GPUs at work that the scenario gives by itself."""
        if key.component != "gpu" or key.state != "active":
            return None
        work = self._workload(key.owner)
        inner = as_mapping(work.get("work")) or {}
        for path, holder in (("load", work.get("load")), ("work.load", inner.get("load"))):
            load = as_mapping(holder) or {}
            if load.get("kind") == "measured":
                return stated(f"{joined(('workloads', key.owner))}.{path}", load)
        return None

    def _workload(self, owner: str) -> Mapping[str, Any]:
        return as_mapping((self._run.scenario.get("workloads") or {}).get(owner)) or {}

    def _precisions(self, owner: str) -> frozenset[str]:
        return frozenset(_words(self._workload(owner)))

    def _profile(self, hardware: str) -> Any:
        try:
            return self._run.catalog.read(hardware)
        except InputError:  # a class of devices that the scenario describes itself
            return None

    def building(self, site: str) -> tuple[Input, ...]:
        """What decides what the building adds."""
        facility = self._run.sites[site]["facility"]
        where = f"{self._run.written_at(site)}.facility"
        if facility["kind"] == "fixed-pue":
            return (stated(f"{where}.pue", facility["pue"]),)
        weather = self._run.sites[site].get("weather")
        of_weather = (stated(f"{self._run.written_at(site)}.weather", weather.get("file")),) if weather else ()
        parts = [name for name in facility if name != "kind"]
        return (stated(where, f"{facility['kind']} ({', '.join(parts)})"), *of_weather)

    def priced(self, site: str, quantity: str) -> tuple[Input, ...]:
        """What prices a joule of a site."""
        if quantity not in OF_GRID:
            return ()
        room, name = OF_GRID[quantity]
        written = (self._run.sites[site].get(room) or {}).get(name)
        if written is None and quantity == "market_g":  # by location, as the summary's boundary says
            return self.priced(site, "operational_g")
        if written is None:
            return self.building(site) if quantity == "onsite_l" else ()
        where = f"{self._run.written_at(site)}.{room}.{name}"
        source = as_mapping(written) or {}
        if source.get("kind") == "average":
            return (self._of_region(source, "intensity" if room == "grid" else "ewif"),)
        files = [
            Input(where, str(inner), "stated", f"this file, SHA-256 {sha[:12]}")
            for inner, sha in self._run.manifest["inputs_sha256"].items()
            if inner in _words(source)
        ]
        factors = source.get("factors")
        if isinstance(factors, str):
            profile = self._run.catalog.read(factors)
            known = {one.confidence for _, one in numbers_of(profile)}
            worst = min(known, key=WEAKEST_FIRST.index)
            files.append(Input(f"{where}.factors", factors, worst, profile.title))
        return (*files,) or (stated(where, written),)

    def escaped(self, site: str) -> tuple[Input, ...]:
        """What decides how much refrigerant escapes."""
        where = f"{self._run.written_at(site)}.refrigerants"
        return tuple(stated(where, one) for one in self._run.sites[site].get("refrigerants") or ())

    def _of_region(self, source: Mapping[str, Any], wanted: str) -> Input:
        profile, region = self._run.catalog.region(str(source["region"]))
        return sourced(profile, f"{source['region']}.{wanted}", getattr(region, wanted))

    def made(self, key: Key) -> tuple[Input, ...]:
        """What decides the carbon of making a device, and how much of it is charged."""
        about = (key.hardware, key.component, "made")
        if about not in self._known:
            self._known[about] = tuple(self._made(key))
        return self._known[about]

    def _made(self, key: Key) -> Iterator[Input]:
        accounting = self._run.scenario["accounting"]
        embodied = accounting.get("embodied") or {}
        label = key.component.removeprefix(MADE)
        name = {"gpu": "gpu_lifetime", "devices": "device_lifetime"}.get(label, "server_lifetime")
        if name in accounting:
            yield stated(f"accounting.{name}", accounting[name])
        own = embodied.get(label)
        if own is not None:
            yield stated(f"accounting.embodied.{label}", own)
            return
        if embodied.get("nodes") == "bill-of-materials":
            yield Input(
                "accounting.embodied.nodes", "bill-of-materials", "derived", "parts of the profile times factors"
            )
            return
        profile = self._profile(key.hardware)
        central = getattr(getattr(profile, "embodied", None), "central", None)
        if isinstance(central, Sourced):
            yield sourced(profile, "embodied.central", central)


def _gpu(profile: GPUProfile, key: Key, words: frozenset[str]) -> Iterator[tuple[str, Sourced[Any]]]:
    power = profile.power
    if key.state in ("off", "booting", "stopping"):
        return
    if key.state == "idle":
        yield "power.idle", power.idle
        return
    yield "power.loaded", power.loaded
    if key.state != "active":
        return
    used = [name for name in power.energy_per_flop if name in words] or [*power.energy_per_flop]
    yield from ((f"power.energy_per_flop.{name}", power.energy_per_flop[name]) for name in used)
    yield "power.energy_per_byte", power.energy_per_byte
    for name in ("active", "waiting"):
        one = getattr(power, name)
        if one is not None:
            yield f"power.{name}", one


def _words(value: Any) -> Iterator[str]:
    """Every text in plain data."""
    mapping, items = as_mapping(value), as_list(value)
    if mapping is not None:
        for inner in mapping.values():
            yield from _words(inner)
    elif items is not None:
        for inner in items:
            yield from _words(inner)
    elif isinstance(value, str):
        yield value
