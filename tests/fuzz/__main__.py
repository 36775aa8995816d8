"""``python -m tests.fuzz``: a campaign, or one case again."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.fuzz.campaign import RUN_NUMBERS, Tally, campaign, tried
from tests.fuzz.guard import BAD


def main() -> int:
    """Exit status 1 where a case failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Tries malformed input.")
    parser.add_argument("--cases", type=int, default=100_000, help="how many malformed inputs")
    parser.add_argument("--runs", type=int, default=2000, help="how many changed scenarios to run")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=None, help="where to keep what is done, and go on from there")
    parser.add_argument("--replay", metavar="KIND:SEED", help="one case, with its traceback")
    given = parser.parse_args()
    if given.replay:
        return _replay(given.replay)
    began, shown = time.monotonic(), [0.0]

    def watch(tally: Tally) -> None:
        if time.monotonic() - shown[0] > 10:
            shown[0] = time.monotonic()
            sys.stderr.write(f"{tally.tried:,} tried, {len(tally.failures):,} failed, {shown[0] - began:.0f} s\n")

    first = given.first
    numbers = [range(first, first + given.cases), range(RUN_NUMBERS + first, RUN_NUMBERS + first + given.runs)]
    tally = campaign(numbers, workers=given.workers, out=given.out, watch=watch)
    _show(tally)
    return 1 if tally.failures else 0


def _replay(name: str) -> int:
    kind, _, seed = name.rpartition(":")
    with tempfile.TemporaryDirectory() as place:
        outcome = tried(kind, int(seed), Path(place))
    sys.stdout.write(f"{outcome.end}\n{outcome.details}")
    return 1 if outcome.end in BAD else 0


def _show(tally: Tally) -> None:
    columns = ("refused", "accepted", *BAD)
    table = Table("kind", "tried", *columns, "longest s")
    for kind, ends in sorted(tally.ends.items()):
        counts = [f"{ends[end]:,}" for end in columns]
        table.add_row(kind, f"{sum(ends.values()):,}", *counts, f"{tally.longest_s[kind]:.1f}")
    sums = [f"{sum(ends[end] for ends in tally.ends.values()):,}" for end in columns]
    table.add_row("all", f"{tally.tried:,}", *sums, f"{max(tally.longest_s.values(), default=0.0):.1f}", style="bold")
    console = Console(width=140)
    console.print(table)
    for fingerprint, failures in tally.by_fingerprint().items():
        names = ", ".join(failure.name for failure in failures[:5])
        console.print(f"{len(failures):,} x {fingerprint}\n    {names}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
