"""Whole scenarios drawn at random, valid by their form: every kind of part, with what refers to what in its place.

Small, so that each takes a fraction of a second to run. They may still be refused (a battery without an export limit, a
model that does not fit), but whatever ``check`` lets through must run.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from sim.profiles.catalog import shipped_folder
from tests.any_campaign import campaign, federated, staged

DATA = shipped_folder("scenarios") / "data"
GPU_NODES = {"dgx-a100": 8, "dgx-h100": 8, "hgx-h200": 8, "l40s-server": 4, "jean-zay-v100-node": 4}
"""Profiles that ship, and their GPUs."""
PERFECT = {"kind": "perfect"}
NOISY = {"kind": "noisy", "mape_at_once": "3 %", "mape_day_ahead": "10 %", "correlation_time": "6 h"}


class _Drawer:
    """Draws for one scenario."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw

    def one(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def number(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def often(self) -> bool:
        return self.draw(st.booleans())

    def seldom(self) -> bool:
        return self.draw(st.integers(0, 4)) == 4

    def some(self, **fields: Any) -> dict[str, Any]:
        """Each of ``fields`` or not."""
        return {name: value for name, value in fields.items() if self.often()}

    # Places

    def place(self, i: int, mixed: bool) -> dict[str, Any]:
        grid: dict[str, Any] = {"intensity": self._intensity(mixed)}
        if self.often():
            column = "price_usd_per_mwh"
            table = {"kind": "month-hours", "file": str(DATA / "ercot-2022.csv"), "column": column, "unit": "1 USD/MWh"}
            grid["price"] = self.one("0.18 USD/kWh", "-0.01 USD/kWh", table)
        grid |= self.some(marginal="600 gCO2e/kWh")
        if self.seldom():
            grid["market"] = self._market()
        place: dict[str, Any] = {"grid": grid}
        plant = self.seldom()
        place["facility"] = self._plant() if plant else {"kind": "fixed-pue", "pue": self.one(1.0, 1.2, 2.5)}
        on_site = self._on_site() if self.seldom() else []
        if on_site:
            place["on_site"] = on_site
        if plant or on_site or self.seldom():
            file = str(DATA / self.one("dallas.csv", "seattle.csv"))
            place["weather"] = {"kind": "month-hours", "file": file, "latitude": 40.0 + i, "longitude": -90.0 + i}
        water = self.some(ewif=self.one("3.1 L/kWh", "0 L/kWh"), scarcity={"site": 2.0, "grid": 0.5})
        if not plant:
            water |= self.some(wue="1.8 L/kWh")
        if water:
            place["water"] = water
        return place

    def _intensity(self, mixed: bool) -> Any:
        columns = {"wind": "WND", "solar": "SUN", "hydro": "WAT", "gas": "NG", "coal": "COL", "nuclear": "NUC"}
        mix = {"kind": "month-hours-mix", "file": str(DATA / "ercot-2022.csv"), "columns": columns,
               "factors": "dcrl-eia-lifecycle"}  # fmt: skip
        hours = {"kind": "month-hours", "file": str(DATA / "opposite_grids.csv"), "unit": "1 gCO2e/kWh"}
        choices = ["400 gCO2e/kWh", "0 gCO2e/kWh", {**hours, "column": "west"}, {**hours, "column": "east"}]
        return self.one(*choices, *([] if mixed else [mix, {"kind": "average", "region": "FRA"}]))

    def _market(self) -> dict[str, Any]:
        ppa = {"kind": "ppa", "source": self.one("wind", "hydro"), "energy": "50 MWh/year", "supply": "flat"}
        certificates = {
            "kind": "certificates",
            "source": "biomass",
            "intensity": "20 gCO2e/kWh",
            "energy": "1 MWh/year",
        }
        contracts = [c for c in ({**ppa, "matching": self.one("hourly", "annual")}, certificates) if self.often()]
        return {"residual_mix": "500 gCO2e/kWh", "contracts": contracts}

    def _plant(self) -> dict[str, Any]:
        air = {"supply": "24 degC", "rise": "12 K", "fan_power": "5 %", "slowest": self.one(0.3, 1.0)}
        water = {"supply": "18 degC", "rise": "6 K", "pump_power": "1.2 %", "slowest": 0.3}
        chiller = {"cop": 6.28, "evaporating": "6.7 degC", "condensing": "35 degC"}
        trim = {"cop": 2.96, "evaporating": "6.7 degC", "condensing": "50 degC"}
        tower = {"approach": "4 K", "range": "5.6 K", "fan_power": "1.4 %", "cycles_of_concentration": 5}
        wet = {"kind": "water-cooled-chiller", "air": air, "chilled_water": water, "chiller": chiller, "tower": tower,
               "coldest_condenser": "15 degC", **self.some(economizer_approach="2 K")}  # fmt: skip
        outdoor = {"condenser_approach": "15 K", "coldest_condenser": "25 degC"}
        dry = {"kind": "air-cooled-chiller", "air": air, "chilled_water": water, "chiller": trim, **outdoor}
        free = {"kind": "air-side-economizer", "air": air, "trim": trim, **outdoor, **self.some(least_humidity="20 %")}
        wetted = {**free, "kind": "adiabatic", "effectiveness": 0.85, "cycles_of_concentration": 3}
        warm = {"supply": "32 degC", "rise": "10 K", "pump_power": "1.5 %", "slowest": 0.3, "trim": trim,
                "dry_cooler_approach": "6 K", "dry_cooler_fan_power": "2 %", "design_dry_bulb": "38 degC",
                "condenser_approach": "15 K"}  # fmt: skip
        chips = {"kind": "direct-to-chip", "liquid_share": 0.75, "water": warm, "rest": self.one(wet, dry, free)}
        curve = [{"load": 0.25, "value": 0.945}, {"load": 0.5, "value": 0.96}, {"load": 1.0, "value": 0.96}]
        ups = {"kind": "ups", "capacity": "60 kW", "redundancy": self.one("N", "N+1", "2N"), "efficiency": curve}
        chain: dict[str, Any] = {"critical": [ups]} if self.often() else {}
        chain |= self.some(feed=self.one("200 kW", "10 kW"))
        cooling = self.one(wet, dry, free, wetted, chips, {"kind": "immersion", "water": warm})
        servers = {"reference": "22 degC", "fan_ramp_per_k": 0.02, "leakage_per_k": 0.002}
        extra = self.some(servers=servers, heat_reuse={"share": 0.5, "demand": "5 kW"})
        if cooling["kind"] == "immersion":
            extra.pop("servers", None)
        return {"kind": "plant", "design_it": self.one("60 kW", "5 kW"), "other": "1 kW", "cooling": cooling,
                "power_chain": chain, **extra}  # fmt: skip

    def _on_site(self) -> list[dict[str, Any]]:
        bounds = self.one({"kind": "trailing"}, {"kind": "perfect", "window": "6 h"},
                          {"kind": "forecast", "window": "6 h", "error": 0.1})  # fmt: skip
        dispatch = self.one({"kind": "self-consumption"}, {"kind": "carbon", "bounds": bounds},
                            {"kind": "price", "bounds": bounds})  # fmt: skip
        pv = {
            "kind": "pv",
            "capacity": "30 kW",
            "tilt": "30 deg",
            "azimuth": "180 deg",
            "lifecycle": "ipcc-ar5-pv-utility",
        }
        wind = {"kind": "wind", "capacity": "20 kW", "hub_height": "80 m", "shear": 0.14, "cut_in": "3 m/s",
                "rated": "12 m/s", "cut_out": "25 m/s", "altitude": "200 m", "loss": "15 %",
                "lifecycle": "ipcc-ar5-wind-onshore"}  # fmt: skip
        battery = {"kind": "battery", "energy": "50 kWh", "power": "20 kW", "round_trip": 0.88,
                   "start": self.one("0 %", "50 %", "100 %"), "self_discharge": "2 %",
                   "life": {"end_of_life": 0.8, "cycles": 6000, "calendar": "15 years"},
                   "lifecycle": "ivl-2019-lithium-ion", "dispatch": dispatch}  # fmt: skip
        diesel = {"kind": "diesel", "capacity": self.one("50 kW", "1 kW"), "minimum_load": "30 %",
                  "fuel": {"full": "0.27 L/kWh", "half": "0.29 L/kWh"}}  # fmt: skip
        outages = self.one([], [{"after": "30 min", "duration": "20 min"}])
        connection = {"kind": "connection", "export_limit": self.one("0 W", "10 kW"), "outages": outages,
                      **self.some(import_limit="30 kW")}  # fmt: skip
        return [*(unit for unit in (pv, wind, battery, diesel) if self.often()), connection]

    # Machines

    def pools(self, places: list[str]) -> list[dict[str, Any]]:
        pools = []
        for i in range(self.number(1, 3)):
            pool = {"profile": self.one(*GPU_NODES), "count": self.number(1, 2), "name": f"pool{i}"}
            if len(places) > 1:
                pool["site"] = places[i % len(places)]
            pool |= self.some(initially=self.one("on", "off")) if self.seldom() else {}
            if self.seldom():
                pool |= {"idle_timeout": "5 min"}
            if self.seldom():
                pool["fabric"] = self.fabric(pool["count"] * GPU_NODES[pool["profile"]])
            if self.seldom():
                pool |= {"failures": self.failures()}
            if pool["count"] > 1 and self.seldom():
                pool["spares"] = {"count": 1, "state": self.one("hot", "warm", "cold"), "replace": "1 min"}
            pools.append(pool)
        if self.seldom():
            pools.append({"profile": "cpu-2s-epyc-9654", "count": 1, "name": "hosts"})
            if len(places) > 1:
                pools[-1]["site"] = places[0]
        return pools

    def failures(self) -> dict[str, Any]:
        """Of whole nodes, or of parts that show in every way."""
        nodes = {"mtbf": self.one("2 h", "30 d"), "repair": "10 min"}
        shows = self.one("crash", "hang", "silent")
        parts = {
            "gpu": {"kind": "device", "per": "gpu", "mtbf": self.one("20 h", "900 d"), "shows": shows,
                    **self.one({}, {"shape": 0.7, "fleet": self.one("new", "settled")})},
            "switch": {"kind": "switch", "nodes": self.one(1, 2, 64), "mtbf": "3 d", "shows": "hang"},
            "bug": {"kind": "process", "per": "node", "mtbf": "1 d", "shows": "crash"},
            "fan": {"kind": "slowdown", "per": "node", "mtbf": "12 h", "rate": 0.5},
        }  # fmt: skip
        by_parts: dict[str, Any] = {"kind": "components", "parts": parts, "repair": "10 min"}
        return by_parts if self.often() else nodes

    def fabric(self, gpus: int) -> dict[str, Any]:
        """What joins nodes; a torus of as many accelerators as there are."""
        ports = {"bandwidth": "25 GB/s", "latency": "2 us", "switch_latency": "0.3 us", "energy_per_byte": "340 pJ/B",
                 **self.some(in_network=0.9)}  # fmt: skip
        tiers = [{"nodes": 1, "oversubscription": 1.0}, {"nodes": 2, "oversubscription": 3.0}]
        rail = {"kind": "rail", **ports, "nodes_per_leaf": self.one(1, 2), "oversubscription": self.one(1, 4)}
        tree = {"kind": "fat-tree", **ports, "tiers": tiers}
        return dict(self.one(rail, tree, {"kind": "torus", "shape": [gpus], "hop_latency": "1 us", "wraps": True}))

    # Work

    def training(self, pools: list[dict[str, Any]]) -> dict[str, Any]:
        pool = self.one(*[p for p in pools if p["profile"] in GPU_NODES])
        rates = {"kind": "throughput", "compute": "20 TFLOP/s", "precision": "fp16", "memory_traffic": "0.1 TB/s"}
        load = self.one({"kind": "nameplate"}, {"kind": "measured", "active": "250 W"}, rates)
        steps = {"kind": "steps", "steps": self.number(1, 500), "flops": "10 PFLOP", "precision": "fp16",
                 "memory_traffic": "1 TB", "link_traffic": self.one("0 B", "1 GB"), "overhead": "1 s",
                 "efficiency": {"compute": 0.5, "memory": 0.8, "link": 0.6}}  # fmt: skip
        hours = {"kind": "gpu-hours", "gpu_hours": self.one(0.01, 1, 20), "load": load}
        gpus = self.number(1, GPU_NODES[pool["profile"]])
        job = {
            "kind": "training",
            "gpus": gpus,
            "cpu_load": self.one(0, 0.1, 1.0),
            "work": self.one(hours, steps, self._model(gpus)),
        }
        detection = {"crash": "1 min", "hang": "5 min", "silent": "20 min", "slow": "10 min"}
        recovery = {"detection": detection, "schedule": "30 s", "load": "1 min", "warm_up": "0 s",
                    **self.some(planned={"every": "30 min", "takes": "2 min"})}  # fmt: skip
        checkpoint = {"every": "10 min", "write": "30 s", **self.some(stall="5 s")}
        job |= self.some(start_after="5 min", setup="1 min", checkpoint=checkpoint)
        by_parts = any(p.get("failures", {}).get("kind") for p in pools)
        if by_parts or self.seldom():
            job["recovery"] = recovery
        if self.seldom():
            job |= self.some(time_limit="20 min", on_failure="abort")
        homes = [p["name"] for p in pools if p["profile"] in GPU_NODES]
        if len(homes) > 1 and self.seldom():
            transfer = {"data": "1 GB", "bandwidth": "1 GB/s", "energy": "0.06 kWh/GB", "cost": "0.05 USD/GB"}
            job["place"] = {"kind": "lowest", "signal": self._signal(), "pools": homes[:2], "home": homes[0],
                            "transfer": transfer, "forecast": self.one(PERFECT, NOISY)}  # fmt: skip
        else:
            job["pool"] = pool["name"]
        if self.seldom():
            job["schedule"] = self._schedule()
        return job

    def _model(self, gpus: int) -> dict[str, Any]:
        """A model in training, laid out at random."""
        tensor = self.one(1, 1, 2, 4)
        spread = {"tensor": tensor, "pipeline": self.one(1, 1, 2), "context": self.one(1, 1, 2),
                    "shard": self.one("none", "optimizer", "gradients", "parameters"),
                    "sequence": tensor > 1 and self.often(), **self.some(data=gpus)}  # fmt: skip
        parallel = self.one(spread, {"shard": self.one("none", "parameters")}, {"shard": "parameters"})
        work = {"kind": "model", "model": self.one("llama-3.2-1b", "llama-3.2-1b", "llama-3.1-8b", "gpt-oss-20b"),
                "stack": self.one("megatron-2026", "fsdp-2024"),
                "precision": self.one("bf16", "bf16", "bf16", "fp8", "fp32"),
                "sequence": self.one(1024, 4096), "global_batch": self.one(840, 1680, 48),
                "micro_batch": self.one(1, 1, 2), "recompute": self.one("none", "selective", "full", "full"),
                "parallel": parallel, "steps": self.number(1, 200),
                "optimizer": self.one("adam", {"name": "lion", "gradients": "bf16"})}  # fmt: skip
        work |= self.some(lora={"rank": 8}) if self.seldom() else {}
        return work | self.some(loading={"tokens_per_second": 50_000}, evaluation={"every": 5, "tokens": 10_000})

    def _signal(self) -> str:
        return str(self.one("carbon", "carbon", "price", "marginal"))

    def _schedule(self) -> dict[str, Any]:
        end = self.one({"within": "1 h"}, {"within": "100 %"}, {"deadline": "90 min"})
        paused = self.one({"kind": "hold"}, {"kind": "release", "save": "1 min", "restart": "2 min"})
        forecast = self.one(PERFECT, NOISY, {"kind": "persistence"})
        start = {"kind": "flexible-start", "signal": self._signal(), **end, "forecast": forecast}
        level = {
            "kind": "pause-resume",
            "signal": "carbon",
            "threshold": "300 gCO2e/kWh",
            **end,
            "while_paused": paused,
        }
        fit = {**level, "signal": self._signal(), "threshold": self.one("fit", {"quantile": 0.5}), "forecast": forecast}
        suspend = {"kind": "suspend", "above": "0.1 USD/kWh", "while_paused": paused}
        return dict(self.one(start, level, fit, suspend))

    def inference(self, pools: list[dict[str, Any]]) -> dict[str, Any]:
        pool = self.one(*[p for p in pools if p["profile"] in GPU_NODES])
        law = self.one({"law": "constant"}, {"law": "exponential"}, {"law": "lognormal", "cv": 0.8})
        arrivals = self.one({"kind": "poisson", "rate": "0.2 /s"}, {"kind": "interval-log", "within": "even",
                            "file": str(DATA / "api_requests_10min.csv"), "align": "start"})  # fmt: skip
        service = {"kind": "inference", "pool": pool["name"], "replicas": self.number(1, 2), "gpus_per_replica": 1,
                   "arrivals": arrivals, "service_time": {**law, "first": "2 s", **self.some(further="0.1 s")},
                   "load": {"kind": "measured", "active": "200 W"}, "cpu_load": 0.05}  # fmt: skip
        batching = {"max_batch": self.number(1, 8), "max_wait": self.one("0 s", "1 s")}
        exits = {"first": {"up_to": 0.5, "after": 0.3, "classifier": 0.02}}
        image = {"image": "5 GB", "image_bandwidth": "0.5 GB/s", "weights": "1 GB", "weights_bandwidth": "1 GB/s"}
        start = self.one("30 s", {**image, **self.some(kept=True, cached="50 %", unpack="1 GB/s", launch="2 s")})
        more = self.some(early_exit={"of": {"kind": "uniform"}, "exits": exits}, cache=self.memo())
        scale = {"min": self.number(0, 1), "target": 1.5, "interval": "30 s", "settle": "1 min"}
        more |= self.some(autoscale=scale)
        waiting = self.one(0, 5) if more.get("autoscale", {"min": 1})["min"] else 5  # with none up somebody has to wait
        return service | more | self.some(batching=batching, queue_limit=waiting, start_up=start)

    def memo(self) -> dict[str, Any]:
        """Of a few results."""
        keys = self.one({"kind": "zipf", "catalogue": 20, "exponent": 0.8},
                        {"kind": "repeated", "samples": 5, "times": 3})  # fmt: skip
        lookup = {"time": self.one("0 s", "50 ms"), "energy": "1 J"}
        return {"keys": keys, "capacity": self.one(3, 100), "lookup": lookup}

    def requests(self) -> dict[str, Any]:
        """What a serving workload or a route is asked."""
        states = [{"rate": "0.1 request/s", "dwell": "5 min"}, {"rate": "1 request/s", "dwell": "1 min"}]
        arrivals = self.one(
            {"kind": "poisson", "rate": "0.3 request/s"},
            {"kind": "gamma", "rate": "0.3 request/s", "cv": 2},
            {"kind": "weibull", "rate": "0.3 request/s", "cv": 0.5, "requests": 40},
            {"kind": "diurnal", "rate": "0.3 request/s", "peak_to_mean": 1.5, "peak_hour": 3, "weekend": 0.5},
            {"kind": "mmpp", "states": states},
        )
        law = self.one({"kind": "constant", "tokens": 64}, {"kind": "uniform", "low": 1, "high": 300},
                       {"kind": "lognormal", "mean": 200, "cv": 1.0, "max": 2000},
                       {"kind": "histogram", "tokens": [5, 50], "weights": [1, 0]})  # fmt: skip
        asked: dict[str, Any] = {"arrivals": arrivals}
        asked["lengths"] = {"kind": "separate", "prompt": law, "output": {"kind": "uniform", "low": 1, "high": 60}}
        prefix = self.one({"kind": "documents", "count": 5, "tokens": 256, "zipf": 1.1},
                          {"kind": "conversations", "turns": 3, "think_time": "20 s", "max_tokens": 4096})  # fmt: skip
        return asked | self.some(prefix=prefix)

    def serving(
        self, pools: list[dict[str, Any]], asked: dict[str, Any], prompts: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Asked what ``asked`` says; ``prompts`` are those of its route."""
        modern = [p for p in pools if p["profile"] in GPU_NODES and not p["profile"].startswith("jean-zay")]
        pool = self.one(*(modern or pools))
        chunks = self.one("chunked", "prioritized", "mixed")
        cached = "prefix" in (prompts or asked) or self.seldom()
        batching = {"max_num_seqs": self.one(4, 64), "max_num_batched_tokens": self.one(2048, 8192), "prefill": chunks,
                    **self.some(prefix_cache=cached, preemption="swap")}  # fmt: skip
        group = {"pool": pool["name"], "count": self.one(1, 1, {"min": 1, "max": 2})}
        spread = {**group, "tensor_parallel": self.one(1, 2)}
        served = {"kind": "serving", "model": self.one("llama-3.1-8b", "llama-3.2-1b"), "stack": "vllm-2025",
                  "precision": {"weights": "bf16"}, "batching": batching, "cpu_load": 0.1,
                  "routing": self.one("round-robin", "join-shortest-queue", "least-kv", "session-affinity",
                                      "prefix-affinity", "power-of-two"), **asked}  # fmt: skip
        if self.seldom():
            served |= {"prefill": {**group, "count": 1}, "decode": {**group, "count": 1}}
            served["network"] = {
                "bandwidth": "50 GB/s",
                "latency": "5 us",
                "energy_per_byte": self.one("60 pJ/B", "2 nJ/B"),
            }
        else:
            served["replicas"] = spread
            if isinstance(spread["count"], dict):
                served["autoscale"] = {
                    "on": self.one("queue", "kv"),
                    "target": 0.5,
                    "interval": "1 min",
                    "settle": "2 min",
                }
        served |= self.some(slo={"ttft": "1 s", "tpot": "50 ms"}, start_up=self.one("30 s", {
            "image": "15 GB", "image_bandwidth": "1 GB/s", "weights_bandwidth": "4 GB/s"}))  # fmt: skip
        if self.seldom():
            served |= self.some(client={"timeout": "20 s", "retries": 2}, queue_limit=8, priorities=2)
        if self.seldom():
            served |= {"speculative": {"draft_tokens": 3, "acceptance": 0.7}}
        if self.seldom():
            served["engine"] = "reference"
        return served

    def routed(self, pools: list[dict[str, Any]], scenario: dict[str, Any]) -> None:
        """A route over two or three serving workloads, at one site or several."""
        names = ["small", "large", "far"][: self.number(2, 3)]
        prompts = self.requests()
        for name in names:
            scenario["workloads"][name] = self.serving(pools, {"arrivals": {"kind": "routed", "route": "all"}}, prompts)
        shares = dict(zip(names, ([0.5, 0.5], [0.25, 0.25, 0.5])[len(names) - 2], strict=True))
        judged = dict(zip(names[:-1], (0.4, 0.7), strict=False))
        by = self.one({"kind": "shares", "shares": shares}, {"kind": "nearest", "interval": "1 min"},
                      {"kind": "lowest", "signal": self._signal(), "interval": "15 min"},
                      {"kind": "cascade", "of": {"kind": "beta", "alpha": 2, "beta": 3}, "up_to": judged,
                       "beyond": names[-1], "verifier": {"time": "20 ms", "energy": "1 J"}})  # fmt: skip
        limits = {} if by["kind"] in ("shares", "cascade") else self.some(most="0.2 request/s")
        to = {name: {"latency": f"{10 * i} ms", **limits} for i, name in enumerate(names)}
        route = {**prompts, "to": to, "by": by, **self.some(cache={**self.memo(), "at": names[0]})}
        if by["kind"] != "cascade" and "cache" not in route and self.often():
            transfer = {"bytes_per_token": "8 B", "energy": "0.06 kWh/GB", "cost": "0.05 USD/GB"}
            route |= {"home": names[0], "transfer": transfer}
        scenario["routes"] = {"all": route}

    # The rest

    def policies(self, scenario: dict[str, Any]) -> list[dict[str, Any]]:
        targets = [*scenario["workloads"], *(pool["name"] for pool in scenario["cluster"]["nodes"])]
        when = self.one({"kind": "daily", "since": "00:10", "until": "00:40"},
                        {"kind": "above", "signal": "carbon", "level": "300 gCO2e/kWh"})  # fmt: skip
        cap = {"kind": "power-cap", "target": self.one(*targets), "cap": self.one("180 W", "300 W"), "when": when}
        event = {"start": "10 min", "duration": "10 min", "reduce_to": self.one("60 %", "250 W")}
        response = {"kind": "demand-response", "target": self.one(*targets), "events": [event]}
        throttle = {"kind": "throttle", **self.some(limit="3 kW")}
        if "sites" in scenario:
            throttle["site"] = next(iter(scenario["sites"]))
        return [policy for policy in (cap, response, throttle) if self.often()]

    def accounting(self, scenario: dict[str, Any]) -> dict[str, Any]:
        accounting: dict[str, Any] = {"gpu_lifetime": "5 years", "server_lifetime": "6 years"}
        if self.seldom():
            given = {"pue": 1.1, "intensity": "385 gCO2e/kWh"}
            profiled = self.one({"profile": "tdp-hours", "given": given}, {"profile": "codecarbon-3"},
                                {"profile": "ghg-protocol-location"}, {"profile": "sci"})  # fmt: skip
            on_site = any(
                place.get("on_site") for place in (scenario.get("site", {}), *scenario.get("sites", {}).values())
            )
            luccioni = {"kind": "luccioni-2023", "infrastructure": "1 kW", "idle": "2 kW"}
            accounting["convention"] = luccioni if on_site else self.one(luccioni, {"kind": "profile", **profiled})
        if self.seldom():
            amortization = self.one({"kind": "time"}, {"kind": "expected-utilisation", "utilisation": 0.8},
                                    {"kind": "use", "active_lifetime": "20000 h"})  # fmt: skip
            building = {"kind": "per-power", "carbon": "900 kgCO2e/kW", "capacity": "50 kW", "lifetime": "50 years"}
            second_life, end = {"kind": "share", "share": 0.2}, {"mass": "100 kg", "distance": "500 km"}
            embodied = self.some(
                building=building, network_share="100 kgCO2e", second_life=second_life, end_of_life=end
            )
            accounting["embodied"] = {"amortization": amortization, **embodied, **self.some(nodes="bill-of-materials")}
        if "fleet" in scenario["workloads"]:
            accounting["outside"] = {"fleet": {"home": "430 gCO2e/kWh", "away": "0 gCO2e/kWh"}}
        if "relay" in scenario["workloads"]:
            accounting.setdefault("outside", {})["relay"] = {"home": "430 gCO2e/kWh", "away": "0 gCO2e/kWh"}
        if self.seldom():
            name = self.one(*scenario["workloads"])
            accounting["functional_unit"] = {"of": name, "per": "run"}
        return accounting

    def uncertainty(self, scenario: dict[str, Any]) -> dict[str, Any]:
        over: dict[str, Any] = {"embodied": {"kind": "from-profiles"}}
        if "site" in scenario:
            if isinstance(scenario["site"]["grid"]["intensity"], str):
                over["site.grid.intensity"] = {"kind": "normal", "mean": "300 gCO2e/kWh", "cv": "10 %"}
            if scenario["site"]["facility"]["kind"] == "fixed-pue":
                over["site.facility.pue"] = {"kind": "uniform", "low": 1.1, "high": 1.4}
        return {"draws": 8, "seeds": self.number(1, 2), "over": over}


@st.composite
def scenarios(draw: st.DrawFn, *, serving: bool) -> dict[str, Any]:
    """A scenario; with ``serving``, language models are served in it, alone or behind a route."""
    d = _Drawer(draw)
    places = ["here", "there", "beyond"][: d.number(1, 3)]
    scenario: dict[str, Any] = {
        "name": "any",
        "seed": d.number(0, 3),
        "start": "2022-07-04T00:00:00Z",
        "duration": d.one("20 min", "1 h", "2 h"),
    }
    if len(places) == 1 and d.often():
        scenario["site"] = d.place(0, mixed=False)
    else:
        scenario["sites"] = {name: d.place(i, mixed=True) for i, name in enumerate(places)}
    scenario["cluster"] = {"nodes": d.pools(places)}
    pools = scenario["cluster"]["nodes"]
    scenario["workloads"] = {}
    if serving and d.often():
        d.routed(pools, scenario)
    elif serving:
        scenario["workloads"]["chat"] = d.serving(pools, d.requests())
    if not serving or d.seldom():
        scenario["workloads"] |= {f"job{i}": d.training(pools) for i in range(d.number(1, 2))}
        if d.seldom():
            scenario["workloads"]["search"] = campaign(d, d.training(pools), pools, GPU_NODES)
            noticed(pools, scenario["workloads"]["search"]["pool"])
        if d.seldom():
            scenario["workloads"]["fleet"] = federated(d, pools)
        if d.seldom():
            scenario["workloads"]["relay"] = staged(d, pools, GPU_NODES)
        if d.often():
            scenario["workloads"]["api"] = d.inference(pools)
    policies = d.policies(scenario) if d.seldom() else []
    if policies:
        scenario["policies"] = policies
    scenario["accounting"] = d.accounting(scenario)
    scenario["outputs"] = {"bin": d.one("5 min", "1 h"), "requests": d.one("none", "all", {"sample": 5})}
    if d.seldom():
        scenario["uncertainty"] = d.uncertainty(scenario)
    return scenario


def noticed(pools: list[dict[str, Any]], name: str) -> None:
    """Leaves of the failures of a pool those that trials of a campaign notice."""
    for pool in pools:
        if pool["name"] == name and "parts" in pool.get("failures", {}):
            parts = pool["failures"]["parts"]
            parts.pop("fan", None)
            parts["gpu"]["shows"] = "crash"
