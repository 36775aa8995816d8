"""How often to write checkpoints, and how long a job takes that fails, from the mean time between its failures.

Both laws take failures as exponential and independent, with a mean time between them of the whole job (of its nodes
together). What a checkpoint costs is the time for which the job stands still.
"""

from __future__ import annotations

import math


def young_interval_s(stall_s: float, mtbf_s: float) -> float:
    """Work between two checkpoints, s, that loses least time to first order: ``sqrt(2 stall mtbf)``.

    Source: J. W. Young, "A first order approximation to the optimum checkpoint interval", CACM 17 (9), 1974,
    doi:10.1145/361147.361115.
    """
    return math.sqrt(2.0 * stall_s * mtbf_s)


def daly_interval_s(stall_s: float, mtbf_s: float) -> float:
    """The same to higher order: less where checkpoints are not short beside the time between failures.

    Source: J. T. Daly, "A higher order estimate of the optimum checkpoint interval for restart dumps", Future
    Generation Computer Systems 22 (3), 2006, equation 37, doi:10.1016/j.future.2004.11.016.
    """
    if stall_s >= 2.0 * mtbf_s:
        return mtbf_s
    root = math.sqrt(stall_s / (2.0 * mtbf_s))
    return math.sqrt(2.0 * stall_s * mtbf_s) * (1.0 + root / 3.0 + root**2 / 9.0) - stall_s


def expected_s(work_s: float, interval_s: float, stall_s: float, restart_s: float, mtbf_s: float) -> float:
    """Time that ``work_s`` takes on average, s, with a checkpoint after every interval and a restart after a failure.

    Failures also come while checkpoints are written and while the job restarts. Source: Daly 2006, equation 20.
    """
    segments = work_s / interval_s
    return mtbf_s * math.exp(restart_s / mtbf_s) * math.expm1((interval_s + stall_s) / mtbf_s) * segments
