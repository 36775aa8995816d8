"""What is damaged: a sound input of every kind, all of it made here or shipped with the package."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sim.documents import read_document
from sim.loading.scenario import load_scenario, shipped_scenarios
from sim.profiles.catalog import shipped_folder
from tests.small import small
from tests.test_codecarbon_versions import emissions
from tests.test_exporters import as_text, counter, gauge
from tests.test_grid_damage import READERS as GRID_READERS
from tests.test_grid_damage import _sound as grid_file
from tests.test_measure_commands import clock_csv, loads_csv
from tests.test_more_meters import WHOLE as MORE_METERS
from tests.test_nvidia_smi_columns import log as smi_log
from tests.test_publishers_files import DAMAGED as PUBLISHERS
from tests.test_readers import WHOLE, api
from tests.test_request_traces import AZURE, BAILIAN, BURST_1, BURST_3, MOONCAKE, OWN, RAGPULSE
from tests.test_weather import _epw, _open_meteo

TRACES: Mapping[str, tuple[str, str]] = {
    "azure": (AZURE, "csv"),
    "burstgpt": (BURST_1 + "6,GPT-4,9,5,14,API log\n", "csv"),
    "burstgpt-3": (BURST_3, "csv"),
    "mooncake": (MOONCAKE, "jsonl"),
    "bailian": (BAILIAN, "jsonl"),
    "ragpulse": (RAGPULSE, "jsonl"),
    "own": (OWN, "csv"),
}
_KEPLER = api(
    *(counter("kepler_node_cpu_joules_total", 10.0, zone=zone) for zone in ("package", "core", "dram")),
    gauge("kepler_node_cpu_watts", 10.0, zone="package"),
)
_SCAPHANDRE = api(
    gauge("scaph_host_power_microwatts", 130e6), gauge("scaph_socket_power_microwatts", 80e6, socket_id="0")
)
RECORDINGS: Mapping[str, str] = {
    **WHOLE,
    **MORE_METERS,
    "nvidia-smi columns": smi_log([("300.00 W", "299.00 W", "1 W"), ("[N/A]", "70.00 W", "1 W")]),
    "CodeCarbon 3": emissions("3.2.0", 1.3) + emissions("3.2.0", 1.3, minutes=50, run="r2").split("\n", 1)[1],
    "Kepler text": as_text(_KEPLER),
    "Kepler API": _KEPLER,
    "Scaphandre text": as_text(_SCAPHANDRE),
}
SERVEGEN_WINDOWS = "0,5.0,2.0,Gamma,0.25,0.8\n600,0,,,,\n1200,20.0,0.5,Weibull,2.1,0.05\n"
SERVEGEN_LENGTHS = json.dumps(
    {
        "0": {"input_tokens": "{10: 0.5, 30: 0.5}", "output_tokens": "{7: 1.0}"},
        "1200": {"input_tokens": "{99: 1}", "output_tokens": "{1: 1.0, 2: 5}"},
    }
)
STEPS = "phase,tokens,time_ms\nprompt,1,8.5\nprompt,512,30\nprompt,2048,110\ndecode,1,7\ndecode,64,9.5\ndecode,64,9.7\n"
_HOURS = [f"2022-07-04T{hour:02}:00:00Z" for hour in range(24)]
SERIES = "datetime_utc,carbon_intensity\n" + "".join(f"{t},{300 + i}\n" for i, t in enumerate(_HOURS))
RATES = "datetime_utc,rate\n" + "".join(f"{t},{0.1 + i / 100}\n" for i, t in enumerate(_HOURS))
COUNTS = "interval_end_utc,requests\n" + "".join(f"{t},{i}\n" for i, t in enumerate(_HOURS))
TIMES = "timestamp_utc\n" + "".join(f"{t}\n" for t in _HOURS)
TMY3_NAMES = (
    "Date (MM/DD/YYYY),Time (HH:MM),GHI (W/m^2),DNI (W/m^2),DHI (W/m^2),Dry-bulb (C),RHum (%),Pressure (mbar),"
    "Wspd (m/s)"
)


def _made(write: Callable[[Path], Path]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write(Path(folder)).read_bytes()


@cache
def epw() -> bytes:
    """A year of hours."""
    return _made(_epw)


@cache
def tmy3() -> bytes:
    """A year of hours."""
    rows = ['722590,"TOWN",TX,-6.0,32.9,-97.0,170', TMY3_NAMES]
    first = datetime(2021, 1, 1, tzinfo=UTC).timestamp()
    for i in range(8760):
        when = datetime.fromtimestamp(first + 3600 * i, UTC)
        rows.append(f"{when:%m/%d/%Y},{when.hour + 1:02}:00,0,0,0,{when.month},{when.hour + 1},980,4")
    return ("\n".join(rows) + "\n").encode()


@cache
def open_meteo() -> bytes:
    """A day of hours as JSON."""
    return _made(_open_meteo)


OPEN_METEO_CSV = (
    "latitude,longitude,elevation,utc_offset_seconds,timezone,timezone_abbreviation\n32.9,-97.0,180.0,0,GMT,GMT\n\n"
    "time,temperature_2m (°C),relative_humidity_2m (%),wind_speed_10m (km/h)\n"
    + "".join(f"2022-01-01T{h:02}:00,{h},50,36\n" for h in range(24))
).encode()


@cache
def month_hours() -> bytes:
    """The weather of twelve days that ships."""
    return (shipped_folder("scenarios") / "data" / "dallas.csv").read_bytes()


@cache
def grid(name: str) -> bytes:
    """A file of a publisher of grid data, by the name that ``tests.test_grid_damage`` gives it."""
    return _made(lambda folder: grid_file(folder, name))


@cache
def publisher(name: str) -> bytes:
    """A publisher's own file, by the name that ``tests.test_publishers_files`` gives it."""
    return _made(lambda folder: PUBLISHERS[name][0](folder / name))


@cache
def clock_table() -> bytes:
    """Measured rows by clock and cap."""
    return _made(clock_csv)


@cache
def load_table() -> bytes:
    """Measured rows by load."""
    return _made(loads_csv)


@cache
def scenarios() -> tuple[dict[str, Any], ...]:
    """Every shipped scenario, with what it extends and with whole paths of its files; and the tests' small one."""
    folder = shipped_folder("scenarios")
    shipped = [dict(load_scenario(folder / f"{name}.yaml").document.data) for name in sorted(shipped_scenarios())]
    return (small(), uncertain(), *shipped)


def uncertain() -> dict[str, Any]:
    """The small scenario with distributions, a sample of requests, a policy and failures."""
    data = small()
    data["uncertainty"] = {
        "draws": 8,
        "seeds": 1,
        "over": {
            "site.grid.intensity": {"kind": "lognormal", "cv": "10 %"},
            "site.facility.pue": {"kind": "triangular", "low": 1.1, "mode": 1.2, "high": 1.4},
            "embodied": {"kind": "from-profiles"},
        },
        "groups": [{"paths": ["site.grid.intensity", "site.facility.pue"], "correlation": 0.5}],
    }
    data["outputs"] = {"bin": "1 h", "requests": {"sample": 10}}
    data["policies"] = [
        {
            "kind": "power-cap",
            "target": "tune",
            "cap": "300 W",
            "when": {"kind": "daily", "since": "01:00", "until": "03:00"},
        }
    ]
    data["cluster"]["nodes"][0] |= {"failures": {"mtbf": "30 d", "repair": "1 h"}, "idle_timeout": "10 min"}
    return data


@cache
def studies() -> tuple[dict[str, Any], ...]:
    """Every shipped study, and small ones of the other designs."""
    folder = shipped_folder("scenarios") / "studies"
    shipped = [dict(read_document(path).data) for path in sorted(folder.glob("*.yaml"))]
    base = small()
    axes = {"site.facility.pue": {"range": [1.1, 1.5]}, "workloads.api.arrivals.rate": ["0.1 /s", "0.5 /s"]}
    designs = (
        {"kind": "sobol", "points": 4},
        {"kind": "latin-hypercube", "points": 3},
        {"kind": "random", "points": 2},
    )
    own = [{"name": "own", "base": copy.deepcopy(base), "axes": copy.deepcopy(axes), "design": d} for d in designs]
    return (*shipped, *own)


@cache
def profiles() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Every shipped profile by the name of its file."""
    found = sorted(shipped_folder("hardware_profiles").rglob("*.yaml"))
    return tuple((path.stem, dict(read_document(path).data)) for path in found)


__all__ = ["GRID_READERS", "PUBLISHERS"]
