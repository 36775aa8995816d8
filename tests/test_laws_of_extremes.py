"""Numbers at the ends of what may be written: they give what the law says, or are refused where they stand."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import sim
from sim.engine.serving import fast
from sim.errors import InputError, RunError
from sim.units import parse_ns
from tests.small import small
from tests.test_laws_of_scenarios import unlike

TUNE = "workloads.tune"
RECOVERY = {"detection": {"crash": "1 min"}, "schedule": "1 min", "load": "1 min", "warm_up": "1 min"}


def with_(changes: dict[str, Any]) -> dict[str, Any]:
    """The small scenario with other values at dotted paths; None takes one away."""
    scenario = small()
    for path, value in changes.items():
        *above, last = path.split(".")
        at: Any = scenario
        for key in above:
            at = at[int(key)] if isinstance(at, list) else at[key]
        if value is None:
            del at[last]
        else:
            at[last] = copy.deepcopy(value)
    return scenario


def refused(changes: dict[str, Any]) -> str:
    with pytest.raises(InputError) as error:
        sim.run(with_(changes))
    return str(error.value)


@pytest.mark.parametrize("long", ["146.5 years", "200 years"])
def test_lifetimes_need_no_clock(long: str) -> None:
    """Embodied carbon goes with one over the lifetime, also where that is longer than a simulated clock runs."""

    def embodied(lifetime: str) -> float:
        lives = {"accounting.gpu_lifetime": lifetime, "accounting.server_lifetime": lifetime}
        return float(sim.run(with_(lives)).at("carbon_kg.embodied"))

    years = float(long.split()[0])
    assert embodied(long) == pytest.approx(embodied("5 years") * 5 / years, rel=1e-12)


@pytest.mark.parametrize("lifetime", ["201 years", "1e300 years", "1 s"])
def test_lifetimes_that_cannot_be_are_refused(lifetime: str) -> None:
    assert "must be from 1 day to 200 years" in refused({"accounting.gpu_lifetime": lifetime})


@pytest.mark.parametrize("start", ["1901-01-01T00:00:00Z", "2022-07-04T00:00:00Z"])
def test_an_end_that_no_clock_reaches_is_what_is_wrong(start: str) -> None:
    says = refused({"start": start, "duration": None} | {"end": "2190-01-01T00:00:00Z"})
    assert "end: is longer after the start" in says
    assert "146 years" in says
    assert "grid" not in says


@pytest.mark.parametrize("mtbf", ["1000 years", "1e12 h", "1e300 h"])
def test_what_fails_after_all_runs_changes_nothing(mtbf: str) -> None:
    expected = sim.run(with_({})).summary
    nodes = {"cluster.nodes.0.failures": {"mtbf": mtbf, "repair": "1 h"}}
    assert [one for one in unlike(expected, sim.run(with_(nodes)).summary, rel=0.0) if one[1] is not None] == []
    gpus = {"kind": "device", "per": "gpu", "mtbf": mtbf, "shows": "crash"}
    parts = {"cluster.nodes.0.failures": {"kind": "components", "repair": "1 h", "parts": {"gpu": gpus}}}
    found = sim.run(with_(parts | {f"{TUNE}.recovery": RECOVERY})).summary
    assert found["energy_kwh"] == expected["energy_kwh"]


@pytest.mark.parametrize("mtbf", ["1 ns", "1e-300 h"])
def test_what_fails_faster_than_a_node_boots_is_refused(mtbf: str) -> None:
    """Such a run went on from one nanosecond to the next."""
    says = refused({"cluster.nodes.0.failures": {"mtbf": mtbf, "repair": "0 s"}})
    assert "cluster.nodes.0.failures.mtbf: must be 1 s or more" in says


@pytest.mark.parametrize("rate", ["1e-12 /s", "1e-300 /s", "1e-308 /s"])
def test_next_to_no_requests_are_none(rate: str) -> None:
    found = sim.run(with_({"workloads.api.arrivals.rate": rate})).summary
    assert found["serving"]["api"]["requests"] == 0


@pytest.mark.parametrize(
    "arrivals",
    [{"kind": "poisson", "rate": "1e9 jobs/h"}, {"kind": "poisson", "load": {"utilisation": "80 %", "gpus": 16}}],
)
def test_more_jobs_than_memory_holds_are_refused_before_they_are_drawn(arrivals: dict[str, Any]) -> None:
    short = {"name": "short", "share": 1, "gpus": {"kind": "constant", "gpus": 1}}
    source = {
        "kind": "generated",
        "arrivals": arrivals,
        "jobs": [{**short, "run": {"kind": "exponential", "mean": "1 us"}}],
        "limits": {"kind": "none"},
    }
    jobs = {"kind": "jobs", "source": source, "load": {"kind": "measured", "active": "300 W"}, "cpu_load": 0.1}
    assert "workloads.rows.source.arrivals: gives more than 50,000,000 jobs" in refused({"workloads.rows": jobs})


@pytest.mark.parametrize(("duration", "bin_"), [("1 ns", "1 h"), ("1 us", "1 ns"), ("140 years", "1000 d")])
def test_energy_is_power_times_time_from_a_nanosecond_to_a_century(duration: str, bin_: str) -> None:
    def mean_w(duration: str, bin_: str) -> float:
        held = {"workloads.api": None, f"{TUNE}.work.gpu_hours": 1e10, "duration": duration, "outputs.bin": bin_}
        return float(sim.run(with_(held)).at("energy_kwh.it")) / parse_ns(duration)

    assert mean_w(duration, bin_) == pytest.approx(mean_w("6 h", "1 h"), rel=1e-9)


@pytest.mark.parametrize("price", ["-0.07 USD/kWh", "0 USD/kWh", "100 USD/kWh"])
def test_costs_are_linear_in_prices_of_any_sign(price: str) -> None:
    found = sim.run(with_({"site.grid.price": price}))
    assert found.at("cost.energy") == pytest.approx(
        float(price.split()[0]) * found.at("energy_kwh.facility"), rel=1e-12
    )


def test_a_pue_of_one_adds_nothing() -> None:
    found = sim.run(with_({"site.facility.pue": 1}))
    assert found.at("energy_kwh.facility") == found.at("energy_kwh.it")
    assert found.at("kpi.pue") == 1.0


def test_a_service_with_more_requests_than_it_can_hold_is_overloaded_and_not_out_of_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fast, "MOST_SLOTS", fast.ROOMS[0])
    tokens = {"kind": "constant", "tokens": 99}
    lengths = {"kind": "separate", "prompt": tokens, "output": tokens}
    arrivals = {"kind": "poisson", "rate": "1e5 request/s"}
    with pytest.raises(RunError, match="the service is overloaded"):
        sim.run("disaggregated", set={"workloads.api.arrivals": arrivals, "workloads.api.lengths": lengths})
