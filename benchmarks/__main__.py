"""``python -m benchmarks NAME [--quick] [--json]``; without a name, what there is."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks import (
    account,
    accuracy,
    beside_raps,
    beside_splitwise,
    billion,
    cluster,
    first_answer,
    growth,
    job_laws,
    job_traces,
    nodes,
    replicas,
    serving,
    speed,
    startup,
    study,
    training,
    what_if,
)
from benchmarks.table import Row, show

BENCHMARKS: dict[str, Callable[..., Iterable[Row]]] = {
    "account": account.rows,
    "accuracy": accuracy.rows,
    "beside-raps": beside_raps.rows,
    "beside-splitwise": beside_splitwise.rows,
    "billion": billion.rows,
    "cluster": cluster.rows,
    "first-answer": first_answer.rows,
    "growth": growth.rows,
    "job-laws": job_laws.rows,
    "job-traces": job_traces.rows,
    "nodes": nodes.rows,
    "replicas": replicas.rows,
    "serving": serving.rows,
    "speed": speed.rows,
    "startup": startup.rows,
    "study": study.rows,
    "training": training.rows,
    "what-if": what_if.rows,
}
FILES = {
    "plot": ("FILE", ("growth",), "write its log-log plot as SVG"),
    "points": ("FILE", ("growth",), "keep its points"),
    "before": ("PATH", ("growth", "speed"), "an earlier version: its points in a file, or its sources in a folder"),
    "peer": ("FOLDER", ("beside-raps", "beside-splitwise"), "a clone of that simulator, its packages in its .venv"),
}
"""Options that name something on disk: which benchmarks know them, and for what."""


def main() -> None:
    """Runs one benchmark and prints its table; without a name, lists the names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=sorted(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    for option, (metavar, of, what) in FILES.items():
        parser.add_argument(f"--{option}", type=Path, metavar=metavar, help=f"of {', '.join(of)}: {what}")
    arguments = parser.parse_args()
    if arguments.name is None:
        print("\n".join(sorted(BENCHMARKS)))
        return
    files = {option: getattr(arguments, option) for option in FILES if getattr(arguments, option) is not None}
    for option in files:
        if arguments.name not in FILES[option][1]:
            parser.error(f"{arguments.name} knows no --{option}")
    if arguments.name in FILES["peer"][1] and "peer" not in files:
        parser.error(f"{arguments.name} needs --peer FOLDER")
    show(arguments.name, list(BENCHMARKS[arguments.name](quick=arguments.quick, **files)), as_json=arguments.json)


if __name__ == "__main__":
    main()
