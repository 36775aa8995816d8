"""A convention's profile and what a scenario gives it -> how the accounts count, and what stands beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import ceil

from sim.accounting.conventions import ByLoad, ByTerms, Line, Metered, PerSlot, Rule, Socket
from sim.accounting.plan import (
    AccountingPlan,
    ByExpectedUtilisation,
    ByTime,
    EmbodiedItem,
    SitePlan,
    Told,
)
from sim.build.machines.pools import Machine
from sim.build.resolved import Resolved
from sim.facility.building import FixedPUE
from sim.later import later
from sim.signals import Signal
from sim.spec.accounting import Given, Luccioni2023Convention, PhysicalConvention, ProfileConvention
from sim.units import BYTES_PER_GB

with later():
    from sim.profiles import conventions as terms


LUCCIONI = "luccioni-2023"
Problems = Iterator[tuple[tuple[str, ...], str]]


def luccioni(spec: Luccioni2023Convention, resolved: Resolved) -> ByTerms:
    """The lines of the BLOOM study's convention; what multiplies them is the scenario's."""
    given = Given(power={"infrastructure": spec.infrastructure, "idle_nodes": spec.idle})
    return _lines(resolved.catalog.convention(LUCCIONI), given, resolved, LUCCIONI)


def under(plan: AccountingPlan, profile: terms.ConventionProfile, given: Given, resolved: Resolved) -> AccountingPlan:
    """The plan under a convention that has passed its checks; the plan as it was stands beside it."""
    sites = {name: _site(site, profile, given) for name, site in plan.sites.items()}
    counted = replace(
        plan,
        convention=_lines(profile, given, resolved, profile.name),
        sites=sites,
        told=Told(profile.title, dict(_in_words(profile, given)), profile.intensity.kind, plan),
    )
    return _made(counted, profile.embodied, given)


def convention_profile(spec: PhysicalConvention | Luccioni2023Convention | ProfileConvention) -> str | None:
    """The profile that a convention is read from; None where the meters count."""
    if isinstance(spec, ProfileConvention):
        return spec.profile
    return LUCCIONI if isinstance(spec, Luccioni2023Convention) else None


def given_problems(profile: terms.ConventionProfile, given: Given) -> Problems:
    """What a scenario should give and does not, and what it gives and nobody asks for."""
    powers: dict[str, terms.Line | terms.Added] = {**profile.lines, **profile.added}
    asking = {name: term for name, term in powers.items() if term.asked is not None}
    for name in given.power.keys() - asking.keys():
        yield (
            ("power", name),
            f"'{profile.name}' asks for no such power  ({', '.join(sorted(asking)) or 'it asks none'})",
        )
    for name, term in asking.items():
        own = term.power if isinstance(term, terms.Added) else getattr(term.count, "power", None)
        if own is None and name not in given.power:
            yield ("power",), f"'{profile.name}' asks for {name}: {term.asked}"
    for field, one, own in (
        ("pue", profile.building, profile.building.pue),
        ("intensity", profile.intensity, profile.intensity.intensity),
        ("wue", profile.water, profile.water.wue),
        ("utilisation", profile.embodied, profile.embodied.utilisation),
    ):
        there = getattr(given, field) is not None
        if there and one.asked is None:
            yield (field,), f"'{profile.name}' does not ask for it: {_whole(one)}"
        elif not there and own is None and one.asked is not None:
            yield (field,), f"'{profile.name}' asks for it: {one.asked}"


def sides(resolved: Resolved) -> Mapping[str, frozenset[str]]:
    """Names of workloads that serve (``runtime``) and that make models (``development``)."""
    runtime = frozenset({*resolved.services, *resolved.serving, *resolved.split})
    making = {*resolved.jobs, *resolved.campaigns, *resolved.federated, *resolved.batches}
    return {"runtime": runtime, "development": frozenset(making)}


def _lines(profile: terms.ConventionProfile, given: Given, resolved: Resolved, name: str) -> ByTerms:
    whose = profile.workloads.kind
    machines = resolved.hardware.found
    return ByTerms(
        name=name,
        lines=tuple(
            Line(label, tuple(line.of), line.over, _rule(line, given.power.get(label), machines))
            for label, line in profile.lines.items()
        ),
        added={
            label: float(power)
            for label, term in profile.added.items()
            if (power := given.power.get(label, term.power)) is not None
        },
        owners=None if whose == "all" else sides(resolved)[whose],
        holders_alone=profile.embodied.kind == "held-time",
        counts_outside=profile.outside.kind == "counted",
    )


def _rule(line: terms.Line, given_w: float | None, machines: Mapping[str, Machine]) -> Rule:
    """A rule for the machines of every pool that has what it is about."""
    count, basis = line.count, "cpu" if "cpu" in line.of else line.of[0]
    if isinstance(count, terms.Metered):
        return Metered()
    if isinstance(count, terms.ByLoad):
        return ByLoad({pool: _socket(one) for pool, one in machines.items()}, float(count.floor), count.exponent)
    if isinstance(count, terms.Mean):
        watts = given_w if given_w is not None else float(count.power or 0.0)
        per_slot = {pool: watts * _devices_per_slot(count.per, one) for pool, one in machines.items()}
        return PerSlot(per_slot, basis)
    return PerSlot({pool: _slot_w(count, basis, one) for pool, one in machines.items()}, basis)


def _slot_w(count: terms.Nameplate | terms.PerByte | terms.PerModule, basis: str, machine: Machine) -> float:
    if isinstance(count, terms.Nameplate):
        board = machine.gpu if basis == "gpu" else machine.cpu
        tdp_w = float(board.tdp.value) if board is not None else 0.0
        alone = count.per == "node"
        if basis == "gpu":  # a slot's TDP is an instance's where boards are cut
            return tdp_w * float(count.share) / (machine.node.slots if alone else 1)
        return tdp_w * float(count.share) * _devices_per_slot("node" if alone else "socket", machine)
    capacity_b = sold_as_b(float(machine.node.dram.capacity.value))
    node_w = float(count.power) * capacity_b if isinstance(count, terms.PerByte) else modules_w(count, capacity_b)
    return node_w / machine.node.slots


def sold_as_b(capacity_b: float) -> float:
    """A host's memory by the GB that its modules are sold as, which are of 1024^3 bytes: a capacity that is a whole
    number of these is given so, any other already by the name of the modules."""
    gib = capacity_b / 2**30
    return gib * BYTES_PER_GB if gib.is_integer() else capacity_b


def modules_w(rule: terms.PerModule, capacity_b: float) -> float:
    """W of a host's memory by the number of modules that its capacity, B, is taken for."""
    modules = module_count(rule, capacity_b)
    watts, before = 0.0, 0
    for step in rule.steps:
        watts += float(rule.power) * float(step.share) * max(0, min(modules, step.up_to) - before)
        before = step.up_to
    return max(float(rule.least), watts)


def module_count(rule: terms.PerModule, capacity_b: float) -> int:
    """Modules that a capacity, B, is taken for."""
    for guess in rule.small:
        if capacity_b <= float(guess.up_to):
            return guess.modules
    for size in sorted(map(float, rule.sizes), reverse=True):
        if size <= capacity_b / rule.least_modules:
            return min(ceil(capacity_b / size), rule.most_modules)
    return rule.least_modules


def _devices_per_slot(per: str, machine: Machine) -> float:
    node = machine.node
    return {"gpu": 1.0 / machine.slots_per_board, "socket": node.cpus.count / node.slots, "node": 1.0 / node.slots}[per]


def _socket(machine: Machine) -> Socket:
    power = machine.cpu.power
    return Socket(
        float(power.idle.value),
        float(power.full.value),
        float(power.exponent.value),
        float(machine.cpu.tdp.value),
        _devices_per_slot("socket", machine),
    )


def _site(site: SitePlan, profile: terms.ConventionProfile, given: Given) -> SitePlan:
    building, grid = profile.building, site.grid
    if building.kind != "site":
        pue = given.pue if given.pue is not None else building.pue
        site = replace(site, building=FixedPUE(float(pue) if pue is not None else 1.0), escaping_g_per_s=None)
    if profile.intensity.kind == "stated":
        stated = given.intensity if given.intensity is not None else profile.intensity.intensity
        grid = replace(grid, intensity=Signal.constant(float(stated or 0.0), "g/J"), marginal=None)
        site = replace(site, market=None, market_by_location=False)
    if profile.water.kind != "site":
        wue = given.wue if given.wue is not None else profile.water.wue
        litres = None if wue is None else float(wue)
        if litres is not None and profile.water.of == "facility" and isinstance(site.building, FixedPUE):
            litres *= site.building.pue
        grid = replace(grid, water=None, withdrawal=None)
        site = replace(site, wue_l_per_j=litres, scarcity=None)
    return replace(site, grid=grid)


def _made(plan: AccountingPlan, making: terms.Making, given: Given) -> AccountingPlan:
    if making.kind == "scenario":
        return plan
    if making.kind == "nothing":
        return replace(plan, embodied=(), plants=())
    items = tuple(_item(item, making) for item in plan.embodied)
    if making.kind == "expected-utilisation":
        utilisation = given.utilisation if given.utilisation is not None else making.utilisation
        return replace(plan, embodied=items, amortization=ByExpectedUtilisation(float(utilisation or 1.0)))
    return replace(plan, embodied=items, amortization=ByTime(), at_purchase=making.kind == "purchase")


def _item(item: EmbodiedItem, making: terms.Making) -> EmbodiedItem:
    stated = {"gpu": making.gpu, "server": making.server}.get(item.label)
    if stated is not None:
        grams = float(stated)
        item = replace(item, low_g=grams, central_g=grams, high_g=grams)
    return item if making.lifetime is None else replace(item, lifetime_ns=int(making.lifetime))


def _in_words(profile: terms.ConventionProfile, given: Given) -> Iterator[tuple[str, str]]:
    """Every term as people read it, with its source."""

    def cited(text: str, term: terms.Cited, taken: bool) -> str:
        if taken:
            return f"{text} (the scenario's)"
        source = profile.sources[term.source]
        return f"{text} ({source.author} {source.year}, {term.confidence})"

    for name, line in profile.lines.items():
        power = given.power.get(name)
        text = f"{_count(line.count, power)} of {', '.join(line.of)}, {OVER[line.over]}"
        yield name, cited(text, line, power is not None)
    for name, term in profile.added.items():
        power = given.power.get(name, term.power)
        yield name, cited(f"{_text(power)} all the time", term, name in given.power)
    for component, reason in profile.not_counted.items():
        yield component, f"not counted: {reason}"
    parts = {
        "workloads": (profile.workloads, None),
        "building": (profile.building, given.pue if given.pue is not None else profile.building.pue),
        "intensity": (
            profile.intensity,
            given.intensity if given.intensity is not None else profile.intensity.intensity,
        ),
        "water": (profile.water, given.wue if given.wue is not None else profile.water.wue),
        "embodied": (
            profile.embodied,
            given.utilisation if given.utilisation is not None else profile.embodied.utilisation,
        ),
        "outside": (profile.outside, None),
    }
    own = {"building": given.pue, "intensity": given.intensity, "water": given.wue, "embodied": given.utilisation}
    for name, (one, number) in parts.items():
        text = f"{_whole(one)}{f': {_text(number)}' if number is not None else ''}"
        yield name, cited(text, one, own.get(name) is not None)


OVER: Mapping[str, str] = {
    "reserved": "while it is held",
    "active": "while it is at work",
    "idle": "while it is not at work",
    "unallocated": "while nobody holds it",
    "all": "at all times",
}


def _count(count: terms.Count, power: object) -> str:
    match count:
        case terms.Metered():
            return "the meters"
        case terms.Nameplate():
            return f"{_text(count.share)} of the TDP{' of one a node' if count.per == 'node' else ''}"
        case terms.Mean():
            return f"{_text(power if power is not None else count.power)} a {count.per}"
        case terms.PerByte():
            return _text(count.power)
        case terms.PerModule():
            return f"{_text(count.power)} a module"
        case terms.ByLoad():
            return f"the TDP by load, {_text(count.floor)} of it at least"


def _text(value: object) -> str:
    """A quantity as it was written."""
    return str(getattr(value, "text", value))


def _whole(term: terms.Cited) -> str:
    kind: str = getattr(term, "kind", "")
    return {"site": "as at the site", "scenario": "as the scenario says", "nothing": "not counted"}.get(
        kind, kind.replace("-", " ")
    )
