"""Whether a report's ranges "with the models' error" hold 90 % of readings whose family no constant was fitted to.

``held_out_errors.csv`` has the error of every reading: the logarithm of measured over predicted energy, which of a
rate is that of predicted over measured. ``python -m benchmarks.accuracy.ranges`` makes it anew, in some minutes;
these rows are read from it. Each model's range is what its families tell (``within.reach``); it is judged on each
family by what the others tell. Beside it stands what the mean absolute error, taken as normal, would have held.

Families: of served models and of MLPerf's benchmarks as their tables group them; of Megatron-Core the five models of
Megatron-Bridge and each published set of runs as of its year, both of Qwen3 being one; of FSDP all of MPT as one
and each published set that ran uncompiled with FSDP.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.accuracy import megatron, mlenergy, mpt_fsdp, training_power
from benchmarks.accuracy.published_runs import families as published
from benchmarks.accuracy.published_training import Scored
from benchmarks.accuracy.training_steps import held_out_errors, runs_of
from benchmarks.accuracy.within import Floats, Names, apart, least_chance, reach, shares_within
from benchmarks.table import Row
from sim.measure.fit.training_fit import FSDP_FORM, MEGATRON_FORM
from sim.results.model_error import NODE_POWER, STEP_RATE, STEP_RATE_FSDP, TOKEN_ENERGY, TOKEN_ENERGY_ELSEWHERE

FILE = Path(__file__).with_name("held_out_errors.csv")
QWEN3 = {"Qwen3_235B_a22B": "Qwen3", "Qwen3 with experts on H100, 2025": "Qwen3"}
OTHER_SOFTWARE = ("compiled", "ZeRO-3")
"""In the name of a published set of runs: not what ``fsdp-2024`` is a model of."""
MEAN_ERRORS = {
    one.ranges: one.error for one in (TOKEN_ENERGY, TOKEN_ENERGY_ELSEWHERE, STEP_RATE, STEP_RATE_FSDP, NODE_POWER)
}
"""Mean absolute errors of the page on accuracy."""
NORMAL_90 = 1.6448536269514722 * math.sqrt(math.pi / 2.0)
"""Within how many mean absolute errors 90 % of normal ones lie."""
Error = tuple[str, str, float]
"""Who measured it, the family, and ln(measured / predicted) of energy."""


def errors() -> dict[str, tuple[Floats, Names]]:
    """Log errors and families of every model, as the file has them."""
    table = pd.read_csv(FILE, comment="#")
    return {
        str(of): (rows["log_error"].to_numpy(np.float64), rows["family"].to_numpy(dtype=np.str_))
        for of, rows in table.groupby("of", sort=False)
    }


def rows() -> list[Row]:
    """Of each model: the share of readings within the range that other families tell, all families alike."""
    return [_row(of, *told) for of, told in errors().items()]


def _row(of: str, off: Floats, families: Names) -> Row:
    within, error = shares_within(off, families), MEAN_ERRORS[of]
    least = ", ".join(f"{name} {100 * share:.0f}" for name, share in sorted(within.items(), key=_second)[:3])
    normal = normal_shares(off, families, error)
    worst, share = min(normal.items(), key=_second)
    note = (
        f"{len(off)} readings of {len(within)} families; the range is {ends(reach(off, families))}, promised to hold "
        f"{100 * least_chance(families):.0f} %; least: {least}; a normal law of the mean error (+-"
        f"{100 * NORMAL_90 * error:.0f} %) holds {100 * np.mean([*normal.values()]):.0f} %, of {worst} "
        f"{100 * share:.0f}; the ratio of two readings of a family lies within {ends(apart(off, families))} of its own"
    )
    value = 100 * float(np.mean([*within.values()]))
    return Row(f"range of {of}, family held out: readings in it", value, "%", None, note)


def normal_shares(off: Floats, families: Names, error: float) -> dict[str, float]:
    """Of every family, the share of readings in which a normal law of a mean absolute error holds 90 %."""
    inside = np.abs(np.expm1(off)) <= NORMAL_90 * error
    return {str(name): float(inside[families == name].mean()) for name in np.unique(families)}


def _second(pair: tuple[str, float]) -> float:
    return pair[1]


def ends(off: float) -> str:
    """A log error as the two percentages that it is.

    >>> ends(0.5)
    '-39 % to +65 %'
    """
    return f"{100 * math.expm1(-off):.0f} % to {100 * math.expm1(off):+.0f} %"


def _served(split: mlenergy.Split) -> Iterator[Error]:
    for known, part in split:
        clean = part[part["clean"]]
        joules = mlenergy.simulated(clean, mlenergy.fitted(known))["joules"]
        off = np.log(clean["energy_per_token_joules"].to_numpy(np.float64) / joules.to_numpy(np.float64))
        yield from (("ML.ENERGY", *each) for each in zip(clean["nickname_of_group"], off.tolist(), strict=True))


def _tokens() -> Iterator[Error]:
    return _served(mlenergy.families(mlenergy.measurements()))


def _tokens_elsewhere() -> Iterator[Error]:
    return _served(mlenergy.other_board(mlenergy.measurements()))


def _published(stack: str) -> Iterator[Error]:
    for each in map(Scored.of, published()):
        judged = each.family.stack == stack and each.family.tells is None
        if judged and not any(word in each.family.name for word in OTHER_SOFTWARE):
            family = QWEN3.get(each.family.name, each.family.name)
            yield from (("published", family, float(off)) for off in np.log1p(each.then))


def _megatron() -> Iterator[Error]:
    runs = runs_of(megatron.FILE)
    for run, off in zip(runs, np.log1p(held_out_errors(runs, MEGATRON_FORM)).tolist(), strict=True):
        yield "Megatron-Bridge", QWEN3.get(run.model, run.model), off
    yield from _published("megatron-2026")


def _fsdp() -> Iterator[Error]:
    for off in np.log1p(held_out_errors(runs_of(mpt_fsdp.FILE), FSDP_FORM)).tolist():
        yield "LLM Foundry", "MPT", off
    yield from _published("fsdp-2024")


def _nodes() -> Iterator[Error]:
    table = pd.read_csv(training_power.FILE)
    table = table[table["n_nodes"] == 1]
    means = table.groupby("benchmark")["mean_w_run"].mean()
    watts, _ = training_power.held_out_w(training_power.Nodes.simulated(), means, training_power.WORK)
    told = dict(zip(means.index, watts.tolist(), strict=True))
    for name, measured in zip(table["benchmark"], table["mean_w_run"], strict=True):
        yield "MLPerf", str(name), math.log(measured / told[name])


MADE: dict[str, Callable[[], Iterator[Error]]] = {
    "J per token": _tokens,
    "J per token on another board": _tokens_elsewhere,
    "tokens/s with Megatron-Core": _megatron,
    "tokens/s with FSDP": _fsdp,
    "node power": _nodes,
}


def write() -> None:
    """All errors anew."""
    with FILE.open("w", encoding="utf-8", newline="") as file:
        file.write("# ln(measured / predicted) of energy, of readings whose family no constant was fitted to\n")
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(("of", "source", "family", "log_error"))
        for of, made in MADE.items():
            lines.writerows((of, source, family, f"{off:.4f}") for source, family, off in made())


if __name__ == "__main__":
    write()
