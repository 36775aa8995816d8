"""What this package is made of, and what is installed beside it, told apart by content without loading any of it."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
SHIPPED = "_shipped"
"""Where a wheel has profiles and scenarios: data that a run names, and no part of the code."""


def own_digest() -> str:
    """A hash of the package's own files: other code may simulate otherwise under the same version."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in (".py", ".csv", ".yaml", ".json") and not {"__pycache__", SHIPPED} & set(path.parts):
            digest.update(f"{path.relative_to(PACKAGE)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def surroundings() -> str:
    """A hash of the package, of this Python, of every installed distribution and of the package's own variables."""
    told = [own_digest(), sys.version, platform.platform(), *_installed()]
    told += [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("COLDAISLE_")]
    return hashlib.sha256("\0".join(told).encode("utf-8", "surrogateescape")).hexdigest()


def _installed() -> Iterator[str]:
    """Each distribution where modules are looked for, by its name, its version, and when its entry points changed."""
    for place in sys.path:
        try:
            names = sorted(os.listdir(place or os.curdir))
        except OSError:
            continue
        for name in names:
            if not name.endswith((".dist-info", ".egg-info", ".egg-link", ".pth")):
                continue
            path = os.path.join(place, name)  # of hundreds: a Path for each takes longer than all the rest
            points = os.path.join(path, "entry_points.txt")
            try:
                state = os.stat(points if os.path.exists(points) else path)
            except OSError:
                continue
            yield f"{path}\0{state.st_mtime_ns}\0{state.st_size}"
