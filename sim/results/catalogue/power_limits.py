"""What shared limits of power did: to each domain, and to the workloads that were asked for less."""

from __future__ import annotations

from sim.results.catalogue.quantity import TEXT, At, Form, Quantity, Table, table
from sim.results.formats import count, hours, number, percent
from sim.units import W_PER_KW

DOMAINS, ASKED = "power domain", "slowed by power"
"""Tables of domains and workloads, by the head of their first column."""


def kilowatts(watts: float) -> str:
    """kW."""
    return f"{number(watts / W_PER_KW)} kW"


def _costs(view: str) -> tuple[Quantity, ...]:
    return (
        Quantity("slowed_slot_s", "slot-seconds of work put off", "s", always=True, columns=(At(view, "put off"),)),
        Quantity("lost_slot_s", "slot-seconds of work lost", "s", always=True, columns=(At(view, "lost"),)),
        Quantity("shaved_j", "not drawn by GPUs that were slowed", "J", always=True),
        Quantity(
            "extra_j",
            "drawn more for the same work",
            "J",
            always=True,
            meaning="by GPUs that were slowed; negative where a lower clock, and voltage, saves more than time costs",
        ),
        Quantity("lost_j", "drawn for work that was lost", "J", always=True),
    )


def _both(
    path: str, label: str, unit: str = "", *, form: Form | None = None, meaning: str = ""
) -> tuple[Quantity, ...]:
    """While a service was limited, and otherwise."""
    return (
        Quantity(
            f"limited_{path}",
            f"{label}, limited",
            unit,
            columns=(At(ASKED, f"{label}, limited"),),
            form=form,
            meaning=meaning,
        ),
        Quantity(f"free_{path}", f"{label}, free", unit, columns=(At(ASKED, "free"),), form=form),
    )


_SERVED: tuple[Quantity, ...] = (
    Quantity(
        "limited_s", "time at which any replica was limited", "s", columns=(At(ASKED, "limited for"),), form=hours
    ),
    *_both("requests", "requests ended", form=count),
    *_both(
        "goodput_share",
        "within SLO",
        form=percent,
        meaning="of requests that ended while a limit of power had any replica draw less, stand still or go, those "
        "within every limit of `slo`; `free_goodput_share` is of all others",
    ),
    *_both("slo_missed", "missed the SLO", form=count),
    *_both("ttft_s", "TTFT", "s"),
    *_both("tpot_s", "TPOT", "s"),
    *_both("e2e_s", "E2E", "s"),
    *_both("dynamic_j_per_output_token", "dynamic energy per output token", "J"),
)

POWER_LIMITS: tuple[Table, ...] = (
    table(
        "power_limits",
        Quantity(
            "killed",
            "jobs killed that no limit has room for",
            row="jobs killed by power",
            form=count,
            meaning="each is above its domain's limit with nobody beside it, as low as the ladder goes",
        ),
        Quantity("killed_jobs.[]", "which jobs, and why", kind=TEXT),
        optional=True,
    ),
    table(
        "power_limits.domains.*",
        Quantity("level", "level", kind=TEXT, always=True, columns=(At(DOMAINS, "level"),), form=str),
        Quantity("mean_w", "mean power", "W", always=True, columns=(At(DOMAINS, "mean"),), form=kilowatts),
        Quantity("most_w", "most power", "W", always=True, columns=(At(DOMAINS, "most"),), form=kilowatts),
        Quantity("least_limit_w", "least limit", "W", columns=(At(DOMAINS, "limit"),), form=kilowatts),
        Quantity("over_s", "above the limit", "s", columns=(At(DOMAINS, "above it"),), form=hours),
        Quantity("over_j", "energy above the limit", "J"),
        Quantity("longest_over_s", "longest time above the limit", "s", columns=(At(DOMAINS, "longest"),)),
        Quantity("answer_s", "stated time of answers", "s"),
        Quantity("episodes", "times the limit was met", always=True, columns=(At(DOMAINS, "times"),), form=count),
        Quantity("held_s", "held under the limit", "s", always=True),
        Quantity("unmet", "times answers were too little", always=True, columns=(At(DOMAINS, "unmet"),), form=count),
        Quantity("capped", "jobs capped", always=True, columns=(At(DOMAINS, "capped"),), form=count),
        Quantity("paused", "jobs paused", always=True, columns=(At(DOMAINS, "paused"),), form=count),
        Quantity("shed", "jobs shed", always=True, columns=(At(DOMAINS, "shed"),), form=count),
        Quantity("trips", "times its breaker opened", always=True, columns=(At(DOMAINS, "trips"),), form=count),
        Quantity("ramp_exceeded_w", "rise beyond the ramp", "W", always=True),
        Quantity("ramp_wait_slot_s", "slot-seconds that waited for the ramp", "s", always=True),
        *_costs(DOMAINS),
        optional=True,
    ),
    table("power_limits.workloads.*", *_costs(ASKED), *_SERVED, optional=True),
)
