"""A run's directory: written whole or not at all, read back with its hashes checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import InputError
from sim.later import later
from sim.mistaken import no_run
from sim.reading import read_json, read_parquet
from sim.results.atomic import is_staged, marked, refuse_unusable, write_folder

with later():
    from sim.results.shape import lacks_of_summary


if TYPE_CHECKING:
    import pyarrow as pa

    from sim.results.results import Results

LEDGER, JOBS, REQUESTS = "ledger.parquet", "jobs.parquet", "requests.parquet"
DRAWS, POWER_TRACE, TRIALS = "draws.parquet", "power_trace.parquet", "trials.parquet"
STINTS, CLUSTER, ITERATIONS = "stints.parquet", "cluster.parquet", "iterations.parquet"
JOB_ENERGY, ATTRIBUTION = "job_energy.parquet", "attribution.parquet"
SUMMARY, SCENARIO, MANIFEST = "summary.json", "scenario.yaml", "manifest.json"
CRATE = "ro-crate-metadata.json"
"""What an export may put beside the files of a run or a study; it goes with them when they are replaced."""
OPTIONAL = {
    DRAWS: "draw_table",
    TRIALS: "trial_table",
    POWER_TRACE: "trace_table",
    STINTS: "stint_table",
    CLUSTER: "cluster_table",
    ITERATIONS: "iteration_table",
    JOB_ENERGY: "job_energy_table",
    ATTRIBUTION: "attribution_table",
}
"""Tables that some runs have, by their file."""
NAMES = frozenset({LEDGER, JOBS, REQUESTS, *OPTIONAL, SUMMARY, SCENARIO, MANIFEST, CRATE})
"""All that a run writes, and what describes it."""

is_crate = marked('"@id": "#coldaisle"')
"""Whether a file is a crate that this package wrote."""


def to_json(value: Any) -> str:
    """JSON with every float exact, NaN refused, and a final newline."""
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def sha256(path: Path) -> str:
    """Hash of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def refuse_bad_target(folder: Path) -> None:
    """Raises ``InputError`` where ``folder`` cannot take a run: unusable, or holding anything but a run as it was
    written, which a new run would replace."""
    refuse_unusable(folder, folder=True)
    if not folder.is_dir():
        return
    there = {path.name: path for path in sorted(folder.iterdir()) if not is_staged(path.name)}
    for name, path in there.items():
        if name not in NAMES or not path.is_file() or path.is_symlink():
            raise InputError.one(str(folder), f"holds '{name}', which no run wrote; choose another --out")
    if not there:
        return
    hashes = _manifest(folder)[1]
    if CRATE in there and not is_crate(there[CRATE]):
        raise InputError.one(str(folder), f"holds a '{CRATE}' that no export wrote; choose another --out")
    for name in there.keys() - {MANIFEST, CRATE}:
        if name not in hashes:
            raise InputError.one(str(folder), f"holds '{name}', which this run did not write; choose another --out")
        if sha256(there[name]) != hashes[name]:
            message = f"holds '{name}', which was changed since the run wrote it; choose another --out"
            raise InputError.one(str(folder), message)


_NEEDED = frozenset({LEDGER, JOBS, SUMMARY, SCENARIO})
_MANIFEST = {"scenario_sha256": str, "profiles_sha256": dict, "versions": dict, "seed": int}


def _manifest(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The manifest of a run and the hashes of its files. Raises ``InputError`` where there is none of ours."""
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError.one(str(folder), no_run(folder))
    try:
        manifest = read_json(path)
        hashes = manifest.pop("files_sha256")
        ours = all(type(manifest[name]) is kind for name, kind in _MANIFEST.items())
        ours = ours and _NEEDED <= set(hashes) <= NAMES - {CRATE} and {*map(type, hashes.values())} == {str}
    except (InputError, KeyError, TypeError, AttributeError):
        ours = False
    if not ours:
        raise InputError.one(str(path), "is damaged, or no run wrote it; run the scenario again")
    return manifest, hashes


def write(results: Results, folder: Path) -> None:
    """Writes every file of the run into ``folder``, which appears whole or not at all; an earlier run is replaced.

    Raises ``InputError`` for a folder that holds anything else, ``RunError`` where the disk refuses.
    """
    refuse_bad_target(folder)
    write_folder(folder, lambda staging: _write_all(results, staging), names=NAMES, last=MANIFEST)


def _write_all(results: Results, folder: Path) -> None:
    import pyarrow.parquet as pq

    from sim.results.frames import ledger_tables

    _write_groups(ledger_tables(results.energy, results.start_ns), folder / LEDGER)
    pq.write_table(results.job_table, folder / JOBS, compression="zstd")
    if results.request_table is not None:
        _write_groups(results.request_table.groups(), folder / REQUESTS)
    for name, attribute in OPTIONAL.items():
        table = getattr(results, attribute)
        if table is not None:
            pq.write_table(table, folder / name, compression="zstd")
    (folder / SUMMARY).write_text(to_json(results.summary), encoding="utf-8")
    (folder / SCENARIO).write_text(to_yaml(results.scenario), encoding="utf-8")
    files = sorted(path for path in folder.iterdir())
    manifest = {**results.manifest, "files_sha256": {path.name: sha256(path) for path in files}}
    (folder / MANIFEST).write_text(to_json(manifest), encoding="utf-8")


def _write_groups(groups: Iterator[pa.Table], path: Path) -> None:
    """A row group after the other, as they are made."""
    import pyarrow.parquet as pq

    first = next(groups)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        for group in chain([first], groups):
            writer.write_table(group)


def to_yaml(value: Any) -> str:
    """Plain data as YAML that reads back equal."""
    import io

    from ruamel.yaml import YAML

    text = io.StringIO()
    writer: Any = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.width = 120
    writer.sort_base_mapping_type_on_output = False
    writer.dump(value, text)
    return text.getvalue()


def read(folder: Path) -> Results:
    """The run in ``folder``. Raises ``InputError`` for a file that is missing or not as the manifest recorded it."""
    import pyarrow as pa

    from sim.documents import read_document
    from sim.results.frames import ledger_of
    from sim.results.requests import RequestTables
    from sim.results.results import Results

    manifest, hashes = _manifest(folder)
    for name, recorded in hashes.items():
        path = folder / name
        if not path.is_file():
            raise InputError.one(str(path), "is missing from this run; run the scenario again")
        if sha256(path) != recorded:
            raise InputError.one(str(path), "is not what this run wrote; run the scenario again")
    table = read_parquet(folder / LEDGER)
    try:
        ledger, start_ns = ledger_of(table)
    except (pa.ArrowException, KeyError, ValueError, TypeError, IndexError, OverflowError) as error:
        raise InputError.one(str(folder / LEDGER), f"is no ledger of a run: {str(error)[:200]}") from None
    summary = read_json(folder / SUMMARY)
    lacking = list(dict.fromkeys(lacks_of_summary(summary)))
    if lacking:
        raise InputError.one(str(folder / SUMMARY), f"is no summary of a run: it lacks {', '.join(lacking[:3])}")
    scenario = read_document(folder / SCENARIO)
    if scenario.problems or not isinstance(scenario.data.get("name"), str):
        raise InputError(scenario.problems or [scenario.problem(("name",), "required: this is no run's scenario")])
    return Results(
        summary=summary,
        scenario=scenario.data,
        manifest=manifest,
        energy=ledger,
        start_ns=start_ns,
        job_table=read_parquet(folder / JOBS),
        request_table=RequestTables.of(read_parquet(folder / REQUESTS)) if REQUESTS in hashes else None,
        **{attribute: read_parquet(folder / name) for name, attribute in OPTIONAL.items() if name in hashes},
    )
