"""Federated trainings condensed into figures: clients, rounds, and who drew how much."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.accounting.ledger import DEVICES, WAN, Ledger
from sim.accounting.metrics import distribution, it_of
from sim.units import BYTES_PER_GB, J_PER_KWH, NS_PER_S, SECONDS_PER_NS
from sim.workload.records import FederatedRecord


def federated_metrics(record: FederatedRecord, ledger: Ledger) -> dict[str, Any]:
    """Figures of one training. ``wasted_share`` is of the energy of devices and networks, what led to no update."""
    counts = record.counts
    joules = {
        source: sum(record.joules.get((source, use), 0.0) for use in ("active", "wasted")) for source in (DEVICES, WAN)
    }
    outside_j = sum(joules.values())
    metrics: dict[str, Any] = {
        "completed": record.completed,
        "rounds": record.done,
        "rounds_abandoned": record.abandoned,
        "interruptions": record.interruptions,
        "clients": counts.asked,
        "updates": counts.counted,
        "dropped_out": counts.lost,
        "late": counts.late,
        "samples": record.samples,
        "makespan_s": (record.ended_ns - record.submitted_ns) / NS_PER_S,
        "downloaded_gb": counts.down_byte / BYTES_PER_GB,
        "uploaded_gb": counts.up_byte / BYTES_PER_GB,
        "devices_kwh": joules[DEVICES] / J_PER_KWH,
        "network_kwh": joules[WAN] / J_PER_KWH,
        "server_kwh": it_of(ledger, record.workload).total_j() / J_PER_KWH,
    }
    if record.round_ns:
        metrics["round_s"] = distribution(np.array(record.round_ns) * SECONDS_PER_NS)
    if outside_j:
        metrics["wasted_share"] = sum(record.joules.get((s, "wasted"), 0.0) for s in (DEVICES, WAN)) / outside_j
    return metrics
