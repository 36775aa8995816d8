"""vLLM on H100 and B200 as ML.ENERGY measured it: power, energy per token and time between tokens.

Kernels are known from tables of kernels; what whole servers add (``serving_stack.CONSTANTS``) is fitted on some
configurations; others are then simulated as they were measured (``campaign``): a closed loop at its published
concurrency, all users at once, and a window that ends when the queue is empty. Three ways to hold out: every second
batch size, whole families of models, and all of B200. Input lengths are not published: one constant a task. The median
time between tokens is that of the whole run (``whole_run``).

What is held out is held out of the fit. The form was chosen with all rows in sight, and is frozen since: ``form`` says
how and when, and every row whether it still is that form.

"Clean" leaves out one cell of the data (B200, one GPU, gpqa, image and video), where hosts stalled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.accuracy import aiconfigurator
from benchmarks.accuracy.form import told
from benchmarks.accuracy.mean_field import (
    Configurations,
    asked_of,
    cached_tokens,
    encoder_s,
    flashinfer,
    pictures_of,
    predict,
    prompt_tokens,
    prompt_work_s,
    records,
    window_of,
)
from benchmarks.accuracy.prefix_cache import BLOCK
from benchmarks.accuracy.serving_stack import CONSTANTS, WEIGHTS, Bench, Configuration
from benchmarks.accuracy.sources import MEASURED
from benchmarks.accuracy.whole_run import median_s
from benchmarks.table import Row
from sim.measure.fit.least_squares import Fit, fit, held_out
from sim.results.results import Results
from sim.units import SECONDS_PER_NS

Floats = npt.NDArray[np.float64]

FILE = MEASURED / "mlenergy_v3_calibration.csv"
LENGTHS = MEASURED / "mlenergy_v3_output_lengths"
MODELS = {
    "Nemotron": "nemotron-nano-9b-v2",
    "235B": "qwen3-235b-a22b",
    "480B": "qwen3-coder-480b-a35b",
    "30B-A3B": "qwen3-30b-a3b",
    "32B": "qwen3-32b",
    "8B": "qwen3-8b",
    "DeepSeek": "deepseek-v3",
    "gemma-3-12b": "gemma-3-12b",
    "gemma-3-27b": "gemma-3-27b",
    "405B": "llama-3.1-405b",
    "Scout": "llama-4-scout",
    "gpt-oss-120b": "gpt-oss-120b",
}
"""By a part of the name, the first that fits; vision and audio variants share the text model."""
STALLED = ("gpqa", "image-chat", "video-chat")
DOUBTFUL = 0.15
"""Weight of rows that are not clean in a fit."""
PRIOR = 0.6
"""What a constant at the other end of its bounds counts as, in relative errors: where rows tell nothing, it stays."""
TOLD, BESIDE = 0.03, 0.3
"""Where a mean iteration is longer than one without a prompt by more than this share, what it is longer by tells what
prompts take; the weight of that in a fit, beside power, rate and interval. It is a difference of two measured times."""
AFTER = 1.1
"""How long a loop is simulated beyond its window, in longest answers: until all that began in it have ended."""
MOST_TOKENS = 32768


def measurements() -> pd.DataFrame:
    """The table with what is derived from it: watts of a GPU, seconds of an iteration, and whether a row is clean."""
    table = pd.read_csv(FILE)
    table["watts"] = table["avg_power_watts"] / table["num_gpus"]
    table["itl_s"] = table["median_itl_ms"] / 1e3
    table["mean_s"] = table["avg_batch_size"] / table["output_throughput_tokens_per_sec"]
    one_b200 = (table["gpu_model"] == "B200") & (table["num_gpus"] == 1)
    table["clean"] = ~(one_b200 & table["task"].isin(STALLED))
    histograms = [_histogram(model, task) for model, task in zip(table["model_id"], table["task"], strict=True)]
    table["bins"] = pd.Series(histograms, index=table.index, dtype=object)
    table["nickname_of_group"] = table.groupby("arch_group")["nickname"].transform("min")
    key = ["model_id", "task", "gpu_model", "num_gpus", "weight_precision"]
    table["turn"] = table.groupby(key)["max_num_seqs"].rank().astype(int)
    return table


def _histogram(model_id: str, task: str) -> tuple[Floats, Floats]:
    """Output lengths and their weights."""
    name = f"{model_id.replace('/', '__')}__{task}.json"
    known = json.loads((LENGTHS / name).read_text())["output_length_distribution"]
    edges, counts = np.array(known["bins"]), np.array(known["counts"], dtype=np.float64)
    return (edges[1:] + edges[:-1]) / 2.0, counts


def model_of(model_id: str) -> str:
    """The name in the catalog."""
    return next(model for part, model in MODELS.items() if part in model_id)


def fitted(table: pd.DataFrame) -> Mapping[str, float]:
    """The constants, from these rows alone, drawn weakly to where they start (a family may be the only one to tell)."""
    return estimated(table).values


def estimated(table: pd.DataFrame) -> Fit:
    """The constants and their covariance."""
    rows = Configurations.of(table, [model_of(model) for model in table["model_id"]])
    weight = np.where(table["clean"], 1.0, DOUBTFUL)
    watts, mean_s, itl_s = (table[name].to_numpy(np.float64) for name in ("watts", "mean_s", "itl_s"))
    more_s = mean_s - itl_s
    told = more_s > TOLD * itl_s

    def residuals(constants: Mapping[str, float]) -> Floats:
        w, mean, step = predict(rows, constants)
        prior = [PRIOR * (constants[name] - b.start) / (b.high - b.low) for name, b in CONSTANTS.items()]
        power, rate, interval = np.log(w / watts), np.log(mean / mean_s), np.log(step / itl_s)
        more = np.log(np.where(told, np.maximum(mean - step, 1e-6) / np.where(told, more_s, 1.0), 1.0))
        parts = [weight * power, weight * rate, weight * (power + rate), 0.7 * weight * interval]
        parts.append(BESIDE * weight * more)
        return np.concatenate([*parts, np.array(prior)])

    return fit(residuals, CONSTANTS)


def simulated(table: pd.DataFrame, constants: Mapping[str, float]) -> pd.DataFrame:
    """Watts of a GPU, J per output token and seconds between tokens of each row, by running it."""
    rows = Configurations.of(table, [model_of(model) for model in table["model_id"]])
    _, mean_s, _ = predict(rows, constants)
    found = []
    with Bench(constants) as bench:
        for row, interval_s in zip(records(table), mean_s, strict=True):
            at = configuration(row, float(interval_s), constants)
            watts, joules = _measured(bench.run(at), at, asked_of(row))
            found.append((watts, joules, median_s(bench, row, at)))
    return pd.DataFrame(found, columns=list(MEASURES), index=table.index)


def _measured(results: Results, at: Configuration, asked: int) -> tuple[float, float]:
    """W of a GPU and J per output token in the window of ``asked`` requests (``campaign``)."""
    requests = results.requests()
    arrival, first, done = (requests[f"{name}_ns"].to_numpy(np.float64) for name in ("arrival", "first_token", "done"))
    began = float(np.sort(first)[min(at.users, len(first)) - 1])
    ended = max(float(np.sort(arrival)[min(asked, len(arrival)) - 1]), began + 1e9)
    inside = np.clip(np.minimum(done, ended) - np.maximum(first, began), 0.0, None)
    tokens = float((requests["output_tokens"].to_numpy() * inside / np.maximum(done - first, 1.0)).sum())
    ledger = results.ledger()
    gpu = ledger[(ledger["component"] == "gpu") & (ledger["owner"] == "w")]
    start, end = gpu["start_ns"].to_numpy(np.float64), gpu["end_ns"].to_numpy(np.float64)
    share = np.clip(np.minimum(end, ended) - np.maximum(start, began), 0.0, None) / (end - start)
    joules = float((gpu["energy_j"].to_numpy() * share).sum())
    window_s = (ended - began) * SECONDS_PER_NS
    return joules / window_s / at.gpus, joules / max(tokens, 1.0)


def configuration(row: Mapping[str, Any], interval_s: float, constants: Mapping[str, float]) -> Configuration:
    """A row as a closed loop, long enough for several generations of its requests."""
    lengths, counts = row["bins"]
    tokens = np.clip(np.rint(lengths), 1, MOST_TOKENS).astype(int)
    mean = float((counts * tokens).sum() / counts.sum())
    tokens = np.maximum(1, np.rint(tokens * row["avg_output_len"] / mean)).astype(int)
    prompt = round(prompt_tokens(row["task"], pictures_of(row["model_id"]), constants))
    cached = round(cached_tokens(row, model_of(row["model_id"]), prompt) / BLOCK) * BLOCK
    return Configuration(
        board=row["gpu_model"],
        model=model_of(row["model_id"]),
        gpus=int(row["num_gpus"]),
        expert_parallel=row["expert_parallel"] > 1,
        data_parallel=row["data_parallel"] > 1,
        weights=WEIGHTS[row["weight_precision"]],
        users=max(1, round(row["avg_batch_size"])),
        prompt_tokens=prompt,
        cached_tokens=cached,
        prompt_work_s=max(0.0, prompt_work_s(row["task"], constants) - constants["prompt_s"]),
        encoder_s=encoder_s(row["task"], constants) * (1.0 - cached / prompt),
        output={"kind": "histogram", "tokens": tokens.tolist(), "weights": counts.tolist()},
        seconds=interval_s * (window_of(row).iterations + AFTER * float(tokens.max())),
        flashinfer=flashinfer(row["model_id"]),
    )


def rows(*, quick: bool) -> list[Row]:
    """Clean rows by their mean error, all rows by the median; ``quick`` simulates every eighth row only."""
    if not FILE.is_file():
        print(f"{FILE.name} is not here: its rows are left out")
        return []
    table = measurements()
    every = 8 if quick else 1
    judged = {
        "alternate batches": (alternate(table), (6.0, 9.0, 8.0), (8.0, 11.0, 12.0)),
        "families held out": (families(table), (8.0, 11.0, 10.0), (9.0, 14.0, 14.0)),
        "B200 from H100": (other_board(table), (11.0, None, 14.0), (None, None, None)),
    }
    found = []
    for case, (splits, clean, whole) in judged.items():
        ours = pd.concat([simulated(part.iloc[::every], fitted(known)) for known, part in splits])
        guess = pd.concat([naive(known, part.iloc[::every]) for known, part in splits])
        found += _summed_up(case, table, ours, guess, clean, whole)
        if case != "B200 from H100":
            found += aiconfigurator.beside(case, table, ours["itl_s"])
    return found


Split = list[tuple[pd.DataFrame, pd.DataFrame]]
"""Rows that are fitted, and rows that are judged by that fit."""


def alternate(table: pd.DataFrame) -> Split:
    """Every second batch size of a configuration is judged."""
    known = table["turn"] % 2 == 1
    return [(table[known], table[~known])]


def families(table: pd.DataFrame) -> Split:
    """Every family of models is judged by a fit to the others."""
    return [(table[known], table[judged]) for known, judged in held_out(table["arch_group"].tolist())]


def other_board(table: pd.DataFrame) -> Split:
    """All of B200 is judged by a fit to H100."""
    known = table["gpu_model"] == "H100"
    return [(table[known], table[~known])]


def naive(known: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    """The guess without a model: the median of known rows on the board (or on any) at the nearest batch size."""
    found = []
    for row in judged.to_dict("records"):
        same = known[known["gpu_model"] == row["gpu_model"]]
        rows = same if len(same) else known
        away = np.abs(np.log(rows["max_num_seqs"].to_numpy(np.float64) / row["max_num_seqs"]))
        found.append([float(rows[measured][away == away.min()].median()) for measured in MEASURES.values()])
    return pd.DataFrame(found, columns=list(MEASURES), index=judged.index)


MEASURES = {"watts": "watts", "joules": "energy_per_token_joules", "itl_s": "itl_s"}
"""What is predicted, and the column it is measured in."""
NOISE = {"watts": "3", "joules": "4.5", "itl_s": "8"}
"""Percent by which measurements of the same differ, as told with the data; twins of two campaigns, 7 to 11 of power."""


def _summed_up(
    case: str,
    table: pd.DataFrame,
    found: pd.DataFrame,
    guess: pd.DataFrame,
    clean_reach: tuple[float | None, ...],
    all_reach: tuple[float | None, ...],
) -> list[Row]:
    measured = table.loc[found.index]
    clean = measured["clean"].to_numpy()
    result = []
    for label, (ours, theirs), mean_reach, median_reach in zip(
        ("power", "J/token", "ITL"), MEASURES.items(), clean_reach, all_reach, strict=True
    ):
        truth = measured[theirs].to_numpy()
        off, off_naive = (100 * np.abs(frame[ours].to_numpy() / truth - 1.0) for frame in (found, guess))
        note = f"clean rows, mean; naive {off_naive[clean].mean():.0f} %, noise {NOISE[ours]} %; "
        note += f"all rows: median {np.median(off):.1f} %, mean {off.mean():.1f} %"
        note += (
            f" (reach {median_reach:g}: {'ok' if np.median(off) <= median_reach else 'MISSED'})" if median_reach else ""
        )
        note += f"; {len(off)} rows; {told()}"
        if case == "families held out":
            note += f"; {_by_family(measured['nickname_of_group'], off, clean)}"
        result.append(Row(f"ML.ENERGY, {case}, {label}", float(off[clean].mean()), "%", mean_reach, note))
    return result


def _by_family(groups: pd.Series, off: Floats, clean: npt.NDArray[np.bool_]) -> str:
    """The mean error of every family's clean rows, the worst first."""
    means = pd.Series(off[clean]).groupby(groups.to_numpy()[clean]).mean().sort_values(ascending=False)
    return "by family, the worst first: " + ", ".join(f"{name} {mean:.0f}" for name, mean in means.items())
