"""Workloads that are executed in stages condensed into figures: where their time goes, and their joules."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.accounting.ledger import Ledger
from sim.accounting.metrics import distribution, it_of, queue_metrics
from sim.units import BYTES_PER_GB, J_PER_KWH, SECONDS_PER_NS
from sim.workload.records import ServiceLog
from sim.workload.split_records import PARTS, USES, SplitRecord

Ints = npt.NDArray[np.int64]


def split_metrics(record: SplitRecord, ledger: Ledger) -> dict[str, Any]:
    """Figures of one workload; latencies are absent where nothing was completed.

    ``parts_s`` are means over completed requests, which add up to that of ``e2e_s``. Energies are all that was drawn,
    machines that stood loaded and requests that came to nothing included; a request's are shared among the completed.
    """
    log, own = record.log, it_of(ledger, record.workload)
    arrival, done, of, left = (np.frombuffer(c, np.int64) for c in (log.arrival_ns, log.done_ns, log.of, log.left))
    completed = len(done)
    devices_j, network_j = sum(record.joules.values()), sum(record.network_j.values())
    metrics: dict[str, Any] = {
        "requests": completed + log.rejected + log.under_way,
        "completed": completed,
        "rejected": log.rejected,
        "unfinished": log.under_way,
        "devices_kwh": devices_j / J_PER_KWH,
        "network_kwh": network_j / J_PER_KWH,
        "machines_kwh": own.total_j() / J_PER_KWH,
        "sent_gb": record.up_byte / BYTES_PER_GB,
        "received_gb": record.down_byte / BYTES_PER_GB,
        "by_use_kwh": {use: sum(record.joules[kind, use] for kind in record.kinds) / J_PER_KWH for use in USES},
        "by_place": {place: _at_place(queue, _of_pool(own, pool)) for place, (pool, queue) in record.places.items()},
    }
    if completed:
        energies = {"devices": devices_j, "network": network_j, "machines": own.total_j()}
        metrics |= {
            "e2e_s": distribution((done - arrival) * SECONDS_PER_NS),
            "parts_s": {
                name: float(np.frombuffer(column, np.int64).mean()) * SECONDS_PER_NS
                for name, column in zip(PARTS, log.parts, strict=True)
            },
            "energy_j_per_request": {
                **{name: joules / completed for name, joules in energies.items()},
                "total": sum(energies.values()) / completed,
            },
            "by_device": {
                kind: {
                    "completed": int((of == i).sum()),
                    "e2e_s_mean": float((done - arrival)[of == i].mean()) * SECONDS_PER_NS,
                }
                | {"device_j_per_request": sum(record.joules[kind, use] for use in USES) / int((of == i).sum())}
                for i, kind in enumerate(record.kinds)
                if (of == i).any()
            },
            "left_after": {stage: int((left == i).sum()) for i, stage in enumerate(record.stages) if (left == i).any()},
        }
    return metrics


def _of_pool(ledger: Ledger, pool: str) -> Ledger:
    return ledger.where(lambda key: key.pool == pool)


def _at_place(queue: ServiceLog, own: Ledger) -> dict[str, Any]:
    """As of an inference service, and the energy of its machines."""
    return {**queue_metrics(queue, own), "energy_kwh": own.total_j() / J_PER_KWH}
