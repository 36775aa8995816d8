"""Results whose workloads have names that no scenario could give, as a damaged or forged folder might hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from sim.accounting.ledger import Ledger
from sim.results.requests import RequestTables
from sim.results.results import Results

MARKUP = "</script><script>globalThis.hacked = 1</script><img src=x onerror='globalThis.hacked = 2'>&amp;"
QUOTES = "\"quotes\" 'and' `ticks` ${globalThis.hacked = 3} \\ datum['x']"
RIGHT_TO_LEFT = "\u202e\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627\u202c"
LONG = "long " + "x" * 10_000


def renamed(results: Results, names: Mapping[str, str]) -> Results:
    """The same with other names of workloads, wherever they stand."""

    def of(value: Any) -> Any:
        if isinstance(value, dict):
            return {names.get(key, key): of(item) for key, item in value.items()}
        if isinstance(value, list):
            return [of(item) for item in value]
        return value

    def table(rows: pa.Table) -> pa.Table:
        if "workload" not in rows.column_names:
            return rows
        words = [names.get(word, word) for word in rows["workload"].cast(pa.string()).to_pylist()]
        return rows.set_column(rows.column_names.index("workload"), "workload", pa.array(words, pa.string()))

    energy = results.energy
    kept = results.request_table
    return replace(
        results,
        summary=of(results.summary),
        scenario=of(results.scenario),
        energy=Ledger(
            energy.edges_ns,
            tuple(key._replace(owner=names.get(key.owner, key.owner)) for key in energy.keys),
            energy.energy_j,
            energy.slot_ns,
        ),
        job_table=table(results.job_table),
        request_table=RequestTables.of(table(kept.table())) if kept is not None else None,
    )
