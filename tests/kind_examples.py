"""A small valid example of every kind that a scenario may choose, and the files that some of them read.

A kind that needs no more than its name needs no example here, nor one whose spec class has an ``example`` of its own.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from tests.grid_files import START, hour_of, maps_json, price_csv, time_units, watttime_json
from tests.kernel_tables import VERSION
from tests.plants import COOLING, plant_spec
from tests.test_publishers_files import _australia, _charts, _eia930, _entsoe_py, _uk
from tests.test_weather import _epw, _open_meteo
from tests.test_weather_steps import _tmy3

HOURS = 24
OTHER_START = ("uk.json", "eia.csv", "australia.json", "australia_price.json")
"""Files whose day is another, ``tests.test_publishers_files.START``."""


def write_files(folder: Path) -> None:
    """A day of each format, from midnight of ``START`` on; tables of months, and years of weather."""
    hours = [hour_of(i) for i in range(HOURS)]
    (folder / "plain.csv").write_text(
        "datetime_utc,value\n" + "".join(f"{t.isoformat()},{0.01 * i}\n" for i, t in enumerate(hours))
    )
    months = "".join(f"{m},{h},{h},{2 * h + 1},20,0.5,100000\n" for m in range(1, 13) for h in range(24))
    (folder / "months.csv").write_text("month,hour_utc,x,y,dry_bulb_c,relative_humidity,pressure_pa\n" + months)
    maps_json(folder / "maps.json", [100.0 + i for i in range(HOURS)])
    watttime_json(folder / "watttime.json", [1000.0 + i for i in range(HOURS)])
    _uk(folder / "uk.json", [(200.0, 210.0)] * (2 * HOURS))
    _eia930(folder / "eia.csv", {"Coal": [5] * HOURS, "Natural Gas": [3] * HOURS})
    index = pd.DatetimeIndex(hours)
    _entsoe_py(folder / "entsoe.csv", index, {("Fossil Gas", "Actual Aggregated"): [1.0] * HOURS})
    frame = pd.DataFrame({"Interval Start": index, "Interval End": index + pd.Timedelta("1h")})
    frame.assign(**{"Natural Gas": 2.0, "Wind": 1.0}).to_csv(folder / "gridstatus.csv", index=False)
    frame.assign(Location="A", LMP=20.0).to_csv(folder / "lmp.csv", index=False)
    answer = {"unix_seconds": [int(t.timestamp()) for t in hours]}
    types = {"production_types": [{"name": "Wind onshore", "data": [2.0] * HOURS}]}
    (folder / "charts.json").write_text(json.dumps(answer | types))
    _charts(folder / "charts_price.json", hours, [float(i - 3) for i in range(HOURS)])
    _australia(folder / "australia.json", "power", "MW", "1h", {("NSW1", "coal_black"): [3.0] * HOURS})
    _australia(folder / "australia_price.json", "price", "$/MWh", "1h", {("NSW1", ""): [30.0] * HOURS})
    rows = "".join(f"{t:%Y-%m-%d %H:%M:%S},{t:%Y-%m-%d %H:%M:%S},{i - 2}\n" for i, t in enumerate(hours))
    (folder / "price.csv").write_text("Datetime (UTC),Datetime (Local),Price (USD/MWh)\n" + rows)
    price_csv(folder / "entsoe_price.csv", [(unit, 40 + i) for i, (unit, _) in enumerate(time_units(START, HOURS))])
    _epw(folder).rename(folder / "weather.epw")
    _tmy3(folder / "tmy3.csv", 60)
    _open_meteo(folder).rename(folder / "open_meteo.json")
    (folder / "steps.csv").write_text("phase,tokens,time_ms\nprompt,100,20\nprompt,1000,90\ndecode,1,9\ndecode,64,14\n")
    (folder / "client.csv").write_text("0,5.0,2.0,Gamma,0.25,0.8\n600,0,,,,\n")
    window = {"input_tokens": "{10: 0.5, 30: 0.5}", "output_tokens": "{7: 1.0}"}
    (folder / "client.json").write_text(json.dumps({"0": window}))
    trace = "timestamp_utc,prompt_tokens,output_tokens\n"
    (folder / "jobs.csv").write_text(
        "arrival_time,length,cpus\n" + "".join(f"{60 * i},{300 + i},{1 + i % 4}\n" for i in range(50))
    )
    (folder / "trace.csv").write_text(
        trace + "".join(f"{(START + timedelta(minutes=i)).isoformat()},{100 + i},{10 + i}\n" for i in range(60))
    )


SERIES = {"file": "plain.csv", "column": "value"}
PPV, WINDY = "ipcc-ar5-pv-utility", "ipcc-ar5-wind-onshore"
OUTPUT = {**SERIES, "unit": 1}
BATTERY = {
    "energy": "1 MWh",
    "power": "500 kW",
    "round_trip": 0.88,
    "start": "50 %",
    "self_discharge": "2 %",
    "life": {"end_of_life": 0.8, "cycles": 5000, "calendar": "15 years"},
    "lifecycle": "ivl-2019-lithium-ion",
    "dispatch": {"kind": "self-consumption"},
}
DIESEL = {"capacity": "1 MW", "minimum_load": "30 %", "fuel": {"full": "0.27 L/kWh", "half": "0.3 L/kWh"}}
TURBINE = {"hub_height": "90 m", "shear": 0.14, "cut_in": "3 m/s", "rated": "12 m/s", "cut_out": "25 m/s"}
TOKENS = {"kind": "constant", "tokens": 100}
WORK = {"kind": "gpu-hours", "gpu_hours": 8, "load": {"kind": "measured", "active": "350 W"}}
FACTORS = {"factors": "dcrl-eia-lifecycle"}
FIXED_LENGTHS = {"kind": "separate", "prompt": TOKENS, "output": TOKENS}

RUNGS = {"eta": 3, "rungs": 3, "promoted": "continue", "noise": 0.3}
ONE_GPU_HOUR = {
    "name": "one",
    "share": 1,
    "gpus": {"kind": "constant", "gpus": 1},
    "run": {"kind": "constant", "time": "1 h"},
}

EXAMPLES: dict[str, dict[str, dict[str, Any]]] = {
    "growth": {
        "yearly": {"rate": -0.036},
        "doubles": {"every": 3},
        "reaches": {"times": 24.4, "by": 2030},
        "saturates": {"share": 0.1, "doubling": 2},
        "table": {"values": {2020: 475, 2024: 445, 2027: 400}},
    },
    "facility": {"fixed-pue": {"pue": 1.2}, "plant": plant_spec("adiabatic")},
    "cooling": {spec["kind"]: spec for spec in COOLING.values()},
    "grid intensity": {
        "series": {**SERIES, "unit": "1 gCO2e/kWh"},
        "electricity-maps": {"file": "maps.json", "basis": "direct"},
        "watttime": {"file": "watttime.json"},
        "carbon-intensity-uk": {"file": "uk.json", "value": "actual"},
        "eia-mix": {"file": "eia.csv", **FACTORS},
        "entsoe-mix": {"file": "entsoe.csv", **FACTORS},
        "gridstatus-mix": {"file": "gridstatus.csv", **FACTORS},
        "energy-charts-mix": {"file": "charts.json", **FACTORS},
        "open-electricity-mix": {"file": "australia.json", **FACTORS},
        "average": {"region": "FRA"},
        "month-hours": {"file": "months.csv", "column": "x", "unit": "1 gCO2e/kWh"},
        "month-hours-mix": {"file": "months.csv", "columns": {"gas": "x", "wind": "y"}, **FACTORS},
    },
    "grid price": {
        "series": {**SERIES, "unit": "1 USD/MWh"},
        "price-csv": {"file": "price.csv"},
        "entsoe-price": {"file": "entsoe_price.csv"},
        "gridstatus-price": {"file": "lmp.csv", "unit": "1 USD/MWh"},
        "energy-charts-price": {"file": "charts_price.json"},
        "open-electricity-price": {"file": "australia_price.json"},
        "month-hours": {"file": "months.csv", "column": "x", "unit": "1 USD/MWh"},
    },
    "grid water": {"mix": {"factors": "waterwise-2025", "hydro": "with-reservoirs"}, "average": {"region": "FRA"}},
    "weather": {
        "epw": {"file": "weather.epw"},
        "tmy3": {"file": "tmy3.csv"},
        "open-meteo": {"file": "open_meteo.json"},
        "month-hours": {"file": "months.csv", "latitude": 32.9, "longitude": -97.0},
    },
    "on-site unit": {
        "pv": {"capacity": "1 MW", "tilt": "30 deg", "azimuth": "180 deg", "lifecycle": PPV},
        "pv-series": {"capacity": "1 MW", "output": OUTPUT, "lifecycle": PPV},
        "wind": {"capacity": "1 MW", **TURBINE, "altitude": "100 m", "loss": "15 %", "lifecycle": WINDY},
        "wind-series": {"capacity": "1 MW", "output": OUTPUT, "lifecycle": WINDY},
        "battery": BATTERY,
        "diesel": DIESEL,
        "connection": {"export_limit": "0 W"},
    },
    "battery bounds": {
        "forecast": {"window": "1 d", "error": "10 %"},
        "perfect": {"window": "1 d"},
        "FixedPrices": {"charge_at": "0.02 USD/kWh", "discharge_at": "0.1 USD/kWh"},
        "FixedIntensities": {"charge_at": "100 gCO2e/kWh", "discharge_at": "500 gCO2e/kWh"},
    },
    "policy": {
        "power-cap": {
            "target": "tune",
            "cap": "250 W",
            "when": {"kind": "daily", "since": "16:00", "until": "20:00"},
        },
        "demand-response": {
            "target": "tune",
            "events": [{"start": "1 h", "duration": "30 min", "reduce_to": "60 %"}],
        },
    },
    "condition": {
        "above": {"signal": "carbon", "level": "36 gCO2e/kWh"},
        "daily": {"since": "22:00", "until": "06:00", "zone": "Europe/Berlin"},
    },
    "schedule": {
        "flexible-start": {"signal": "carbon", "within": "6 h", "forecast": {"kind": "perfect"}},
        "pause-resume": {
            "signal": "carbon",
            "threshold": "fit",
            "within": "6 h",
            "forecast": {"kind": "perfect"},
            "while_paused": {"kind": "hold"},
        },
        "suspend": {"above": "0.12 USD/kWh", "while_paused": {"kind": "release", "save": "1 min", "restart": "1 min"}},
    },
    "forecast": {"noisy": {"mape_at_once": "2 %", "mape_day_ahead": "10 %", "correlation_time": "6 h"}},
    "arrivals": {
        "poisson": {"rate": "0.1 /s"},
        "gamma": {"rate": "0.1 /s", "cv": 2.0},
        "weibull": {"rate": "0.1 /s", "cv": 0.5},
        "mmpp": {"states": [{"rate": "1 /s", "dwell": "1 min"}, {"rate": "0.01 /s", "dwell": "5 min"}]},
        "diurnal": {"rate": "0.1 /s", "peak_to_mean": 1.5, "peak_hour": 14.0},
        "clients": {
            "clients": [{"name": "a", "arrivals": {"kind": "poisson", "rate": "0.1 /s"}, "lengths": FIXED_LENGTHS}]
        },
        "closed-loop": {"concurrency": 4, "requests": 100},
        "trace": {"file": "trace.csv"},
        "servegen": {"clients": [{"file": "client.csv", "lengths": {"file": "client.json"}}]},
        "routed": {"route": "users"},
    },
    "lengths": {
        "separate": {"prompt": TOKENS, "output": TOKENS},
        "joint": {"file": "trace.csv"},
    },
    "contract": {
        "ppa": {"source": "wind", "energy": "40 GWh/year", "supply": "flat", "matching": "hourly"},
        "certificates": {"source": "hydro", "energy": "1 GWh/year"},
    },
    "amortization": {"expected-utilisation": {"utilisation": 0.6}, "use": {"active_lifetime": "20000 h"}},
    "embodied plant": {
        "per-power": {"carbon": "900 kgCO2e/kW", "capacity": "1 MW", "lifetime": "19 years"},
        "per-area": {"carbon": "1000 kgCO2e/m2", "area": "2000 m2", "lifetime": "50 years"},
    },
    "second life": {"share": {"share": 0.2}, "years": {"years": "3 years"}},
    "failures": {"components": {"profile": "llama-3-herd", "repair": "12 h"}},
    "workload": {
        "training": {"gpus": 8, "work": WORK, "cpu_load": 0.1},
        "inference": {
            "replicas": 1,
            "gpus_per_replica": 1,
            "arrivals": {"kind": "poisson", "rate": "0.5 /s"},
            "service_time": {"law": "constant", "first": "1 s"},
            "load": WORK["load"],
            "cpu_load": 0.05,
        },
        "serving": {
            "model": "llama-3.1-8b",
            "stack": "vllm-2025",
            "precision": {"weights": "bf16"},
            "replicas": {"count": 1},
            "batching": {"max_num_seqs": 16, "max_num_batched_tokens": 2048},
            "routing": "round-robin",
            "arrivals": {"kind": "poisson", "rate": "0.1 /s"},
            "lengths": FIXED_LENGTHS,
            "cpu_load": 0.1,
            "engine": "reference",
        },
        "split": {
            "arrivals": {"kind": "poisson", "rate": "5 request/s"},
            "devices": {
                "phone": {
                    "count": 10,
                    "network": "wifi",
                    "working": "4 W",
                    "transferring": "2 W",
                    "waiting": "1 W",
                    "compute": "0.1 TFLOP/s",
                }
            },
            "networks": {
                "wifi": {"energy": "0.03 kWh/GB", "download": "5 MB/s", "upload": "1 MB/s", "latency": "5 ms"}
            },
            "places": {
                "edge": {
                    "replicas": 1,
                    "gpus_per_replica": 1,
                    "law": "exponential",
                    "load": {"kind": "measured", "active": "200 W"},
                    "cpu_load": 0.1,
                }
            },
            "input": "150 kB",
            "stages": {
                "head": {"at": "device", "work": "1 GFLOP", "output": "20 kB", "leaves": 0.2},
                "tail": {"at": "edge", "time": {"edge": "20 ms"}},
            },
            "reply": "1 kB",
        },
        "federated": {
            "server": {"slots": 1, "cpu_load": 0.2, "per_round": "2 s", "per_update": "10 ms"},
            "devices": {
                "phone": {"share": 1, "network": "wifi", "training": "4 W", "idle": "1 W", "samples_per_second": 50}
            },
            "networks": {"wifi": {"energy": "0.03 kWh/GB", "download": "5 MB/s", "upload": "1 MB/s"}},
            "samples": 500,
            "spread": {"kind": "exponential"},
            "drop_out": 0.1,
            "download": "10 MB",
            "upload": "10 MB",
            "aggregation": {"kind": "buffered", "at_once": 8, "buffer": 4, "deadline": "2 min"},
            "rounds": 20,
        },
        "jobs": {
            "source": {
                "kind": "generated",
                "arrivals": {"kind": "poisson", "rate": "200 jobs/h"},
                "jobs": [ONE_GPU_HOUR],
                "limits": {"kind": "none"},
            },
            "load": WORK["load"],
            "cpu_load": 0.1,
        },
        "campaign": {
            "trials": [{"share": 1.0, "gpus": 2, "work": WORK}],
            "size": {"kind": "constant"},
            "selection": {"kind": "all", "trials": 6},
            "at_once": 4,
            "cpu_load": 0.1,
            "setup": "1 min",
        },
    },
    "speed-up": {"amdahl": {"parallel": 0.9}, "power": {"exponent": 0.8}},
    "selection": {
        "all": {"trials": 9},
        "successive-halving": {**RUNGS, "trials": 9},
        "asha": {**RUNGS, "trials": 9},
        "hyperband": RUNGS,
        "median": {"trials": 9, "noise": 0.3, "grace": 0.2, "every": 0.2, "least": 2},
    },
    "aggregation": {
        "synchronous": {"clients": 5, "over_selection": 0.3, "deadline": "1 min", "least": 0.5, "between": "5 s"},
        "buffered": {"at_once": 8, "buffer": 4, "deadline": "2 min"},
    },
    "factor law": {
        "lognormal": {"cv": 0.5},
        "log-uniform": {"low": 0.5, "high": 2.0},
        "choice": {"values": [0.5, 1.0, 4.0], "weights": [2, 1, 1]},
    },
    "route rule": {
        "lowest": {"signal": "carbon", "interval": "15 min"},
        "nearest": {"interval": "1 min"},
        "shares": {"shares": {"near": 0.7, "far": 0.3}},
        "prompt-tokens": {"up_to": {"near": 100}, "beyond": "far"},
        "difficulty": {"of": {"kind": "uniform"}, "up_to": {"near": 0.4}, "beyond": "far"},
        "cascade": {
            "of": {"kind": "uniform"},
            "up_to": {"near": 0.4},
            "beyond": "far",
            "verifier": {"time": "20 ms", "energy": "0.5 J"},
        },
    },
    "popularity": {
        "zipf": {"catalogue": 50, "exponent": 0.8},
        "repeated": {"samples": 10, "times": 3},
        "column": {"column": "question"},
    },
    "difficulty": {"beta": {"alpha": 2.0, "beta": 3.0}, "column": {"column": "hardness"}},
    "step time": {
        "measured": {"file": "steps.csv", "mixed": 1.1},
        "kernels": {"framework": "vllm", "version": VERSION},
    },
    "job source": {
        "trace": {"file": "jobs.csv", "processors": "slots", "time_unit": "seconds"},
        "generated": {
            "arrivals": {"kind": "poisson", "rate": "200 jobs/h"},
            "jobs": [ONE_GPU_HOUR],
            "limits": {"kind": "none"},
            "accounts": [{"name": "all", "share": 1, "users": 3, "zipf": 1}],
        },
    },
    "job arrivals": {
        "poisson": {"rate": "20 jobs/h", "pattern": {"trace": "nasa-ipsc-1993", "zone": "Europe/Berlin"}},
        "gamma": {"rate": "20 jobs/h", "cv": 2.0},
        "weibull": {"load": {"utilisation": 0.5, "gpus": 40}, "cv": 0.5},
    },
    "job size": {
        "constant": {"gpus": 4},
        "shares": {"of": [{"gpus": 0.25, "share": 0.5}, {"gpus": 8, "share": 0.5}]},
        "powers-of-two": {"mean": 3.0, "most": 64},
        "cpus": {"cores": 8},
        "fitted": {"trace": "helios-2020"},
    },
    "run time": {
        "constant": {"time": "1 h"},
        "lognormal": {"median": "10 min", "sigma": 1.5},
        "weibull": {"mean": "1 h", "shape": 0.7},
        "exponential": {"mean": "1 h"},
        "mixture": {"of": [{"share": 1, "run": {"kind": "exponential", "mean": "1 h"}}]},
        "fitted": {"trace": "philly-2017"},
    },
    "time limits": {
        "multiple": {"most": 4},
        "estimates": {"values": [{"limit": "1 h", "share": 0.4}, {"limit": "1 d", "share": 0.6}], "killed": 0.1},
        "tsafrir": {"longest": "2 d", "killed": 0.1},
    },
    "token law": {
        "constant": {"tokens": 100},
        "uniform": {"low": 10, "high": 20},
        "lognormal": {"mean": 100.0, "cv": 1.0},
        "histogram": {"tokens": [10, 20], "weights": [1.0, 3.0]},
    },
}
"""Family -> kind (or class, where a word stands for two) -> what is written besides the kind."""
