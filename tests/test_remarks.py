"""What a scenario asks for and cannot get is told before it runs: who follows a signal that never changes, and an SCI
of more than its unit counts. What nobody lacks is not told.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sim.errors import InputError
from sim.follow.drift import _above_tdp
from sim.loading.scenario import load_scenario
from tests.commands import coldaisle
from tests.plants import COOLING
from tests.small import small

BATTERY: dict[str, Any] = {
    "kind": "battery",
    "energy": "100 kWh",
    "power": "50 kW",
    "round_trip": 0.9,
    "start": "50 %",
    "self_discharge": "2 %",
    "life": {"end_of_life": 0.8, "cycles": 6000, "calendar": "15 years"},
    "lifecycle": "ivl-2019-lithium-ion",
}
FLEXIBLE = {"kind": "flexible-start", "signal": "carbon", "within": "2 h", "forecast": {"kind": "perfect"}}
CAP = {"kind": "power-cap", "target": "tune", "cap": "200 W"}


def varying(folder: Path) -> dict[str, Any]:
    """A grid by the hour, clean and cheap in every second one."""
    rows = [
        f"2022-07-0{day} {hour:02}:00:00,{100 + 300 * (hour % 2)},{hour % 2}" for day in (3, 4, 5) for hour in range(24)
    ]
    (folder / "grid.csv").write_text("\n".join(["datetime_utc,carbon_intensity,price", *rows]) + "\n")
    file = str(folder / "grid.csv")
    return {
        "intensity": {"kind": "series", "file": file, "unit": "1 gCO2e/kWh"},
        "price": {"kind": "series", "file": file, "unit": "1 USD/kWh"},
    }


def asked(what: str) -> dict[str, Any]:
    """The small scenario with somebody in it who follows a signal."""
    scenario = small()
    if what in ("price", "carbon", "self-consumption"):
        scenario["site"]["on_site"] = [
            {"kind": "connection", "export_limit": "0 W"},
            BATTERY | {"dispatch": {"kind": what}},
        ]
    elif what == "schedule":
        scenario["workloads"]["tune"]["schedule"] = FLEXIBLE
    elif what == "cap":
        when = {"kind": "above", "signal": "price", "level": "0.5 USD/kWh"}
        scenario["policies"] = [CAP | {"when": when}]
    elif what == "daily":
        scenario["policies"] = [CAP | {"when": {"kind": "daily", "since": "01:00", "until": "02:00"}}]
    elif what == "scheduler":
        scenario["cluster"]["scheduler"] = {"kind": "carbon-aware", "signal": "carbon", "then": {"kind": "fifo"}}
    return scenario


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("carbon", "site.on_site.1.dispatch: follows the grid's intensity"),
        ("price", "site.on_site.1.dispatch: follows the grid's price"),
        ("schedule", "workloads.tune.schedule: follows the grid's intensity"),
        ("cap", "policies.0.when: follows the grid's price"),
        ("scheduler", "cluster.scheduler: follows the grid's intensity"),
    ],
)
def test_who_follows_a_signal_is_told_that_it_never_changes(what: str, says: str, tmp_path: Path) -> None:
    scenario = asked(what)
    (told,) = load_scenario(scenario).remarks()
    assert told.startswith(says)
    scenario["site"]["grid"]["intensity"] = {"kind": "average", "region": "DEU"}  # a mean of a year is one number, too
    assert any(line.startswith(says) for line in load_scenario(scenario).remarks())
    scenario["site"]["grid"] = varying(tmp_path)
    assert load_scenario(scenario).remarks() == []


@pytest.mark.parametrize("what", ["self-consumption", "daily"])
def test_who_follows_none_is_told_nothing(what: str) -> None:
    assert load_scenario(asked(what)).remarks() == []


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_series_without_its_column_says_which_field_names_it(suffix: str, tmp_path: Path) -> None:
    when = pd.date_range("2022-07-04", periods=3, freq="6h", tz="UTC")
    frame = pd.DataFrame({"Interval Start": when, "carbon_intensity": [1.0, 2.0, 3.0]})
    path = tmp_path / f"grid.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path, index=False)
    scenario = small()
    scenario["site"]["grid"]["intensity"] = {"kind": "series", "file": str(path), "unit": "1 gCO2e/kWh"}
    with pytest.raises(InputError, match=r"no column 'datetime_utc'.*'time_column:' says which to take"):
        load_scenario(scenario)
    scenario["site"]["grid"]["intensity"] |= {"time_column": "Interval Start", "column": "ci"}
    with pytest.raises(InputError, match=r"no column 'ci'.*'column:' says which to take"):
        load_scenario(scenario)


def test_an_sci_of_more_than_its_unit_counts_says_of_what_more() -> None:
    scenario = small()
    scenario["accounting"]["functional_unit"] = {"of": "api", "per": "request"}
    (told,) = load_scenario(scenario).remarks()
    assert told == "accounting.functional_unit: the SCI is of all that runs, 'tune' too, per request of 'api' alone"
    del scenario["workloads"]["tune"]
    assert load_scenario(scenario).remarks() == []


def test_a_trace_that_begins_after_the_run_keeps_nothing_and_says_so() -> None:
    whole = load_scenario("gb300-rack")
    assert not [line for line in whole.remarks() if ".trace" in line]
    (told,) = [line for line in load_scenario("gb300-rack", {"duration": "30 min"}).remarks() if ".trace" in line]
    assert told == "workloads.pretrain.trace.start: 1 h is past the end of the run: no power is kept"


def test_a_route_counts_all_that_it_leads_to() -> None:
    loaded = load_scenario("geo-shifted-service", {"accounting.functional_unit": "{of: chat, per: request}"})
    assert loaded.remarks() == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("sensitivity", "x.yaml", "--method", "foo"), "'foo' is not one of 'sobol', 'morris', 'oat'"),
        (("run", "x.yaml", "--seed", "abc"), "must be a whole number, and is abc"),
        (("run", "x.yaml", "--workers", "0"), "must be at least 1, and is 0"),
    ],
)
def test_a_fault_of_an_options_value_is_put_as_one_of_a_scenario(
    words: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    done = coldaisle(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert "Value error" not in done.stderr
    assert "Input should" not in done.stderr


def test_the_help_of_a_command_flows_as_wide_as_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line ends where the source's did: each but the last of a paragraph has no room for the next word."""
    monkeypatch.setenv("COLUMNS", "80")
    for command in ("calibrate", "validate", "follow"):
        told = coldaisle(command, "--help", cwd=tmp_path).stdout
        lines = [line.strip() for line in told.split("Usage:")[1].split("\n╭")[0].splitlines()[1:]]
        assert len(lines) > 4
        for line, following in pairwise(lines):
            if line and following:
                assert len(f"{line} {following.split()[0]}") > 78


def test_a_board_without_kernels_says_how_else_to_describe_its_service() -> None:
    """TPUs have no law of kernels: who compares them with GPUs is told what to write."""
    with pytest.raises(InputError) as caught:
        load_scenario(
            "chat-service",
            {
                "cluster.nodes.0": "{profile: tpu-v5p-host, count: 2}",
                "workloads.chat.precision": "{weights: bf16}",
                "workloads.chat.replicas.tensor_parallel": "4",
            },
        )
    assert "describe the service by its times (kind: inference)" in str(caught.value)


def test_cold_plates_in_a_server_cooled_by_air_say_that_its_fans_go_on() -> None:
    plates = {"site.facility.cooling": COOLING["direct-to-chip"]}
    told = [line for line in load_scenario("dallas-on-ercot", plates).remarks() if "liquid_share" in line]
    assert len(told) == 1
    assert told[0].startswith("site.facility.cooling.liquid_share: 'dgx-h100' is the profile of a server cooled by air")
    assert "250 to 1,000 W" in told[0]
    rack = {**plates, "cluster.nodes.0": {"profile": "gb200-nvl72", "count": 2}}
    assert not [line for line in load_scenario("dallas-on-ercot", rack).remarks() if "liquid_share" in line]


def test_a_meter_that_reads_more_than_a_board_may_draw_is_told() -> None:
    watts = {"n0/gpu0": np.array([200.0, np.nan, 90_000.0]), "n0/gpu1": np.array([700.0, 890.0, np.nan])}
    [told] = _above_tdp("h100/gpu", watts, 700.0)
    assert told.startswith("h100/gpu: n0/gpu0 read up to 90,000 W in a bin, where a GPU of the twin may draw 700 W")
    assert _above_tdp("h100/gpu", {"n0/gpu1": watts["n0/gpu1"]}, 700.0) == []  # 1.27 of it, as samples may be
    assert _above_tdp("node", watts, 0.0) == []


def test_a_log_of_watts_says_what_a_calibration_needs(tmp_path: Path) -> None:
    rows = [f"2026/03/01 10:00:{second:02}.000, 0, NVIDIA L4, {second % 7 + 20}.0 W" for second in range(30)]
    (tmp_path / "smi.csv").write_text("\n".join(["timestamp, index, name, power.draw [W]", *rows]) + "\n")
    done = coldaisle("calibrate", "smi.csv", "--out", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "does not say what work was done; record with --suite" in " ".join(done.stderr.split())
