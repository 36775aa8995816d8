"""A serving workload condensed: latencies, goodput, and whose energy it was.

A request answers for the dynamic energy of its prefill and its decode, and for its share of the time its GPUs stood
loaded while it was in a batch; handing over its KV cache belongs to its prefill. All else that the ledger books to the
workload (idle GPUs, hosts, fans, supplies) is its overhead. Where requests have rows, the overhead of each bin of the
ledger is shared by the requests that finish in it, in proportion to the time they answer for; a bin in which none does
is left unattributed. So rows and remainder add up to the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.accounting.ledger import Ledger
from sim.accounting.metrics import goodput, it_of, zero_load
from sim.units import HOUR_NS, J_PER_KWH, J_PER_NJ, SECONDS_PER_NS
from sim.workload.serving_records import ROW_COLUMNS, SKETCHES, ServingLog, sketch_quantile

Floats = npt.NDArray[np.float64]
COLUMN = {name: i for i, name in enumerate(ROW_COLUMNS)}
MEANS = {"itl": ("itl_ns", "itl_count"), "step_gap": ("itl_ns", "step_gap_count")}
"""Sum and number of what has its mean from completed requests alone, while its sketch knows all that there was."""


@dataclass(frozen=True)
class RequestEnergy:
    """Energy, J, that all requests answer for, and what no row answers for.

    That of the prefills, of the decodes, and of the shares of the overhead. ``of`` splits it up row by row; ``per_ns``
    is J of overhead in each bin of ``edges_ns`` per ns that a request answers for.
    """

    prefill_j: float
    decode_j: float
    overhead_j: float
    unattributed_j: float
    edges_ns: npt.NDArray[np.int64]
    per_ns: Floats
    unit_scale: float
    phase_w: dict[str, float]

    def of(self, rows: npt.NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
        """Energy of each of some rows (n, 16), J (n,) each: prefill, decode, and its share of the overhead."""
        direct = [_direct_j(rows, phase, self.unit_scale, self.phase_w[phase]) for phase in ("prefill", "decode")]
        answered_ns, bins = _answered(rows, self.edges_ns)
        return direct[0], direct[1], answered_ns * self.per_ns[bins]


def serving_metrics(log: ServingLog, ledger: Ledger, requests: RequestEnergy | None) -> dict[str, Any]:
    """Figures of one serving workload over the whole run; what did not happen is absent.

    ``requests``, where all have rows: their sum and what no row answers for are the workload's energy.
    """
    c = log.counts
    own = it_of(ledger, log.workload)
    energy_j = own.total_j()
    seconds = ledger.end_ns * SECONDS_PER_NS
    metrics: dict[str, Any] = {"requests": c["arrived"]}
    metrics |= {name: c[name] for name in ("completed", "rejected", "timed_out")}
    if c["too_long"]:
        metrics["rejected_too_long"] = c["too_long"]
    metrics["unfinished"] = log.unfinished
    metrics |= {name: c[name] for name in ("retries", "killed", "preemptions", "prompt_tokens", "output_tokens")}
    metrics["wasted_tokens"] = c["wasted_tokens"]
    for name, sketch in zip(SKETCHES, log.sketches, strict=True):
        sum_ns, weight = (
            (c[MEANS[name][0]], c[MEANS[name][1]]) if name in MEANS else (c[f"{name}_ns"], int(sketch.sum()))
        )
        if weight:
            mean_s = sum_ns / weight * SECONDS_PER_NS
            shares = {f"p{p}": sketch_quantile(sketch, p / 100) * SECONDS_PER_NS for p in (50, 90, 95, 99)}
            metrics[f"{name}_s"] = {"mean": mean_s, **shares}
    metrics["throughput_tok_per_s"] = c["output_tokens"] / seconds
    metrics["throughput_requests_per_s"] = c["completed"] / seconds
    if log.has_slo:
        metrics |= goodput(c["good"], c["arrived"] - log.unfinished + log.late, seconds)
    if c["looked_up_tokens"]:
        metrics["prefix_cache_hit_rate"] = c["cached_tokens"] / c["looked_up_tokens"]
    if c["kv_iterations"]:
        full, windowed, state = log.kv_weights
        held = full * c["kv_tokens"] + windowed * c["kv_window_tokens"] + state * log.block_tokens * c["kv_sequences"]
        metrics["kv_occupancy"] = held / c["kv_iterations"] / (log.kv_blocks * log.block_tokens)
        metrics["kv_occupancy_peak"] = c["peak_blocks"] / log.most_kv_blocks
    metrics["batch_size_mean"] = c["running_area_ns"] / log.replica_ns if log.replica_ns else 0.0
    metrics["queue_length_mean"] = c["waiting_area_ns"] / ledger.end_ns
    metrics["replicas_mean"] = log.replica_ns / ledger.end_ns
    metrics["replicas_most"] = log.most_replicas
    metrics["cold_starts"] = log.cold_starts
    if log.network_busy is not None:
        metrics["network_busy"] = log.network_busy
    if log.skipped_rows:
        metrics["trace_rows_skipped"] = log.skipped_rows
        metrics["trace_problems"] = list(log.trace_problems)
    metrics["power_w_mean"] = energy_j / seconds
    if c["output_tokens"]:
        metrics["energy_j_per_output_token"] = energy_j / c["output_tokens"]
    if c["completed"]:
        metrics["energy_j_per_request"] = energy_j / c["completed"]
    metrics["energy_split_kwh"] = energy_split_kwh(log, energy_j)
    if requests is not None:
        metrics["energy_of_requests_kwh"] = {
            "prefill": requests.prefill_j / J_PER_KWH,
            "decode": requests.decode_j / J_PER_KWH,
            "overhead": requests.overhead_j / J_PER_KWH,
            "unattributed": requests.unattributed_j / J_PER_KWH,
        }
    metrics |= zero_load(own)
    metrics["gpu_hours"] = float(own.where(lambda key: key.component == "gpu").total_slot_ns()) / HOUR_NS
    if log.step_shares:
        metrics["step_time_shares"] = {kind: dict(ways) for kind, ways in log.step_shares.items()}
    metrics["engine"] = log.engine
    return metrics


def energy_split_kwh(log: ServingLog, energy_j: float) -> dict[str, float]:
    """The workload's IT energy as prefill and decode of finished requests, and overhead: all that is neither.

    Where prefill and decode have hardware of their own, each phase's share of time is weighted with the power of its
    own lanes; a prefill that a preemption repeats on a lane that decodes is then weighted as those that prefill.
    """
    c = log.counts
    split = {
        phase: log.unit_scale
        * (c[f"{phase}_share_nj"] * J_PER_NJ + c[f"{phase}_share_ns"] * SECONDS_PER_NS * lane_w)
        / J_PER_KWH
        for phase, lane_w in log.phase_w.items()
    }
    return {**split, "overhead": energy_j / J_PER_KWH - sum(split.values())}


def request_energy(log: ServingLog, ledger: Ledger) -> RequestEnergy:
    """Energy that a log's rows answer for, in two passes over them. Needs all rows, not a sample."""
    own = it_of(ledger, log.workload)
    total_j = own.energy_j.sum(axis=0)
    at_work = own.where(lambda key: key.component == "gpu" and key.state == "active")
    handed_bins = np.clip(np.searchsorted(ledger.edges_ns, log.handed_ns, side="left") - 1, 0, len(total_j) - 1)
    handed_j = np.bincount(handed_bins, weights=log.handed_j, minlength=len(total_j))
    overhead_j = total_j - at_work.energy_j.sum(axis=0) - handed_j
    in_bin_ns = np.zeros(len(total_j))
    for rows in log.rows.blocks():
        answered_ns, bins = _answered(rows, ledger.edges_ns)
        np.add.at(in_bin_ns, bins, answered_ns)  # one after the other, so that blocks do not show in a sum
    per_ns = np.divide(overhead_j, in_bin_ns, out=np.zeros_like(overhead_j), where=in_bin_ns > 0)
    found = RequestEnergy(0.0, 0.0, 0.0, 0.0, ledger.edges_ns, per_ns, log.unit_scale, log.phase_w)
    sums = np.zeros(3)
    for rows in log.rows.blocks():
        sums += [part.sum() for part in found.of(rows)]
    prefill_j, decode_j, shared_j = sums.tolist()
    rest_j = float(total_j.sum() - prefill_j - decode_j - shared_j)
    return replace(found, prefill_j=prefill_j, decode_j=decode_j, overhead_j=shared_j, unattributed_j=rest_j)


def _direct_j(rows: npt.NDArray[np.int64], phase: str, unit_scale: float, lane_w: float) -> Floats:
    share_ns = rows[:, COLUMN[f"{phase}_ns"]].astype(np.float64)
    direct: Floats = unit_scale * (rows[:, COLUMN[f"{phase}_nj"]] * J_PER_NJ + share_ns * SECONDS_PER_NS * lane_w)
    return direct


def _answered(rows: npt.NDArray[np.int64], edges_ns: npt.NDArray[np.int64]) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Time, ns, that each row answers for, and the bin in which it was done."""
    answered = rows[:, COLUMN["prefill_ns"]].astype(np.float64) + rows[:, COLUMN["decode_ns"]].astype(np.float64)
    bins = np.searchsorted(edges_ns, rows[:, COLUMN["done_ns"]], side="right") - 1
    return answered, np.clip(bins, 0, len(edges_ns) - 2)
