"""Power of whole nodes of 8 H100 in MLPerf Training v4.0, each benchmark predicted without its own watts.

A node in training is its GPUs in two states, and the rest of it. Kernels draw by the law of a step
(``sim.training.power``) from what the benchmark computes and moves; the rest of the time GPUs wait, as they do in an
exposed collective. Nothing of the law is fitted to training. The share of time in kernels is fitted, one number, to the
other benchmarks. The rest of the node is the shipped DGX profile without its fans, as these machines are cooled by
immersion, simulated with the GPUs at their mean.

What a benchmark computes is known roughly: ``WORK`` says how. These trainings ask for more than the board's limit and
draw near it whatever they are, which the row with twice the work shows (and that with half of it, that they do not ask
for much more). So the six say little of light training, and differ less by their work than by their machines: one
benchmark on two of them differs by 2 %. The mean of the others' watts, no law at all, errs as little. What a level
cannot do is follow the time of a step: a run on several nodes keeps its GPUs in kernels for a smaller share of it.

Light training is in the other table: jobs on V100 and P100, from their rate and their network's work alone, nothing
fitted. Data: MLCommons training_results_v4.0, one-node runs; Zeus (You, Chung, Chowdhury, NSDI 2023).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq

import sim
from benchmarks.accuracy.sources import MEASURED
from benchmarks.table import Row
from sim.measure.accuracy import errors
from sim.profiles.catalog import Catalog
from sim.profiles.machines.gpu import GPUProfile
from sim.training.power import phase_watts
from sim.training.terms import StepCost

Floats = npt.NDArray[np.float64]

FILE = MEASURED / "mlperf_v4_training_1node_runs.csv"
ZEUS = MEASURED / "zeus_power_limit_v100_p100.csv"
GPU = "nvidia-h100-sxm-80gb"
NAMEPLATE_W = 10_200.0
"""The most that the data sheet of a DGX H100 says it draws."""
MEAN, P95 = 2.5, 4.0
"""Percent asked for: of the mean, and of the 95th percentile."""


@dataclass(frozen=True)
class Work:
    """What one GPU does in a second in kernels: FLOP in a precision, and B of memory."""

    precision: str
    flop: float
    byte: float


WORK: Mapping[str, Work] = {
    # 7,566 sequences/s on 8 GPUs x 0.50 TFLOP (302 M weights of layers x 6 x 256 tokens: half of 512 is padding, which
    # is skipped, arXiv:2107.02027; and attention); 102 B of activations a hidden unit, layer and token (34 written,
    # read, and their gradients: arXiv:2205.05198).
    "bert": Work("fp8", 470e12, 0.7e12),
    # 4.2 G samples in 232 s, of which about 0.8 until the target (assumed), x 0.1 GFLOP (three crosses of rank 512 and
    # the top network, times three); 214 looked-up rows of 128 values read, and updated.
    "dlrm_dcnv2": Work("bf16", 180e12, 1.2e12),
    # 3,072 sequences of 8,192 tokens in 1,688 s (assumed: the target comes at about that) x 4 FLOP a weight, as frozen
    # weights need no gradient, and attention.
    "llama2_70b_lora": Work("fp8", 580e12, 0.3e12),
    # 37 epochs of 1.28 M images in 802 s (assumed: the target comes at about that) x 24.6 GFLOP; 11 M activations an
    # image, moved a dozen times in 16 bits.
    "resnet": Work("bf16", 180e12, 1.9e12),
    # A quarter of the peak (assumed), and memory half busy.
    "ssd": Work("bf16", 250e12, 1.5e12),
    "unet3d": Work("bf16", 250e12, 1.8e12),
}
UNKNOWN = Work("bf16", 250e12, 1.5e12)
"""A benchmark not listed: a quarter of the peak, and memory half busy."""


@dataclass(frozen=True)
class Network:
    """A network in single precision: samples of an epoch, and of each FLOP and B of memory, forward and backward."""

    samples: int
    flop: float
    byte: float


NETWORKS: Mapping[tuple[str, str], Network] = {
    # 4.1 G multiplications forward, twice backward; 11 M activations of 4 B, moved a dozen times.
    ("imagenet", "resnet50"): Network(1_281_167, 24.6e9, 0.53e9),
    # 85 M weights of layers x 6 x 384 tokens, and 12 L h s^2 of attention; 102 numbers of 2 B a hidden unit, layer and
    # token as for BERT-large, of 4 B here.
    ("squad", "bert_base_uncased"): Network(88_641, 2.12e11, 1.44e9),
}
BOARDS = {"v100": "nvidia-v100-pcie-16gb", "p100": "nvidia-p100-pcie-16gb"}


def gpu_w(work: Work, share: float) -> float:
    """Mean W of a GPU that is in kernels for ``share`` of the time and waits in collectives for the rest."""
    second = StepCost(
        seconds={"compute": share, "communication": 1.0 - share},
        tokens=0,
        model_flop=0.0,
        hardware_flop=0.0,
        flop={work.precision: share * work.flop},
        byte=share * work.byte,
        link_byte={},
    )
    return phase_watts(_board(GPU), second).mean_w


@lru_cache(maxsize=4)
def _board(name: str) -> GPUProfile:
    return Catalog().gpu(name)


def node_w(gpu_mean_w: float) -> float:
    """Mean IT W of a training node but its fans, each GPU at ``gpu_mean_w``, by running it for an hour."""
    load = {"kind": "measured", "active": f"{gpu_mean_w} W"}
    return simulated_node_w({"kind": "gpu-hours", "gpu_hours": 8, "load": load})


def simulated_node_w(work: Mapping[str, Any]) -> float:
    """Mean IT W of a node of 8 H100 but its fans while it trains."""
    scenario: dict[str, Any] = {
        "name": "a node in training",
        "start": "2024-05-01T00:00:00Z",
        "site": {"name": "x", "grid": {"intensity": "1 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.0}},
        "cluster": {"nodes": [{"profile": "dgx-h100", "count": 1}]},
        "workloads": {"train": {"kind": "training", "gpus": 8, "work": dict(work), "cpu_load": 0.2}},
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    }
    summary = sim.run(scenario).summary
    parts = summary["energy_kwh"]["by_component"]
    return float(1000.0 * (summary["energy_kwh"]["it"] - parts["fans"]) / (summary["simulated_s"] / 3600.0))


LORA: Mapping[str, Any] = {
    "kind": "model",
    "model": "llama-2-70b",
    "stack": "megatron-2026",
    "precision": "fp8",
    "sequence": 8192,
    "global_batch": 8,
    "micro_batch": 1,
    "steps": 400,
    "parallel": {"tensor": 4, "sequence": True},
    "recompute": "none",
    "optimizer": "adam",
    "lora": {"rank": 16},
}
"""The fine-tuning of the benchmarks, as the table says it (8 sequences in four micro-batches: two ranks of four GPUs)
and its rules do (packed sequences of 8,192 tokens, rank 16); that it runs in FP8 with tensor parallelism is assumed."""


@dataclass(frozen=True)
class Nodes:
    """From the mean W of a GPU to those of its node: simulated at some, linear between."""

    gpu_w: Floats
    node_w: Floats

    @classmethod
    def simulated(cls) -> Nodes:
        """From waiting to the limit."""
        grid = np.linspace(120.0, 720.0, 13)
        return cls(grid, np.array([node_w(float(w)) for w in grid]))

    def of(self, work: Work, share: float) -> float:
        """W of a node whose GPUs do ``work`` for ``share`` of the time."""
        return float(np.interp(gpu_w(work, share), self.gpu_w, self.node_w))


def share_in_kernels(nodes: Nodes, works: Sequence[Work], measured: Floats) -> float:
    """The share of time that gives the mean of ``measured`` W over benchmarks of so much work, at most all of it."""
    level = float(np.mean(measured))

    def over(share: float) -> float:
        return float(np.mean([nodes.of(work, share) for work in works])) - level

    return float(brentq(over, 0.01, 1.0)) if over(1.0) > 0.0 else 1.0


def held_out_w(nodes: Nodes, means: pd.Series, works: Mapping[str, Work]) -> tuple[Floats, Floats]:
    """Of each benchmark, W predicted from the others' watts, and the share of time that was found in those."""
    watts, shares = [], []
    for name in means.index:
        others = [other for other in means.index if other != name]
        of_others = [works.get(other, UNKNOWN) for other in others]
        share = share_in_kernels(nodes, of_others, means[others].to_numpy(np.float64))
        shares.append(share)
        watts.append(nodes.of(works.get(str(name), UNKNOWN), share))
    return np.array(watts), np.array(shares)


def scaled(factor: float) -> dict[str, Work]:
    """All work so many times as much."""
    return {name: Work(w.precision, factor * w.flop, factor * w.byte) for name, w in WORK.items()}


def rows() -> list[Row]:
    """Node power by benchmark, each held out whole; then jobs on older boards from their work alone."""
    return [*mlperf_rows(), *several_nodes_rows(), *zeus_rows()]


def mlperf_rows() -> list[Row]:
    """Nodes of 8 H100."""
    if not FILE.is_file():
        print(f"{FILE.name} is not here: its rows are left out")
        return []
    table = pd.read_csv(FILE)
    table = table[table["n_nodes"] == 1]
    by_name = table.groupby("benchmark")
    means = by_name["mean_w_run"].mean()
    measured, highest = means.to_numpy(np.float64), by_name["p95_run"].mean().to_numpy(np.float64)
    nodes = Nodes.simulated()
    watts, shares = held_out_w(nodes, means, WORK)
    off = np.abs(watts / measured - 1.0)
    runs = table["benchmark"].map(dict(zip(means.index, watts, strict=True))).to_numpy(np.float64)
    of_run = np.abs(runs / table["mean_w_run"].to_numpy(np.float64) - 1.0)
    sheet = np.full(len(measured), NAMEPLATE_W)
    naive = 100 * errors(sheet, measured).mape
    note = f"naive {naive:.0f} % (nameplate), noise 0.1-1 %; GPUs in kernels {np.mean(shares):.2f} of the time"
    found = [
        Row("MLPerf Training node, mean power", 100 * float(off.mean()), "%", MEAN, note),
        Row(
            "MLPerf Training node, 95th percentile of benchmarks' errors", 100 * float(np.quantile(off, 0.95)), "%", P95
        ),
        Row(
            "MLPerf Training node, 95th percentile of power",
            100 * errors(watts, highest).mape,
            "%",
            P95,
            f"by the same steady level; naive {100 * errors(sheet, highest).mape:.0f} %",
        ),
        Row("MLPerf Training node, 95th percentile of runs' errors", 100 * float(np.quantile(of_run, 0.95)), "%"),
    ]
    for name, predicted, of_benchmark in zip(means.index, watts, measured, strict=True):
        note = f"{predicted:.0f} W for {of_benchmark:.0f}; naive {100 * (NAMEPLATE_W / of_benchmark - 1):.0f} %"
        found.append(Row(f"  {name}", 100 * abs(predicted / of_benchmark - 1.0), "%", None, note))
    for factor, words in ((0.5, "half"), (2.0, "twice")):
        again, _ = held_out_w(nodes, means, scaled(factor))
        found.append(Row(f"  with {words} the work", 100 * errors(again, measured).mape, "%", None, "of kernels"))
    if "llama2_70b_lora" in means.index:
        own = simulated_node_w(LORA)
        note = "steps of a model in training, nothing fitted to watts"
        error = 100 * abs(own / float(means["llama2_70b_lora"]) - 1.0)
        found.append(Row("  llama2_70b_lora, from its own step", error, "%", None, note))
    constant = np.array([float(means.drop(name).mean()) for name in means.index])
    found.append(Row("  by the others' mean", 100 * errors(constant, measured).mape, "%", None, "no law at all"))
    return found


def relative_rate(runs: pd.DataFrame, one_node: pd.DataFrame) -> Floats:
    """Samples a GPU and s of runs on several nodes, relative to the mean on one of the same benchmark (runs,).

    Samples of a run are told for benchmarks whose count differs from run to run; of the others the table holds the
    data set, and as many passes over it are taken to reach the target, which larger batches exceed.
    """
    rate = runs["train_samples"] / runs["run_s"] / runs["n_nodes"]
    alone = (one_node["train_samples"] / one_node["run_s"]).groupby(one_node["benchmark"]).mean()
    return np.asarray(rate / runs["benchmark"].map(alone), dtype=np.float64)


def several_nodes_w(nodes: Nodes, runs: pd.DataFrame, one_node: pd.DataFrame) -> Floats:
    """Mean W of a node of runs on several: in kernels for so much less of the time as their samples come slower, and
    waiting in collectives for the rest. The share on one node is of the benchmarks other than the one that is judged.
    """
    watts, relative = [], np.minimum(1.0, relative_rate(runs, one_node))
    for name, share in zip(runs["benchmark"], relative, strict=True):
        others = one_node[one_node["benchmark"] != name].groupby("benchmark")["mean_w_run"].mean()
        works = [WORK.get(str(other), UNKNOWN) for other in others.index]
        alone = share_in_kernels(nodes, works, others.to_numpy(np.float64))
        watts.append(nodes.of(WORK.get(str(name), UNKNOWN), share * alone))
    return np.array(watts)


def several_nodes_rows() -> list[Row]:
    """Runs on several nodes, where the table has any whose benchmark it also has on one."""
    if not FILE.is_file():
        return []
    table = pd.read_csv(FILE)
    one_node = table[table["n_nodes"] == 1]
    runs = table[(table["n_nodes"] > 1) & table["benchmark"].isin(one_node["benchmark"])]
    if runs.empty:
        return []
    runs = runs.groupby(["benchmark", "n_nodes"], as_index=False)[["train_samples", "run_s", "mean_w_run"]].mean()
    measured = runs["mean_w_run"].to_numpy(np.float64)
    carried = runs["benchmark"].map(one_node.groupby("benchmark")["mean_w_run"].mean()).to_numpy(np.float64)
    predicted = several_nodes_w(Nodes.simulated(), runs, one_node)
    note = f"carried from one node: {100 * errors(carried, measured).mape:.1f} %"
    return [
        Row("MLPerf Training on several nodes, node power", 100 * errors(predicted, measured).mape, "%", None, note)
    ]


def zeus_rows() -> list[Row]:
    """Mean W of one board's job at its own limit, by board and network, over batch sizes."""
    if not ZEUS.is_file():
        print(f"{ZEUS.name} is not here: its rows are left out")
        return []
    table = pd.read_csv(ZEUS)
    table = table[table["power_limit"] == table["power_limit"].max()]
    keys = ["gpu", "dataset", "network", "batch_size"]
    table = table.groupby(keys)[["time_per_epoch", "average_power"]].mean().reset_index()
    found = []
    for board, profile in BOARDS.items():
        for (dataset, name), network in NETWORKS.items():
            of = table[(table["gpu"] == board) & (table["dataset"] == dataset) & (table["network"] == name)]
            if of.empty:
                continue
            measured = of["average_power"].to_numpy(np.float64)
            predicted = np.array([job_w(_board(profile), network, float(s)) for s in of["time_per_epoch"]])
            tdp_w = np.full(len(measured), float(_board(profile).tdp.value))
            note = f"{len(of)} batch sizes, nothing fitted; naive {100 * errors(tdp_w, measured).mape:.0f} % (TDP)"
            case = f"{board.upper()} training {name}, mean power"
            found.append(Row(case, 100 * errors(predicted, measured).mape, "%", None, note))
    return found


def job_w(gpu: GPUProfile, network: Network, epoch_s: float) -> float:
    """W of a board that trains an epoch in so many s."""
    epoch = StepCost(
        seconds={"compute": epoch_s},
        tokens=0,
        model_flop=0.0,
        hardware_flop=0.0,
        flop={"fp32": network.samples * network.flop},
        byte=network.samples * network.byte,
        link_byte={},
    )
    return phase_watts(gpu, epoch).mean_w
