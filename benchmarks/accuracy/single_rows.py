"""Watts of measured products of one row of 16 bits, with and without tiles (``iteration.energy.UNTILED``).

    python -m benchmarks.accuracy.single_rows

The law of a kernel's watts, its constants as they ship, through the meter that read the campaign's kernels
(``kernel_meter``). The known half of the matrices told ``UNTILED``, the other half is held out. Two rows are beside, to
which nothing is done.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.kernel_cases import Case, cases, find_habit
from benchmarks.accuracy.kernel_rows import BOARDS
from benchmarks.accuracy.kernels import LAW, REST_W
from sim.profiles.iteration.energy import UNTILED
from sim.profiles.kernels.power import power_w

LAUNCH_S = 5e-5
"""Shorter kernels tell more of what ran before them."""


def rows_of(case: Case) -> npt.NDArray[np.int64]:
    """Rows of each product of a case, from its FLOP and its matrix."""
    n, k = np.array([shape.split("/") for shape in case.kernels.shape], dtype=np.float64).T
    flop = sum(np.broadcast_to(np.asarray(of), len(n)) for of in case.kernels.work.flop.values())
    rows: npt.NDArray[np.int64] = np.rint(flop / (2.0 * n * k)).astype(np.int64)
    return rows


def errors(case: Case, law: dict[str, float], rest_w: float, share: float) -> dict[tuple[int, bool], float]:
    """Mean absolute error of readings, by rows (1 and 2) and whether the matrix is known, where a byte of one row takes
    ``share`` of the second-level cache's energy."""
    k, rows = case.kernels, rows_of(case)
    wide = k.words == "bfloat16"
    beyond = case.beyond(law, rest_w)
    power = case.power(law, rest_w)
    spared = replace(power, joule_per_l2_byte=power.joule_per_l2_byte * share)
    untiled = np.asarray(power_w(k.work, k.seconds, spared, busy=k.busy, toggle=case.toggle(law))) - rest_w
    single = wide & (rows == 1)
    off = np.abs(case.shown(np.where(single, untiled, beyond), rest_w) / k.watts - 1.0)
    judged = wide & k.measured & (k.seconds > LAUNCH_S)
    return {
        (many, known): float(np.mean(off[judged & (rows == many) & (case.known == known)]))
        for many in (1, 2)
        for known in (True, False)
    }


def main() -> None:
    law = {name: bounds[0] for name, bounds in LAW.items()}
    for board in BOARDS:
        rest_w = REST_W[board][0]
        for case in cases(quick=False, boards=[board], kinds=["gemm"]):
            find_habit(case, law, rest_w)
            for share in (1.0, UNTILED):
                found = errors(case, law, rest_w, share)
                told = ", ".join(
                    f"{many} row {'known' if known else 'held out'} {e:.1%}" for (many, known), e in found.items()
                )
                print(f"{board.file}, {share:g} of a cache's byte: {told}")


if __name__ == "__main__":
    main()
