"""Checks points of a study, and prices at once those whose simulation is at hand: that takes less than asking a worker.

What comes of a batch of points is plain data that pickles, so another process may look at it as well as this one.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sim.errors import ColdaisleError, InputError, Problem
from sim.loading.scenario import Loaded
from sim.loading.variants import Variants
from sim.running.run import unseen_signals
from sim.study.packed import unpacked
from sim.study.points import Hasher, build_id
from sim.study.store import Store
from sim.study.sweep.rows import DONE, REFUSED, Row
from sim.study.sweep.tasks import Base, Limits, Pricer, described
from sim.study.uncertain.scenario import UncertainScenario

MOST_HELD = 8
"""Ledgers held in memory at a time, to price points as they are checked."""


class Given(NamedTuple):
    """A point as the axes say it: its replication, its seed, and all its values by path."""

    replication: int
    seed: int
    values: Mapping[str, Any]


class Seen(NamedTuple):
    """A point that was checked: its content hash, the key of its simulation, and its row where it was priced.

    One that no scenario can be has no key, but ``problems``.
    """

    mark: bytes
    key: str | None
    row: Row | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Looked:
    """What came of some points, in their order; what the rows of each simulation share; and the files they name.

    ``problems`` are of the study as a whole.
    """

    seen: tuple[Seen, ...]
    shared: Mapping[str, Mapping[str, Any]]
    files: frozenset[str]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Asked:
    """What whoever checks must know of a study: ``axes`` are the paths that these set, ``done`` the points with a row.

    Without a ``store`` nothing is priced; nor is anything after a bad point, unless ``bad_are_rows``.
    """

    base: Base
    axes: tuple[str, ...]
    columns: tuple[str, ...] | None
    store: Store | None
    done: frozenset[bytes]
    bad_are_rows: bool = False


class Checker:
    """Checks points in batches, and remembers from one to the next what they have in common."""

    def __init__(self, asked: Asked) -> None:
        self.variants = Variants(asked.base.document, asked.base.name, asked.base.folders)
        self._asked = asked
        self._hasher = Hasher()
        self._pricers: OrderedDict[str, Pricer] = OrderedDict()
        self._absent: set[str] = set()
        self._good = self._bad = False

    def look(self, points: Sequence[Given]) -> Looked:
        """Everything there is to say of ``points``."""
        shared: dict[str, Mapping[str, Any]] = {}
        whole: list[Problem] = []
        seen = tuple(self._look(point, shared, whole) for point in points)
        return Looked(seen, shared, frozenset(self._hasher.files), tuple(whole))

    def _look(self, point: Given, shared: dict[str, Mapping[str, Any]], whole: list[Problem]) -> Seen:
        try:
            loaded = self.variants.at(point.values, self._asked.base.places)
            if not self._good:
                whole += self._of_distributions(loaded)
            whole += unseen_signals(loaded)
            mark, key = self._hasher.hashes(loaded)
        except InputError as error:
            self._bad = not self._asked.bad_are_rows
            said = "; ".join(f"{problem.path}: {problem.message}" for problem in error.problems)
            return Seen(_mark_of_bad(point.values), None, Row(0, REFUSED, said, {}), tuple(error.problems))
        self._good = True
        digest = bytes.fromhex(mark)
        row = None
        if not self._bad and not whole and digest not in self._asked.done:
            row = self._price(key, loaded, shared)
        return Seen(digest, key, row)

    def _of_distributions(self, loaded: Loaded) -> Iterator[Problem]:
        """What is wrong with a distribution is wrong at every point; it raises what is wrong with it by itself.

        Axes that a distribution with numbers of its own would make invisible in every interval are refused.
        """
        uncertain = loaded.scenario.uncertainty
        if uncertain is None:
            return
        UncertainScenario(loaded)
        for path in self._asked.axes:
            law = uncertain.over.get(path)
            if law is not None and law.centre is not None:
                message = "is uncertain by numbers of its own, which no axis moves: give it a normal or lognormal 'cv'"
                place = self._asked.base.places[path]
                yield Problem(place.file, place.line, path, message)

    def _price(self, key: str, loaded: Loaded, shared: dict[str, Mapping[str, Any]]) -> Row | None:
        """The point's row, if it can be priced here; what it shares goes to ``shared``."""
        if self._asked.store is None or key in self._absent:
            return None
        if loaded.scenario.uncertainty is not None:
            return None  # hundreds of prices, and perhaps simulations: for workers
        pricer = self._pricers.get(key)
        if pricer is None:
            content = self._asked.store.read(key)
            if content is None:
                self._absent.add(key)
                return None
            pricer = self._pricers[key] = Pricer(unpacked(content), self._asked.columns)
            if len(self._pricers) > MOST_HELD:
                self._pricers.popitem(last=False)
        self._pricers.move_to_end(key)
        shared[key] = pricer.shared
        try:
            return Row(0, DONE, None, pricer.price(loaded))
        except ColdaisleError as error:
            return Row(0, *described(error, Limits()), {})


def _mark_of_bad(values: Mapping[str, Any]) -> bytes:
    """A point that no scenario can be has no content; what its axes say stands for it."""
    said = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(f"{build_id()}\0bad\0{said}".encode()).digest()
