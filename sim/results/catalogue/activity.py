"""What happened in a run, whatever its prices: services, jobs, throttling, routes, placements and policies."""

from __future__ import annotations

from sim.results.catalogue.campaigns import MANY
from sim.results.catalogue.quantity import FLAG, NUMBER_OR_NULL, STATISTICS, TEXT, At, Quantity, Table, table
from sim.results.formats import count, hours, percent

QUEUES, SERVED, MEMORY, SPLIT = "service", "served", "in memory", "energy of"
JOBS, SCHEDULES, STEPS, RAMPS, ROUTES = "job", "schedule", "step of", "power of", "route"
FAULTS, FAULT_ENERGY = "faults of", "energy of job"
"""Tables of services, jobs and routes, by the head of their first column."""
BY_TOKEN, QUEUE = "by token", "queue"
"""Kinds of services: model servers simulated token by token, and queues of requests."""


def _latency(
    name: str, word: str, *, of: str, compared: int = 0, in_queues: bool = False, row: bool = True, meaning: str = ""
) -> Table:
    """The distribution of a time of a service, with a ``row`` of its own where people are shown latencies. Its p50 and
    p99 are ``compared``, from that place on, and two columns of the table of queues."""
    ends = {"p50": compared, "p99": compared + 1}
    statistics = [
        Quantity(
            statistic,
            f"{word} {statistic}",
            always=True,
            of=of,
            compared=ends.get(statistic, 0) if compared else 0,
            columns=(At(QUEUES, statistic),) if in_queues and statistic in ends else (),
        )
        for statistic in STATISTICS
    ]
    return table(f"serving.*.{name}", *statistics, unit="s", optional=True, word=word if row else "", meaning=meaning)


MOVING = (
    Quantity("moved_gb", "moved", "GB"),
    Quantity("network_kwh", "energy of the network", "kWh"),
    Quantity("egress.cost", "egress cost", unit_in="currency"),
    Quantity("egress.currency", "currency of the egress cost", kind=TEXT),
)
"""What moving data between sites takes."""

ACTIVITIES = (
    ("productive", "at work that was kept", "", ""),
    ("lost", "at work that was lost", "lost", "work done since the checkpoint that a failure went back to"),
    ("checkpoints", "of checkpoints", "checkpoints", "the GPUs stand still while state is saved"),
    ("detection", "until faults were noticed", "detection", "the GPUs wait for one that is gone"),
    ("restarts", "of restarts", "restarts", "replacing nodes, launching, loading and warming up"),
    ("planned_stops", "of planned stops", "", ""),
    ("waiting", "of waiting", "waiting", "booting, the first set-up, and pauses"),
)
"""What a job that recovers from faults spends its time and its energy on."""
PHASES = (
    ("compute", "computing", "compute", 1),
    ("communication", "exposed communication", "exposed", 2),
    ("bubble", "pipeline bubble", "bubble", 3),
    ("optimizer", "optimizer", "optimizer", 4),
    ("stall", "waiting for data", "data", 5),
    ("straggler", "waiting for the slowest", "slowest", 6),
)
"""Of a step: its name, in words, as the head of a column, and the place of that."""
MFU = "FLOP that the model needs of the peak in its products' precision; attention counts its causal half"
HFU = "the same with what is computed again"
BURNED = "of the GPUs' energy at work without it"

ACTIVITY: tuple[Table, ...] = (
    table(
        "serving.*",
        Quantity("requests", "requests", always=True, columns=(At(QUEUES, "requests"),), form=count),
        Quantity("completed", "answered", always=True, columns=(At(SERVED, "requests"),), form=count),
        Quantity(
            "rejected",
            "refused",
            always=True,
            compared=8,
            columns=(At(QUEUES, "refused"), At(SERVED, "refused")),
            form=count,
        ),
        Quantity("timed_out", "gave up", always=True, of=BY_TOKEN, columns=(At(SERVED, "gave up"),), form=count),
        Quantity("rejected_too_long", "refused as longer than the KV cache", of=BY_TOKEN),
        Quantity("unfinished", "not answered by the end"),
        Quantity("retries", "asked again"),
        Quantity("killed", "lost with their replica", of=BY_TOKEN),
        Quantity("batches", "batches", of=QUEUE),
        Quantity("prompt_tokens", "prompt tokens", of=BY_TOKEN),
        Quantity("output_tokens", "output tokens", always=True, of=BY_TOKEN),
        Quantity("wasted_tokens", "tokens that nobody got", of=BY_TOKEN),
        optional=True,
    ),
    _latency("ttft_s", "TTFT", of=BY_TOKEN, compared=1, meaning="arrival to first token"),
    _latency(
        "tpot_s",
        "TPOT",
        of=BY_TOKEN,
        compared=3,
        meaning="of a request: (last token - first token) / (tokens - 1)",
    ),
    _latency(
        "itl_s",
        "ITL",
        of=BY_TOKEN,
        meaning="each gap between tokens of a request, waits after a preemption or hand-over included",
    ),
    _latency(
        "step_gap_s",
        "step gap",
        of=BY_TOKEN,
        meaning="each gap between the steps that bring a request tokens. It differs from ITL with speculation: the "
        "tokens of one step come together, 0 apart, and a benchmark that stamps the messages of a stream (vLLM's) sees "
        "the step gap",
    ),
    _latency("e2e_s", "E2E", of="", compared=5, in_queues=True, meaning="arrival to last token"),
    _latency("queueing_s", "waiting", of=BY_TOKEN, row=False),
    _latency("queue_s", "waiting", of=QUEUE, row=False),
    _latency("decode_iteration_s", "decode iteration", of=BY_TOKEN, row=False),
    table(
        "serving.*",
        Quantity("utilisation", "busy", always=True, of=QUEUE, columns=(At(QUEUES, "busy"),), form=percent),
        Quantity(
            "goodput_share",
            "goodput",
            compared=7,
            columns=(At(SERVED, "goodput"), At(QUEUES, "goodput")),
            form=percent,
            meaning="requests that meet every limit of `slo`, of all that arrived",
        ),
        Quantity(
            "throughput_tok_per_s",
            "throughput",
            "tokens/s",
            always=True,
            of=BY_TOKEN,
            compared=9,
            columns=(At(SERVED, "tokens/s"),),
        ),
        Quantity("throughput_requests_per_s", "throughput of requests", "requests/s"),
        Quantity("goodput_requests_per_s", "goodput of requests", "requests/s"),
        Quantity("slo_missed", "missed their objectives", form=count),
        Quantity("replicas_mean", "replicas", always=True, of=BY_TOKEN, columns=(At(MEMORY, "replicas"),)),
        Quantity("replicas_most", "most replicas", of=BY_TOKEN),
        Quantity("cold_starts", "cold starts", of=BY_TOKEN),
        Quantity("batch_size_mean", "mean batch", of=BY_TOKEN, always=True, columns=(At(MEMORY, "batch"),)),
        Quantity("queue_length_mean", "mean queue", of=BY_TOKEN),
        Quantity(
            "kv_occupancy",
            "KV used",
            of=BY_TOKEN,
            columns=(At(MEMORY, "KV used"),),
            form=percent,
            meaning="blocks of KV cache in use, mean over iterations",
        ),
        Quantity("kv_occupancy_peak", "KV used at most", of=BY_TOKEN, columns=(At(MEMORY, "at most"),), form=percent),
        Quantity("prefix_cache_hit_rate", "cache hits", of=BY_TOKEN, columns=(At(MEMORY, "cache hits"),), form=percent),
        Quantity("preemptions", "preempted", always=True, of=BY_TOKEN, columns=(At(MEMORY, "preempted"),), form=count),
        Quantity(
            "energy_split_kwh.prefill",
            "energy of prefill",
            "kWh",
            always=True,
            of=BY_TOKEN,
            columns=(At(SPLIT, "prefill"),),
        ),
        Quantity(
            "energy_split_kwh.decode",
            "energy of decode",
            "kWh",
            always=True,
            of=BY_TOKEN,
            columns=(At(SPLIT, "decode"),),
        ),
        Quantity(
            "energy_split_kwh.overhead",
            "energy of all else",
            "kWh",
            always=True,
            of=BY_TOKEN,
            columns=(At(SPLIT, "all else"),),
        ),
        Quantity("energy_of_requests_kwh.*", "energy of requests", "kWh", of=BY_TOKEN),
        Quantity("energy_j_per_request", "energy per request", "J", compared=11, columns=(At(QUEUES, "J/request"),)),
        Quantity(
            "zero_load_energy_share",
            "zero load",
            columns=(At(QUEUES, "zero load"), At(SPLIT, "zero load")),
            form=percent,
            meaning="the share of its energy that a service would draw without a single request",
        ),
        Quantity(
            "energy_j_per_output_token",
            "energy per output token",
            "J",
            of=BY_TOKEN,
            compared=10,
            columns=(At(SPLIT, "J/token"),),
        ),
        Quantity("power_w_mean", "mean power", "W"),
        Quantity("power_w_at_zero_load", "power at zero load", "W"),
        Quantity("gpu_hours", "GPU-hours held", "GPU-hours", of=BY_TOKEN),
        Quantity(
            "step_time_shares.*.*",
            "share of an iteration's time",
            of=BY_TOKEN,
            meaning="that measured kernels tell in this shape (measured), between shapes (interpolated), of another "
            "shape or framework (borrowed), that only the roofline tells, and that no kernel is (beside); of as many "
            "decodes as may run, and of as many tokens of prompts as an iteration holds",
        ),
        Quantity(
            "exit_shares.*",
            "share that left at",
            of=QUEUE,
            meaning="of answered requests, by the exit of the network at which they left; `end`: they went through",
        ),
        Quantity(
            "start_up_s", "start-up of a replica", "s", of=QUEUE, meaning="mean, where an image and weights are brought"
        ),
        Quantity("trace_rows_skipped", "rows of its trace left out", of=BY_TOKEN),
        Quantity("trace_problems.[]", "why rows of its trace were left out", kind=TEXT, of=BY_TOKEN),
        Quantity("engine", "engine", kind=TEXT, of=BY_TOKEN),
        optional=True,
    ),
    table(
        "jobs.*",
        Quantity("progress", "done", always=True, columns=(At(JOBS, "done"),), form=lambda done: f"{100 * done:.4g} %"),
        Quantity("gpu_hours", "GPU-hours held", "GPU-hours", always=True, columns=(At(JOBS, "GPU-hours"),)),
        Quantity("lost_gpu_hours", "GPU-hours lost", "GPU-hours", always=True, columns=(At(JOBS, "lost"),)),
        Quantity("wait_s", "waited", "s", columns=(At(JOBS, "waited"),), form=hours, absent="never ran"),
        Quantity("goodput", "goodput", columns=(At(JOBS, "goodput"),), form=percent),
        Quantity("interruptions", "failures", always=True, columns=(At(JOBS, "failures"),), form=str),
        Quantity("count", "jobs"),
        Quantity("completed", "finished"),
        Quantity("killed", "killed"),
        Quantity("unfinished", "not finished by the end"),
        Quantity("checkpoints", "checkpoints"),
        Quantity("makespan_s", "makespan", "s"),
        Quantity("cap_changes", "changes of its cap"),
        Quantity("slowed_by_caps_s", "slowed by caps", "s"),
        Quantity("paused_by_limits_s", "paused by limits of power", "s"),
        Quantity("shed_by_limits", "shed by limits of power"),
        Quantity("slowed_by_islands_s", "slowed by links between islands of a node", "s"),
        optional=True,
    ),
    table(
        "jobs.*",
        Quantity(
            "effective_time_share",
            "effective",
            columns=(At(FAULTS, "effective"),),
            form=percent,
            meaning="time at work that was kept, of all time since the job first started (ETTR)",
        ),
        Quantity("expected_mtbf_s", "expected between failures", "s", columns=(At(FAULTS, "MTBF"),), form=hours),
        Quantity(
            "checkpoint_interval_s", "checkpoint after", "s", columns=(At(FAULTS, "checkpoint after"),), form=hours
        ),
        *(
            Quantity(
                f"time_split_s.{name}",
                f"time {word}",
                "s",
                columns=(At(FAULTS, head),) if head else (),
                form=hours,
                meaning=meaning,
            )
            for name, word, head, meaning in ACTIVITIES
        ),
        *(
            Quantity(
                f"energy_split_kwh.{name}",
                f"energy {word}",
                "kWh",
                columns=(At(FAULT_ENERGY, head or name.replace("_", " ")),),
            )
            for name, word, head, _ in ACTIVITIES
        ),
        Quantity("interruptions_by_component.*", "failures of"),
        Quantity("planned_stops", "planned stops"),
        Quantity("slowed_by_stragglers_s", "slowed by stragglers", "s"),
        Quantity("undetected_corruption", "wrong results nobody noticed", kind=FLAG),
        optional=True,
    ),
    table(
        "jobs.*.step",
        Quantity("step_s", "step", "s", always=True, compared=1, columns=(At(STEPS, "takes"),)),
        *(
            Quantity(f"step_split_s.{phase}", word, "s", columns=(At(STEPS, head, place),), absent="-")
            for phase, word, head, place in PHASES
        ),
        Quantity("evaluation_s", "evaluating, a step's part", "s"),
        Quantity(
            "exposed_s.*", "exposed communication for", "s", meaning="by what it is for, each on the critical path"
        ),
        Quantity("hidden_s.*", "communication behind computation for", "s"),
        Quantity("mfu", "MFU", always=True, compared=2, columns=(At(STEPS, "MFU", 7),), form=percent, meaning=MFU),
        Quantity("hfu", "HFU", always=True, columns=(At(STEPS, "HFU", 8),), form=percent, meaning=HFU),
        Quantity("model_tflops_per_gpu", "model TFLOP/s per GPU", "TFLOP/s", always=True),
        Quantity("throughput_tok_per_s", "training throughput", "tokens/s", always=True, compared=3),
        Quantity("throughput_tok_per_s_per_gpu", "throughput of a GPU", "tokens/s", always=True),
        Quantity("steps", "steps done", always=True),
        Quantity("tokens", "tokens trained on", always=True),
        Quantity("memory_gb.*", "memory of a GPU for", "GB", meaning="on the GPU that needs most; `host` beside it"),
        Quantity(
            "gpu_energy_kwh.*",
            "energy of its GPUs for",
            "kWh",
            meaning="phases of steps, bytes between nodes (`network`), evaluation, and, by the state of the meters, "
            "what GPUs drew held and not at work",
        ),
        optional=True,
    ),
    table(
        "jobs.*.ramps",
        Quantity(
            "mean_w", "mean power", "W", columns=(At(RAMPS, "mean W"),), meaning="of all GPUs of the job while it works"
        ),
        Quantity("peak_w", "most power", "W"),
        Quantity("trough_w", "least power", "W"),
        Quantity("swing_w", "swing within a step", "W", always=True, columns=(At(RAMPS, "swing W"),)),
        Quantity("unsmoothed_swing_w", "swing without smoothing", "W"),
        Quantity(
            "stop_w", "drop where it stops", "W", columns=(At(RAMPS, "stop W"),), meaning="from the most to loaded GPUs"
        ),
        Quantity("step_hz", "frequency of steps", "Hz", always=True, columns=(At(RAMPS, "steps Hz"),)),
        Quantity("strongest_hz", "strongest harmonic", "Hz"),
        Quantity("strongest_w", "its amplitude", "W"),
        Quantity(
            "critical_share",
            "share of oscillation in 0.1 to 20 Hz",
            columns=(At(RAMPS, "0.1-20 Hz"),),
            form=percent,
            meaning="of the sum of squares of amplitudes; the band that utilities limit (arXiv:2508.14318)",
        ),
        Quantity("near_mean_share", "share of time within 10 % of the mean"),
        Quantity(
            "largest_ramp_w_per_s.*",
            "largest ramp over",
            "W/s",
            meaning="most change between two instants no further apart, over that time",
        ),
        Quantity("burned_share", "burned by smoothing", columns=(At(RAMPS, "burned"),), form=percent, meaning=BURNED),
        Quantity("floors.[].share", "floor"),
        Quantity("floors.[].swing_w", "swing with the floor", "W"),
        Quantity("floors.[].burned_share", "burned by the floor", meaning=BURNED),
        Quantity("ramp_limits.[].board_w_per_s", "ramp limit of a board", "W/s"),
        Quantity("ramp_limits.[].swing_w", "swing with the ramp limit", "W"),
        Quantity("ramp_limits.[].burned_share", "burned by the ramp limit", meaning=BURNED),
        optional=True,
    ),
    table(
        "jobs.*.schedule",
        Quantity("signal", "signal", kind=TEXT),
        Quantity("unit", "unit of the signal", kind=TEXT, always=True),
        Quantity("immediate_mean", "signal had it begun at once", columns=(At(SCHEDULES, "at once"),), unit_in="unit"),
        Quantity("forecast_mean", "signal as forecast", columns=(At(SCHEDULES, "forecast"),), unit_in="unit"),
        Quantity("actual_mean", "signal as seen at work", columns=(At(SCHEDULES, "seen"),), unit_in="unit"),
        Quantity("waited_s", "waited for the signal", "s"),
        Quantity("pauses", "pauses", always=True, columns=(At(SCHEDULES, "pauses"),), form=str),
        Quantity("restarts", "restarts"),
        Quantity("paused_s", "paused", "s"),
        Quantity("switching_s", "switching", "s"),
        Quantity("finish_delay_s", "delay", "s", columns=(At(SCHEDULES, "delay"),), form=hours),
        Quantity("deadline_met", "deadline met", kind=FLAG),
        optional=True,
    ),
    *MANY,
    table(
        "throttling.[]",
        Quantity("site", "site", kind=TEXT, always=True),
        Quantity("start_s", "throttled from", "s", always=True),
        Quantity("duration_s", "throttled for", "s", always=True),
        Quantity("limit_w", "carried", "W", always=True),
        Quantity("most_wanted_w", "most wanted", "W", always=True),
        Quantity("least_share", "least share of the GPUs' power", always=True),
        Quantity("most_exceeded_w", "could not be shed", "W"),
        optional=True,
    ),
    table(
        "policies.[]",
        Quantity("policy", "where the policy is written", kind=TEXT),
        Quantity("kind", "kind", kind=TEXT),
        Quantity("workload", "workload", kind=TEXT),
        Quantity("field", "field", kind=TEXT),
        Quantity("times", "times in force"),
        Quantity("in_force_s", "time in force", "s"),
        optional=True,
    ),
    table(
        "placements.*",
        Quantity("pool", "pool", kind=TEXT),
        Quantity("signal", "signal", kind=TEXT),
        Quantity("forecast_mean_per_kwh.*", "signal as forecast for"),
        Quantity("transfer_s", "transfer", "s"),
        *MOVING,
        optional=True,
    ),
    table(
        "routes.*",
        Quantity("requests.*", "requests to", always=True, columns=(At(ROUTES, "requests"),), form=count),
        Quantity(
            "ttft_s.*",
            "mean TTFT to users of",
            "s",
            kind=NUMBER_OR_NULL,
            always=True,
            columns=(At(ROUTES, "TTFT to users"),),
        ),
        Quantity("ttft_mean_s", "mean TTFT to users", "s"),
        Quantity(
            "e2e_s.*",
            "mean E2E to users of",
            "s",
            kind=NUMBER_OR_NULL,
            always=True,
            columns=(At(ROUTES, "E2E to users"),),
        ),
        Quantity("e2e_mean_s", "mean E2E to users", "s"),
        Quantity("asked", "asked by users", meaning="of routes with a cascade or a memo"),
        Quantity("answered.*", "answered by"),
        Quantity("passed_on.*", "passed on to the next by"),
        Quantity("lost", "refused or given up on the way"),
        Quantity(
            "answer_s.p50",
            "p50 of the time to the answer",
            "s",
            meaning="with what was asked in vain before, and of hits of a memo",
        ),
        Quantity("answer_s.p90", "p90 of the time to the answer", "s"),
        Quantity("answer_s.p99", "p99 of the time to the answer", "s"),
        Quantity("moved_share", "share of requests moved"),
        *MOVING,
        optional=True,
    ),
    *(
        table(
            f"{of}.*.cache",
            Quantity("lookups", "looked up"),
            Quantity("hits", "answered from the memo"),
            Quantity("hit_rate", "hit rate", meaning="of all that was looked up"),
            Quantity("evictions", "forgotten"),
            Quantity("remembered", "remembered at the end"),
            optional=True,
        )
        for of in ("serving", "routes")
    ),
)
