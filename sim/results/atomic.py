"""Files and folders that appear whole or not at all, whatever ends the process that writes them.

Everything is written beside its place under a hidden name, synced, and renamed. An earlier folder steps aside until the
new one stands. What a killed writer leaves under a hidden name is put back or cleared away by the next one.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sim.errors import InputError, RunError

LONGEST_NAME = 200


def refuse_unusable(path: Path, *, folder: bool) -> None:
    """Raises ``InputError`` where ``path`` cannot become a folder (or a file), whatever would stand in it."""
    try:
        taken = path.exists() if not folder else (path.exists() or path.is_symlink()) and not path.is_dir()
        if folder and taken:
            raise InputError.one(str(path), "is a file; choose a folder for --out")
        if not folder and path.is_dir():
            raise InputError.one(str(path), "is a folder; name a file")
        parent = path.resolve().parent
        while not parent.exists():
            parent = parent.parent
        usable = parent.is_dir() and os.access(parent, os.W_OK)
    except (OSError, ValueError) as error:
        raise InputError.one(str(path), f"is no usable path: {getattr(error, 'strerror', None) or error}") from None
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise InputError.one(str(path), f"has a name longer than {LONGEST_NAME} bytes")
    if not usable:
        raise InputError.one(str(path), f"cannot be made: '{parent}' is not a folder one may write to")


def write_text(text: str, path: Path) -> None:
    """Writes one file of text, as ``write_bytes`` does."""
    write_bytes(text.encode("utf-8"), path)


def write_bytes(content: bytes, path: Path) -> None:
    """Writes one file. Raises ``InputError`` for an unusable path, ``RunError`` where the disk refuses."""
    refuse_unusable(path, folder=False)
    staging = path.parent / f".{path.name}.{os.getpid()}.partial"
    with _refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            staging.write_bytes(content)
            _sync([staging])
            staging.replace(path)
        finally:
            staging.unlink(missing_ok=True)


def write_folder(folder: Path, fill: Callable[[Path], None], *, last: str) -> None:
    """Puts what ``fill`` writes in the place of ``folder``, which may hold an earlier such folder.

    ``last`` is the file without which a folder does not count: where the folder itself cannot be renamed (it is
    mounted, or one stands in it), files move into it one by one and ``last`` goes last. Raises as ``write_text`` does.
    """
    refuse_unusable(folder, folder=True)
    folder = folder.resolve()
    made = [parent for parent in folder.parents if not parent.exists()]
    with _refusals(folder):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            _recover(folder)
            if folder.is_dir() and (folder.is_mount() or folder == Path.cwd()):
                _fill_in_place(folder, fill, last)
            else:
                _fill_beside(folder, fill)
        except BaseException:
            for parent in made:
                with contextlib.suppress(OSError):
                    parent.rmdir()  # only if it is empty
            raise


@contextlib.contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}; nothing was written") from None


def _sync(paths: Sequence[Path]) -> None:
    for path in paths:
        with path.open("rb") as stream:
            os.fsync(stream.fileno())


def _fill_beside(folder: Path, fill: Callable[[Path], None]) -> None:
    staging, aside = (folder.parent / f".{folder.name}.{os.getpid()}.{role}" for role in ("partial", "replaced"))
    try:
        staging.mkdir()
        fill(staging)
        _sync(list(staging.iterdir()))
        if not folder.exists():
            staging.rename(folder)
            return
        try:
            folder.rename(aside)
            staging.rename(folder)
        except BaseException:
            if aside.exists() and not folder.exists():
                aside.rename(folder)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _fill_in_place(folder: Path, fill: Callable[[Path], None], last: str) -> None:
    staging = folder / f".{os.getpid()}.partial"
    try:
        staging.mkdir()
        fill(staging)
        new = sorted(staging.iterdir(), key=lambda path: (path.name == last, path.name))
        _sync(new)
        (folder / last).unlink(missing_ok=True)
        for old in folder.iterdir():
            if old.is_file():
                old.unlink()
        for path in new:
            path.replace(folder / path.name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _recover(folder: Path) -> None:
    """Puts back, or clears away, what writers of ``folder`` that were killed outright have left."""
    inside = list(folder.glob(".*.partial")) if folder.is_dir() else []
    beside = [
        left for role in ("replaced", "partial") for left in folder.parent.glob(f".{glob.escape(folder.name)}.*.{role}")
    ]
    for left in (*beside, *inside):
        pid = left.name.split(".")[-2]
        if not pid.isdigit() or _alive(int(pid)):
            continue
        if left.suffix == ".replaced" and not folder.exists():
            left.rename(folder)
        else:
            shutil.rmtree(left, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return pid != os.getpid()
