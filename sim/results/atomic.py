"""Files and folders that appear whole or not at all, whatever ends the process that writes them.

Everything is written beside its place under a hidden name, synced, and renamed. An earlier folder steps aside until the
new one stands. What a killed writer leaves under a hidden name is put back or cleared away by the next one.

Nothing is lost that this package did not make. A hidden name holds the process, the machine and a random number, which
no other file has; a file is written over only where its writer knows it for its own kind (``ours``); and a folder is
taken away name by name, never as a tree, so that whatever else stands in it stays.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from sim.errors import InputError, RunError

LONGEST_NAME = 200
HEAD_BYTES = 1024
"""At the beginning of a file, where the mark of its writer stands."""

Ours = Callable[[Path], bool]
"""Whether the file that stands at a path is of the kind that is to be written there."""

_STAGED = re.compile(
    r"\.(?P<name>.*)\.(?P<pid>\d+)-(?P<host>[0-9a-f]{8})-[0-9a-f]{16}\.coldaisle\.(?P<role>partial|replaced)", re.DOTALL
)


def staged(path: Path, role: str = "partial") -> Path:
    """A hidden name beside ``path`` that nobody else has."""
    return path.with_name(f".{path.name}.{os.getpid()}-{_host()}-{secrets.token_hex(8)}.coldaisle.{role}")


def is_staged(name: str) -> bool:
    """Whether ``staged`` gave a file its name."""
    return _STAGED.fullmatch(name) is not None


def _host() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def marked(*marks: str) -> Ours:
    """Knows a file by one of ``marks`` at its beginning."""

    def ours(path: Path) -> bool:
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
        return any(mark.encode() in head for mark in marks)

    return ours


def parquet_of_ours(path: Path) -> bool:
    """Knows a Parquet file by what this package writes into its metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return b"coldaisle" in (pq.read_schema(path).metadata or {})
    except (pa.ArrowException, OSError):
        return False


def within_ours(_path: Path) -> bool:
    """For a file in a folder that was found to be this package's own before."""
    return True


def refuse_unusable(path: Path, *, folder: bool, ours: Ours = within_ours) -> None:
    """Raises ``InputError`` where ``path`` cannot become a folder (or a file), or is a file of somebody else."""
    try:
        if folder and (path.exists() or path.is_symlink()) and not path.is_dir():
            raise InputError.one(str(path), "is a file; choose a folder for --out")
        if not folder and path.is_dir():
            raise InputError.one(str(path), "is a folder; name a file")
        if not folder and path.exists():
            if not path.is_file():
                raise InputError.one(str(path), "is a pipe or a device; name a file")
            if path.stat().st_size and not ours(path):
                raise InputError.one(str(path), "holds something that this command did not write; name another file")
        parent = path.resolve().parent
        while not parent.exists():
            parent = parent.parent
        usable = parent.is_dir() and os.access(parent, os.W_OK)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError.one(str(path), f"is no usable path: {getattr(error, 'strerror', None) or error}") from None
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise InputError.one(str(path), f"has a name longer than {LONGEST_NAME} bytes")
    if not usable:
        raise InputError.one(str(path), f"cannot be made: '{parent}' is not a folder one may write to")


def take_away(folder: Path, known: Callable[[str], bool]) -> None:
    """Deletes every file below ``folder`` whose path in it is ``known``, and the folders that are empty then."""
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(root, name)
            if known(path.relative_to(folder).as_posix()):
                with contextlib.suppress(OSError):
                    path.unlink()
        with contextlib.suppress(OSError):
            Path(root).rmdir()


def write_text(text: str, path: Path, *, ours: Ours) -> None:
    """Writes one file of text, as ``write_bytes`` does."""
    write_bytes(text.encode("utf-8"), path, ours=ours)


def write_bytes(content: bytes, path: Path, *, ours: Ours) -> None:
    """Writes one file, over one of ``ours`` if need be; where ``path`` is a link, what it leads to.

    Raises ``InputError`` for an unusable path, ``RunError`` where the disk refuses.
    """
    refuse_unusable(path, folder=False, ours=ours)
    place = path.resolve() if path.is_symlink() else path
    staging = staged(place)
    with _refusals(path):
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with staging.open("xb") as stream:
                stream.write(content)
            _sync([staging])
            staging.replace(place)
        finally:
            staging.unlink(missing_ok=True)


def write_folder(folder: Path, fill: Callable[[Path], None], *, names: Collection[str], last: str) -> None:
    """Puts what ``fill`` writes in the place of ``folder``, which may hold an earlier such folder.

    ``names`` are all that ``fill`` may write; whatever else stands in ``folder`` stays there. ``last`` is the file
    without which a folder does not count: where the folder itself cannot be renamed (it is mounted, or one stands in
    it), files move into it one by one and ``last`` goes last. Raises as ``write_text`` does.
    """
    refuse_unusable(folder, folder=True)
    folder = folder.resolve()
    made = [parent for parent in folder.parents if not parent.exists()]
    with _refusals(folder):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            _recover(folder, names)
            if folder.is_dir() and (folder.is_mount() or folder == Path.cwd()):
                _fill_in_place(folder, fill, names, last)
            else:
                _fill_beside(folder, fill, names)
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


def _fill_beside(folder: Path, fill: Callable[[Path], None], names: Collection[str]) -> None:
    staging, aside = staged(folder), staged(folder, "replaced")
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
        take_away(aside, names.__contains__)
        if aside.is_dir():  # it held more than was known, of late: nothing of that is lost
            for stranger in aside.iterdir():
                stranger.rename(folder / stranger.name)
            aside.rmdir()
    finally:
        take_away(staging, names.__contains__)


def _fill_in_place(folder: Path, fill: Callable[[Path], None], names: Collection[str], last: str) -> None:
    staging = staged(folder / folder.name)
    try:
        staging.mkdir()
        fill(staging)
        new = sorted(staging.iterdir(), key=lambda path: (path.name == last, path.name))
        _sync(new)
        for name in (last, *names):
            (folder / name).unlink(missing_ok=True)
        for path in new:
            path.replace(folder / path.name)
    finally:
        take_away(staging, names.__contains__)


def _recover(folder: Path, names: Collection[str]) -> None:
    """Puts back, or clears away, what writers of ``folder`` that were killed outright on this machine have left."""
    for around in (folder.parent, folder):
        for left in list(around.iterdir()) if around.is_dir() else ():
            said = _STAGED.fullmatch(left.name)
            if said is None or said["name"] != folder.name or said["host"] != _host() or _alive(int(said["pid"])):
                continue
            if said["role"] == "replaced" and not folder.exists():
                left.rename(folder)
            elif left.is_dir() and not left.is_symlink():
                take_away(left, names.__contains__)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return pid != os.getpid()
