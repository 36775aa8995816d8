"""How figures of jobs as rows, of power limits, of work in stages and of methods come about."""

from __future__ import annotations

from sim.results.catalogue.origins.activity import J_PER_KWH
from sim.results.catalogue.origins.origin import Origin, derived, statistics, told
from sim.results.catalogue.quantity import STATISTICS

HELD = "by_user_gpu_hours.* by_account_gpu_hours.* by_queue_gpu_hours.* by_kind_gpu_hours.* by_outcome_gpu_hours.*"
BATCH = {
    **told(
        "batch.*",
        {
            "jobs": "jobs that were submitted",
            "completed killed cancelled refused unfinished": "jobs by how they ended",
            "never_started": "jobs that never held anything",
            "preemptions resizes failures": "times that held jobs were sent back, resized or stopped by faults",
            "deadlines deadlines_missed": "jobs with a deadline, and those not done by it",
            "offered_load": "GPU time that jobs ask for / GPU time of their pools",
            "gpu_hours": "GPUs x hours for which jobs held them",
            "at_work_gpu_hours": "the same without boots, checkpoints, restarts and pauses",
            "capacity_gpu_hours": "GPUs of its pools x hours of the run",
            "lost_gpu_hours killed_gpu_hours": "GPU-hours of work that was done again, and of jobs that were killed",
            "queue_length_mean": "time that jobs waited, summed / simulated time",
            "queue_length_max": "jobs that waited at one time, at most",
            "makespan_s": "from the first submission to the last end",
            "energy_kwh": "IT energy of slots while jobs held them",
            "source_notes.[]": "what was made of odd rows of the trace",
            "users": "users who submitted",
            "fairness_of_shares fairness_of_slowdown": "Jain's index over users: (sum)^2 / (n x sum of squares)",
            HELD: "GPU-hours of the jobs of that name",
        },
        rows="jobs",
    ),
    **derived(
        "batch.*",
        {
            "utilisation": ("{batch.*.gpu_hours} / {batch.*.capacity_gpu_hours}", "held of what there was"),
            "at_work_utilisation": (
                "{batch.*.at_work_gpu_hours} / {batch.*.capacity_gpu_hours}",
                "at work of what there was",
            ),
            "energy_kwh_per_gpu_hour": (
                "{batch.*.energy_kwh} / {batch.*.gpu_hours}",
                "energy of jobs over GPU-hours held",
            ),
        },
    ),
    **statistics(
        {
            "batch.*.wait_s": "times from submission to the first start",
            "batch.*.turnaround_s": "times from submission to the end",
            "batch.*.bounded_slowdown": "turnaround / max(time by itself, 10 s), at least 1",
        },
        (*STATISTICS, "max"),
        rows="jobs",
    ),
}
COSTS = {
    "slowed_slot_s lost_slot_s": "slots x time of work that was put off, or lost",
    "shaved_j extra_j lost_j": "what slowed GPUs drew against what they would have drawn for the same time or work",
}
POWER = {
    **told("power_limits", {"killed killed_jobs.[]": "jobs that no limit has room for, as low as the ladder goes"}),
    **told(
        "power_limits.domains.*",
        {
            "level": "where the domain stands: row, room, site",
            "mean_w most_w": "power of all machines below it, over time",
            "least_limit_w": "the least of its limit over time",
            "over_s over_j longest_over_s": "time and energy above the limit",
            "answer_s": "the stated time of its answers",
            "episodes held_s": "how often the limit was met, and for how long",
            "unmet": "answers after which power was above the limit",
            "capped paused shed": "jobs that were slowed, stopped or given up",
            "trips": "times its breaker opened, by its curve",
            "ramp_exceeded_w ramp_wait_slot_s": "rises beyond the ramp, and slots x time that waited for it",
            **COSTS,
        },
    ),
    **told(
        "power_limits.workloads.*",
        {
            **COSTS,
            "limited_s": "time for which the workload was limited",
            "limited_requests free_requests": "requests that ended while it was limited, and otherwise",
            "limited_slo_missed free_slo_missed": "of these, those that did not meet every limit of the slo",
            **{
                f"limited_{name} free_{name}": "mean over requests that ended while it was limited, and otherwise"
                for name in ("goodput_share", "ttft_s", "tpot_s", "e2e_s", "dynamic_j_per_output_token")
            },
        },
    ),
}
PLACE = "split.*.by_place.*"
SPLIT = {
    **told(
        "split.*",
        {
            "completed rejected unfinished": "requests by what became of them",
            "devices_kwh": "watts of devices by what they do x time",
            "network_kwh": "bytes x J a byte of all networks on the way",
            "sent_gb received_gb": "bytes that devices sent and received",
            "left_after.*": "requests that were answered after this stage",
            "parts_s.device parts_s.device_queue parts_s.network parts_s.queue parts_s.service": "mean over answered "
            "requests; the parts add up to the mean end to end",
            "by_use_kwh.active by_use_kwh.transferring by_use_kwh.waiting by_use_kwh.standby": "watts of devices x "
            "time, by use",
            "by_device.*.completed by_device.*.e2e_s_mean by_device.*.device_j_per_request": "of requests from "
            "devices of this kind",
        },
    ),
    **derived(
        "split.*",
        {
            "requests": ("{split.*.completed} + {split.*.rejected} + {split.*.unfinished}", "whatever became of them"),
            "machines_kwh": ("{@metered_kwh.*}", "IT energy that the ledger books to it"),
            **{
                f"energy_j_per_request.{of}": (
                    f"{{split.*.{of}_kwh}} * {J_PER_KWH} / {{split.*.completed}}",
                    "over requests answered",
                )
                for of in ("devices", "network", "machines")
            },
            "energy_j_per_request.total": (
                "{split.*.energy_j_per_request.devices} + {split.*.energy_j_per_request.network}"
                " + {split.*.energy_j_per_request.machines}",
                "devices, networks and machines",
            ),
        },
    ),
    **statistics({"split.*.e2e_s": "times from a device's request to its answer"}, STATISTICS, rows=""),
    **told(
        PLACE,
        {
            "requests completed rejected unfinished retries batches": "requests at this place, counted by the engine",
            "utilisation": "time in which it served / time for which there were replicas",
            "batch_size_mean": "requests served / batches",
            "power_w_at_zero_load zero_load_energy_share": "its power while loaded and not asked, over the run",
            "energy_kwh": "IT energy of its pool",
        },
    ),
    **derived(
        PLACE,
        {
            "throughput_requests_per_s": (f"{{{PLACE}.completed}} / {{simulated_s}}", "requests served a second"),
            "energy_j_per_request": (
                f"{{{PLACE}.energy_kwh}} * {J_PER_KWH} / {{{PLACE}.completed}}",
                "energy of its pool over requests served",
            ),
            "power_w_mean": (f"{{{PLACE}.energy_kwh}} * {J_PER_KWH} / {{simulated_s}}", "energy of its pool over time"),
        },
    ),
    **statistics(
        {f"{PLACE}.queue_s": "waits at this place", f"{PLACE}.e2e_s": "times at this place"}, STATISTICS, rows=""
    ),
}
METHODS = told(
    "methods.*",
    {
        "applied.[]": "methods that the workload names",
        "work time power energy": "factors of the methods' profiles, multiplied",
        "assumed.[]": "what the profiles' measurements do not hold",
    },
)
SHARED: dict[str, Origin] = {**BATCH, **POWER, **SPLIT, **METHODS}
