"""What prices decide: energy, carbon, water, cost, indicators, limits, intervals, and what is outside of them."""

from __future__ import annotations

from dataclasses import replace

from sim.results.catalogue.quantity import TEXT, At, Quantity, Table, table
from sim.results.formats import count, percent, ratio

SITES, HEADLINE, STUDY = "site", "headline", "study"
"""A row a site, what the page says of water first, and what the best points of a study are best in."""

MONEY = ("cost", "carbon cost")
"""Heads of columns that are in the currency of the summary."""
SHARERS = ("user", "account", "queue")
"""Whose jobs are: the heads of tables of what they answer for."""
AMOUNTS = (
    Quantity("jobs", "jobs", always=True, columns=tuple(At(word, "jobs", 0) for word in SHARERS), form=count),
    Quantity("it_kwh", "IT energy", "kWh", always=True),
    Quantity("energy_kwh", "energy", "kWh", always=True, columns=tuple(At(word, "energy", 1) for word in SHARERS)),
    Quantity("operational_kg", "operational carbon", "kg", always=True),
    Quantity("operational_market_kg", "operational carbon, market-based", "kg"),
    Quantity("marginal_effect_kg", "marginal effect", "kg"),
    Quantity("embodied_kg", "embodied carbon", "kg", always=True),
    Quantity("carbon_kg", "carbon", "kg", always=True, columns=tuple(At(word, "carbon", 2) for word in SHARERS)),
    Quantity("onsite_l", "on-site water", "L"),
    Quantity("offsite_l", "off-site water", "L"),
    Quantity("water_l", "water on site and off", "L", columns=tuple(At(word, "water", 3) for word in SHARERS)),
    Quantity("embodied_l", "embodied water", "L"),
    Quantity("cost", "energy cost", columns=tuple(At(word, "cost", 4) for word in SHARERS)),
    Quantity("carbon_cost", "carbon cost", columns=tuple(At(word, "carbon cost", 5) for word in SHARERS)),
)
"""What users and others answer for."""


def _answers(path: str, *named: Quantity) -> Table:
    amounts = AMOUNTS if named else AMOUNTS[2:]  # nobody has no jobs, and drew nothing itself
    own = [
        replace(one, columns=tuple(at for at in one.columns if path.startswith(f"by_{at.view}."))) for one in amounts
    ]
    return table(f"attribution.{path}", *named, *own, optional=True)


COUNTS = (
    Quantity("it_kwh", "IT energy", "kWh", always=True),
    Quantity("facility_kwh", "facility energy", "kWh", always=True),
    Quantity("operational_kg", "operational carbon", "kg", always=True),
    Quantity("embodied_kg", "embodied carbon", "kg", always=True),
    Quantity("total_kg", "carbon", "kg", always=True),
    Quantity("onsite_water_l", "on-site water", "L"),
    Quantity("offsite_water_l", "off-site water", "L"),
)
"""What a convention comes to, and what stands beside it."""


ACCOUNTS: tuple[Table, ...] = (
    table(
        "energy_kwh",
        Quantity("it", "IT energy", always=True, compared=1, columns=(At(SITES, "IT energy", 1),)),
        Quantity("facility", "facility energy", always=True, compared=2, columns=(At(STUDY, place=2),)),
        Quantity("facility_overhead", "energy the building adds", always=True),
        Quantity("by_component.*", "energy", always=True, compared=1),
        Quantity("overhead_by_component.*", "energy the building adds by", always=True),
        Quantity("by_workload.*", "IT energy of", always=True),
        Quantity("by_state.*", "IT energy while", always=True),
        Quantity("network", "energy of networks", compared=3, row="drawn by networks outside"),
        Quantity("devices", "energy of users' devices", compared=4, row="drawn by users' devices"),
        Quantity("on_site_pv", "made by the sun", shown=True),
        Quantity("on_site_wind", "made by the wind", shown=True),
        Quantity("on_site_other", "made by other plants on site", shown=True),
        Quantity("on_site_consumed", "made and consumed here", row="of it consumed here"),
        Quantity("battery_discharged", "out of the battery", shown=True),
        Quantity("battery_losses", "lost in the battery", shown=True),
        Quantity("on_site_diesel", "from the diesel generators", shown=True),
        Quantity("curtailed", "curtailed", shown=True),
        Quantity("grid_import", "drawn from the grid", compared=13, shown=True),
        Quantity("grid_export", "fed into the grid", shown=True),
        Quantity("unserved", "not served at all", shown=True),
        unit="kWh",
        per_site=True,
    ),
    table(
        "stored_energy",
        Quantity("start_kwh", "held in batteries at the start", "kWh", always=True),
        Quantity("end_kwh", "held in batteries at the end", "kWh", always=True),
        Quantity("change_kwh", "change of what batteries hold", "kWh"),
        Quantity("grid_kwh", "refilling batteries", "kWh", always=True),
        Quantity("carbon_kg.operational_location", "operational carbon of refilling", "kg", always=True),
        Quantity("carbon_kg.operational_market", "operational carbon of refilling, market-based", "kg"),
        Quantity("carbon_kg.marginal_effect", "marginal effect of refilling", "kg"),
        optional=True,
        per_site=True,
    ),
    table(
        "stored_energy.cost",
        Quantity("energy", "cost of refilling", always=True, unit_in="currency"),
        Quantity("currency", "currency of the cost", kind=TEXT, always=True),
        optional=True,
        per_site=True,
    ),
    table(
        "stored_energy.water_l",
        Quantity("offsite", "off-site water of refilling"),
        Quantity("offsite_withdrawal", "off-site water of refilling, withdrawn"),
        unit="L",
        optional=True,
        per_site=True,
    ),
    table(
        "carbon_kg",
        Quantity(
            "operational_location",
            "operational carbon",
            always=True,
            compared=5,
            row="operational carbon (location-based)",
            by_location=True,
            columns=(At(SITES, "operational", 3),),
        ),
        Quantity(
            "operational_market",
            "operational carbon, market-based",
            compared=6,
            row="operational carbon (market-based)",
        ),
        Quantity("marginal_effect", "marginal effect", compared=7, row="marginal effect of the load"),
        Quantity(
            "embodied",
            "embodied carbon",
            always=True,
            compared=8,
            shown=True,
            columns=(At(SITES, "embodied", 4),),
            spread="carbon_kg.embodied_range",
        ),
        Quantity("total", "total carbon", always=True, compared=9, columns=(At(STUDY, place=1),), by_location=True),
        Quantity("total_market", "total carbon, market-based", compared=10, row="total carbon (market-based)"),
        Quantity(
            "recycling_credit_not_deducted",
            "spared others by recycling",
            row="spared others by recycling (not deducted)",
        ),
        Quantity(
            "scopes.scope_1",
            "emitted on site",
            always=True,
            interval=True,
            row="of it emitted on site (scope 1)",
            no_row_at_zero=True,
        ),
        Quantity("refrigerants", "refrigerants that escaped", interval=True, row="of it refrigerants that escaped"),
        Quantity("scopes.scope_2_location", "scope 2, location-based", always=True, interval=True),
        Quantity("scopes.scope_2_market", "scope 2, market-based", interval=True),
        Quantity("scopes.scope_3", "scope 3", always=True, interval=True),
        Quantity("by_component.*", "carbon", always=True, compared=2),
        Quantity("by_workload.*", "carbon of", always=True, compared=3),
        Quantity("operational_by_state.*", "operational carbon while", always=True),
        Quantity("embodied_by_workload.*", "embodied carbon of", always=True),
        Quantity("embodied_range.low", "embodied carbon at the low end of its range", always=True),
        Quantity("embodied_range.central", "embodied carbon at the centre of its range", always=True),
        Quantity("embodied_range.high", "embodied carbon at the high end of its range", always=True),
        unit="kg",
        per_site=True,
    ),
    table(
        "water_l",
        Quantity(
            "onsite",
            "on-site water",
            compared=11,
            shown=True,
            columns=(At(SITES, "water", 5), At(HEADLINE, "onsite")),
        ),
        Quantity(
            "offsite",
            "off-site water",
            compared=12,
            row="off-site water (consumed)",
            columns=(At(SITES, "off-site", 6), At(HEADLINE, "offsite")),
        ),
        Quantity("offsite_withdrawal", "off-site water, withdrawn", row="off-site water (withdrawn)"),
        Quantity(
            "embodied",
            "embodied water",
            row="embodied water (withdrawn for GPU dies)",
            columns=(At(HEADLINE, "embodied"),),
        ),
        Quantity("scarcity_weighted", "water, weighed by scarcity", shown=True),
        Quantity("total", "water on site and off", interval=True, columns=(At(STUDY, place=4),)),
        Quantity("onsite_by_use.*", "on-site water of"),
        unit="L",
        optional=True,
        per_site=True,
    ),
    table(
        "cost",
        Quantity(
            "energy",
            "energy cost",
            compared=14,
            shown=True,
            columns=(At(STUDY, place=3),),
            unit_in="currency",
        ),
        Quantity("carbon", "carbon cost", compared=15, shown=True, unit_in="currency"),
        Quantity("carbon_by_scope.*", "carbon cost of"),
        Quantity("carbon_basis", "price of carbon, and of what", kind=TEXT, row="carbon is priced at", form=str),
        Quantity("total", "cost of energy and carbon", compared=16, shown=True, unit_in="currency"),
        Quantity("currency", "currency of the cost", kind=TEXT, always=True),
        optional=True,
        may_be_empty=True,
        per_site=True,
    ),
    table(
        "known_in_part.*",
        Quantity("known", "what is known of it", always=True, unit_in="unit"),
        Quantity("unit", "unit of what is known of it", kind=TEXT, always=True),
        Quantity("sites.[]", "site of which it is known", kind=TEXT, always=True),
        Quantity("lacking.[]", "site that lacks a number", kind=TEXT, always=True),
        Quantity("give.[]", "what to give", kind=TEXT, always=True),
        optional=True,
    ),
    table(
        "growth",
        Quantity("year", "year", always=True),
        Quantity("since", "year of the numbers as written", always=True),
        Quantity("laws.*", "times as much as in that year", always=True),
        optional=True,
    ),
    table("egress_cost", Quantity("*", "egress cost", shown=True), optional=True),
    table(
        "kpi",
        Quantity(
            "pue", "PUE", shown=True, columns=(At(SITES, "PUE", 2),), form=ratio, meaning="facility energy / IT energy"
        ),
        Quantity("cue_kg_per_kwh", "CUE", "kg/kWh", shown=True, beside=True, meaning="operational CO2e per kWh of IT"),
        Quantity("wue_l_per_kwh", "WUE", "L/kWh", shown=True, meaning="on-site litres per kWh of IT"),
        Quantity(
            "wue_source_l_per_kwh",
            "WUE_source",
            "L/kWh",
            shown=True,
            beside=True,
            meaning="litres on site and at the power stations per kWh of IT",
        ),
        Quantity("ref", "REF", row="REF (renewable share)", form=percent, meaning="renewable energy / energy supplied"),
        Quantity(
            "cfe_24_7",
            "CFE 24/7",
            row="CFE 24/7 (carbon-free in its hour)",
            form=percent,
            meaning="energy that was carbon-free in its very hour / energy supplied",
        ),
        Quantity("erf", "ERF", row="ERF (reused share)", form=percent, meaning="heat reused / facility energy"),
        Quantity("ere", "ERE", meaning="(facility energy - heat reused) / IT energy"),
        Quantity(
            "sci_g_per_unit",
            "SCI",
            "g",
            shown=True,
            unit_in="sci_unit",
            meaning="(operational + embodied) per functional unit (ISO/IEC 21031)",
        ),
        Quantity("sci_unit", "functional unit of the SCI", kind=TEXT),
        per_site=True,
    ),
    table(
        "limits_exceeded.[]",
        Quantity("site", "site", kind=TEXT, always=True),
        Quantity("limit", "limit", kind=TEXT, always=True),
        Quantity("first_s", "first exceeded", "s", always=True),
        Quantity("seconds", "exceeded for", "s", always=True),
        Quantity("worst_s", "most exceeded at", "s"),
        Quantity("demand_kw", "most asked for", "kW", always=True),
        Quantity("limit_kw", "carried", "kW", always=True),
        optional=True,
    ),
    table(
        "intervals.*",
        Quantity("p05", "5 % of draws below", always=True),
        Quantity("p50", "half of draws below", always=True),
        Quantity("p95", "95 % of draws below", always=True),
        Quantity("from_parameters", "share of the variance that parameters contribute"),
        Quantity("from_chance", "share of the variance that chance contributes"),
        optional=True,
    ),
    table(
        "uncertainty",
        Quantity("draws", "draws", always=True),
        Quantity("seeds", "seeds of each", always=True),
        Quantity("refused_draws", "draws that cannot be", always=True),
        Quantity("simulations", "simulations for the draws"),
        Quantity("estimator", "how shares of the variance are estimated", kind=TEXT),
        optional=True,
    ),
    table(
        "attribution",
        Quantity("idle", "who answers for idle machines", kind=TEXT, always=True),
        Quantity("currency", "currency of the costs", kind=TEXT),
        optional=True,
    ),
    *(_answers(f"by_{word}.[]", Quantity("name", word, kind=TEXT, always=True)) for word in ("workload", *SHARERS)),
    _answers("unallocated"),
    table(
        "boundary",
        Quantity("convention", "accounting convention", kind=TEXT, always=True),
        Quantity("metered_it_kwh", "IT energy on the simulated meters", "kWh", always=True),
        Quantity("not_modelled.[]", "not modelled", kind=TEXT, always=True),
        Quantity("stored_energy.[]", "how what is stored counts", kind=TEXT),
        Quantity("market_based.[]", "which factor stands in for what was not bought", kind=TEXT),
        Quantity("metered_but_not_counted_kwh.*", "metered and not counted", "kWh"),
        Quantity("not_metered.*.*", "why it is not metered", kind=TEXT),
    ),
    table(
        "convention",
        Quantity("title", "accounting convention in words", kind=TEXT, always=True),
        Quantity("carbon_of_a_kwh", "which carbon of a kWh the convention counts", kind=TEXT, always=True),
        Quantity("terms.*", "term of the convention", kind=TEXT, always=True),
        optional=True,
    ),
    *(
        table(f"convention.{name}", *(replace(one, label=f"{one.label} {says}") for one in COUNTS), optional=True)
        for name, says in (
            ("counted", "that the convention counts"),
            ("physical", "by the meters and the scenario's factors"),
            ("counted_less_physical", "that the convention counts beyond the meters"),
        )
    ),
    table(
        "",
        Quantity("simulated_s", "simulated time", "s", always=True),
        Quantity("events", "events of the simulation", always=True),
    ),
)
