"""Watts of single kernels: the law of ``profiles.kernels.power`` on shapes that its constants have not seen.

Half of the shapes are known, by a hash of their names, and the other half is judged. Fitted to the known ones: the
constants of the law, which all kinds and all three boards share (six, and how little energy unfilled operands take);
each board's watts at rest; and how the campaign went on between runs, which the meter shows of short kernels
(``kernel_meter``): a pause and two or three numbers more for a board's kernels of one kind (``kernel_cases``).

**What the meter's last second held** is known run by run of products: the campaign's list of matrices is published, so
that those that no file holds are known to have run between (``kernel_absent``); and the order of ends says that one GPU
did them all, or from where on all of a node did (``kernel_second``). Which GPU a module of latent attention, a mixture
or attention was measured on, and after which other, follows from the order of the rows (``kernel_lanes``,
``kernel_order``). What was compiled just before follows from a published rule (``kernel_compiling``), which starts
anew where a campaign was resumed and is told by known shapes' readings instead, where they tell it.

**Unfilled operands.** The campaign does not fill the weights of products in 16 bits and in fp8 per tensor: they are
what memory held. Where a copy is largest they are zeros, as the watts tell (``UNFILLED``: half of their neighbours' at
the same rates), and its modules of latent attention run on such weights throughout. Attention over prompts reads keys
and values from a cache that nothing has filled: the campaign's cache is memory as it was got, and what fills it has
been taken out of the kernel that it launches (vLLM pull requests 25954 and 35422). All are told beside: with the share
of energy that such operands take, constants of the fit, and as if they were real data.

GB200 is also judged from H200 and B200 alone: the law's constants are theirs, the meter's B200's, and its own are the
limit of its data sheet and the watts at rest.

The form of the law was chosen with all of these rows in sight, held-out shapes too, and so was that of the meter until
the second was taken run by run; that was found and tried on the known shapes alone, one half of them against the other,
and the held-out half scored once (``FROZEN`` says when, and the hash of the files that hold the form, ``form``; hashed
anew since, for names of the simulator's own that it calls, an import of a type and other paths, which change no
number). The naive guess is a roofline of power with four constants for each board, kind and precision: rest, J/FLOP,
J/byte, all under the limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from benchmarks.accuracy import kernel_repeats
from benchmarks.accuracy.form import form
from benchmarks.accuracy.kernel_cases import Case, cases, find_habit
from benchmarks.accuracy.kernel_rows import B200, BOARDS, FOLDER, GB200, H200, Board
from benchmarks.table import Row

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FILES = (
    "sim/profiles/kernels/power.py",
    "sim/profiles/kernels/work.py",
    "benchmarks/accuracy/kernel_absent.py",
    "benchmarks/accuracy/kernel_cases.py",
    "benchmarks/accuracy/kernel_compiling.py",
    "benchmarks/accuracy/kernel_lanes.py",
    "benchmarks/accuracy/kernel_meter.py",
    "benchmarks/accuracy/kernel_order.py",
    "benchmarks/accuracy/kernel_rows.py",
    "benchmarks/accuracy/kernel_second.py",
    "benchmarks/accuracy/kernel_table.py",
)
FROZEN = ("2026-11-30 19:35 UTC", "a45a613154e9")

LONG_S = 1e-4
FAMILIES = {
    "gemm": ("gemm",),
    "context attention": ("context_attention",),
    "generation attention": ("generation_attention",),
    "encoder attention": ("encoder_attention",),
    "MLA": ("mla_context_module", "mla_generation_module"),
    "MoE": ("moe",),
}
REACH = {"context attention": 14.0, "generation attention": 19.0, "MLA": 16.0, "MoE": 15.0}
GEMM_LONG, GEMM_ALL, GB200_REACH = 10.0, 16.0, 15.0

LAW = {
    "e16": (0.9, 0.4, 1.6),
    "width": (0.85, 0.6, 1.0),
    "l2": (50.0, 25.0, 100.0),
    "hbm": (30.0, 20.0, 45.0),
    "score": (60.0, 20.0, 120.0),
    "active": (1.6, 0.8, 2.5),
    "unfilled": (0.3, 0.05, 1.0),
    "module": (0.3, 0.05, 1.0),
    "cache": (0.7, 0.2, 1.0),
}
"""Constants of the law, all boards', and their bounds: pJ/FLOP at 16 bits, its exponent by width, pJ/B from the
second-level cache, pJ/B from memory, pJ a score, W a multiprocessor; shares of energy with unfilled operands, in
products, in modules of latent attention and in attention over prompts."""
REST_W = {H200: (132.0, 120.0, 142.0), B200: (248.0, 228.0, 262.0), GB200: (225.0, 210.0, 240.0)}


def fitted(
    found: Sequence[Case], *, rounds: int = 2, most: int = 6, law: Mapping[str, float] | None = None
) -> tuple[dict[str, float], dict[Board, float]]:
    """Constants of the law and watts at rest from the known shapes of all these cases; sets each case's habit.

    With a ``law`` given, only the watts at rest are fitted, and habits stay.
    """
    boards = [board for board in BOARDS if any(case.board is board for case in found)]
    free = {} if law is not None else dict(LAW)
    start = np.array([b[0] for b in free.values()] + [REST_W[board][0] for board in boards])
    low = np.array([b[1] for b in free.values()] + [REST_W[board][1] for board in boards])
    high = np.array([b[2] for b in free.values()] + [REST_W[board][2] for board in boards])

    def split(x: Floats) -> tuple[dict[str, float], dict[Board, float]]:
        constants = dict(law) if law is not None else dict(zip(free, map(float, x), strict=False))
        return constants, dict(zip(boards, map(float, x[len(free) :]), strict=True))

    def residuals(x: Floats) -> Floats:
        constants, rest = split(x)
        parts = []
        for case in found:
            off = np.log(case.reading(constants, rest[case.board]) / case.kernels.watts)[case.known]
            parts.append(off * np.sqrt((2.0 if case.kind == "gemm" else 1.0) / len(off)))
        return np.concatenate(parts) * 50.0

    x = start
    for _ in range(rounds):
        if law is None:
            constants, rest = split(x)
            for case in found:
                find_habit(case, constants, rest[case.board])
        x = least_squares(
            residuals, x, bounds=(low, high), x_scale=start, loss="soft_l1", f_scale=0.05, max_nfev=most
        ).x  # fmt: skip
    return split(x)


def _roofline(watts: Floats, flop: Floats, byte: Floats, limit_w: float) -> Floats:
    """Rest, J/FLOP and J/byte of these kernels, from rates and watts."""
    typical = np.array([150.0, 300.0 / flop.max(), 300.0 / max(float(byte.max()), 1.0)])

    def off(x: Floats) -> Floats:
        rest, flop_j, byte_j = x * typical
        return np.asarray(np.minimum(limit_w, rest + flop_j * flop + byte_j * byte) / watts - 1.0)

    return np.asarray(least_squares(off, [1.0, 1.0, 1.0], bounds=(0.0, np.inf)).x * typical)


def naive(case: Case) -> Floats:
    """A roofline of power for each precision: rest, J/FLOP and J/byte, under the limit; of known shapes."""
    d = case.kernels
    flop = np.asarray(sum(d.work.flop.values())) / d.seconds
    byte = np.asarray(d.work.byte) / d.seconds
    result = np.full(len(d), np.nan)
    for word in np.unique(d.words):
        rows = d.words == word
        train = np.flatnonzero(rows & case.known)
        if len(train):
            train = train[:: max(1, len(train) // 2000)]
            rest, flop_j, byte_j = _roofline(d.watts[train], flop[train], byte[train], case.board.limit_w)
            result[rows] = np.minimum(case.board.limit_w, rest + flop_j * flop[rows] + byte_j * byte[rows])
    return result


def _percent(off: Floats, rows: Mask) -> float:
    return float(100.0 * np.nanmean(np.abs(off[rows])))


def _groups(cases_: Sequence[Case]) -> Iterator[tuple[Case, str]]:
    for case in cases_:
        for word in np.unique(case.kernels.words):
            yield case, str(word)


def _worst(case: Case, off: Floats, rows: Mask) -> str:
    """The shape that is worst on average."""
    names = case.kernels.shape[rows]
    each = {name: float(np.abs(off[rows][names == name]).mean()) for name in np.unique(names)}
    name = max(each, key=lambda shape: each[shape])
    return f"worst shape {name}: {100.0 * each[name]:.0f} %"


def told(files: tuple[str, ...] = FILES) -> str:
    """Of the form, for the note of a row."""
    when, known = FROZEN
    state = f"frozen {when} ({known})" if form(files) == known else f"CHANGED since it was frozen {when}"
    return f"form {state}; the law's was chosen with held-out shapes in sight, the meter's second on known ones"


def _products(case: Case, off: Floats, plain: Floats, shipped: Floats, guess: Floats) -> list[Row]:
    found = []
    for _, word in _groups([case]):
        judged = case.judged & (case.kernels.words == word)
        for name, rows, reach in (
            ("over 0.1 ms", judged & (case.kernels.seconds > LONG_S), GEMM_LONG),
            ("all", judged, GEMM_ALL),
        ):
            if not rows.any():
                continue
            note = f"constants as shipped {_percent(shipped, rows):.1f}; naive {_percent(guess, rows):.0f} %; "
            note += f"{_worst(case, off, rows)}; {int(rows.sum())} kernels"
            if case.unfilled[rows].any():
                note += (
                    f"; taken for real data {_percent(plain, rows):.1f}, "
                    f"without unfilled shapes {_percent(off, rows & ~case.unfilled):.1f}"
                )
            label = f"kernels, W, GEMM {word}, {case.board.file}, {name}"
            found.append(Row(label, _percent(off, rows), "%", reach, note))
    return found


def _others(family: str, of: Sequence[Case], off: Mapping[int, Floats], guess: Mapping[int, Floats]) -> Row:
    """The mean of boards, and of a board the mean of its kinds' rows; the worst precision named."""
    boards: dict[str, list[float]] = {}
    plain, words, count = [], {}, 0
    for case in of:
        judged = case.judged
        if not judged.any():
            continue
        boards.setdefault(case.board.file, []).append(_percent(off[id(case)], judged))
        plain.append(_percent(guess[id(case)], judged & np.isfinite(guess[id(case)])))
        count += int(judged.sum())
        for word in np.unique(case.kernels.words):
            rows = judged & (case.kernels.words == word)
            if rows.any():
                words[f"{case.board.file} {case.kind} {word}"] = _percent(off[id(case)], rows)
    each = {board: float(np.mean(values)) for board, values in boards.items()}
    worst = max(words, key=lambda name: words[name])
    note = f"mean of boards: {', '.join(f'{board} {value:.1f}' for board, value in each.items())}; "
    note += f"naive {np.mean(plain):.0f} %; worst {worst} {words[worst]:.0f} %; {count} kernels"
    if family == "MLA":
        note += f"; {kernel_repeats.told()}"
    return Row(f"kernels, W, {family}", float(np.mean(list(each.values()))), "%", REACH.get(family), note)


def rows(*, quick: bool) -> list[Row]:
    """Mean errors of watts on shapes held out; ``quick`` takes a quarter of the shapes."""
    if not FOLDER.is_dir():
        print(f"{FOLDER.name} is not here: its rows are left out")
        return []
    found = cases(quick=quick)
    law, rest = fitted(found)
    off: dict[int, Floats] = {}
    plain: dict[int, Floats] = {}
    shipped: dict[int, Floats] = {}
    guess: dict[int, Floats] = {}
    for case in found:
        watts = case.kernels.watts
        off[id(case)] = case.reading(law, rest[case.board]) / watts - 1.0
        plain[id(case)] = (
            case.reading({**law, "unfilled": 1.0, "module": 1.0, "cache": 1.0}, rest[case.board]) / watts - 1.0
        )
        written = {name: start for name, (start, _, _) in LAW.items()}
        shipped[id(case)] = case.reading(written, rest[case.board]) / watts - 1.0
        guess[id(case)] = naive(case) / watts - 1.0
    result = []
    for case in found:
        if case.kind == "gemm":
            result += _products(case, off[id(case)], plain[id(case)], shipped[id(case)], guess[id(case)])
    for family, kinds in FAMILIES.items():
        of = [case for case in found if case.kind in kinds]
        if family != "gemm" and of:
            result.append(_others(family, of, off, guess))
    result += _unseen_board(found)
    constants = ", ".join(f"{name} {value:.3g}" for name, value in law.items())
    constants += "; rest " + ", ".join(f"{board.file} {value:.0f} W" for board, value in rest.items())
    return [replace(row, note=f"{row.note}; {told()}; {constants}") if i == 0 else row for i, row in enumerate(result)]


def _unseen_board(found: Sequence[Case]) -> list[Row]:
    """GB200's products by what H200 and B200 say."""
    seen = [case for case in found if case.board is not GB200]
    new = next((case for case in found if case.board is GB200 and case.kind == "gemm"), None)
    old = next((case for case in seen if case.board is B200 and case.kind == "gemm"), None)
    if new is None or old is None:
        return []
    law, _ = fitted(seen, rounds=1)
    stranger = replace(new, habit=old.habit, compiled=new.kernels.paused, meter=None)
    _, rest = fitted([stranger], rounds=1, law=law)
    off = stranger.reading(law, rest[GB200]) / stranger.kernels.watts - 1.0
    judged = stranger.judged
    each = {str(w): _percent(off, judged & (stranger.kernels.words == w)) for w in np.unique(stranger.kernels.words)}
    long = _percent(off, judged & (stranger.kernels.seconds > LONG_S))
    note = f"over 0.1 ms {long:.1f}; {', '.join(f'{word} {value:.0f}' for word, value in each.items())}; "
    note += f"its own: limit and {rest[GB200]:.0f} W at rest"
    return [Row("kernels, W, GEMM, gb200 from h200 and b200", _percent(off, judged), "%", GB200_REACH, note)]
