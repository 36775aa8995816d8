"""Files of an object store (``s3://``, ``gs://``, anything fsspec knows): fetched before a study, delivered after it.

A study works in a folder of this machine, so it may be killed and resumed as any other; what it names by URL is copied
there first, once for each version of the file, and its dataset goes to its URL when it stands whole, ``study.json``
last.
"""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from typing import Any

from sim.errors import InputError, RunError
from sim.plain import as_list, as_mapping, as_text
from sim.results.atomic import staged


def is_url(name: object) -> bool:
    """Whether ``name`` is the URL of a file rather than a path."""
    return "://" in (as_text(name) or "")


def _filesystem(url: str) -> tuple[Any, str]:
    try:
        fsspec = importlib.import_module("fsspec")
    except ImportError:
        raise InputError.one(url, "needs fsspec: pip install 'coldaisle[dask]'") from None
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except (ValueError, ImportError) as error:
        raise InputError.one(url, str(error)) from None
    return filesystem, str(path)


def fetched(data: Any, folder: Path) -> Any:
    """Plain data in which each ``file:`` that is a URL names a copy in ``folder``. Raises ``InputError``."""
    mapping, items = as_mapping(data), as_list(data)
    if mapping is not None:
        return {
            key: _fetch(item, folder) if key == "file" and is_url(item) else fetched(item, folder)
            for key, item in mapping.items()
        }
    return data if items is None else [fetched(item, folder) for item in items]


def _fetch(url: str, folder: Path) -> str:
    filesystem, path = _filesystem(url)
    try:
        version = hashlib.sha256(f"{url}\0{filesystem.ukey(path)}".encode()).hexdigest()[:32]
        copy = folder / version / path.rstrip("/").rpartition("/")[2]
        if not copy.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            staging = staged(copy)
            filesystem.get_file(path, str(staging))
            staging.replace(copy)
    except OSError as error:
        raise InputError.one(url, f"cannot be read: {error.strerror or error}") from None
    return str(copy)


def staging_of(url: str, folder: Path) -> Path:
    """Where a study that goes to ``url`` is worked on."""
    return folder / hashlib.sha256(url.encode()).hexdigest()[:32]


def deliver(folder: Path, url: str, *, last: str) -> None:
    """Copies everything of a finished study to ``url``, ``last`` last. Raises ``RunError``; what is here stays."""
    filesystem, path = _filesystem(url)
    files = sorted(found for found in folder.rglob("*") if found.is_file())
    try:
        for file in sorted(files, key=lambda file: (file.name == last, str(file))):
            target = f"{path.rstrip('/')}/{file.relative_to(folder).as_posix()}"
            filesystem.makedirs(target.rpartition("/")[0], exist_ok=True)
            filesystem.put_file(str(file), target)
    except OSError as error:
        raise RunError(f"cannot write {url}: {error.strerror or error}; the study stands in {folder}") from None
