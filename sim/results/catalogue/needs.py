"""What a quantity needs to be in a summary: the field to give, or why it may not be there; and what sites tell.

Of every quantity that may be absent: the first line that fits its path holds. ``SITE`` stands for where the site is
written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sim.units import G_PER_KG

WUE, EWIF = "SITE.water.wue (or a plant as SITE.facility)", "SITE.water.ewif"
PRICE, MARKET, MARGINAL = "SITE.grid.price", "SITE.grid.market", "SITE.grid.marginal"
CHARGED, UNIT = "accounting.carbon_price", "accounting.functional_unit"
ROWS = "a workload of kind: jobs of that name"
SERVES = "a workload of that name that serves and did something of the kind"
TRAINS = "a training of that name"
NEEDS: Mapping[str, str] = {
    "energy_kwh.network": "give work that moves bytes between sites or devices: routes, a job's place, kind: split or "
    "federated",
    "energy_kwh.devices": "give work on users' devices: kind: split or federated",
    "energy_kwh.*": "give SITE.on_site what makes, stores or limits it",
    "stored_energy.cost.*": f"give SITE.on_site a battery, and {PRICE}",
    "stored_energy.carbon_kg.operational_market": f"give SITE.on_site a battery, and {MARKET}",
    "stored_energy.carbon_kg.marginal_effect": f"give SITE.on_site a battery, and {MARGINAL}",
    "stored_energy.water_l.offsite_withdrawal": f"give SITE.on_site a battery, and {EWIF} as {{kind: mix, ...}}",
    "stored_energy.water_l.*": f"give SITE.on_site a battery, and {EWIF}",
    "stored_energy.*": "give SITE.on_site a battery",
    "carbon_kg.marginal_effect": f"give {MARGINAL}",
    "carbon_kg.recycling_credit_not_deducted": "give accounting.embodied.end_of_life with what is recycled",
    "carbon_kg.refrigerants": "give SITE.refrigerants",
    "carbon_kg.*market": f"give {MARKET}",
    "water_l.onsite*": f"give {WUE}",
    "water_l.offsite_withdrawal": f"give {EWIF} as {{kind: mix, ...}}",
    "water_l.offsite": f"give {EWIF}",
    "water_l.total": f"give both {WUE} and {EWIF}",
    "water_l.scarcity_weighted": f"give {WUE}, {EWIF} and SITE.water.scarcity",
    "water_l.embodied": "give nodes whose GPUs have a die in their profile: no other water of making is known",
    "cost.energy": f"give {PRICE}",
    "cost.total": f"give both {PRICE} and {CHARGED}",
    "cost.currency": f"give {PRICE} or {CHARGED}",
    "cost.*": f"give {CHARGED}",
    "known_in_part.*": "every site tells what it needs, or no site does",
    "growth.*": "give growth",
    "egress_cost.*": "give a job's place or a route a transfer with its cost",
    "kpi.wue_l_per_kwh": f"give {WUE}",
    "kpi.wue_source_l_per_kwh": f"give both {WUE} and {EWIF}",
    "kpi.ref": f"give {MARKET} or SITE.on_site",
    "kpi.cfe_24_7": f"give SITE.grid.carbon_free, an intensity with a mix, {MARKET} or SITE.on_site",
    "kpi.er*": "give SITE.facility a reuse of heat",
    "kpi.sci*": f"give {UNIT}",
    "kpi.*": "it is a ratio to IT energy, and nothing drew any",
    "limits_exceeded.*": "no limit of a site was exceeded",
    "intervals.*": "give uncertainty; of what its draws leave unmoved there is none",
    "uncertainty.*": "give uncertainty",
    "attribution.currency": f"give {PRICE} or {CHARGED}, and {ROWS}",
    "attribution.*operational_market_kg": f"give {MARKET}, and {ROWS}",
    "attribution.*marginal_effect_kg": f"give {MARGINAL}, and {ROWS}",
    "attribution.*onsite_l": f"give {WUE}, and {ROWS}",
    "attribution.*offsite_l": f"give {EWIF}, and {ROWS}",
    "attribution.*water_l": f"give both {WUE} and {EWIF}, and {ROWS}",
    "attribution.*carbon_cost": f"give {CHARGED}, and {ROWS}",
    "attribution.*cost": f"give {PRICE}, and {ROWS}",
    "attribution.*": f"give {ROWS}, whose log or law names users, accounts or queues",
    "boundary.stored_energy.*": "give SITE.on_site a battery",
    "boundary.market_based.*": f"no site is counted by location beside one with {MARKET}",
    "boundary.*": "nothing of the run is left out so",
    "convention.*onsite_water_l": f"give accounting.convention of kind: profile, and {WUE}",
    "convention.*offsite_water_l": f"give accounting.convention of kind: profile, and {EWIF}",
    "convention.*": "give accounting.convention of kind: profile",
    "project.*": "give accounting.phases",
    "break_even.*": "give accounting.break_even: true; what emits nothing in operation has none",
    "serving.*.cache.*": "give workloads.NAME.cache",
    "serving.*.exit_shares.*": "give workloads.NAME.early_exit",
    "serving.*.start_up_s": "give workloads.NAME.start_up an image",
    "serving.*.step_time_shares.*": "give workloads.NAME.step_time of kind: kernels",
    "serving.*.energy_of_requests_kwh.*": "give workloads.NAME of kind: serving prompts and answers to share energy by",
    "serving.*.prefix_cache_hit_rate": "give workloads.NAME.batching.prefix_cache: true",
    "serving.*.goodput*": "give workloads.NAME.slo",
    "serving.*.slo_*": "give workloads.NAME.slo",
    "serving.*.network_busy": "give workloads.NAME.prefill and decode on different GPUs, and the network between",
    "serving.*.trace_*": "give workloads.NAME.arrivals a trace that has such rows",
    "serving.*": f"give {SERVES}",
    "jobs.*.schedule.*": f"give {TRAINS} and its schedule",
    "jobs.*.ramps.*": f"give {TRAINS} a trace of its power (kind: model)",
    "jobs.*.step.*": f"give {TRAINS} work of kind: model",
    "jobs.*.cap_changes": "give policies that change caps",
    "jobs.*_by_caps_s": "give policies that change caps",
    "jobs.*_by_limits*": "give policies of kind: power-limits",
    "jobs.*_by_islands_s": "no job of it lies across islands of a node",
    "jobs.*": f"give {TRAINS}; failures, checkpoints and their times need failures of its pool and a checkpoint",
    "campaigns.*": "give a workload of kind: campaign of that name",
    "federated.*": "give a workload of kind: federated of that name",
    "throttling.*": "give policies a throttle that had to act",
    "policies.*": "give policies",
    "placements.*": "give workloads.NAME.place",
    "routes.*.cache.*": "give routes.NAME.cache",
    "routes.*.egress.*": "give routes.NAME a transfer with its cost",
    "routes.*": "give routes",
    "batch.*.deadlines*": f"give {ROWS} with deadlines",
    "batch.*.energy*": f"give {ROWS} on pools of its own",
    "batch.*": f"give {ROWS}, whose log or law says so",
    "power_limits.*": "give policies of kind: power-limits",
    "split.*": "give a workload of kind: split of that name",
    "methods.*": "give workloads.NAME.methods",
}


class Asked(NamedTuple):
    """A quantity that sites tell: in words, the field of a site that gives it, and where its total stands: the path,
    the quantities of a line that it sums, and what one of its units is of them (0: a unit of the plan's currency)."""

    words: str
    field: str
    path: str
    quantities: tuple[str, ...]
    per: float
    unit: str


ASKED: Mapping[str, Asked] = {
    "onsite_l": Asked("on-site water", "water.wue, or a plant", "water_l.onsite", ("onsite_l",), 1.0, "L"),
    "offsite_l": Asked("off-site water", "water.ewif", "water_l.offsite", ("offsite_l",), 1.0, "L"),
    "cost": Asked("energy cost", "grid.price", "cost.energy", ("cost",), 1.0, ""),
    "market_g": Asked(
        "market-based carbon", "grid.market", "carbon_kg.operational_market", ("market_g",), G_PER_KG, "kg"
    ),
    "marginal_g": Asked(
        "marginal carbon", "grid.marginal", "carbon_kg.marginal_effect", ("marginal_g", "scope1_g"), G_PER_KG, "kg"
    ),
    "escaped_g": Asked(
        "refrigerants that escape", "refrigerants", "carbon_kg.refrigerants", ("escaped_g",), G_PER_KG, "kg"
    ),
    "withdrawal_l": Asked(
        "withdrawn water", "water.ewif as {kind: mix, ...}", "water_l.offsite_withdrawal", ("withdrawal_l",), 1.0, "L"
    ),
}
