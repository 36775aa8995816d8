"""The kinds that come with coldaisle, a row each; ``sim.kinds`` finds them. A new kind is a new row here."""

from __future__ import annotations

from collections.abc import Mapping

SHIPPED: Mapping[str, Mapping[str, str]] = {
    "facility": {
        "sim.spec.facility:FixedPUE": "sim.build.facility:fixed_pue",
        "sim.spec.facility:PlantSpec": "sim.build.facility:plant",
    },
    "cooling": {
        "sim.spec.facility:WaterCooledChillerSpec": "sim.build.facility:water_cooled",
        "sim.spec.facility:AirCooledChillerSpec": "sim.build.facility:air_cooled",
        "sim.spec.facility:AirSideEconomizer": "sim.build.facility:outdoor_air",
        "sim.spec.facility:Adiabatic": "sim.build.facility:adiabatic",
        "sim.spec.facility:DirectToChip": "sim.build.facility:direct_to_chip",
        "sim.spec.facility:Immersion": "sim.build.facility:immersion",
    },
    "on-site unit": {
        "sim.spec.onsite:PV": "sim.build.onsite:pv_array",
        "sim.spec.onsite:PVSeries": "sim.build.onsite:pv_series",
        "sim.spec.onsite:Wind": "sim.build.onsite:turbines",
        "sim.spec.onsite:WindSeries": "sim.build.onsite:wind_series",
        "sim.spec.battery:Battery": "sim.build.onsite:battery",
        "sim.spec.onsite:Diesel": "sim.build.onsite:diesel",
        "sim.spec.onsite:Connection": "sim.build.onsite:connection",
    },
    "battery dispatch": {
        "sim.spec.battery:SelfConsumption": "sim.build.onsite:self_consumption",
        "sim.spec.battery:PriceDispatch": "sim.build.onsite:by_price",
        "sim.spec.battery:CarbonDispatch": "sim.build.onsite:by_carbon",
    },
    "battery bounds": {
        "sim.spec.battery:TrailingBounds": "sim.build.onsite:trailing",
        "sim.spec.battery:ForecastBounds": "sim.build.onsite:forecast",
        "sim.spec.battery:PerfectBounds": "sim.build.onsite:perfect",
        "sim.spec.battery:FixedPrices": "sim.build.onsite:fixed",
        "sim.spec.battery:FixedIntensities": "sim.build.onsite:fixed",
    },
    "policy": {
        "sim.spec.policies:PowerCap": "sim.build.caps:power_cap",
        "sim.spec.policies:DemandResponse": "sim.build.caps:demand_response",
        "sim.spec.policies:Throttle": "sim.build.caps:throttle",
    },
    "condition": {
        "sim.spec.policies:Above": "sim.build.caps:above",
        "sim.spec.policies:Daily": "sim.build.caps:daily",
    },
    "schedule": {
        "sim.spec.schedules:FlexibleStart": "sim.build.schedules:flexible_start",
        "sim.spec.schedules:PauseResume": "sim.build.schedules:pause_resume",
        "sim.spec.schedules:Suspend": "sim.build.schedules:suspend",
    },
    "forecast": {
        "sim.spec.schedules:PerfectForecast": "sim.build.schedules:perfect",
        "sim.spec.schedules:PersistenceForecast": "sim.build.schedules:persistence",
        "sim.spec.schedules:NoisyForecast": "sim.build.schedules:noisy",
    },
    "arrivals": {
        "sim.spec.requests:Poisson": "sim.build.requests:poisson",
        "sim.spec.requests:GammaRenewal": "sim.build.requests:gamma",
        "sim.spec.requests:WeibullRenewal": "sim.build.requests:weibull",
        "sim.spec.requests:Modulated": "sim.build.requests:modulated",
        "sim.spec.requests:DiurnalRate": "sim.build.requests:diurnal",
        "sim.spec.requests:Clients": "sim.build.requests:clients",
        "sim.spec.requests:ClosedLoopUsers": "sim.build.requests:closed_loop",
        "sim.spec.requests:TraceReplay": "sim.build.requests:replay",
        "sim.spec.requests:ServeGen": "sim.build.requests:servegen",
        "sim.spec.requests:RoutedArrivals": "sim.build.requests:routed",
    },
    "lengths": {
        "sim.spec.requests:SeparateLengths": "sim.build.requests:separate",
        "sim.spec.requests:JointLengths": "sim.build.requests:joint",
    },
    "token law": {
        "sim.spec.requests:ConstantTokens": "sim.build.requests:constant",
        "sim.spec.requests:UniformTokens": "sim.build.requests:uniform",
        "sim.spec.requests:LognormalTokens": "sim.build.requests:lognormal",
        "sim.spec.requests:HistogramTokens": "sim.build.requests:histogram",
    },
    "route rule": {
        "sim.spec.routes:ByLowest": "sim.build.routes:by_lowest",
        "sim.spec.routes:ByNearest": "sim.build.routes:by_nearest",
        "sim.spec.routes:ByShares": "sim.build.routes:by_shares",
        "sim.spec.routes:BySize": "sim.build.routes:by_size",
        "sim.spec.routes:ByDifficulty": "sim.build.routes:by_difficulty",
    },
    "difficulty": {
        "sim.spec.routes:UniformDifficulty": "sim.build.routes:uniform",
        "sim.spec.routes:BetaDifficulty": "sim.build.routes:beta",
        "sim.spec.routes:DifficultyColumn": "sim.build.routes:column",
    },
    "contract": {
        "sim.spec.market:PPA": "sim.build.accounting:ppa",
        "sim.spec.market:Certificates": "sim.build.accounting:certificates",
    },
    "amortization": {
        "sim.spec.embodied:TimeAmortization": "sim.build.accounting:by_time",
        "sim.spec.embodied:ExpectedUtilisation": "sim.build.accounting:by_expected_utilisation",
        "sim.spec.embodied:UseAmortization": "sim.build.accounting:by_use",
    },
    "embodied plant": {
        "sim.spec.embodied:PlantByPower": "sim.build.embodied:by_power",
        "sim.spec.embodied:PlantByArea": "sim.build.embodied:by_area",
    },
    "second life": {
        "sim.spec.embodied:SecondLifeShare": "sim.build.embodied:by_share",
        "sim.spec.embodied:SecondLifeYears": "sim.build.embodied:by_years",
    },
    "workload": {
        "sim.spec.workloads:Training": "sim.build.work:training",
        "sim.spec.workloads:Inference": "sim.build.work:inference",
        "sim.spec.serving:Serving": "sim.build.work:serving",
        "sim.spec.campaign:CampaignSpec": "sim.build.campaign:campaign",
        "sim.spec.federated:FederatedSpec": "sim.build.federated:federated",
        "sim.spec.jobs:Jobs": "sim.build.jobs:jobs",
    },
    "speed-up": {
        "sim.spec.jobs:Amdahl": "sim.build.jobs:amdahl",
        "sim.spec.jobs:Goodput": "sim.build.jobs:power_law",
    },
    "selection": {
        "sim.spec.campaign:AllTrials": "sim.build.campaign:throughout",
        "sim.spec.campaign:SuccessiveHalving": "sim.build.campaign:halving",
        "sim.spec.campaign:AsynchronousHalving": "sim.build.campaign:asha",
        "sim.spec.campaign:HyperbandSelection": "sim.build.campaign:hyperband",
        "sim.spec.campaign:MedianStopping": "sim.build.campaign:median",
    },
    "aggregation": {
        "sim.spec.federated:SynchronousRounds": "sim.build.federated:synchronous",
        "sim.spec.federated:BufferedRounds": "sim.build.federated:buffered",
    },
    "factor law": {
        "sim.spec.factors:ConstantFactor": "sim.build.factors:constant",
        "sim.spec.factors:ExponentialFactor": "sim.build.factors:exponential",
        "sim.spec.factors:LognormalFactor": "sim.build.factors:lognormal",
        "sim.spec.factors:LogUniformFactor": "sim.build.factors:log_uniform",
        "sim.spec.factors:ChosenFactor": "sim.build.factors:choice",
    },
    "step time": {
        "sim.spec.steps:Roofline": "sim.build.steps:roofline",
        "sim.spec.steps:MeasuredSteps": "sim.build.steps:measured",
        "sim.spec.steps:KernelSteps": "sim.build.steps:kernels",
    },
    "failures": {
        "sim.spec.failures:ComponentFailures": "sim.build.failures:components",
    },
    "job source": {
        "sim.spec.job_source:TraceJobs": "sim.build.job_source:trace",
        "sim.spec.generated_jobs:GeneratedJobs": "sim.build.generated_jobs:generated",
    },
    "job arrivals": {
        "sim.spec.generated_jobs:PoissonJobs": "sim.build.generated_jobs:poisson",
        "sim.spec.generated_jobs:GammaJobs": "sim.build.generated_jobs:gamma",
        "sim.spec.generated_jobs:WeibullJobs": "sim.build.generated_jobs:weibull_gaps",
    },
    "job size": {
        "sim.spec.job_laws:ConstantSize": "sim.build.generated_jobs:constant_size",
        "sim.spec.job_laws:SizeShares": "sim.build.generated_jobs:shares",
        "sim.spec.job_laws:PowerSizes": "sim.build.generated_jobs:powers",
        "sim.spec.job_laws:OnCPUs": "sim.build.generated_jobs:on_cpus",
        "sim.spec.job_laws:FittedSize": "sim.build.generated_jobs:fitted_size",
    },
    "run time": {
        "sim.spec.job_laws:ConstantRun": "sim.build.generated_jobs:constant_run",
        "sim.spec.job_laws:LognormalRun": "sim.build.generated_jobs:lognormal",
        "sim.spec.job_laws:WeibullRun": "sim.build.generated_jobs:weibull_run",
        "sim.spec.job_laws:ExponentialRun": "sim.build.generated_jobs:exponential",
        "sim.spec.job_laws:MixedRun": "sim.build.generated_jobs:mixture",
        "sim.spec.job_laws:FittedRun": "sim.build.generated_jobs:fitted_run",
    },
    "time limits": {
        "sim.spec.job_laws:NoLimits": "sim.build.generated_jobs:no_limits",
        "sim.spec.job_laws:ExactLimits": "sim.build.generated_jobs:exact",
        "sim.spec.job_laws:MultipleLimits": "sim.build.generated_jobs:multiple",
        "sim.spec.job_laws:EstimatedLimits": "sim.build.generated_jobs:estimates",
        "sim.spec.job_laws:TsafrirLimits": "sim.build.generated_jobs:tsafrir",
    },
    "scheduler": {
        "sim.spec.schedulers:Fifo": "sim.build.schedulers:fifo",
        "sim.spec.schedulers:EasyBackfill": "sim.build.schedulers:easy",
        "sim.spec.schedulers:Conservative": "sim.build.schedulers:conservative",
        "sim.spec.schedulers:Shortest": "sim.build.schedulers:shortest",
        "sim.spec.schedulers:Deadline": "sim.build.schedulers:deadline",
        "sim.spec.schedulers:FairShare": "sim.build.schedulers:fair_share",
        "sim.spec.schedulers:Priority": "sim.build.schedulers:priority",
        "sim.spec.schedulers:Spot": "sim.build.schedulers:spot",
        "sim.spec.schedulers:CarbonAware": "sim.build.schedulers:carbon_aware",
        "sim.spec.schedulers:Quotas": "sim.build.schedulers:quotas",
        "sim.spec.schedulers:Elastic": "sim.build.schedulers:elastic",
    },
    "placement": {
        "sim.spec.placements:AnyPlace": "sim.build.schedulers:anywhere",
        "sim.spec.placements:PackedPlace": "sim.build.schedulers:packed",
        "sim.spec.placements:SpreadPlace": "sim.build.schedulers:spread",
        "sim.spec.placements:TopologyPlace": "sim.build.schedulers:topology",
        "sim.spec.placements:BestFitPlace": "sim.build.schedulers:best_fit",
        "sim.spec.placements:FgdPlace": "sim.build.schedulers:fgd",
        "sim.spec.placements:LeastPowerPlace": "sim.build.schedulers:least_power",
    },
    "fabric": {
        "sim.spec.fabric:Rail": "sim.build.fabric:rail",
        "sim.spec.fabric:FatTree": "sim.build.fabric:fat_tree",
        "sim.spec.fabric:TorusSpec": "sim.build.fabric:torus",
    },
    "weather": {
        "sim.spec.weather:TypicalWeather": "sim.build.weather:typical",
        "sim.spec.weather:OpenMeteo": "sim.build.weather:open_meteo",
        "sim.spec.weather:MonthHours": "sim.build.weather:month_hours",
    },
    "grid intensity": {
        "sim.spec.grid:IntensitySeries": "sim.build.grid_files:intensity_series",
        "sim.spec.grid:ElectricityMaps": "sim.build.grid_files:electricity_maps",
        "sim.spec.grid:WattTime": "sim.build.grid_files:watttime",
        "sim.spec.grid:CarbonIntensityUK": "sim.build.grid_files:carbon_intensity_uk",
        "sim.spec.grid:EIAMix": "sim.build.grid_files:eia_mix",
        "sim.spec.grid:EntsoeMix": "sim.build.grid_files:entsoe_mix",
        "sim.spec.grid:GridstatusMix": "sim.build.grid_files:gridstatus_mix",
        "sim.spec.grid:EnergyChartsMix": "sim.build.grid_files:energy_charts_mix",
        "sim.spec.grid:OpenElectricityMix": "sim.build.grid_files:open_electricity_mix",
        "sim.spec.grid:Average": "sim.build.grid:average",
        "sim.spec.grid:MonthHours": "sim.build.grid:month_hours",
        "sim.spec.grid:MonthHoursMix": "sim.build.grid:month_hours_mix",
    },
    "grid price": {
        "sim.spec.grid:PriceSeries": "sim.build.grid_files:price_series",
        "sim.spec.grid:PriceCSV": "sim.build.grid_files:price_csv",
        "sim.spec.grid:EntsoePrice": "sim.build.grid_files:entsoe_price",
        "sim.spec.grid:GridstatusPrice": "sim.build.grid_files:gridstatus_price",
        "sim.spec.grid:EnergyChartsPrice": "sim.build.grid_files:energy_charts_price",
        "sim.spec.grid:OpenElectricityPrice": "sim.build.grid_files:open_electricity_price",
        "sim.spec.grid:PriceMonthHours": "sim.build.grid:price_month_hours",
    },
    "grid water": {
        "sim.spec.grid:MixWater": "sim.build.grid:mix_water",
        "sim.spec.grid:AverageWater": "sim.build.grid:average_water",
    },
}
"""Family -> spec class -> builder, each as ``module:name``, in the order in which the kinds are told."""

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
        "alibaba-2023": "sim.workload.jobs.alibaba_pods:ALIBABA_2023",
        "alibaba-2025": "sim.workload.jobs.alibaba_pods:ALIBABA_2025",
        "alibaba-2026": "sim.workload.jobs.alibaba_pods:ALIBABA_2026",
        "gaia": "sim.workload.jobs.gaia:GAIA",
    },
    "recording": {
        "nvidia-smi": "sim.measure.readers.nvidia_smi",
        "amd-smi": "sim.measure.readers.amd_smi",
        "scaphandre": "sim.measure.readers.scaphandre",  # these two before Prometheus, which takes any other JSON
        "prometheus": "sim.measure.readers.prometheus",
        "zeus": "sim.measure.readers.zeus",
        "codecarbon": "sim.measure.readers.codecarbon",
        "mlperf": "sim.measure.readers.mlperf",
        "powerjoular": "sim.measure.readers.powerjoular",
        "energibridge": "sim.measure.readers.energibridge",
        "rapl": "sim.measure.readers.rapl_text",
    },
}
"""The same of kinds of which nothing is written but the name, if that: family -> name -> a value or a module."""
