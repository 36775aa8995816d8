"""What a run sees of its sites while it goes on, and a note of all that it saw.

Work and machines are told of a site only here: what its grid shows, what its plant carries, and where its signals cut
the bins of the ledger. So scenarios that differ in nothing but their sites simulate the same if these give equal
answers to all that is asked, whoever asks it and whatever for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from sim.accounting.plan import AccountingPlan, GridPlan, SitePlan
from sim.content import content_hash
from sim.signals import Signal
from sim.units import MAX_NS

Ints = npt.NDArray[np.int64]
Sites = Mapping[str, SitePlan]
Answer = TypeVar("Answer", covariant=True)


class Question(Protocol[Answer]):
    """Something that a run may ask of its sites: a value, so that it can be asked of others."""

    def __call__(self, sites: Sites, /) -> Answer:
        """What these sites answer."""
        ...


@dataclass(frozen=True)
class Shown:
    """A signal of the grid of a site."""

    site: str
    signal: str

    def __call__(self, sites: Sites, /) -> Signal | None:
        """None where there is none."""
        return shown(sites[self.site].grid).get(self.signal)


@dataclass(frozen=True)
class Known:
    """The names of all signals of the grid of a site."""

    site: str

    def __call__(self, sites: Sites, /) -> tuple[str, ...]:
        """In the order in which they are told."""
        return tuple(shown(sites[self.site].grid))


def shown(grid: GridPlan) -> dict[str, Signal]:
    """What a grid shows to a run, by name: no more than is known of it, and no less than policies may ask for."""
    every = {"carbon": grid.intensity, "marginal": grid.marginal, "price": grid.price}
    return {name: signal for name, signal in every.items() if signal is not None}


@dataclass(frozen=True)
class Carried:
    """The IT power that the plant of a site carries from the start of a run to ``until_ns``."""

    site: str
    until_ns: int

    def __call__(self, sites: Sites, /) -> Signal:
        """In W."""
        from sim.facility.plant import Plant

        plant = sites[self.site].building
        assert isinstance(plant, Plant)  # the checks have refused it otherwise
        edges = np.concatenate([[0], plant.breakpoints(0, self.until_ns), [self.until_ns]]).astype(np.int64)
        return Signal(edges, plant.it_limit_w(edges), "W of IT that the site carries")


@dataclass(frozen=True)
class Cuts:
    """Where anything of a site changes within a run, but for the edges of bins of ``step_ns`` by the clock."""

    step_ns: int
    start_ns: int
    end_ns: int | None

    def __call__(self, sites: Sites, /) -> Ints:
        """In ns from the start of the run, in order."""
        end_ns = self.end_ns if self.end_ns is not None else MAX_NS
        changes = [edges_ns for site in sites.values() for edges_ns in site.breakpoints(0, end_ns) if len(edges_ns)]
        if not changes:
            return np.zeros(0, dtype=np.int64)
        edges_ns = np.unique(np.concatenate(changes))
        odd: Ints = edges_ns[(edges_ns + self.start_ns) % self.step_ns != 0]
        return odd


class Seen:
    """The sites of one run, as it sees them. ``notes`` has every question asked, with the hash of its answer."""

    def __init__(self, plan: AccountingPlan) -> None:
        self._sites = plan.sites
        self.notes: dict[Question[object], str] = {}

    @cached_property
    def signals(self) -> Mapping[str, Mapping[str, Signal]]:
        """By the name of the site, what its grid shows: ``carbon``, ``marginal`` and ``price``, where known."""
        return {name: _Signals(self, name) for name in self._sites}

    def ask(self, question: Question[Answer]) -> Answer:
        """The answer, which is noted."""
        answer = question(self._sites)
        self.notes[question] = content_hash(answer)
        return answer

    def answers(self, questions: Iterable[Question[object]]) -> tuple[str, ...]:
        """What would be noted of each."""
        return tuple(content_hash(question(self._sites)) for question in questions)


class _Signals(Mapping[str, Signal]):
    """Signals of one site; to look for one that is not there is a question, too."""

    def __init__(self, seen: Seen, site: str) -> None:
        self._seen, self._site = seen, site

    def __getitem__(self, name: str) -> Signal:
        found = self._seen.ask(Shown(self._site, name))
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._seen.ask(Known(self._site)))

    def __len__(self) -> int:
        return len(self._seen.ask(Known(self._site)))
