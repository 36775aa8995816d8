"""What happened in campaigns and in federated trainings."""

from __future__ import annotations

from sim.results.catalogue.quantity import FLAG, STATISTICS, TEXT, At, Quantity, Table, table
from sim.results.formats import count, hours, percent

CAMPAIGNS, FLEETS = "campaign", "federated"
"""Their tables, by the head of the first column."""

MANY: tuple[Table, ...] = (
    table(
        "campaigns.*",
        Quantity("status", "ended", kind=TEXT, always=True),
        Quantity("trials", "trials", always=True, columns=(At(CAMPAIGNS, "trials"),), form=count),
        Quantity("kept", "trained to the end", always=True, columns=(At(CAMPAIGNS, "kept"),), form=count),
        Quantity("killed", "stopped by the rule", always=True, columns=(At(CAMPAIGNS, "killed"),), form=count),
        Quantity(
            "cut", "cut off before they were judged", always=True, columns=(At(CAMPAIGNS, "cut off"),), form=count
        ),
        Quantity("failed", "came to nothing of themselves"),
        Quantity("gpu_hours", "GPU-hours held", "GPU-hours", always=True, columns=(At(CAMPAIGNS, "GPU-hours"),)),
        Quantity(
            "energy_kwh",
            "energy of trials",
            "kWh",
            always=True,
            columns=(At(CAMPAIGNS, "energy"),),
            meaning="what machines drew for the trials of a campaign, training and evaluations",
        ),
        Quantity("lost_gpu_hours", "GPU-hours lost", "GPU-hours", always=True),
        Quantity("interruptions", "failures"),
        Quantity("makespan_s", "makespan", "s", columns=(At(CAMPAIGNS, "took"),), form=hours),
        Quantity(
            "best_rank",
            "rank of the best found",
            columns=(At(CAMPAIGNS, "best is"),),
            form=lambda rank: f"no. {rank}",
            absent="not judged",
            meaning="among all trials that began, 1 for the truly best; only ranks of quality are modelled",
        ),
        Quantity("by_outcome_gpu_hours.*", "GPU-hours of trials by outcome", "GPU-hours"),
        Quantity("by_outcome_kwh.*", "energy of trials by outcome", "kWh"),
        optional=True,
    ),
    table(
        "federated.*",
        Quantity("completed", "all rounds done", kind=FLAG, always=True),
        Quantity("rounds", "rounds", always=True, columns=(At(FLEETS, "rounds"),), form=count),
        Quantity("rounds_abandoned", "rounds abandoned", always=True),
        Quantity("interruptions", "failures of the server"),
        Quantity("clients", "clients asked", always=True),
        Quantity("updates", "updates that counted", always=True),
        Quantity("dropped_out", "clients that dropped out", always=True),
        Quantity("late", "clients late or not needed", always=True),
        Quantity("samples", "samples trained on for updates that counted", always=True),
        Quantity("makespan_s", "makespan", "s", columns=(At(FLEETS, "took"),), form=hours),
        Quantity("downloaded_gb", "downloaded by clients", "GB"),
        Quantity("uploaded_gb", "uploaded by clients", "GB"),
        Quantity("devices_kwh", "energy of devices", "kWh", always=True, columns=(At(FLEETS, "devices"),)),
        Quantity("network_kwh", "energy of the network", "kWh", always=True, columns=(At(FLEETS, "network"),)),
        Quantity("server_kwh", "energy of the server", "kWh", always=True, columns=(At(FLEETS, "server"),)),
        Quantity(
            "wasted_share",
            "wasted",
            columns=(At(FLEETS, "wasted"),),
            form=percent,
            meaning="of the energy of devices and their networks, that of clients that dropped out, came late or "
            "were not needed",
        ),
        optional=True,
    ),
    table(
        "federated.*.round_s",
        *(Quantity(name, f"time of a round, {name}") for name in STATISTICS),
        unit="s",
        optional=True,
    ),
)
