"""The cache of simulations: one file each, named by its simulation key, checked by its hash whenever it is read.

A file is a line of JSON (the hash of its key and the rest) and the rest, compressed: the activity as JSON, then the
ledger's arrays. It is written beside its place and renamed. Nothing is synced: after a crash a torn file fails its hash
and is simulated again. When the folder grows past its limit, what was not read for longest goes first.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sim.errors import InputError
from sim.reading import read_text
from sim.results.atomic import is_staged, staged, write_text

DEFAULT_BYTES = 4 * 2**30
SUFFIX = ".simulation"
ANSWERS, ANSWER = "studies", ".study"
"""Where finished studies stand that are told again while nothing they followed from has changed, and their suffix."""
LIMIT = "limit"


def default_folder() -> Path:
    """Under the user's own folder for caches; ``COLDAISLE_CACHE`` names another."""
    given = os.environ.get("COLDAISLE_CACHE")
    if given:
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "coldaisle"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "coldaisle" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "coldaisle"


def digest(key: str, rest: bytes) -> str:
    return hashlib.sha256(key.encode() + rest).hexdigest()


def whole(content: bytes, key: str) -> bool:
    """Whether ``content`` is what ``packed`` made for ``key``."""
    head, found, rest = content.partition(b"\n")
    try:
        return bool(found) and json.loads(head)["sha256"] == digest(key, rest)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def is_kept(name: str) -> bool:
    """Whether a store gives a file that name, within its folder."""
    return re.fullmatch(rf"([0-9a-f]{{2}})/\1[0-9a-f]*{re.escape(SUFFIX)}", name) is not None


def _is_limit(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(32).strip().isdigit()


@dataclass(frozen=True)
class Store:
    """A folder of simulations, at most ``limit`` bytes of them."""

    folder: Path
    limit: int = DEFAULT_BYTES

    def path(self, key: str) -> Path:
        """Where the simulation of ``key`` stands, if it does."""
        return self.folder.joinpath(key[:2], f"{key}{SUFFIX}")

    def read(self, key: str) -> bytes | None:
        """What was kept under ``key``; None where nothing is, or where it is not what was written."""
        return self._read(self.path(key), key)

    def read_answer(self, name: str) -> bytes | None:
        """As ``read``, of a finished study."""
        return self._read(self.answer(name), name)

    def _read(self, path: Path, key: str) -> bytes | None:
        try:
            content = path.read_bytes()
        except OSError:
            return None
        if not whole(content, key):
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return content

    def keep(self, key: str, content: bytes) -> None:
        """Keeps ``content`` under ``key``; a disk that refuses keeps nothing."""
        self._keep(self.path(key), content)

    def keep_answer(self, name: str, rest: bytes) -> None:
        """Keeps ``rest`` of a finished study likewise, with its hash."""
        self._keep(self.answer(name), json.dumps({"sha256": digest(name, rest)}).encode() + b"\n" + rest)

    def _keep(self, path: Path, content: bytes) -> None:
        staging = staged(path)
        try:
            try:
                staging.write_bytes(content)
            except FileNotFoundError:  # the first of its folder
                path.parent.mkdir(parents=True, exist_ok=True)
                staging.write_bytes(content)
            staging.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                staging.unlink()

    def answer(self, name: str) -> Path:
        """Where a finished study stands that was kept under ``name``, a hash."""
        return self.folder / ANSWERS / f"{name}{ANSWER}"

    def answers(self) -> Iterator[Path]:
        """Every finished study kept."""
        found = (self.folder / ANSWERS).glob(f"*{ANSWER}")
        return (path for path in found if re.fullmatch(r"[0-9a-f]{64}", path.stem) and path.is_file())

    def entries(self) -> Iterator[Path]:
        """Every simulation kept."""
        found = self.folder.glob(f"??/*{SUFFIX}") if self.folder.is_dir() else iter(())
        return (path for path in found if is_kept(f"{path.parent.name}/{path.name}") and path.is_file())

    def size(self) -> int:
        """Bytes of all of them."""
        return sum(path.stat().st_size for path in (*self.entries(), *self.answers()))

    def trim(self) -> int:
        """Takes away what was not read for longest until the rest fits; how many went."""
        known = []
        for path in (*self.entries(), *self.answers()):
            with contextlib.suppress(OSError):
                state = path.stat()
                known.append((state.st_mtime_ns, state.st_size, path))
        total = sum(size for _, size, _ in known)
        gone = 0
        for _, size, path in sorted(known):
            if total <= self.limit:
                break
            with contextlib.suppress(OSError):
                path.unlink()
                gone += 1
            total -= size
        return gone

    def limited(self, limit: int) -> Store:
        """The store with another limit, which it has from now on."""
        write_text(f"{limit}\n", self.folder / LIMIT, ours=_is_limit)
        return Store(self.folder, limit)

    def clear(self) -> int:
        """Takes away everything that a study kept, and nothing else; how many simulations went."""
        count = 0
        for path in list(self.answers()):
            path.unlink(missing_ok=True)
        for path in list(self.entries()):
            path.unlink(missing_ok=True)
            count += 1
        for left in (*self.folder.glob("??/.*.partial"), *self.folder.glob(f"{ANSWERS}/.*.partial")):
            if is_staged(left.name) and left.is_file():
                left.unlink(missing_ok=True)
        return count

    def verify(self) -> tuple[int, int]:
        """How many are as they were written; how many were not and are gone."""
        good = bad = 0
        for path in list(self.entries()):
            if self.read(path.name.removesuffix(SUFFIX)) is None:
                bad += 1
            else:
                good += 1
        return good, bad


def store_at(folder: Path | None) -> Store:
    """The cache in ``folder``, or the user's own, with the limit it was given.

    Raises ``InputError`` where there can be none.
    """
    where = folder if folder is not None else default_folder()
    if where.exists() and not where.is_dir():
        raise InputError.one(str(where), "is a file; name a folder for --cache")
    try:
        limit = int(read_text(where / "simulations" / LIMIT, most=100))
    except (InputError, ValueError):
        limit = DEFAULT_BYTES
    return Store(where / "simulations", limit)
