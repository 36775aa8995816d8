"""What services answered, how fast, and what of their time, memory and energy it took."""

from __future__ import annotations

from sim.results.catalogue.quantity import LATER, STATISTICS, TEXT, At, Quantity, Table, table
from sim.results.formats import count, percent

QUEUES, SERVED, MEMORY, SPLIT = "service", "served", "in memory", "energy of"
"""Tables of services, by the head of their first column."""
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
            always=statistic not in LATER,
            of=of,
            compared=ends.get(statistic, 0) if compared else 0,
            columns=(At(QUEUES, statistic),) if in_queues and statistic in ends else (),
        )
        for statistic in STATISTICS
    ]
    return table(f"serving.*.{name}", *statistics, unit="s", optional=True, word=word if row else "", meaning=meaning)


ANSWERED = "of requests that were answered by the end"

OF_SERVICES: tuple[Table, ...] = (
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
    _latency("ttft_s", "TTFT", of=BY_TOKEN, compared=1, meaning=f"arrival to first token, {ANSWERED}"),
    _latency(
        "tpot_s",
        "TPOT",
        of=BY_TOKEN,
        compared=3,
        meaning=f"of a request: (last token - first token) / (tokens - 1), {ANSWERED}",
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
    _latency(
        "e2e_s",
        "E2E",
        of="",
        compared=5,
        in_queues=True,
        meaning=f"arrival to last token, {ANSWERED}: who waits longest may be in none",
    ),
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
            meaning="requests that meet every limit of `slo`, of those whose outcome is known: all that were over when "
            "the run ended, and those under way that had missed a limit already",
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
        Quantity("slo_met", "met their objectives", form=count),
        Quantity("slo_missed", "missed their objectives", form=count),
        Quantity("replicas_mean", "replicas", always=True, of=BY_TOKEN, columns=(At(MEMORY, "replicas"),)),
        Quantity("replicas_most", "most replicas", of=BY_TOKEN),
        Quantity("cold_starts", "cold starts", of=BY_TOKEN),
        Quantity(
            "network_busy",
            "network busy",
            of=BY_TOKEN,
            form=percent,
            meaning="time in which links of replicas that prefill carried KV caches, of all their time",
        ),
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
)
