"""What happened in a run, whatever its prices: services, jobs, throttling, routes, placements and policies."""

from __future__ import annotations

from sim.results.catalogue.campaigns import MANY
from sim.results.catalogue.jobs import OF_EACH_JOB
from sim.results.catalogue.quantity import NUMBER_OR_NULL, STATISTICS, TEXT, At, Quantity, Table, table
from sim.results.catalogue.services import OF_SERVICES
from sim.results.formats import count

ROUTES = "route"
"""The table of routes, by the head of its first column."""

MOVING = (
    Quantity("moved_gb", "moved", "GB"),
    Quantity("network_kwh", "energy of the network", "kWh"),
    Quantity("egress.cost", "egress cost", unit_in="currency"),
    Quantity("egress.currency", "currency of the egress cost", kind=TEXT),
)
"""What moving data between sites takes."""

ANSWERS = (
    Quantity("answer_s.mean", "mean time to the answer", "s", meaning="with the look, and of what the memo knew too"),
    *(Quantity(f"answer_s.{name}", f"{name} of the time to the answer", "s") for name in STATISTICS[1:]),
)
"""What users of a workload with a memo wait for; what is computed alone stands with the workload."""

ACTIVITY: tuple[Table, ...] = (
    *OF_SERVICES,
    *OF_EACH_JOB,
    *MANY,
    table(
        "throttling.[]",
        Quantity("site", "site", kind=TEXT, always=True),
        Quantity("start_s", "throttled from", "s", always=True),
        Quantity("duration_s", "throttled for", "s", always=True),
        Quantity("limit_w", "carried", "W", always=True),
        Quantity("most_wanted_w", "most wanted", "W", always=True),
        Quantity("least_share", "least share of the GPUs' power", always=True),
        Quantity("most_exceeded_w", "could not be shed", "W"),
        optional=True,
    ),
    table(
        "policies.[]",
        Quantity("policy", "where the policy is written", kind=TEXT),
        Quantity("kind", "kind", kind=TEXT),
        Quantity("workload", "workload", kind=TEXT),
        Quantity("field", "field", kind=TEXT),
        Quantity("times", "times in force"),
        Quantity("in_force_s", "time in force", "s"),
        optional=True,
    ),
    table(
        "placements.*",
        Quantity("pool", "pool", kind=TEXT),
        Quantity("signal", "signal", kind=TEXT),
        Quantity("forecast_mean_per_kwh.*", "signal as forecast for"),
        Quantity("transfer_s", "transfer", "s"),
        *MOVING,
        optional=True,
    ),
    table(
        "routes.*",
        Quantity("requests.*", "requests to", always=True, columns=(At(ROUTES, "requests"),), form=count),
        Quantity(
            "ttft_s.*",
            "mean TTFT to users of",
            "s",
            kind=NUMBER_OR_NULL,
            always=True,
            columns=(At(ROUTES, "TTFT to users"),),
        ),
        Quantity("ttft_mean_s", "mean TTFT to users", "s"),
        Quantity(
            "e2e_s.*",
            "mean E2E to users of",
            "s",
            kind=NUMBER_OR_NULL,
            always=True,
            columns=(At(ROUTES, "E2E to users"),),
        ),
        Quantity("e2e_mean_s", "mean E2E to users", "s"),
        Quantity("asked", "asked by users", meaning="of routes with a cascade or a memo"),
        Quantity("answered.*", "answered by"),
        Quantity("passed_on.*", "passed on to the next by"),
        Quantity("lost", "refused or given up on the way"),
        Quantity(
            "answer_s.p50",
            "p50 of the time to the answer",
            "s",
            meaning="with what was asked in vain before, and of hits of a memo",
        ),
        Quantity("answer_s.p90", "p90 of the time to the answer", "s"),
        Quantity("answer_s.p95", "p95 of the time to the answer", "s"),
        Quantity("answer_s.p99", "p99 of the time to the answer", "s"),
        Quantity("moved_share", "share of requests moved"),
        *MOVING,
        optional=True,
    ),
    *(
        table(
            f"{of}.*.cache",
            Quantity("lookups", "looked up"),
            Quantity("hits", "answered from the memo"),
            Quantity("hit_rate", "hit rate", meaning="of all that was looked up"),
            Quantity("evictions", "forgotten"),
            Quantity("remembered", "remembered at the end"),
            *(ANSWERS if of == "serving" else ()),
            optional=True,
        )
        for of in ("serving", "routes")
    ),
)
