"""What is cut into parts adds up to what was whole: a run in time, pools, sites, and requests dealt out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

import sim
from sim.results.results import Results
from tests.test_laws_of_scenarios import ROUNDING

SUMS = (
    "energy_kwh.it", "energy_kwh.facility", "carbon_kg.operational_location", "carbon_kg.embodied", "water_l.onsite",
    "water_l.offsite", "cost.energy",
)  # fmt: skip


def told(results: Results) -> dict[str, float]:
    """What adds up, as far as the scenario has it."""
    found = {}
    for path in SUMS:
        part, _, name = path.partition(".")
        if results.summary.get(part, {}).get(name) is not None:
            found[path] = float(results.at(path))
    return found


def add_up(whole: Results, parts: Iterable[Results]) -> None:
    of_parts = [told(part) for part in parts]
    expected = told(whole)
    assert len(expected) >= 4
    for path, value in expected.items():
        assert sum(part[path] for part in of_parts) == pytest.approx(value, rel=ROUNDING), path


def held(gpus: int, **more: Any) -> dict[str, Any]:
    """Work that fills its GPUs from the first instant on and never ends: nothing in it remembers."""
    load = {"kind": "nameplate"}
    return {
        "kind": "training",
        "gpus": gpus,
        "work": {"kind": "gpu-hours", "gpu_hours": 1e9, "load": load},
        "cpu_load": 0.3,
        **more,
    }


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("dallas-on-ercot", "2022-07-04T05:00:00Z"),
        ("dallas-on-ercot", "2022-03-12T06:00:00Z"),  # clocks go forward in it
        ("dallas-on-ercot", "2022-11-05T05:00:00Z"),  # and back
        ("dallas-on-ercot", "2024-02-28T06:00:00Z"),  # a leap day
        ("dallas-on-ercot", "2022-12-31T06:00:00Z"),
        ("seattle", "2022-07-04T07:00:00Z"),
    ],
)
def test_a_run_cut_at_an_edge_of_a_bin_is_two_runs(name: str, start: str) -> None:
    def part(after_h: int, hours: int) -> Results:
        begins = datetime.fromisoformat(start) + timedelta(hours=after_h)
        work = {"workloads.pretrain": held(128), "start": begins.isoformat(), "duration": f"{hours} h"}
        return sim.run(name, set=work)

    add_up(part(0, 48), [part(0, 19), part(19, 29)])


def site(**more: Any) -> dict[str, Any]:
    return {
        "grid": {"intensity": "400 gCO2e/kWh", "price": "0.18 USD/kWh"},
        "facility": {"kind": "fixed-pue", "pue": 1.25},
        "water": {"wue": "1.8 L/kWh", "ewif": "3.1 L/kWh"},
        **more,
    }


def ran(pools: dict[str, tuple[int, str]], places: tuple[str, ...]) -> Results:
    """Pools of so many nodes at their sites, each with work on all but one of its GPUs."""
    return sim.run(
        {
            "name": "parts",
            "start": "2025-01-06T00:00:00Z",
            "duration": "9 h",
            "sites": {place: site() for place in places},
            "cluster": {
                "nodes": [
                    {"profile": "dgx-h100", "count": count, "name": name, "site": place}
                    for name, (count, place) in pools.items()
                ]
            },
            "workloads": {f"on-{name}": held(8 * count, pool=name) for name, (count, _) in pools.items()},
            "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
        }
    )


def test_a_pool_is_as_two_of_its_parts() -> None:
    """A type of node that stands twice in a cluster, too."""
    add_up(ran({"all": (7, "here")}, ("here",)), [ran({"some": (3, "here"), "others": (4, "here")}, ("here",))])


def test_a_site_is_as_two_of_its_like() -> None:
    one = ran({"some": (3, "here"), "others": (4, "here")}, ("here",))
    add_up(one, [ran({"some": (3, "here"), "others": (4, "there")}, ("here", "there"))])
    add_up(one, [ran({"some": (3, "here")}, ("here",)), ran({"others": (4, "there")}, ("there",))])


def test_requests_dealt_out_to_two_workloads_are_those_of_two_replicas(tmp_path: Path) -> None:
    """By turns, each is alone with its own: times, tokens and joules are the same to the rounding of sums."""
    rng = Random(3)
    at_s = sorted(rng.uniform(0.0, 500.0) for _ in range(400))
    begins = datetime(2025, 1, 6, tzinfo=UTC)
    times = [(begins + timedelta(seconds=at)).isoformat() for at in at_s]
    rows = [f"{at},{rng.randint(1, 3000)},{rng.randint(1, 300)}" for at in times]

    def file(name: str, own: list[str]) -> str:
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(["timestamp_utc,prompt_tokens,output_tokens", *own]) + "\n")
        return str(path)

    def served(parts: dict[str, list[str]], replicas: int) -> Results:
        work = {
            name: {
                "kind": "serving",
                "model": "llama-3.1-8b",
                "stack": "vllm-2025",
                "precision": {"weights": "bf16"},
                "replicas": {"count": replicas},
                "batching": {"max_num_seqs": 64, "max_num_batched_tokens": 2048},
                "routing": "round-robin",
                "arrivals": {"kind": "trace", "file": file(name, own), "align": "clock"},
                "cpu_load": 0.1,
            }
            for name, own in parts.items()
        }
        return sim.run(
            {
                "name": "dealt",
                "start": "2025-01-06T00:00:00Z",
                "duration": "20 min",
                "site": site(),
                "cluster": {"nodes": [{"profile": "dgx-h100", "count": 1}]},
                "workloads": work,
                "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
            }
        )

    one = served({"all": rows}, 2)
    two = served({"even": rows[0::2], "odd": rows[1::2]}, 1)
    add_up(one, [two])
    whole = one.summary["serving"]["all"]
    parts = list(two.summary["serving"].values())
    for count in ("requests", "completed"):
        assert sum(part[count] for part in parts) == whole[count] >= 400
    waited = sum(part["e2e_s"]["mean"] * part["completed"] for part in parts)
    assert waited == pytest.approx(whole["e2e_s"]["mean"] * whole["completed"], rel=ROUNDING)
