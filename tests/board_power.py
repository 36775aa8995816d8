"""What boards drew in a run, and what they may."""

from __future__ import annotations

from typing import Any

from sim.loading.scenario import load_scenario
from sim.profiles.catalog import Catalog
from sim.results.results import Results
from sim.units import SECONDS_PER_NS

CATALOG = Catalog()


def limit_w(node: str) -> float:
    """Of one GPU of a node that ships."""
    gpus = CATALOG.node(node).gpus
    assert gpus is not None
    return float(CATALOG.gpu(gpus.profile).tdp.value)


def watts(results: Results) -> dict[tuple[str, str, str], float]:
    """The most that one GPU drew, in the mean over a bin, by pool, owner and state."""
    ledger = results.ledger()
    gpus = ledger[(ledger.component == "gpu") & (ledger.slot_ns > 0)]
    found: dict[tuple[str, str, str], float] = {}
    each = gpus.energy_j / (gpus.slot_ns * SECONDS_PER_NS)
    for key, w in zip(zip(gpus.pool, gpus.owner, gpus.state, strict=True), each, strict=True):
        found[key] = max(found.get(key, 0.0), float(w))
    return found


def sending_w(scenario: dict[str, Any]) -> float:
    """What handing caches over adds to the boards that send, at most: they are booked with them."""
    groups = load_scenario(scenario).answers.deployments.values()
    networks = [one.spec.network for group in groups for one in group.values() if one.spec.decode is not None]
    return max((float(net.bandwidth) * float(net.energy_per_byte) for net in networks if net is not None), default=0.0)


def beyond(results: Results, scenario: dict[str, Any], *, rounding: float) -> dict[tuple[str, str, str], str]:
    """Those of ``watts`` that are above their board's limit, in a scenario of profiles that ship."""
    profile_of = {pool.get("name", pool["profile"]): pool["profile"] for pool in scenario["cluster"]["nodes"]}
    more_w = sending_w(scenario)
    most = {pool: limit_w(node) + more_w for pool, node in profile_of.items() if CATALOG.node(node).gpus is not None}
    return {
        key: f"{drawn:.1f} of {most[key[0]]:g} W"
        for key, drawn in watts(results).items()
        if drawn > most[key[0]] * (1.0 + rounding)
    }
