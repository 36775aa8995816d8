"""What the benchmarks of training steps share: which form is judged, the runs, and errors by group.

The form was tried with all rows in sight: about forty variants of the law and of the weights of its fit, their scores
on models held out before the authors' eyes. Tried and left out: a time for each expert that a GPU has, tokens sent once
to each island, an efficiency of experts' products of their own. ``python -m benchmarks.accuracy.training_steps`` prints
the hash of the form as it is.

What happened: the form was frozen at 19:51 as 9b8e79ccf3eb and scored 11.3 % in the mean, 8.1 in the median and 10.7
for GB200 (MPT as now). But what was thought of Megatron's constants before a fit (``training_fit.MEGATRON``) was round
numbers near those of fits to all rows: alone, without any fit, they erred by 10.4 %, and with a twenty-fifth of their
weight the scores were 16.1, 11.2 and 17.6. They told the judged rows. So they were replaced by numbers from elsewhere,
three sets of which were scored (14.6, 9.8, 12.5; 14.1, 11.6, 14.2; 14.1, 9.7, 12.1 %), the last of them kept, and the
form frozen anew. Rows tell what these do alone, and what is left of the scores with a fifth of their weight. Hashed
anew at 20:20, since the order of ranks moved to a file of its own: no score changes. Hashed anew at 20:46, for what
runs that others published showed (``published_training``): boards that their limit does not hold, software before the
first release of these tables, experts wider than their model. No run of these tables has any of the three, so no
constant of a fit and no score changes. Hashed anew at 20:58: 32-bit scalar arithmetic, of which no run is, is not
throttled as matrix units are. Hashed anew on the 30th: who fits may be told how many stacks are fitted, and no number
is another; and once more, as a framework may gather a layer tensor by tensor, which none of these tables does.
And once more: experts are shared out within hybrid sharding, too, which none of these runs has. And as files
that these import have other paths, and AMD's boards reach what was measured on them, which none of these runs has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.form import form
from benchmarks.table import Row
from sim.measure.fit.training_fit import Form, fit_stack, held_out_tokens_per_s, tokens_per_s
from sim.measure.fit.training_table import Run, training_runs
from sim.profiles.catalog import Catalog

Floats = npt.NDArray[np.float64]

FILES = (
    "sim/measure/fit/training_fit.py",
    "sim/training/communication.py",
    "sim/training/compute.py",
    "sim/training/pipeline.py",
    "sim/training/ranks.py",
    "sim/training/stack.py",
    "sim/training/step.py",
    "sim/training/tensors.py",
    "sim/training/work.py",
)
A_FIFTH = 0.2
FROZEN = ("2026-11-29 20:58 UTC", "f214903c30e7")


def told() -> str:
    """For the note of a row."""
    when, known = FROZEN
    return f"form frozen {when} ({known})" if form(FILES) == known else f"FORM CHANGED since it was frozen {when}"


def runs_of(file: Path) -> list[Run]:
    """The runs of a table; says which rows are left out, as models or machines that nobody described."""
    if not file.is_file():
        print(f"{file.name} is not here: its rows are left out")
        return []
    runs, wrong = training_runs(file, Catalog())
    for problem in wrong:
        print(f"left out: {problem}")
    return runs


def off(predicted: Floats, runs: Sequence[Run]) -> Floats:
    """Relative errors, signed."""
    return np.asarray(predicted / np.array([run.tokens_per_s for run in runs]) - 1.0)


def by_model(case: str, runs: Sequence[Run], errors: Floats) -> list[Row]:
    """A row for each model held out, the worst one named."""
    models = np.array([run.model for run in runs])
    mean = {model: 100 * float(np.abs(errors[models == model]).mean()) for model in sorted(set(models))}
    worst = max(mean, key=mean.__getitem__)
    return [
        Row(
            f"{case}: {model} held out",
            value,
            "%",
            None,
            f"{int((models == model).sum())} runs, bias {100 * float(errors[models == model].mean()):+.0f} %"
            + (", the worst" if model == worst else ""),
        )
        for model, value in mean.items()
    ]


def carried_over(runs: Sequence[Run], shape: Form, judged: Callable[[Run], bool]) -> tuple[Floats, list[Run]]:
    """Errors on the runs that are ``judged``, by a stack fitted to the others."""
    others, own = [run for run in runs if not judged(run)], [run for run in runs if judged(run)]
    return off(tokens_per_s(own, fit_stack(others, shape)), own), own


def weighing_less(shape: Form) -> Form:
    """The same with ``A_FIFTH`` of the weight of what was thought before."""
    return replace(shape, trust=A_FIFTH * shape.trust)


def held_out_errors(runs: Sequence[Run], shape: Form) -> Floats:
    """Of every run, by a stack fitted without its model."""
    return off(held_out_tokens_per_s(runs, shape), runs)


if __name__ == "__main__":
    print(form(FILES))
