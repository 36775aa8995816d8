"""``python -m benchmarks NAME [--quick] [--json]``; without a name, what there is."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import (
    account,
    accuracy,
    cluster,
    first_answer,
    growth,
    job_laws,
    job_traces,
    nodes,
    replicas,
    serving,
    startup,
    study,
    training,
    what_if,
)
from benchmarks.table import Row, show

BENCHMARKS: dict[str, Callable[..., Sequence[Row]]] = {
    "account": account.rows,
    "accuracy": accuracy.rows,
    "cluster": cluster.rows,
    "first-answer": first_answer.rows,
    "growth": growth.rows,
    "job-laws": job_laws.rows,
    "job-traces": job_traces.rows,
    "nodes": nodes.rows,
    "replicas": replicas.rows,
    "serving": serving.rows,
    "startup": startup.rows,
    "study": study.rows,
    "training": training.rows,
    "what-if": what_if.rows,
}
GROWTH = {
    "plot": "write its log-log plot as SVG",
    "points": "keep its points",
    "before": "draw the points of an earlier version beside them",
}


def main() -> None:
    """Runs one benchmark and prints its table; without a name, lists the names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=sorted(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    for option, what in GROWTH.items():
        parser.add_argument(f"--{option}", type=Path, metavar="FILE", help=f"of growth: {what}")
    arguments = parser.parse_args()
    if arguments.name is None:
        print("\n".join(sorted(BENCHMARKS)))
        return
    files = {option: getattr(arguments, option) for option in GROWTH if getattr(arguments, option) is not None}
    if files and arguments.name != "growth":
        parser.error(f"only growth knows --{next(iter(files))}")
    show(arguments.name, BENCHMARKS[arguments.name](quick=arguments.quick, **files), as_json=arguments.json)


if __name__ == "__main__":
    main()
