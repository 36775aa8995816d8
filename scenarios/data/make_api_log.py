"""Writes api_requests_10min.csv: a made-up request log of a small public model API, nine days long.

It has the shape such logs have (a busy launch day, a daily rhythm, bursts) and the columns and the time span of the
BLOOM API's own log, so that either can stand in for the other. Every number in it comes from this script.
"""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

FIRST_END = datetime(2022, 9, 22, 15, 20)
INTERVALS = 1204


def main() -> None:
    """Writes the file beside this script."""
    rng = np.random.default_rng(176)
    hours = np.arange(INTERVALS) / 6.0
    rhythm = 1.0 + 0.45 * np.sin(2.0 * np.pi * (hours + 15.33 - 9.5) / 24.0)
    launch = 1.0 + 2.2 * np.exp(-hours / 6.0)
    noise = np.empty(INTERVALS)
    level = 0.0
    for i in range(INTERVALS):
        level = 0.8 * level + 0.24 * rng.standard_normal()
        noise[i] = level
    bursts = np.where(rng.random(INTERVALS) < 0.02, 1.0 + 2.0 * rng.exponential(size=INTERVALS), 1.0)
    counts = rng.poisson(79.0 * rhythm * launch * np.exp(noise) * bursts)
    lines = ["interval_end_utc,requests"]
    lines += [f"{FIRST_END + timedelta(minutes=10 * i)},{count}" for i, count in enumerate(counts)]
    (Path(__file__).parent / "api_requests_10min.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
