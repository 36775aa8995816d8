"""A run's directory: written whole or not at all, read back with its hashes checked."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import InputError, RunError

if TYPE_CHECKING:
    from sim.results.results import Results

LEDGER, JOBS, REQUESTS = "ledger.parquet", "jobs.parquet", "requests.parquet"
SUMMARY, SCENARIO, MANIFEST = "summary.json", "scenario.yaml", "manifest.json"


def to_json(value: Any) -> str:
    """JSON with every float exact, NaN refused, and a final newline."""
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def sha256(path: Path) -> str:
    """Hash of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def refuse_bad_target(folder: Path) -> None:
    """Raises ``InputError`` where ``folder`` cannot take a run: it is a file, or holds something else than a run."""
    if folder.is_dir():
        strangers = sorted(path.name for path in folder.iterdir())
        if strangers and MANIFEST not in strangers:
            raise InputError.one(str(folder), f"holds '{strangers[0]}' and is no earlier run; choose another --out")
    elif folder.exists() or folder.is_symlink():
        raise InputError.one(str(folder), "is a file; choose a folder for --out")
    parent = folder.parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise InputError.one(str(folder), f"cannot be made: '{parent}' is not a folder one may write to")


def write(results: Results, folder: Path) -> None:
    """Writes every file of the run into ``folder``, which appears complete or does not appear.

    Everything is written to a hidden folder beside it, synced, and renamed. An earlier run there is replaced. Raises
    ``InputError`` for a folder that holds anything else, ``RunError`` where the disk refuses; nothing half is left.
    """
    refuse_bad_target(folder)
    made = [parent for parent in (folder.parent, *folder.parent.parents) if not parent.exists()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        staging = folder.parent / f".{folder.name}.{os.getpid()}.partial"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        try:
            _write_all(results, staging)
            _swap(staging, folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        for parent in made:
            if parent.exists() and not any(parent.iterdir()):
                parent.rmdir()
        raise RunError(f"cannot write {folder}: {error.strerror or error}; nothing was written") from None


def write_text(text: str, path: Path) -> None:
    """Writes one file whole or not at all. Raises ``InputError`` for a folder, ``RunError`` where the disk refuses."""
    if path.is_dir():
        raise InputError.one(str(path), "is a folder; name a file")
    staging = path.parent / f".{path.name}.{os.getpid()}.partial"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staging.write_text(text, encoding="utf-8")
        staging.replace(path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}; nothing was written") from None
    finally:
        staging.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Removes what writers of ``folder`` that were killed outright have left beside it."""
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.*.partial"):
        pid = left.name.split(".")[-2]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc").is_dir():
            shutil.rmtree(left, ignore_errors=True)


def _write_all(results: Results, folder: Path) -> None:
    import pyarrow.parquet as pq

    from sim.results.frames import ledger_table

    pq.write_table(ledger_table(results.energy, results.start_ns), folder / LEDGER, compression="zstd")
    pq.write_table(results.job_table, folder / JOBS, compression="zstd")
    if results.request_table is not None:
        pq.write_table(results.request_table, folder / REQUESTS, compression="zstd")
    (folder / SUMMARY).write_text(to_json(results.summary), encoding="utf-8")
    (folder / SCENARIO).write_text(to_yaml(results.scenario), encoding="utf-8")
    files = sorted(path for path in folder.iterdir())
    manifest = {**results.manifest, "files_sha256": {path.name: sha256(path) for path in files}}
    (folder / MANIFEST).write_text(to_json(manifest), encoding="utf-8")
    for path in folder.iterdir():
        with path.open("rb") as stream:
            os.fsync(stream.fileno())


def _swap(staging: Path, folder: Path) -> None:
    """Puts ``staging`` in the place of ``folder``; an earlier run steps aside first and goes last."""
    if not folder.exists():
        staging.rename(folder)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".replaced", dir=folder.parent))
    folder.rename(aside / "run")
    try:
        staging.rename(folder)
    except OSError:
        (aside / "run").rename(folder)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


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
    import pyarrow.parquet as pq

    from sim.documents import read_document
    from sim.results.frames import ledger_of
    from sim.results.results import Results

    if not (folder / MANIFEST).is_file():
        raise InputError.one(str(folder), f"is no finished run: it has no {MANIFEST}")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        hashes: dict[str, str] = manifest.pop("files_sha256")
    except (ValueError, KeyError, AttributeError, OSError):
        raise InputError.one(str(folder / MANIFEST), "is damaged; run the scenario again") from None
    for name, recorded in hashes.items():
        path = folder / name
        if not path.is_file():
            raise InputError.one(str(path), "is missing from this run; run the scenario again")
        if sha256(path) != recorded:
            raise InputError.one(str(path), "is not what this run wrote; run the scenario again")
    ledger, start_ns = ledger_of(pq.read_table(folder / LEDGER))
    return Results(
        summary=json.loads((folder / SUMMARY).read_text(encoding="utf-8")),
        scenario=read_document(folder / SCENARIO).data,
        manifest=manifest,
        energy=ledger,
        start_ns=start_ns,
        job_table=pq.read_table(folder / JOBS),
        request_table=pq.read_table(folder / REQUESTS) if REQUESTS in hashes else None,
    )
