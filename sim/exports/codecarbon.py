"""CodeCarbon's ``emissions.csv`` (the 38 columns of 3.3.2): a row a site, IT energy as the meters have it.

CodeCarbon's ``pue`` is no fact beside the others: since 2.2.3 it is a factor that its energies already hold, since
3.3.1 its powers too, and its ``water_consumed`` is WUE times the energy *with* it. Readers that know this divide by the
column, others take the energy as it stands. A ``pue`` of 1 beside plain IT energy is read alike by both, in whatever
version they believe: so it is 1 here. What the building adds is in ``emissions`` (the operational, location-based
carbon of the whole facility, without that of users' devices and of networks outside, whose energy is not in the row
either) and in ``water_consumed`` (on-site water); ``wue`` is litres per kWh of IT, as The Green
Grid defines it (White Paper 35, 2011).

GPUs, CPUs and DRAM have columns of their own; boards, fans, NICs, disks and losses of power supplies have none, and are
in ``energy_consumed`` alone. A cell is empty where a run does not know its number.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.exports.run import Run, one_line
from sim.units import J_PER_KWH

VERSION = "3.3.2"
"""Whose columns these are, and whose meaning of them."""

COLUMNS = [
    "timestamp", "project_name", "run_id", "experiment_id", "duration", "emissions", "emissions_rate", "cpu_power",
    "gpu_power", "ram_power", "cpu_energy", "gpu_energy", "ram_energy", "energy_consumed", "water_consumed",
    "country_name", "country_iso_code", "region", "cloud_provider", "cloud_region", "os", "python_version",
    "codecarbon_version", "cpu_count", "cpu_model", "gpu_count", "gpu_model", "longitude", "latitude",
    "ram_total_size", "tracking_mode", "cpu_utilization_percent", "gpu_utilization_percent",
    "ram_utilization_percent", "ram_used_gb", "on_cloud", "pue", "wue",
]  # fmt: skip

PARTS = {"cpu": "cpu", "gpu": "gpu", "ram": "dram"}
"""CodeCarbon's word for a component, and ours."""

OUTSIDE = ("devices", "wan")
"""Components that are neither IT nor the building: users' devices, and the networks between them and sites."""


def emissions_csv(run: Run) -> str:
    """The file: kWh, W, kg, kg/s, L and s, as CodeCarbon has them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(run, site, account) for site, account in run.sites.items())
    return text.getvalue()


def is_ours(path: Path) -> bool:
    """Whether a file has these columns, and every row of it is a run of this package."""
    with path.open(encoding="utf-8", newline="", errors="replace") as stream:
        try:
            table = csv.DictReader(stream)
            return table.fieldnames == COLUMNS and all(str(row["os"]).startswith("coldaisle ") for row in table)
        except csv.Error:
            return False


def _row(run: Run, site: str, account: Mapping[str, Any]) -> dict[str, object]:
    seconds, energy = run.summary["simulated_s"], account["energy_kwh"]
    parts = {word: energy["by_component"][name] for word, name in PARTS.items() if name in energy["by_component"]}
    carbon, kpi = account["carbon_kg"], account["kpi"]
    emissions_kg = carbon["operational_location"] - sum(carbon["by_component"].get(name, 0.0) for name in OUTSIDE)
    gpus, models = _hardware(run, site, "gpu")
    return {
        "timestamp": run.end,
        "project_name": run.name,
        "run_id": run.identity if len(run.sites) == 1 else f"{run.identity}-{one_line(site)}",
        "experiment_id": run.identity,
        "duration": seconds,
        "emissions": emissions_kg,
        "emissions_rate": emissions_kg / seconds,
        **{f"{word}_power": kwh * J_PER_KWH / seconds for word, kwh in parts.items()},
        **{f"{word}_energy": kwh for word, kwh in parts.items()},
        "energy_consumed": energy["it"],
        "water_consumed": account["water_l"].get("onsite", ""),
        "region": one_line(site),
        "os": f"{run.generator}, simulated",
        "python_version": run.results.manifest["versions"].get("python", ""),
        "codecarbon_version": VERSION,
        "cpu_model": _hardware(run, site, "cpu")[1],
        "gpu_count": gpus or "",
        "gpu_model": f"{gpus} x {models}" if gpus else "",
        "tracking_mode": "machine",
        "on_cloud": "N",
        "pue": 1.0,
        "wue": kpi.get("wue_l_per_kwh", ""),
    }


def _hardware(run: Run, site: str, component: str) -> tuple[int, str]:
    """The most slots of a component that were on at a site, and the names of their profiles."""
    ledger = run.results.energy
    rows = [
        i
        for i, key in enumerate(ledger.keys)
        if key.component == component and (len(run.sites) == 1 or key.site == site)
    ]
    names = sorted({ledger.keys[i].hardware for i in rows})
    if not rows:
        return 0, ""
    slots = ledger.slot_ns[rows].sum(axis=0) / np.diff(ledger.edges_ns)
    return round(float(slots.max())), " and ".join(one_line(name) for name in names)
