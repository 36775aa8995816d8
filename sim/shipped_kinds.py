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
        "sim.spec.building:FixedPUE": ("fixed-pue", "sim.build.facility:fixed_pue"),
        "sim.spec.facility:PlantSpec": ("plant", "sim.build.plant:plant"),
    },
    "cooling": {
        "sim.spec.facility:WaterCooledChillerSpec": ("water-cooled-chiller", "sim.build.plant:water_cooled"),
        "sim.spec.facility:AirCooledChillerSpec": ("air-cooled-chiller", "sim.build.plant:air_cooled"),
        "sim.spec.facility:AirSideEconomizer": ("air-side-economizer", "sim.build.plant:outdoor_air"),
        "sim.spec.facility:Adiabatic": ("adiabatic", "sim.build.plant:adiabatic"),
        "sim.spec.facility:DirectToChip": ("direct-to-chip", "sim.build.plant:direct_to_chip"),
        "sim.spec.facility:Immersion": ("immersion", "sim.build.plant:immersion"),
    },
    "on-site unit": {
        "sim.spec.onsite:PV": ("pv", "sim.build.onsite:pv_array"),
        "sim.spec.onsite:PVSeries": ("pv-series", "sim.build.onsite:pv_series"),
        "sim.spec.onsite:Wind": ("wind", "sim.build.onsite:turbines"),
        "sim.spec.onsite:WindSeries": ("wind-series", "sim.build.onsite:wind_series"),
        "sim.spec.battery:Battery": ("battery", "sim.build.onsite:battery"),
        "sim.spec.onsite:Diesel": ("diesel", "sim.build.onsite:diesel"),
        "sim.spec.onsite:Connection": ("connection", "sim.build.onsite:connection"),
    },
    "battery dispatch": {
        "sim.spec.battery:SelfConsumption": ("self-consumption", "sim.build.onsite:self_consumption"),
        "sim.spec.battery:PriceDispatch": ("price", "sim.build.onsite:by_price"),
        "sim.spec.battery:CarbonDispatch": ("carbon", "sim.build.onsite:by_carbon"),
    },
    "battery bounds": {
        "sim.spec.battery:TrailingBounds": ("trailing", "sim.build.onsite:trailing"),
        "sim.spec.battery:ForecastBounds": ("forecast", "sim.build.onsite:forecast"),
        "sim.spec.battery:PerfectBounds": ("perfect", "sim.build.onsite:perfect"),
        "sim.spec.battery:FixedPrices": ("fixed", "sim.build.onsite:fixed"),
        "sim.spec.battery:FixedIntensities": ("fixed", "sim.build.onsite:fixed"),
    },
    "policy": {
        "sim.spec.policies:PowerCap": ("power-cap", "sim.build.caps:power_cap"),
        "sim.spec.policies:DemandResponse": ("demand-response", "sim.build.caps:demand_response"),
        "sim.spec.policies:Throttle": ("throttle", "sim.build.caps:throttle"),
        "sim.spec.power_limits:PowerLimits": ("power-limits", "sim.build.power_limits:power_plan"),
    },
    "breaker curve": {
        "sim.spec.power_limits:ThermalMagneticCurve": ("thermal-magnetic", "sim.build.power_limits:thermal_magnetic"),
        "sim.spec.power_limits:ElectronicCurve": ("electronic", "sim.build.power_limits:electronic"),
    },
    "condition": {
        "sim.spec.policies:Above": ("above", "sim.build.caps:above"),
        "sim.spec.policies:Daily": ("daily", "sim.build.caps:daily"),
    },
    "unit effect": {
        "sim.spec.units:DrawnUnits": ("lognormal", "sim.build.units:drawn"),
        "sim.spec.units:UnitsOfProfile": ("profile", "sim.build.units:of_profile"),
    },
    "schedule": {
        "sim.spec.schedules:FlexibleStart": ("flexible-start", "sim.build.schedules:flexible_start"),
        "sim.spec.schedules:PauseResume": ("pause-resume", "sim.build.schedules:pause_resume"),
        "sim.spec.schedules:Suspend": ("suspend", "sim.build.schedules:suspend"),
    },
    "forecast": {
        "sim.spec.schedules:PerfectForecast": ("perfect", "sim.build.schedules:perfect"),
        "sim.spec.schedules:PersistenceForecast": ("persistence", "sim.build.schedules:persistence"),
        "sim.spec.schedules:NoisyForecast": ("noisy", "sim.build.schedules:noisy"),
    },
    "arrivals": {
        "sim.spec.requests:Poisson": ("poisson", "sim.build.requests:poisson"),
        "sim.spec.requests:GammaRenewal": ("gamma", "sim.build.requests:gamma"),
        "sim.spec.requests:WeibullRenewal": ("weibull", "sim.build.requests:weibull"),
        "sim.spec.requests:Modulated": ("mmpp", "sim.build.requests:modulated"),
        "sim.spec.requests:DiurnalRate": ("diurnal", "sim.build.requests:diurnal"),
        "sim.spec.requests:Clients": ("clients", "sim.build.requests:clients"),
        "sim.spec.requests:ClosedLoopUsers": ("closed-loop", "sim.build.requests:closed_loop"),
        "sim.spec.requests:TraceReplay": ("trace", "sim.build.requests:replay"),
        "sim.spec.requests:ServeGen": ("servegen", "sim.build.requests:servegen"),
        "sim.spec.requests:RoutedArrivals": ("routed", "sim.build.requests:routed"),
    },
    "lengths": {
        "sim.spec.requests:SeparateLengths": ("separate", "sim.build.requests:separate"),
        "sim.spec.requests:JointLengths": ("joint", "sim.build.requests:joint"),
    },
    "token law": {
        "sim.spec.requests:ConstantTokens": ("constant", "sim.build.requests:constant"),
        "sim.spec.requests:UniformTokens": ("uniform", "sim.build.requests:uniform"),
        "sim.spec.requests:LognormalTokens": ("lognormal", "sim.build.requests:lognormal"),
        "sim.spec.requests:HistogramTokens": ("histogram", "sim.build.requests:histogram"),
    },
    "route rule": {
        "sim.spec.routes:ByLowest": ("lowest", "sim.build.routes:by_lowest"),
        "sim.spec.routes:ByNearest": ("nearest", "sim.build.routes:by_nearest"),
        "sim.spec.routes:ByShares": ("shares", "sim.build.routes:by_shares"),
        "sim.spec.routes:BySize": ("prompt-tokens", "sim.build.routes:by_size"),
        "sim.spec.routes:ByDifficulty": ("difficulty", "sim.build.routes:by_difficulty"),
        "sim.spec.routes:ByCascade": ("cascade", "sim.build.routes:by_cascade"),
    },
    "difficulty": {
        "sim.spec.difficulty:UniformDifficulty": ("uniform", "sim.build.routes:uniform"),
        "sim.spec.difficulty:BetaDifficulty": ("beta", "sim.build.routes:beta"),
        "sim.spec.difficulty:DifficultyColumn": ("column", "sim.build.routes:column"),
    },
    "popularity": {
        "sim.spec.result_cache:ZipfPopularity": ("zipf", "sim.build.relays:zipf"),
        "sim.spec.result_cache:RepeatedSamples": ("repeated", "sim.build.relays:repeated"),
        "sim.spec.result_cache:KeyColumn": ("column", "sim.build.relays:recorded"),
    },
    "contract": {
        "sim.spec.market:PPA": ("ppa", "sim.build.accounting:ppa"),
        "sim.spec.market:Certificates": ("certificates", "sim.build.accounting:certificates"),
    },
    "amortization": {
        "sim.spec.embodied:TimeAmortization": ("time", "sim.build.accounting:by_time"),
        "sim.spec.embodied:ExpectedUtilisation": (
            "expected-utilisation",
            "sim.build.accounting:by_expected_utilisation",
        ),
        "sim.spec.embodied:UseAmortization": ("use", "sim.build.accounting:by_use"),
    },
    "embodied plant": {
        "sim.spec.embodied:PlantByPower": ("per-power", "sim.build.embodied:by_power"),
        "sim.spec.embodied:PlantByArea": ("per-area", "sim.build.embodied:by_area"),
    },
    "second life": {
        "sim.spec.embodied:SecondLifeShare": ("share", "sim.build.embodied:by_share"),
        "sim.spec.embodied:SecondLifeYears": ("years", "sim.build.embodied:by_years"),
    },
    "workload": {
        "sim.spec.workloads:Training": ("training", "sim.build.work:training"),
        "sim.spec.inference:Inference": ("inference", "sim.build.work:inference"),
        "sim.spec.serving:Serving": ("serving", "sim.build.work:serving"),
        "sim.spec.campaign:CampaignSpec": ("campaign", "sim.build.campaign:campaign"),
        "sim.spec.federated:FederatedSpec": ("federated", "sim.build.federated:federated"),
        "sim.spec.split:SplitSpec": ("split", "sim.build.split:split"),
        "sim.spec.jobs:Jobs": ("jobs", "sim.build.jobs:jobs"),
    },
    "speed-up": {
        "sim.spec.jobs:Amdahl": ("amdahl", "sim.build.jobs:amdahl"),
        "sim.spec.jobs:Goodput": ("power", "sim.build.jobs:power_law"),
    },
    "selection": {
        "sim.spec.campaign:AllTrials": ("all", "sim.build.campaign:throughout"),
        "sim.spec.campaign:SuccessiveHalving": ("successive-halving", "sim.build.campaign:halving"),
        "sim.spec.campaign:AsynchronousHalving": ("asha", "sim.build.campaign:asha"),
        "sim.spec.campaign:HyperbandSelection": ("hyperband", "sim.build.campaign:hyperband"),
        "sim.spec.campaign:MedianStopping": ("median", "sim.build.campaign:median"),
    },
    "aggregation": {
        "sim.spec.federated:SynchronousRounds": ("synchronous", "sim.build.federated:synchronous"),
        "sim.spec.federated:BufferedRounds": ("buffered", "sim.build.federated:buffered"),
    },
    "factor law": {
        "sim.spec.factors:ConstantFactor": ("constant", "sim.build.factors:constant"),
        "sim.spec.factors:ExponentialFactor": ("exponential", "sim.build.factors:exponential"),
        "sim.spec.factors:LognormalFactor": ("lognormal", "sim.build.factors:lognormal"),
        "sim.spec.factors:LogUniformFactor": ("log-uniform", "sim.build.factors:log_uniform"),
        "sim.spec.factors:ChosenFactor": ("choice", "sim.build.factors:choice"),
    },
    "step time": {
        "sim.spec.steps:Roofline": ("roofline", "sim.build.steps:roofline"),
        "sim.spec.steps:MeasuredSteps": ("measured", "sim.build.steps:measured"),
        "sim.spec.steps:KernelSteps": ("kernels", "sim.build.steps:kernels"),
    },
    "sharing": {
        "sim.spec.sharing:ExclusiveSharing": ("exclusive", "sim.build.sharing:exclusive"),
        "sim.spec.sharing:InstanceSharing": ("mig", "sim.build.sharing:instances"),
        "sim.spec.sharing:MPSSharing": ("mps", "sim.build.sharing:at_once"),
        "sim.spec.sharing:TimeSliceSharing": ("time-slicing", "sim.build.sharing:time_slices"),
    },
    "failures": {
        "sim.spec.failures:ComponentFailures": ("components", "sim.build.failures:components"),
    },
    "job source": {
        "sim.spec.job_source:TraceJobs": ("trace", "sim.build.job_source:trace"),
        "sim.spec.generated_jobs:GeneratedJobs": ("generated", "sim.build.generated_jobs:generated"),
    },
    "job arrivals": {
        "sim.spec.generated_jobs:PoissonJobs": ("poisson", "sim.build.generated_jobs:poisson"),
        "sim.spec.generated_jobs:GammaJobs": ("gamma", "sim.build.generated_jobs:gamma"),
        "sim.spec.generated_jobs:WeibullJobs": ("weibull", "sim.build.generated_jobs:weibull_gaps"),
    },
    "job size": {
        "sim.spec.job_laws:ConstantSize": ("constant", "sim.build.generated_jobs:constant_size"),
        "sim.spec.job_laws:SizeShares": ("shares", "sim.build.generated_jobs:shares"),
        "sim.spec.job_laws:PowerSizes": ("powers-of-two", "sim.build.generated_jobs:powers"),
        "sim.spec.job_laws:OnCPUs": ("cpus", "sim.build.generated_jobs:on_cpus"),
        "sim.spec.job_laws:FittedSize": ("fitted", "sim.build.generated_jobs:fitted_size"),
    },
    "run time": {
        "sim.spec.job_laws:ConstantRun": ("constant", "sim.build.generated_jobs:constant_run"),
        "sim.spec.job_laws:LognormalRun": ("lognormal", "sim.build.generated_jobs:lognormal"),
        "sim.spec.job_laws:WeibullRun": ("weibull", "sim.build.generated_jobs:weibull_run"),
        "sim.spec.job_laws:ExponentialRun": ("exponential", "sim.build.generated_jobs:exponential"),
        "sim.spec.job_laws:MixedRun": ("mixture", "sim.build.generated_jobs:mixture"),
        "sim.spec.job_laws:FittedRun": ("fitted", "sim.build.generated_jobs:fitted_run"),
    },
    "time limits": {
        "sim.spec.job_laws:NoLimits": ("none", "sim.build.generated_jobs:no_limits"),
        "sim.spec.job_laws:ExactLimits": ("exact", "sim.build.generated_jobs:exact"),
        "sim.spec.job_laws:MultipleLimits": ("multiple", "sim.build.generated_jobs:multiple"),
        "sim.spec.job_laws:EstimatedLimits": ("estimates", "sim.build.generated_jobs:estimates"),
        "sim.spec.job_laws:TsafrirLimits": ("tsafrir", "sim.build.generated_jobs:tsafrir"),
    },
    "scheduler": {
        "sim.spec.schedulers:Fifo": ("fifo", "sim.build.schedulers:fifo"),
        "sim.spec.schedulers:EasyBackfill": ("easy", "sim.build.schedulers:easy"),
        "sim.spec.schedulers:Conservative": ("conservative", "sim.build.schedulers:conservative"),
        "sim.spec.schedulers:Shortest": ("shortest", "sim.build.schedulers:shortest"),
        "sim.spec.schedulers:Deadline": ("deadline", "sim.build.schedulers:deadline"),
        "sim.spec.schedulers:FairShare": ("fair-share", "sim.build.schedulers:fair_share"),
        "sim.spec.schedulers:Priority": ("priority", "sim.build.schedulers:priority"),
        "sim.spec.schedulers:Spot": ("spot", "sim.build.schedulers:spot"),
        "sim.spec.schedulers:CarbonAware": ("carbon-aware", "sim.build.schedulers:carbon_aware"),
        "sim.spec.schedulers:Quotas": ("quotas", "sim.build.schedulers:quotas"),
        "sim.spec.schedulers:Elastic": ("elastic", "sim.build.schedulers:elastic"),
    },
    "placement": {
        "sim.spec.placements:AnyPlace": ("anywhere", "sim.build.schedulers:anywhere"),
        "sim.spec.placements:PackedPlace": ("packed", "sim.build.schedulers:packed"),
        "sim.spec.placements:SpreadPlace": ("spread", "sim.build.schedulers:spread"),
        "sim.spec.placements:TopologyPlace": ("topology", "sim.build.schedulers:topology"),
        "sim.spec.placements:BestFitPlace": ("best-fit", "sim.build.schedulers:best_fit"),
        "sim.spec.placements:FgdPlace": ("fgd", "sim.build.schedulers:fgd"),
        "sim.spec.placements:HeadroomPlace": ("headroom", "sim.build.schedulers:headroom"),
        "sim.spec.placements:LeastPowerPlace": ("least-power", "sim.build.schedulers:least_power"),
    },
    "fabric": {
        "sim.spec.fabric:Rail": ("rail", "sim.build.fabric:rail"),
        "sim.spec.fabric:FatTree": ("fat-tree", "sim.build.fabric:fat_tree"),
        "sim.spec.fabric:TorusSpec": ("torus", "sim.build.fabric:torus"),
    },
    "weather": {
        "sim.spec.weather:TypicalWeather": ("epw tmy3", "sim.build.weather:typical"),
        "sim.spec.weather:OpenMeteo": ("open-meteo", "sim.build.weather:open_meteo"),
        "sim.spec.weather:MonthHours": ("month-hours", "sim.build.weather:month_hours"),
    },
    "grid intensity": {
        "sim.spec.grid:IntensitySeries": ("series", "sim.build.grid_files:intensity_series"),
        "sim.spec.grid:ElectricityMaps": ("electricity-maps", "sim.build.grid_files:electricity_maps"),
        "sim.spec.grid:WattTime": ("watttime", "sim.build.grid_files:watttime"),
        "sim.spec.grid:CarbonIntensityUK": ("carbon-intensity-uk", "sim.build.grid_files:carbon_intensity_uk"),
        "sim.spec.grid:EIAMix": ("eia-mix", "sim.build.grid_files:eia_mix"),
        "sim.spec.grid:EntsoeMix": ("entsoe-mix", "sim.build.grid_files:entsoe_mix"),
        "sim.spec.grid:GridstatusMix": ("gridstatus-mix", "sim.build.grid_files:gridstatus_mix"),
        "sim.spec.grid:EnergyChartsMix": ("energy-charts-mix", "sim.build.grid_files:energy_charts_mix"),
        "sim.spec.grid:OpenElectricityMix": ("open-electricity-mix", "sim.build.grid_files:open_electricity_mix"),
        "sim.spec.grid:Average": ("average", "sim.build.grid:average"),
        "sim.spec.grid:MonthHours": ("month-hours", "sim.build.grid:month_hours"),
        "sim.spec.grid:MonthHoursMix": ("month-hours-mix", "sim.build.grid:month_hours_mix"),
    },
    "grid price": {
        "sim.spec.grid:PriceSeries": ("series", "sim.build.grid_files:price_series"),
        "sim.spec.grid:PriceCSV": ("price-csv", "sim.build.grid_files:price_csv"),
        "sim.spec.grid:EntsoePrice": ("entsoe-price", "sim.build.grid_files:entsoe_price"),
        "sim.spec.grid:GridstatusPrice": ("gridstatus-price", "sim.build.grid_files:gridstatus_price"),
        "sim.spec.grid:EnergyChartsPrice": ("energy-charts-price", "sim.build.grid_files:energy_charts_price"),
        "sim.spec.grid:OpenElectricityPrice": ("open-electricity-price", "sim.build.grid_files:open_electricity_price"),
        "sim.spec.grid:PriceMonthHours": ("month-hours", "sim.build.grid:price_month_hours"),
    },
    "grid water": {
        "sim.spec.grid:MixWater": ("mix", "sim.build.grid:mix_water"),
        "sim.spec.grid:AverageWater": ("average", "sim.build.grid:average_water"),
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
