"""Finished runs in folders, for tests of what is made from them: small ones that have each table, each run once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import sim
from sim.exports.run import Run
from sim.results.files import read, write
from tests.small import small

HOSTILE = "=<script>alert('x')</script>| \"quotes\" \\ `code` \u202etxet\u202c\x1b[31m\nsecond line & more"
LONG = HOSTILE + "x" * 10_000


def _small(**changes: Any) -> dict[str, Any]:
    data = small()
    data["site"]["grid"]["market"] = {"residual_mix": "500 gCO2e/kWh"}
    data["accounting"]["functional_unit"] = {"of": "api", "per": "request", "count": 1000}
    return {**data, **changes}


def _uncertain() -> dict[str, Any]:
    over = {"site.grid.intensity": {"kind": "uniform", "low": "300 gCO2e/kWh", "high": "500 gCO2e/kWh"}}
    return _small(uncertainty={"draws": 8, "seeds": 1, "over": over})


SCENARIOS: dict[str, tuple[Any, dict[str, Any]]] = {
    "small": (_small, {}),
    "hostile": (lambda: _small(name=HOSTILE, description=LONG), {}),
    "uncertain": (_uncertain, {}),
    "market": (lambda: "solar-and-battery", {}),
    "two sites": (lambda: "split-detector", {}),
    "tokens": (lambda: "rag-service", {"duration": "30 s", "outputs.requests": "all"}),
    "iterations": (lambda: "rag-service", {"duration": "10 s", "outputs.iterations": 50}),
    "training": (lambda: "gb300-rack", {"workloads.pretrain.trace.window": "1 s"}),
    "steps": (lambda: "llama-70b-training", {}),
    "rows": (lambda: "spot-training", {}),
    "campaign": (lambda: "automl-campaign", {}),
    "convention": (lambda: "bloom-training", {}),
    "devices": (lambda: "federated-fleet", {}),
}


@cache
def run_of(name: str) -> Run:
    """A finished run, in a folder of its own."""
    source, changes = SCENARIOS[name]
    folder = Path(mkdtemp(prefix="coldaisle-exports-")) / "run"
    write(sim.run(source(), set=changes), folder)
    return Run(folder, read(folder))
