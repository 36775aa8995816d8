"""``python -m benchmarks NAME [--quick] [--json]``; without a name, what there is."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from benchmarks import (
    account,
    accuracy,
    cluster,
    job_laws,
    job_traces,
    nodes,
    replicas,
    serving,
    startup,
    study,
    training,
)
from benchmarks.table import Row, show

BENCHMARKS: dict[str, Callable[..., Sequence[Row]]] = {
    "account": account.rows,
    "accuracy": accuracy.rows,
    "cluster": cluster.rows,
    "job-laws": job_laws.rows,
    "job-traces": job_traces.rows,
    "nodes": nodes.rows,
    "replicas": replicas.rows,
    "serving": serving.rows,
    "startup": startup.rows,
    "study": study.rows,
    "training": training.rows,
}


def main() -> None:
    """Runs one benchmark and prints its table; without a name, lists the names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=sorted(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    if arguments.name is None:
        print("\n".join(sorted(BENCHMARKS)))
        return
    show(arguments.name, BENCHMARKS[arguments.name](quick=arguments.quick), as_json=arguments.json)


if __name__ == "__main__":
    main()
