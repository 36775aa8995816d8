"""All powers k times as high, of machines, devices, networks and limits: energies are k times what they were, and times
and counts stay. Trainings laid out by their model are left out: their share of the peak goes with the peak's FLOP for a
joule of the board's limit (``sim/training/compute.py``), which is a number of its own."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.profiles.catalog import shipped_folder
from tests.test_laws_of_scenarios import leaves

K = 2.0
"""Of doubles only the exponents change."""
POWER = re.compile(
    r"(?<![\w.-])(\d+(?:\.\d+)?(?:e[+-]?\d+)?) ([kM]?W(?:/GB)?|[pnfm]?J/(?:FLOP|B)|[kM]?Wh(?:/GB)?)(?![\w/])"
)
CUT = {
    "dallas-on-ercot": {"duration": "2 d"},
    "disaggregated": {"duration": "15 min"},
    "federated-central": {},
    "oversubscribed-row": {"duration": "1 d"},
    "picture-service": {"duration": "30 min"},
    "split-detector": {"duration": "20 s"},
    "t5-answers": {"duration": "30 min"},
    "t5-fine-tuning": {},
}
TOLD = {"batch", "energy_kwh", "federated", "jobs", "serving", "simulated_s", "split"}
ENERGIES = re.compile(r"_kwh|energy_j|power_w|j_per|_w\b")
ENDS = 5e-5
"""Relative: energies of served iterations are whole nJ for each token and pair of tokens."""


def more(written: Any) -> Any:
    """Every quantity of power or energy in it, k times as much."""
    if isinstance(written, dict):
        return {key: more(value) for key, value in written.items()}
    if isinstance(written, list):
        return [more(value) for value in written]
    return (
        POWER.sub(lambda found: f"{float(found[1]) * K!r} {found[2]}", written) if isinstance(written, str) else written
    )


@cache
def profiles(folder: Path) -> str:
    """Where profiles of the shipped names stand that draw k times as much."""
    folder.mkdir()
    for kind in ("gpus", "cpus", "nodes", "devices"):
        for file in (shipped_folder("hardware_profiles") / kind).glob("*.yaml"):
            (folder / file.name).write_text(more(file.read_text(encoding="utf-8")), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize("name", CUT)
def test_k_times_the_watts_are_k_times_the_energy_at_the_same_times(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    once = sim.run(name, set=CUT[name])
    scenario = json.loads(json.dumps(once.scenario))
    kept = {"name": name, "accounting": scenario["accounting"]}
    folder = profiles(tmp_path_factory.getbasetemp() / "more")
    twice = dict(leaves(sim.run({**more(scenario), **kept, "profiles": folder}).summary))
    found = set()
    for part in TOLD & once.summary.keys():
        for path, value in leaves(once.summary[part], (part,)):
            if not isinstance(value, int | float) or "share" in path:
                continue
            factor = K if ENERGIES.search(path) else 1.0
            found.add(factor)
            assert twice[path] == pytest.approx(factor * value, rel=ENDS, abs=1e-12), path
    assert found == {1.0, K}
