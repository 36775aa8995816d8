"""How a project's phases and its break-even come about."""

from __future__ import annotations

from sim.results.catalogue.origins.origin import Origin, derived, told

OF_A_PHASE = {
    "energy_kwh operational_kg embodied_kg": "lines that workloads of the phase own, building included",
}
PROJECT = {
    **told("project.phases.*", OF_A_PHASE),
    **told("project.unallocated", {"energy_kwh operational_kg embodied_kg": "lines of the footprint that nobody owns"}),
    **{
        f"{at}.{name}": Origin(words, formula.replace("HERE", at))
        for at in ("project.phases.*", "project.unallocated")
        for name, formula, words in (
            ("carbon_kg", "{HERE.operational_kg} + {HERE.embodied_kg}", "operational and embodied carbon"),
            ("energy_share", "{HERE.energy_kwh} / {project.energy_kwh}", "of the energy of the project"),
            ("carbon_share", "{HERE.carbon_kg} / {project.carbon_kg}", "of the carbon of the project"),
        )
    },
    **derived(
        "project",
        {
            "phases.*.share_of_phases": (
                "{project.phases.*.energy_kwh} / ({project.energy_kwh} - {project.unallocated.energy_kwh})",
                "of the energy of all phases",
            ),
            "energy_kwh": (
                "{sum project.phases.*.energy_kwh} + {project.unallocated.energy_kwh}",
                "all phases, and what nobody held",
            ),
            "carbon_kg": (
                "{sum project.phases.*.carbon_kg} + {project.unallocated.carbon_kg}",
                "all phases, and what nobody held",
            ),
        },
    ),
    **{
        f"break_even.{of}.{name}": Origin(
            f"(time held x carbon of making a device{end}, over all devices) / operational carbon"
        )
        for of in ("workloads.*", "machines")
        for name, end in (
            ("use_s", ""),
            ("use_low_s", " at its low end"),
            ("use_high_s", " at its high end"),
            ("of_lifetime", " per time of its life"),
        )
    },
}
