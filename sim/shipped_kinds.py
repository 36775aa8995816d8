"""The kinds that come with coldaisle, a row each; ``sim.kinds`` finds them. A new kind is a new row here."""

from __future__ import annotations

from collections.abc import Mapping

SHIPPED: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "growth": {
        "sim.spec.growth:YearlyGrowth": ("yearly", "sim.build.growth:yearly"),
        "sim.spec.growth:DoublingGrowth": ("doubles", "sim.build.growth:doubles"),
        "sim.spec.growth:ReachedGrowth": ("reaches", "sim.build.growth:reaches"),
        "sim.spec.growth:SaturatingGrowth": ("saturates", "sim.build.growth:saturates"),
        "sim.spec.growth:TableGrowth": ("table", "sim.build.growth:table"),
    },
    "facility": {
        "sim.spec.building:FixedPUE": ("fixed-pue", "sim.build.site.facility:fixed_pue"),
        "sim.spec.facility:PlantSpec": ("plant", "sim.build.site.plant:plant"),
    },
    "cooling": {
        "sim.spec.facility:WaterCooledChillerSpec": ("water-cooled-chiller", "sim.build.site.plant:water_cooled"),
        "sim.spec.facility:AirCooledChillerSpec": ("air-cooled-chiller", "sim.build.site.plant:air_cooled"),
        "sim.spec.facility:AirSideEconomizer": ("air-side-economizer", "sim.build.site.plant:outdoor_air"),
        "sim.spec.facility:Adiabatic": ("adiabatic", "sim.build.site.plant:adiabatic"),
        "sim.spec.facility:DirectToChip": ("direct-to-chip", "sim.build.site.plant:direct_to_chip"),
        "sim.spec.facility:Immersion": ("immersion", "sim.build.site.plant:immersion"),
    },
    "on-site unit": {
        "sim.spec.onsite:PV": ("pv", "sim.build.site.onsite:pv_array"),
        "sim.spec.onsite:PVSeries": ("pv-series", "sim.build.site.onsite:pv_series"),
        "sim.spec.onsite:Wind": ("wind", "sim.build.site.onsite:turbines"),
        "sim.spec.onsite:WindSeries": ("wind-series", "sim.build.site.onsite:wind_series"),
        "sim.spec.battery:Battery": ("battery", "sim.build.site.onsite:battery"),
        "sim.spec.onsite:Diesel": ("diesel", "sim.build.site.onsite:diesel"),
        "sim.spec.onsite:Connection": ("connection", "sim.build.site.onsite:connection"),
    },
    "battery dispatch": {
        "sim.spec.battery:SelfConsumption": ("self-consumption", "sim.build.site.onsite:self_consumption"),
        "sim.spec.battery:PriceDispatch": ("price", "sim.build.site.onsite:by_price"),
        "sim.spec.battery:CarbonDispatch": ("carbon", "sim.build.site.onsite:by_carbon"),
    },
    "battery bounds": {
        "sim.spec.battery:TrailingBounds": ("trailing", "sim.build.site.onsite:trailing"),
        "sim.spec.battery:ForecastBounds": ("forecast", "sim.build.site.onsite:forecast"),
        "sim.spec.battery:PerfectBounds": ("perfect", "sim.build.site.onsite:perfect"),
        "sim.spec.battery:FixedPrices": ("fixed", "sim.build.site.onsite:fixed"),
        "sim.spec.battery:FixedIntensities": ("fixed", "sim.build.site.onsite:fixed"),
    },
    "policy": {
        "sim.spec.policies:PowerCap": ("power-cap", "sim.build.power.caps:power_cap"),
        "sim.spec.policies:DemandResponse": ("demand-response", "sim.build.power.caps:demand_response"),
        "sim.spec.policies:Throttle": ("throttle", "sim.build.power.caps:throttle"),
        "sim.spec.power_limits:PowerLimits": ("power-limits", "sim.build.power.power_limits:power_plan"),
    },
    "breaker curve": {
        "sim.spec.power_limits:ThermalMagneticCurve": (
            "thermal-magnetic",
            "sim.build.power.power_limits:thermal_magnetic",
        ),
        "sim.spec.power_limits:ElectronicCurve": ("electronic", "sim.build.power.power_limits:electronic"),
    },
    "condition": {
        "sim.spec.policies:Above": ("above", "sim.build.power.caps:above"),
        "sim.spec.policies:Daily": ("daily", "sim.build.power.caps:daily"),
    },
    "unit effect": {
        "sim.spec.unit_effects:DrawnUnits": ("lognormal", "sim.build.machines.unit_effects:drawn"),
        "sim.spec.unit_effects:UnitsOfProfile": ("profile", "sim.build.machines.unit_effects:of_profile"),
    },
    "schedule": {
        "sim.spec.schedules:FlexibleStart": ("flexible-start", "sim.build.jobs.schedules:flexible_start"),
        "sim.spec.schedules:PauseResume": ("pause-resume", "sim.build.jobs.schedules:pause_resume"),
        "sim.spec.schedules:Suspend": ("suspend", "sim.build.jobs.schedules:suspend"),
    },
    "forecast": {
        "sim.spec.schedules:PerfectForecast": ("perfect", "sim.build.jobs.schedules:perfect"),
        "sim.spec.schedules:PersistenceForecast": ("persistence", "sim.build.jobs.schedules:persistence"),
        "sim.spec.schedules:NoisyForecast": ("noisy", "sim.build.jobs.schedules:noisy"),
    },
    "arrivals": {
        "sim.spec.requests:Poisson": ("poisson", "sim.build.traffic.requests:poisson"),
        "sim.spec.requests:GammaRenewal": ("gamma", "sim.build.traffic.requests:gamma"),
        "sim.spec.requests:WeibullRenewal": ("weibull", "sim.build.traffic.requests:weibull"),
        "sim.spec.requests:Modulated": ("mmpp", "sim.build.traffic.requests:modulated"),
        "sim.spec.requests:DiurnalRate": ("diurnal", "sim.build.traffic.requests:diurnal"),
        "sim.spec.requests:Clients": ("clients", "sim.build.traffic.requests:clients"),
        "sim.spec.requests:ClosedLoopUsers": ("closed-loop", "sim.build.traffic.requests:closed_loop"),
        "sim.spec.requests:TraceReplay": ("trace", "sim.build.traffic.requests:replay"),
        "sim.spec.requests:ServeGen": ("servegen", "sim.build.traffic.requests:servegen"),
        "sim.spec.requests:RoutedArrivals": ("routed", "sim.build.traffic.requests:routed"),
    },
    "lengths": {
        "sim.spec.requests:SeparateLengths": ("separate", "sim.build.traffic.requests:separate"),
        "sim.spec.requests:JointLengths": ("joint", "sim.build.traffic.requests:joint"),
    },
    "token law": {
        "sim.spec.requests:ConstantTokens": ("constant", "sim.build.traffic.requests:constant"),
        "sim.spec.requests:UniformTokens": ("uniform", "sim.build.traffic.requests:uniform"),
        "sim.spec.requests:LognormalTokens": ("lognormal", "sim.build.traffic.requests:lognormal"),
        "sim.spec.requests:HistogramTokens": ("histogram", "sim.build.traffic.requests:histogram"),
    },
    "route rule": {
        "sim.spec.routes:ByLowest": ("lowest", "sim.build.traffic.routes:by_lowest"),
        "sim.spec.routes:ByNearest": ("nearest", "sim.build.traffic.routes:by_nearest"),
        "sim.spec.routes:ByShares": ("shares", "sim.build.traffic.routes:by_shares"),
        "sim.spec.routes:BySize": ("prompt-tokens", "sim.build.traffic.routes:by_size"),
        "sim.spec.routes:ByDifficulty": ("difficulty", "sim.build.traffic.routes:by_difficulty"),
        "sim.spec.routes:ByCascade": ("cascade", "sim.build.traffic.routes:by_cascade"),
    },
    "difficulty": {
        "sim.spec.difficulty:UniformDifficulty": ("uniform", "sim.build.traffic.routes:uniform"),
        "sim.spec.difficulty:BetaDifficulty": ("beta", "sim.build.traffic.routes:beta"),
        "sim.spec.difficulty:DifficultyColumn": ("column", "sim.build.traffic.routes:column"),
    },
    "popularity": {
        "sim.spec.result_cache:ZipfPopularity": ("zipf", "sim.build.traffic.relays:zipf"),
        "sim.spec.result_cache:RepeatedSamples": ("repeated", "sim.build.traffic.relays:repeated"),
        "sim.spec.result_cache:KeyColumn": ("column", "sim.build.traffic.relays:recorded"),
    },
    "contract": {
        "sim.spec.market:PPA": ("ppa", "sim.build.accounts.accounting:ppa"),
        "sim.spec.market:Certificates": ("certificates", "sim.build.accounts.accounting:certificates"),
    },
    "amortization": {
        "sim.spec.embodied:TimeAmortization": ("time", "sim.build.accounts.accounting:by_time"),
        "sim.spec.embodied:ExpectedUtilisation": (
            "expected-utilisation",
            "sim.build.accounts.accounting:by_expected_utilisation",
        ),
        "sim.spec.embodied:UseAmortization": ("use", "sim.build.accounts.accounting:by_use"),
    },
    "embodied plant": {
        "sim.spec.embodied:PlantByPower": ("per-power", "sim.build.accounts.embodied:by_power"),
        "sim.spec.embodied:PlantByArea": ("per-area", "sim.build.accounts.embodied:by_area"),
    },
    "second life": {
        "sim.spec.embodied:SecondLifeShare": ("share", "sim.build.accounts.embodied:by_share"),
        "sim.spec.embodied:SecondLifeYears": ("years", "sim.build.accounts.embodied:by_years"),
    },
    "workload": {
        "sim.spec.workloads:Training": ("training", "sim.build.work:training"),
        "sim.spec.inference:Inference": ("inference", "sim.build.work:inference"),
        "sim.spec.serving:Serving": ("serving", "sim.build.work:serving"),
        "sim.spec.campaign:CampaignSpec": ("campaign", "sim.build.training.campaign:campaign"),
        "sim.spec.federated:FederatedSpec": ("federated", "sim.build.training.federated:federated"),
        "sim.spec.split:SplitSpec": ("split", "sim.build.split:split"),
        "sim.spec.jobs:Jobs": ("jobs", "sim.build.jobs.rows:jobs"),
    },
    "speed-up": {
        "sim.spec.jobs:Amdahl": ("amdahl", "sim.build.jobs.rows:amdahl"),
        "sim.spec.jobs:Goodput": ("power", "sim.build.jobs.rows:power_law"),
    },
    "selection": {
        "sim.spec.campaign:AllTrials": ("all", "sim.build.training.campaign:throughout"),
        "sim.spec.campaign:SuccessiveHalving": ("successive-halving", "sim.build.training.campaign:halving"),
        "sim.spec.campaign:AsynchronousHalving": ("asha", "sim.build.training.campaign:asha"),
        "sim.spec.campaign:HyperbandSelection": ("hyperband", "sim.build.training.campaign:hyperband"),
        "sim.spec.campaign:MedianStopping": ("median", "sim.build.training.campaign:median"),
    },
    "aggregation": {
        "sim.spec.federated:SynchronousRounds": ("synchronous", "sim.build.training.federated:synchronous"),
        "sim.spec.federated:BufferedRounds": ("buffered", "sim.build.training.federated:buffered"),
    },
    "factor law": {
        "sim.spec.factors:ConstantFactor": ("constant", "sim.build.factors:constant"),
        "sim.spec.factors:ExponentialFactor": ("exponential", "sim.build.factors:exponential"),
        "sim.spec.factors:LognormalFactor": ("lognormal", "sim.build.factors:lognormal"),
        "sim.spec.factors:LogUniformFactor": ("log-uniform", "sim.build.factors:log_uniform"),
        "sim.spec.factors:ChosenFactor": ("choice", "sim.build.factors:choice"),
    },
    "step time": {
        "sim.spec.steps:Roofline": ("roofline", "sim.build.serving.steps:roofline"),
        "sim.spec.steps:MeasuredSteps": ("measured", "sim.build.serving.steps:measured"),
        "sim.spec.steps:KernelSteps": ("kernels", "sim.build.serving.steps:kernels"),
    },
    "sharing": {
        "sim.spec.sharing:ExclusiveSharing": ("exclusive", "sim.build.machines.sharing:exclusive"),
        "sim.spec.sharing:InstanceSharing": ("mig", "sim.build.machines.sharing:instances"),
        "sim.spec.sharing:MPSSharing": ("mps", "sim.build.machines.sharing:at_once"),
        "sim.spec.sharing:TimeSliceSharing": ("time-slicing", "sim.build.machines.sharing:time_slices"),
    },
    "failures": {
        "sim.spec.failures:ComponentFailures": ("components", "sim.build.machines.failures:components"),
    },
    "job source": {
        "sim.spec.job_source:TraceJobs": ("trace", "sim.build.jobs.source:trace"),
        "sim.spec.generated_jobs:GeneratedJobs": ("generated", "sim.build.jobs.generated:generated"),
    },
    "job arrivals": {
        "sim.spec.generated_jobs:PoissonJobs": ("poisson", "sim.build.jobs.generated:poisson"),
        "sim.spec.generated_jobs:GammaJobs": ("gamma", "sim.build.jobs.generated:gamma"),
        "sim.spec.generated_jobs:WeibullJobs": ("weibull", "sim.build.jobs.generated:weibull_gaps"),
    },
    "job size": {
        "sim.spec.job_laws:ConstantSize": ("constant", "sim.build.jobs.generated:constant_size"),
        "sim.spec.job_laws:SizeShares": ("shares", "sim.build.jobs.generated:shares"),
        "sim.spec.job_laws:PowerSizes": ("powers-of-two", "sim.build.jobs.generated:powers"),
        "sim.spec.job_laws:OnCPUs": ("cpus", "sim.build.jobs.generated:on_cpus"),
        "sim.spec.job_laws:FittedSize": ("fitted", "sim.build.jobs.generated:fitted_size"),
    },
    "run time": {
        "sim.spec.job_laws:ConstantRun": ("constant", "sim.build.jobs.generated:constant_run"),
        "sim.spec.job_laws:LognormalRun": ("lognormal", "sim.build.jobs.generated:lognormal"),
        "sim.spec.job_laws:WeibullRun": ("weibull", "sim.build.jobs.generated:weibull_run"),
        "sim.spec.job_laws:ExponentialRun": ("exponential", "sim.build.jobs.generated:exponential"),
        "sim.spec.job_laws:MixedRun": ("mixture", "sim.build.jobs.generated:mixture"),
        "sim.spec.job_laws:FittedRun": ("fitted", "sim.build.jobs.generated:fitted_run"),
    },
    "time limits": {
        "sim.spec.job_laws:NoLimits": ("none", "sim.build.jobs.generated:no_limits"),
        "sim.spec.job_laws:ExactLimits": ("exact", "sim.build.jobs.generated:exact"),
        "sim.spec.job_laws:MultipleLimits": ("multiple", "sim.build.jobs.generated:multiple"),
        "sim.spec.job_laws:EstimatedLimits": ("estimates", "sim.build.jobs.generated:estimates"),
        "sim.spec.job_laws:TsafrirLimits": ("tsafrir", "sim.build.jobs.generated:tsafrir"),
    },
    "scheduler": {
        "sim.spec.schedulers:Fifo": ("fifo", "sim.build.jobs.schedulers:fifo"),
        "sim.spec.schedulers:EasyBackfill": ("easy", "sim.build.jobs.schedulers:easy"),
        "sim.spec.schedulers:Conservative": ("conservative", "sim.build.jobs.schedulers:conservative"),
        "sim.spec.schedulers:Shortest": ("shortest", "sim.build.jobs.schedulers:shortest"),
        "sim.spec.schedulers:Deadline": ("deadline", "sim.build.jobs.schedulers:deadline"),
        "sim.spec.schedulers:FairShare": ("fair-share", "sim.build.jobs.schedulers:fair_share"),
        "sim.spec.schedulers:Priority": ("priority", "sim.build.jobs.schedulers:priority"),
        "sim.spec.schedulers:Spot": ("spot", "sim.build.jobs.schedulers:spot"),
        "sim.spec.schedulers:CarbonAware": ("carbon-aware", "sim.build.jobs.schedulers:carbon_aware"),
        "sim.spec.schedulers:Quotas": ("quotas", "sim.build.jobs.schedulers:quotas"),
        "sim.spec.schedulers:Elastic": ("elastic", "sim.build.jobs.schedulers:elastic"),
    },
    "placement": {
        "sim.spec.placements:AnyPlace": ("anywhere", "sim.build.jobs.schedulers:anywhere"),
        "sim.spec.placements:PackedPlace": ("packed", "sim.build.jobs.schedulers:packed"),
        "sim.spec.placements:SpreadPlace": ("spread", "sim.build.jobs.schedulers:spread"),
        "sim.spec.placements:TopologyPlace": ("topology", "sim.build.jobs.schedulers:topology"),
        "sim.spec.placements:BestFitPlace": ("best-fit", "sim.build.jobs.schedulers:best_fit"),
        "sim.spec.placements:FgdPlace": ("fgd", "sim.build.jobs.schedulers:fgd"),
        "sim.spec.placements:HeadroomPlace": ("headroom", "sim.build.jobs.schedulers:headroom"),
        "sim.spec.placements:LeastPowerPlace": ("least-power", "sim.build.jobs.schedulers:least_power"),
    },
    "fabric": {
        "sim.spec.fabric:Rail": ("rail", "sim.build.training.fabric:rail"),
        "sim.spec.fabric:FatTree": ("fat-tree", "sim.build.training.fabric:fat_tree"),
        "sim.spec.fabric:TorusSpec": ("torus", "sim.build.training.fabric:torus"),
    },
    "weather": {
        "sim.spec.weather:TypicalWeather": ("epw tmy3", "sim.build.site.weather:typical"),
        "sim.spec.weather:OpenMeteo": ("open-meteo", "sim.build.site.weather:open_meteo"),
        "sim.spec.weather:MonthHours": ("month-hours", "sim.build.site.weather:month_hours"),
    },
    "grid intensity": {
        "sim.spec.grid:IntensitySeries": ("series", "sim.build.site.grid_files:intensity_series"),
        "sim.spec.grid:ElectricityMaps": ("electricity-maps", "sim.build.site.grid_files:electricity_maps"),
        "sim.spec.grid:WattTime": ("watttime", "sim.build.site.grid_files:watttime"),
        "sim.spec.grid:CarbonIntensityUK": ("carbon-intensity-uk", "sim.build.site.grid_files:carbon_intensity_uk"),
        "sim.spec.grid:EIAMix": ("eia-mix", "sim.build.site.grid_files:eia_mix"),
        "sim.spec.grid:EntsoeMix": ("entsoe-mix", "sim.build.site.grid_files:entsoe_mix"),
        "sim.spec.grid:GridstatusMix": ("gridstatus-mix", "sim.build.site.grid_files:gridstatus_mix"),
        "sim.spec.grid:EnergyChartsMix": ("energy-charts-mix", "sim.build.site.grid_files:energy_charts_mix"),
        "sim.spec.grid:OpenElectricityMix": ("open-electricity-mix", "sim.build.site.grid_files:open_electricity_mix"),
        "sim.spec.grid:Average": ("average", "sim.build.site.grid:average"),
        "sim.spec.grid:MonthHours": ("month-hours", "sim.build.site.grid:month_hours"),
        "sim.spec.grid:MonthHoursMix": ("month-hours-mix", "sim.build.site.grid:month_hours_mix"),
    },
    "grid price": {
        "sim.spec.grid:PriceSeries": ("series", "sim.build.site.grid_files:price_series"),
        "sim.spec.grid:PriceCSV": ("price-csv", "sim.build.site.grid_files:price_csv"),
        "sim.spec.grid:EntsoePrice": ("entsoe-price", "sim.build.site.grid_files:entsoe_price"),
        "sim.spec.grid:GridstatusPrice": ("gridstatus-price", "sim.build.site.grid_files:gridstatus_price"),
        "sim.spec.grid:EnergyChartsPrice": ("energy-charts-price", "sim.build.site.grid_files:energy_charts_price"),
        "sim.spec.grid:OpenElectricityPrice": (
            "open-electricity-price",
            "sim.build.site.grid_files:open_electricity_price",
        ),
        "sim.spec.grid:PriceMonthHours": ("month-hours", "sim.build.site.grid:price_month_hours"),
    },
    "grid water": {
        "sim.spec.grid:MixWater": ("mix", "sim.build.site.grid:mix_water"),
        "sim.spec.grid:AverageWater": ("average", "sim.build.site.grid:average_water"),
    },
}
"""Family -> spec class -> what is written as ``kind`` (one word, or several) and the builder, in the order in which the
kinds are told. Classes and builders are ``module:name``. The words stand here, too, so that the module of a kind need
not be imported before it is named."""

SHIPPED_NAMES: Mapping[str, Mapping[str, str]] = {
    "request trace": {
        "azure": "sim.workload.trace_formats:AZURE",
        "burstgpt": "sim.workload.trace_formats:BURSTGPT",
        "mooncake": "sim.workload.trace_formats:MOONCAKE",
        "qwen-bailian": "sim.workload.trace_formats:QWEN_BAILIAN",
        "ragpulse": "sim.workload.trace_formats:RAGPULSE",
        "coldaisle": "sim.workload.trace_formats:COLDAISLE",
    },
    "job trace": {
        "swf": "sim.workload.jobs.swf:SWF",
        "slurm": "sim.workload.jobs.slurm:SLURM",
        "slurm-json": "sim.workload.jobs.slurm_json:SLURM_JSON",
        "alibaba-2020": "sim.workload.jobs.alibaba_2020:ALIBABA_2020",
        "alibaba-2023": "sim.workload.jobs.alibaba_pods:ALIBABA_2023",
        "alibaba-2025": "sim.workload.jobs.alibaba_pods:ALIBABA_2025",
        "alibaba-2026": "sim.workload.jobs.alibaba_pods:ALIBABA_2026",
        "philly": "sim.workload.jobs.philly:PHILLY",
        "helios": "sim.workload.jobs.helios:HELIOS",
        "acme": "sim.workload.jobs.helios:ACME",
        "gaia": "sim.workload.jobs.gaia:GAIA",
        "coldaisle": "sim.workload.jobs.plain:COLDAISLE",
    },
    "recording": {
        "nvidia-smi": "sim.measure.readers.nvidia_smi",
        "nvidia-smi-dmon": "sim.measure.readers.nvidia_dmon",
        "amd-smi": "sim.measure.readers.amd_smi",
        "rapl": "sim.measure.readers.rapl_text",
        "scaphandre": "sim.measure.readers.scaphandre",  # these three before Prometheus, which takes any other JSON
        "prometheus": "sim.measure.readers.prometheus",
        "zeus": "sim.measure.readers.zeus",
        "codecarbon": "sim.measure.readers.codecarbon",
        "mlperf": "sim.measure.readers.mlperf",
        "powerjoular": "sim.measure.readers.powerjoular",
        "energibridge": "sim.measure.readers.energibridge",
    },
}
"""The same of kinds of which nothing is written but the name, if that: family -> name -> a value or a module."""
