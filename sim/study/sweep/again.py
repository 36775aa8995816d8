"""A study that was run before and of which nothing has changed is told again, without loading the models.

When a study is finished, the cache of simulations keeps its dataset too, with all that its rows followed from. The next
``sweep`` of the same file in the same folder compares, and where all of that is as it was writes what a run would
write: the same bytes, wherever ``--out`` is. In doubt it is run as ever: where anything changed, where a simulation is
no longer in the cache, where points failed, are uncertain or have limits, where a file is a URL, where packages add
kinds, and where other processes looked at its points, which this one cannot hear. The variable ``COLDAISLE_ANEW`` has
every study run as ever.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import RunError
from sim.plain import texts_in
from sim.results.atomic import within_ours, write_text
from sim.results.files import to_json
from sim.study.sources import surroundings
from sim.study.store import Store
from sim.study.sweep.finished import Progress, StudyResults, session_of
from sim.study.sweep.folder import (
    NAME,
    PROGRESS,
    SESSION,
    clear,
    fresh_points,
    held_alone,
    put,
    refuse_another,
    refuse_strangers,
    refuse_unfinished,
)
from sim.study.sweep.followed import Followed, Hearing, meant
from sim.study.sweep.parts import POINTS
from sim.study.sweep.rows import DONE

if TYPE_CHECKING:
    from sim.study.sweep.plan import Plan

ANEW = "COLDAISLE_ANEW"
MOST_POINTS = 256
"""Of more, other processes may look at some."""
MOST_BYTES = 16 * 2**20
MOST_NAMES = 50_000
MODELS = "sim.loading.scenario"
"""Who has loaded it may remember files, and not open them again."""


class Again:
    """The study ``source`` as somebody here asks for it, from this moment on: into ``folder``, with this cache."""

    def __init__(self, source: str, folder: Path, store: Store) -> None:
        self._began = time.perf_counter()
        self._began_ns = time.time_ns()
        self._folder, self._store = folder, store
        self._source = source
        self._name = hashlib.sha256(json.dumps([str(Path.cwd()), source]).encode()).hexdigest()
        self._hearing: Hearing | None = None

    def told(self) -> StudyResults | None:
        """The study as it was, put into the folder; None where it must be run. Raises as a run would."""
        content = self._store.read_answer(self._name) if ANEW not in os.environ else None
        if content is None:
            return None
        head, _, rows = content.partition(b"\n")[2].partition(b"\n")
        kept = json.loads(head)
        if kept["surroundings"] != surroundings() or not Followed(**kept["followed"]).holds():
            return None
        if any(self._store.read(key) is None for key in kept["keys"]):
            return None
        manifest, found = kept["manifest"], len(kept["keys"])
        refuse_strangers(self._folder)
        refuse_another(self._folder, manifest["name"])
        try:
            with held_alone(self._folder / PROGRESS):
                refuse_unfinished(self._folder)
                return self._put(manifest, kept["sizes"], rows, Progress(found=found, **kept["progress"]))
        except OSError as error:  # a write that fails names no file
            where = error.filename if error.filename is not None else self._folder
            raise RunError(f"cannot write {where}: {error.strerror or error}") from None

    def _put(self, manifest: dict[str, Any], sizes: dict[str, int], rows: bytes, progress: Progress) -> StudyResults:
        at_work = self._folder / PROGRESS
        (at_work / NAME).write_text(manifest["name"], encoding="utf-8")
        staging, start = fresh_points(self._folder), 0
        for part, size in sizes.items():
            (staging / part).write_bytes(rows[start : start + size])
            start += size
        put(manifest, self._folder)
        self._store.trim()
        progress.seconds = time.perf_counter() - self._began
        write_text(to_json(session_of(progress)), self._folder / SESSION, ours=within_ours)
        clear(at_work)
        return StudyResults(self._folder, manifest, progress)

    def listen(self) -> None:
        """From now on, what the run reads is heard."""
        if MODELS not in sys.modules and ANEW not in os.environ:
            self._hearing = Hearing()

    def keep(self, plan: Plan, results: StudyResults) -> None:
        """Keeps a study that was run while this listened, if it is of those that can be told again."""
        if self._hearing is None:
            return
        self._hearing.end()
        self._hearing.opened |= plan.files  # workers may have read them, too
        if not _is_plain(plan, results):
            return
        names = {*_names(plan, self._source)}
        if len(names) > MOST_NAMES:
            return
        own = (self._folder, self._store.folder)
        try:
            followed = Followed.of(self._hearing, names, own, self._began_ns)
            parts = {part: (self._folder / POINTS / part).read_bytes() for part in results.study["parts_sha256"]}
        except (OSError, ValueError):  # what was read is gone already
            return
        if followed is None or sum(map(len, parts.values())) > MOST_BYTES:
            return
        progress = results.progress
        kept = {
            "surroundings": surroundings(),  # compared first: other code would read the rest otherwise
            "followed": asdict(followed),
            "keys": plan.keys,
            "manifest": results.study,
            "progress": {
                "points": progress.points,
                "done": progress.points,
                "simulations": progress.simulations,
                "identical": progress.identical,
            },
            "sizes": {part: len(content) for part, content in parts.items()},
        }
        head = json.dumps(kept).encode()
        if to_json(json.loads(head)["manifest"]) == to_json(results.study):
            self._store.keep_answer(self._name, head + b"\n" + b"".join(parts.values()))


def _is_plain(plan: Plan, results: StudyResults) -> bool:
    """Whether the rows of a study are decided by what this process has read, and by nothing else."""
    from sim.kinds import plugins

    limits, said = plan.study.spec.limits, (plan.study.document.data, plan.base.document.data)
    paths = (*plan.study.spec.set, *(path for axis in plan.study.axes for path in axis.paths))
    return (
        results.study["statuses"] == {DONE: len(plan.at)}
        and len(plan.at) <= MOST_POINTS
        and limits.memory is None
        and limits.time is None
        and "uncertainty" not in plan.base.document.data
        and not any(path.startswith("uncertainty") for path in paths)
        and not any("://" in text for text in texts_in(list(said)))
        and not plugins()
    )


def _names(plan: Plan, source: str) -> Iterator[str]:
    """Every path that a text of the study or of its base could mean, wherever such a text may be looked for."""
    read = [*plan.base.folders, source]
    texts = {*texts_in([plan.study.document.data, plan.base.document.data]), *read}
    texts |= {Path(name).stem for name in read} | {Path(name).name for name in read}  # what ships has a name for a path
    folders = (Path.cwd(), plan.study.folder, *plan.base.folders.values())
    return meant(texts, map(str, folders))
