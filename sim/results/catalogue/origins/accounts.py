"""How energy, carbon, water, cost and indicators come about."""

from __future__ import annotations

from sim.results.catalogue.origins.origin import Origin, derived, told
from sim.results.catalogue.origins.project import PROJECT

ENERGY = {
    "energy_kwh.it": Origin(
        "what the meters of IT equipment read: watts times seconds between changes of power, summed exactly",
        columns=("energy_j",),
        part="it",
    ),
    "energy_kwh.facility_overhead": Origin(
        "what the building draws beside IT in each time bin, by its PUE or its plant",
        columns=("energy_j",),
        part="building",
    ),
    "energy_kwh.facility": Origin("all that the site consumes", "{energy_kwh.it} + {energy_kwh.facility_overhead}"),
    "energy_kwh.by_component.*": Origin(
        "IT energy of the lines of this component", columns=("energy_j",), part="it", by="component"
    ),
    "energy_kwh.overhead_by_component.*": Origin(
        "energy of this part of the building", columns=("energy_j",), part="building", by="component"
    ),
    "energy_kwh.by_workload.*": Origin(
        "IT energy of the lines that this workload owns; unallocated: nobody held the machine",
        columns=("energy_j",),
        part="it",
        by="owner",
    ),
    "energy_kwh.by_state.*": Origin(
        "IT energy of the lines in this state", columns=("energy_j",), part="it", by="state"
    ),
    "energy_kwh.network": Origin(
        "bytes that were moved times J a byte of the networks, outside the site", columns=("energy_j",), part="network"
    ),
    "energy_kwh.devices": Origin(
        "watts of users' devices times seconds, outside the site", columns=("energy_j",), part="devices"
    ),
    "energy_kwh.grid_import": Origin(
        "what the site draws from the grid: all it consumes, less what it makes itself and takes out of its battery",
        columns=("import_j",),
    ),
}
SERVED = told(
    "energy_kwh",
    {
        "on_site_pv on_site_wind on_site_other": "power of the plant by its weather or series, summed over the run",
        "on_site_consumed": "of what plants on site made, what the site or its battery took",
        "battery_discharged": "power out of the battery, summed over the run",
        "battery_losses": "what went into the battery, less what came out and what is left in it",
        "on_site_diesel": "power of the generators while the grid was out, summed over the run",
        "curtailed": "made on site, and neither consumed, stored nor taken by the grid",
        "grid_export": "made on site and fed into the grid",
        "unserved": "asked for while grid, battery and generators had nothing to give",
    },
)
CARBON = {
    "carbon_kg.operational_location": Origin(
        "energy drawn from the grid in each time bin times the grid's intensity in that bin, with what leaves the site",
        columns=("operational_g",),
    ),
    "carbon_kg.operational_market": Origin(
        "as location-based, at the intensity of what was contracted for, and of the residual mix beyond it",
        columns=("market_g",),
    ),
    "carbon_kg.marginal_effect": Origin(
        "energy drawn from the grid in each bin times what one more kWh causes there, with fuel burnt on site",
        columns=("marginal_g", "scope1_g"),
    ),
    "carbon_kg.embodied": Origin(
        "carbon of making each device times the part of its life that is charged; never multiplied by PUE",
        columns=("embodied_g",),
    ),
    "carbon_kg.total": Origin(
        "operational and embodied carbon", "{carbon_kg.operational_location} + {carbon_kg.embodied}"
    ),
    "carbon_kg.total_market": Origin(
        "market-based operational carbon, and embodied carbon", "{carbon_kg.operational_market} + {carbon_kg.embodied}"
    ),
    "carbon_kg.recycling_credit_not_deducted": Origin(
        "what others are spared by recycling, by the devices' share of life", columns=("credit_g",)
    ),
    "carbon_kg.scopes.scope_1": Origin(
        "fuel burnt on site times the carbon of a litre, and refrigerants that escaped",
        columns=("scope1_g", "escaped_g"),
    ),
    "carbon_kg.refrigerants": Origin(
        "charge times the share that escapes in a year times its GWP, for the time of the run", columns=("escaped_g",)
    ),
    "carbon_kg.scopes.scope_2_location": Origin(
        "operational carbon without what is emitted on site or outside of it",
        "{carbon_kg.operational_location} - {carbon_kg.scopes.scope_1} - {@outside_kg}",
    ),
    "carbon_kg.scopes.scope_2_market": Origin(
        "market-based operational carbon without what is emitted on site or outside of it",
        "{carbon_kg.operational_market} - {carbon_kg.scopes.scope_1} - {@outside_kg}",
    ),
    "carbon_kg.scopes.scope_3": Origin(
        "embodied carbon, and that of networks and users' devices", "{carbon_kg.embodied} + {@outside_kg}"
    ),
    "carbon_kg.by_component.*": Origin(
        "operational and embodied carbon of the lines of this component; facility: all parts of the building",
        columns=("operational_g", "embodied_g"),
        by="component",
    ),
    "carbon_kg.by_workload.*": Origin(
        "operational and embodied carbon of the lines that this workload owns, by energy in each bin",
        columns=("operational_g", "embodied_g"),
        by="owner",
    ),
    "carbon_kg.operational_by_state.*": Origin(
        "operational carbon of the lines in this state", columns=("operational_g",), by="state"
    ),
    "carbon_kg.embodied_by_workload.*": Origin(
        "embodied carbon of the lines that this workload owns, by the time it held devices",
        columns=("embodied_g",),
        by="owner",
    ),
    "carbon_kg.embodied_range.low": Origin(
        "embodied carbon with each device at the low end of its range", columns=("embodied_low_g",)
    ),
    "carbon_kg.embodied_range.central": Origin("embodied carbon as it counts", columns=("embodied_g",)),
    "carbon_kg.embodied_range.high": Origin(
        "embodied carbon with each device at the high end of its range", columns=("embodied_high_g",)
    ),
}
WATER = {
    "water_l.onsite": Origin(
        "water of the cooling plant in each bin by load and weather, or IT energy times the site's WUE",
        columns=("onsite_l",),
    ),
    "water_l.offsite": Origin(
        "energy drawn from the grid in each bin times the water that power stations consume for it",
        columns=("offsite_l",),
    ),
    "water_l.offsite_withdrawal": Origin(
        "energy drawn from the grid in each bin times the water that power stations withdraw for it",
        columns=("withdrawal_l",),
    ),
    "water_l.embodied": Origin(
        "water that the fab withdrew for each GPU's dies times the charged part of its life", columns=("embodied_l",)
    ),
    "water_l.total": Origin("on site and at power stations", "{water_l.onsite} + {water_l.offsite}"),
    "water_l.scarcity_weighted": Origin(
        "each site's litres times the scarcity factors of its scenario, on site and at its power stations"
    ),
    "water_l.onsite_by_use.*": Origin("water that this part of the plant takes, summed over the bins"),
}
MONEY = {
    "cost.energy": Origin("energy drawn from the grid in each time bin times its price", columns=("cost",)),
    "cost.carbon": Origin("carbon of the scopes that it is of, times the price of carbon", columns=("carbon_cost",)),
    "cost.carbon_by_scope.*": Origin("carbon of this scope where it is priced, times the price of carbon"),
    "cost.carbon_basis": Origin("the scenario's accounting.carbon_price"),
    "cost.total": Origin("energy and carbon", "{cost.energy} + {cost.carbon}"),
    "cost.currency": Origin("the currency in which the scenario writes the price"),
    "egress_cost.*": Origin("what placements and routes moved between sites times the price of a byte, by currency"),
}
STORED = told(
    "stored_energy",
    {
        "start_kwh": "the battery's charge at the start, as the scenario says",
        "end_kwh": "the battery's charge when the run ends",
        "grid_kwh": "what refilling the battery to its first charge takes from the grid; below 0, what was left in it",
        "carbon_kg.operational_location carbon_kg.operational_market carbon_kg.marginal_effect": "of refilling, at the "
        "grid's mean over the run or at what the scenario states; within the totals",
        "cost.energy": "of refilling, at the grid's mean price over the run; within the total",
        "cost.currency": "the currency in which the scenario writes the price",
        "water_l.offsite water_l.offsite_withdrawal": "of refilling, at the grid's mean; within the totals",
    },
) | derived("stored_energy", {"change_kwh": ("{stored_energy.end_kwh} - {stored_energy.start_kwh}", "end less start")})
IN_PART = told(
    "known_in_part.*",
    {
        "known": "the sum over the sites that have the number, where others need it and have none",
        "unit sites.[] lacking.[] give.[]": "as the sites of the scenario say",
    },
)
INDICATORS = derived(
    "kpi",
    {
        "pue": ("{energy_kwh.facility} / {energy_kwh.it}", "facility energy over IT energy (ISO/IEC 30134-2)"),
        "cue_kg_per_kwh": (
            "{@inside_operational_kg} / {energy_kwh.it}",
            "operational carbon of the site over IT energy (ISO/IEC 30134-8)",
        ),
        "wue_l_per_kwh": ("{@inside_onsite_l} / {energy_kwh.it}", "on-site water over IT energy (ISO/IEC 30134-9)"),
        "wue_source_l_per_kwh": (
            "({@inside_onsite_l} + {@inside_offsite_l}) / {energy_kwh.it}",
            "on-site and off-site water over IT energy",
        ),
        "ref": ("{@renewable_kwh} / {@supplied_kwh}", "renewable energy over energy supplied (ISO/IEC 30134-3)"),
        "cfe_24_7": ("{@carbon_free_kwh} / {@supplied_kwh}", "carbon-free in its very hour over energy supplied"),
        "erf": ("{@reused_kwh} / {energy_kwh.facility}", "heat reused over facility energy (ISO/IEC 30134-6)"),
        "ere": (
            "{energy_kwh.facility} * (1 - {kpi.erf}) / {energy_kwh.it}",
            "facility energy without reused heat over IT energy (The Green Grid, White Paper 29)",
        ),
        "sci_g_per_unit": (
            "{carbon_kg.total} * 1000 / {@units}",
            "operational and embodied carbon over functional units delivered (ISO/IEC 21031)",
        ),
    },
) | told("kpi", {"sci_unit": "the functional unit of the scenario's accounting"})
LIMITS = told(
    "limits_exceeded.[]",
    {
        "site limit": "where, and which limit of the plant or its supply",
        "first_s seconds worst_s": "bins in which more was asked for than the limit carries",
        "demand_kw limit_kw": "what was asked for in the worst bin, and what can be carried",
    },
)
INTERVALS = {
    **{
        f"intervals.*.{name}": Origin(f"of all draws, the value below which {share} lie", rows="draws")
        for name, share in (("p05", "5 %"), ("p50", "half"), ("p95", "95 %"))
    },
    **told(
        "intervals.*",
        {
            "from_parameters": "share of the variance between draws that differ in parameters",
            "from_chance": "share of the variance between seeds of one draw",
        },
        rows="draws",
    ),
    **told(
        "uncertainty",
        {
            "draws seeds": "as the scenario's uncertainty asks",
            "refused_draws": "draws of parameters that no scenario may have, which were drawn anew",
            "simulations": "simulations that the draws took: those that only prices tell apart share one",
            "estimator": "the estimator of the shares of the variance",
        },
        rows="draws",
    ),
}
ANSWERED = {
    "it_kwh": "IT energy that its jobs drew themselves",
    "energy_kwh": "its share, by IT energy in each bin, of all that the site consumed",
    "operational_kg operational_market_kg marginal_effect_kg": "its share of the site's, by IT energy in each bin",
    "embodied_kg embodied_l": "its share, by slots held, of what its workload is charged for devices",
    "onsite_l offsite_l cost": "its share, by IT energy in each bin, of what the site took",
    "carbon_cost": "the price of carbon times its share of the scopes that are priced",
}
NOBODY = {
    "energy_kwh operational_kg operational_market_kg marginal_effect_kg": "what nobody held, where that stays apart",
    "embodied_kg embodied_l onsite_l offsite_l cost carbon_cost": "what nobody held, where that stays apart",
}
ATTRIBUTION = {
    **told("attribution", {"idle": "the scenario's rule for idle machines", "currency": "the currency of the price"}),
    **{
        path: origin
        for word in ("workload", "user", "account", "queue")
        for path, origin in (
            told(
                f"attribution.by_{word}.[]", {"name": "as the jobs name it", "jobs": "jobs of it that ran", **ANSWERED}
            )
            | derived(
                f"attribution.by_{word}.[]",
                {
                    "carbon_kg": (
                        f"{{attribution.by_{word}.[].operational_kg}} + {{attribution.by_{word}.[].embodied_kg}}",
                        "operational and embodied carbon",
                    ),
                    "water_l": (
                        f"{{attribution.by_{word}.[].onsite_l}} + {{attribution.by_{word}.[].offsite_l}}",
                        "on site and at power stations",
                    ),
                },
            )
        ).items()
    },
    **told("attribution.unallocated", NOBODY),
    **derived(
        "attribution.unallocated",
        {
            "carbon_kg": (
                "{attribution.unallocated.operational_kg} + {attribution.unallocated.embodied_kg}",
                "operational and embodied carbon",
            ),
            "water_l": (
                "{attribution.unallocated.onsite_l} + {attribution.unallocated.offsite_l}",
                "on site and at power stations",
            ),
        },
    ),
}
BOUNDARY = told(
    "boundary",
    {
        "convention": "the scenario's accounting.convention",
        "metered_it_kwh": "all that the simulated meters of IT equipment read, before any convention",
        "not_modelled.[]": "what the scenario or the models leave out",
        "stored_energy.[]": "how the change of a battery's charge counts",
        "market_based.[]": "the rule of the GHG Protocol's Scope 2 Guidance for sites without contract or residual mix",
        "metered_but_not_counted_kwh.*": "read by the meters and left out by the convention",
        "not_metered.*.*": "the reason that the node's profile gives",
    },
)
CONVENTION = {
    **told(
        "convention",
        {"title carbon_of_a_kwh terms.*": "as the profile of the convention and the scenario's 'given' say"},
    ),
    **told(
        "convention.counted",
        {"it_kwh facility_kwh operational_kg embodied_kg onsite_water_l offsite_water_l": "by the convention's terms"},
    ),
    **told(
        "convention.physical",
        {
            "it_kwh facility_kwh operational_kg embodied_kg": "by the meters and the scenario's own factors",
            "onsite_water_l offsite_water_l": "by the meters and the scenario's own factors",
        },
    ),
    **{
        f"convention.{side}.total_kg": Origin(
            "operational and embodied carbon",
            f"{{convention.{side}.operational_kg}} + {{convention.{side}.embodied_kg}}",
        )
        for side in ("counted", "physical")
    },
    **{
        f"convention.counted_less_physical.{name}": Origin(
            "what the convention counts beyond the meters",
            f"{{convention.counted.{name}}} - {{convention.physical.{name}}}",
        )
        for name in (
            "it_kwh",
            "facility_kwh",
            "operational_kg",
            "embodied_kg",
            "total_kg",
            "onsite_water_l",
            "offsite_water_l",
        )
    },
}
RUN = told(
    "",
    {
        "simulated_s": "from the start to the end of the ledger",
        "events": "events that the engine handled",
        "growth.year growth.since": "as the scenario's growth says",
        "growth.laws.*": "the law of the scenario's growth at its year, against the year of the numbers as written",
    },
)
ACCOUNTS = {
    **ENERGY,
    **SERVED,
    **CARBON,
    **WATER,
    **MONEY,
    **STORED,
    **IN_PART,
    **INDICATORS,
    **LIMITS,
    **INTERVALS,
    **ATTRIBUTION,
    **BOUNDARY,
    **CONVENTION,
    **PROJECT,
    **RUN,
}
