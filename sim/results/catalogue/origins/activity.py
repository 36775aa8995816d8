"""How what happened in services and jobs comes about: counted by the engine, or derived from what was."""

from __future__ import annotations

from sim.results.catalogue.origins.origin import Origin, derived, statistics, told
from sim.results.catalogue.quantity import STATISTICS

J_PER_KWH = "3.6e6"
SERVING = {
    **told(
        "serving.*",
        {
            "requests": "requests that arrived, by its law or its trace",
            "completed": "requests of which the last token, or the answer, came within the run",
            "rejected": "requests that found the queue full",
            "timed_out": "requests that waited longer than their patience",
            "rejected_too_long": "requests that no KV cache of a replica could hold",
            "unfinished": "requests that waited or ran when the run ended",
            "retries": "requests that came again after they were refused",
            "killed": "requests that were lost with their replica",
            "batches": "batches that began",
            "prompt_tokens": "tokens of the prompts of completed requests",
            "output_tokens": "tokens that were written",
            "wasted_tokens": "tokens of requests that were given up or lost",
            "cold_starts": "replicas that were started during the run",
            "replicas_most": "replicas at one time, at most",
            "preemptions": "requests put back in the queue because the KV cache was full",
        },
        rows="requests",
    ),
    **statistics(
        {
            "serving.*.ttft_s": "times from arrival to the first token",
            "serving.*.tpot_s": "(last token - first token) / (tokens - 1), of a request",
            "serving.*.itl_s": "gaps between tokens of a request",
            "serving.*.step_gap_s": "gaps between the steps that bring a request tokens",
            "serving.*.e2e_s": "times from arrival to the last token",
            "serving.*.queueing_s": "times from arrival to the first iteration",
            "serving.*.queue_s": "times from arrival to the batch that serves a request",
            "serving.*.decode_iteration_s": "times of iterations that only decode",
        },
        STATISTICS,
        rows="requests",
    ),
    **told(
        "serving.*",
        {
            "slo_met": "requests that were answered within every limit of the slo",
            "slo_missed": "requests that were over, in whatever way, and did not meet every limit of the slo, and "
            "those under way at the end that had missed one already",
            "utilisation": "time in which replicas served / time for which there were replicas",
            "replicas_mean": "time for which each replica was there, summed / simulated time",
            "network_busy": "time in which links carried KV caches / time of links of replicas that prefill",
            "batch_size_mean": "requests in an iteration, weighed by time / time of replicas",
            "queue_length_mean": "time that requests waited, summed / simulated time",
            "kv_occupancy": "tokens in KV caches, mean over iterations / tokens that fit",
            "kv_occupancy_peak": "blocks of the KV cache in use, at most / blocks there are",
            "prefix_cache_hit_rate": "prompt tokens found in the cache / prompt tokens looked up",
            "energy_split_kwh.prefill energy_split_kwh.decode": "dynamic energy of GPUs in this phase of finished "
            "requests, and its share of the power of loaded GPUs",
            "energy_of_requests_kwh.*": "sum over the rows of requests.parquet of this part of their energy",
            "zero_load_energy_share": "power at zero load x simulated time / energy of the service",
            "power_w_at_zero_load": "mean W while it was loaded and no request was served, of all GPUs that it holds",
            "step_time_shares.*.*": "time of an iteration by where it is known from",
            "exit_shares.*": "answered requests that left at this exit / answered requests",
            "start_up_s": "time from asking for a replica to its readiness, mean over start-ups",
            "trace_rows_skipped trace_problems.[]": "rows of the trace that cannot be requests",
            "engine": "as the scenario chose, or the fast one where it can be had",
        },
    ),
    **derived(
        "serving.*",
        {
            "throughput_tok_per_s": ("{serving.*.output_tokens} / {simulated_s}", "tokens written a second"),
            "throughput_requests_per_s": ("{serving.*.completed} / {simulated_s}", "requests answered a second"),
            "goodput_share": (
                "{serving.*.slo_met} / ({serving.*.slo_met} + {serving.*.slo_missed})",
                "requests that met every limit of the slo, of those whose outcome is known",
            ),
            "goodput_requests_per_s": (
                "{serving.*.slo_met} / {simulated_s}",
                "requests that met the slo a second",
            ),
            "energy_split_kwh.overhead": (
                "{@metered_kwh.*} - {serving.*.energy_split_kwh.prefill} - {serving.*.energy_split_kwh.decode}",
                "all that its machines drew that is neither: idle, loaded, hosts, fans, supplies",
            ),
            "energy_j_per_request": (
                f"{{@metered_kwh.*}} * {J_PER_KWH} / {{serving.*.completed}}",
                "all that its machines drew, over requests answered",
            ),
            "energy_j_per_output_token": (
                f"{{@metered_kwh.*}} * {J_PER_KWH} / {{serving.*.output_tokens}}",
                "all that its machines drew, over tokens written",
            ),
            "power_w_mean": (
                f"{{@metered_kwh.*}} * {J_PER_KWH} / {{simulated_s}}",
                "all that its machines drew, over time",
            ),
            "gpu_hours": ("{@held_gpu_hours.*}", "GPUs that it held times hours, from the ledger"),
        },
    ),
}
JOBS = {
    **told(
        "jobs.*",
        {
            "progress": "work done and kept / work of the job",
            "gpu_hours": "GPUs times the time for which they were held",
            "lost_gpu_hours": "GPUs times time at work that was done again",
            "wait_s": "from submission to the first start",
            "goodput": "time at work that was kept / time held",
            "interruptions": "failures that stopped it",
            "count completed killed unfinished": "jobs by how they ended",
            "checkpoints": "checkpoints that were written",
            "makespan_s": "from the first submission to the last end",
            "slowed_by_islands_s": "time at work beyond that on as few islands of its nodes as it needs",
            "paused_by_limits_s": "time for which shared limits of power had it stand still with its GPUs",
            "shed_by_limits": "times that shared limits of power took its GPUs",
            "cap_changes slowed_by_caps_s": "changes of its power cap, and time at work beyond that without a cap",
        },
        rows="jobs",
    ),
    **told(
        "jobs.*",
        {
            "effective_time_share": "time at work that was kept / time since the first start",
            "expected_mtbf_s": "1 / sum of the failure rates of all its nodes and parts",
            "checkpoint_interval_s": "as written, or sqrt(2 x time of a checkpoint x expected time between failures)",
            "time_split_s.productive time_split_s.lost time_split_s.checkpoints time_split_s.detection "
            "time_split_s.restarts time_split_s.planned_stops time_split_s.waiting": "time since the start by what "
            "the job did",
            "energy_split_kwh.productive energy_split_kwh.lost energy_split_kwh.checkpoints "
            "energy_split_kwh.detection energy_split_kwh.restarts energy_split_kwh.planned_stops "
            "energy_split_kwh.waiting": "energy of its machines by what the job did meanwhile",
            "interruptions_by_component.*": "failures of this part that stopped it",
            "planned_stops": "stops for maintenance",
            "slowed_by_stragglers_s": "time at work beyond that of equal GPUs",
            "undetected_corruption": "whether a fault went unnoticed",
        },
    ),
}
STEPS = {
    **told(
        "jobs.*.step",
        {
            "step_split_s.compute step_split_s.optimizer": "FLOP and bytes of the layers over what the stack sustains",
            "step_split_s.communication": "collectives that no computation hides",
            "step_split_s.bubble": "time in which a stage of the pipeline waits",
            "step_split_s.stall": "waiting for data",
            "step_split_s.straggler": "waiting for the slowest of the gang",
            "evaluation_s": "time of evaluations, a step's part",
            "exposed_s.* hidden_s.*": "time of collectives by what they are for, on the critical path or behind it",
            "mfu": "FLOP that the model needs a second / peak of its GPUs",
            "hfu": "FLOP that are computed a second / peak of its GPUs",
            "model_tflops_per_gpu": "FLOP that the model needs a step / time of a step / GPUs",
            "steps": "steps of the job x share of its work that was done",
            "tokens": "steps done x tokens of a step",
            "memory_gb.*": "bytes on the GPU that needs most, by what they are for",
            "gpu_energy_kwh.*": "energy of its GPUs in the ledger, divided among phases by the joules of a step",
            "throughput_tok_per_s_per_gpu": "tokens of a step / time of a step / GPUs",
            "throughput_tok_per_s": "tokens of a step / time of a step",
        },
    ),
    **derived("jobs.*.step", {"step_s": ("{sum jobs.*.step.step_split_s.*}", "its phases, one after the other")}),
    **told(
        "jobs.*.ramps",
        {
            "mean_w peak_w trough_w swing_w unsmoothed_swing_w": "power of all its GPUs over one step, by its phases",
            "stop_w": "from the most to loaded GPUs",
            "step_hz": "1 / time of a step",
            "strongest_hz strongest_w critical_share": "Fourier series of the power over a step",
            "near_mean_share": "share of a step within 10 % of its mean power",
            "largest_ramp_w_per_s.*": "most change between two instants no further apart, over that time",
            "burned_share": "energy of smoothing / energy at work without it",
            "floors.[].share floors.[].swing_w floors.[].burned_share": "the same step with a floor of power",
            "ramp_limits.[].board_w_per_s ramp_limits.[].swing_w ramp_limits.[].burned_share": "the same step with a "
            "limit of ramps",
        },
    ),
    **told(
        "jobs.*.schedule",
        {
            "signal unit": "what the scenario's schedule looks at",
            "immediate_mean forecast_mean actual_mean": "mean of the signal over time at work: had it begun at once, "
            "as forecast, as it was",
            "waited_s paused_s switching_s": "time for which it waited, stood still, and saved or loaded its state",
            "pauses restarts": "how often the schedule stopped it, and it began anew",
            "finish_delay_s": "end less the end had it begun at once",
            "deadline_met": "whether it ended by its deadline",
        },
    ),
}
FLEETS = {
    **told(
        "campaigns.*",
        {
            "status": "how it ended",
            "trials kept killed cut failed": "trials that began, by what became of them",
            "lost_gpu_hours interruptions": "what failures cost its trials",
            "makespan_s": "from submission to the end",
            "best_rank": "place of the best that was found among all trials that began",
            "by_outcome_gpu_hours.* by_outcome_kwh.*": "of trials by what became of them, and of evaluations",
        },
        rows="trials",
    ),
    **derived(
        "campaigns.*",
        {
            "gpu_hours": ("{sum campaigns.*.by_outcome_gpu_hours.*}", "of trials by outcome, and of evaluations"),
            "energy_kwh": ("{sum campaigns.*.by_outcome_kwh.*}", "of trials by outcome, and of evaluations"),
        },
    ),
    **told(
        "federated.*",
        {
            "completed rounds rounds_abandoned interruptions": "rounds by how they ended",
            "clients updates dropped_out late": "clients that were asked, by what came of it",
            "samples": "samples behind updates that counted",
            "makespan_s": "from submission to the end",
            "downloaded_gb uploaded_gb": "bytes of models sent to clients, and of updates from them",
            "devices_kwh": "watts of clients' devices x time at work",
            "network_kwh": "bytes x J a byte of the networks",
            "wasted_share": "energy of devices and networks that led to no update / all of it",
        },
    ),
    **derived("federated.*", {"server_kwh": ("{@metered_kwh.*}", "IT energy that the ledger books to it")}),
    **statistics({"federated.*.round_s": "times of rounds"}, STATISTICS, rows=""),
}
EVENTS = {
    **told(
        "throttling.[]",
        {
            "site": "where",
            "start_s duration_s": "from when and for how long the site's limit was binding",
            "limit_w": "the least that the site carried meanwhile",
            "most_wanted_w least_share most_exceeded_w": "what was asked for, what GPUs were left with, and what could "
            "not be shed",
        },
    ),
    **told(
        "policies.[]",
        {
            "policy kind workload field": "as the scenario writes it",
            "times in_force_s": "how often, and for how long in all, its condition held",
        },
    ),
    **told(
        "placements.*",
        {
            "pool signal": "the pool that was chosen, and the signal by which",
            "forecast_mean_per_kwh.*": "mean of the signal over the time of the work, as forecast at this place",
            "transfer_s moved_gb": "bytes that were moved, and their time at the bandwidth that is written",
            "network_kwh": "bytes x J a byte",
            "egress.cost egress.currency": "bytes x price of a byte",
        },
    ),
    **told(
        "routes.*",
        {
            "requests.*": "requests that were sent to this place",
            "ttft_s.* e2e_s.* ttft_mean_s e2e_mean_s": "mean time to users, with the way there and back",
            "asked lost": "requests of users, and those refused or given up on the way",
            "answered.* passed_on.*": "requests by the place that answered them, or passed them on",
            "answer_s.p50 answer_s.p90 answer_s.p95 answer_s.p99": "times from the first question to the answer",
            "moved_share": "requests that left their place / requests",
            "moved_gb": "tokens of requests that were moved x bytes a token",
            "network_kwh": "bytes x J a byte",
            "egress.cost egress.currency": "bytes x price of a byte",
        },
    ),
    **{
        path: origin
        for of in ("serving.*.cache", "routes.*.cache")
        for path, origin in (
            told(
                of,
                {
                    "lookups hits": "requests that asked the memo, and those it answered",
                    "evictions remembered": "answers that were forgotten, and those that are there at the end",
                },
            )
            | derived(of, {"hit_rate": (f"{{{of}.hits}} / {{{of}.lookups}}", "of all that was looked up")})
        ).items()
    },
    **told(
        "serving.*.cache",
        {
            "answer_s.mean answer_s.p50 answer_s.p90 answer_s.p95 answer_s.p99": "times from the question to the "
            "answer, known or computed, the look included",
        },
    ),
}
ACTIVITY: dict[str, Origin] = {**SERVING, **JOBS, **STEPS, **FLEETS, **EVENTS}
