"""A memo of results in front of a service or a route: what is asked again, how much it remembers, what a look costs."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from sim.kinds import Choice
from sim.quantities import Duration, Energy
from sim.validation import Spec


class Popularity(Choice):
    """Which requests are the same as others before them."""

    family: ClassVar[str] = "popularity"

    @property
    def of_trace(self) -> str | None:
        """The column of the trace that tells; None where it is drawn or counted."""
        return None


class ZipfPopularity(Popularity):
    """Drawn from a catalogue, the k-th most popular with a chance in proportion to k**-exponent."""

    catalogue: Annotated[int, Field(ge=1, le=10_000_000, strict=True)]
    exponent: Annotated[float, Field(ge=0.0, le=5.0)]


class RepeatedSamples(Popularity):
    """``samples`` different ones in order, all of them ``times`` times over, before as many new ones come.

    With one sample each is asked ``times`` times in a row; with those of a whole data set, once in each pass over it.
    """

    samples: Annotated[int, Field(ge=1, le=10**9, strict=True)]
    times: Annotated[int, Field(ge=1, le=10**6, strict=True)]


class KeyColumn(Popularity):
    """A column (a field, in a JSON trace) of the trace that is replayed: rows with the same text are the same."""

    column: Annotated[str, Field(min_length=1)]

    @property
    def of_trace(self) -> str:
        """The one that is written."""
        return self.column


class Lookup(Spec):
    """What a look into the memo takes, whether it finds something or not."""

    time: Duration
    energy: Energy = Field(description="Of the CPU that looks, e.g. '0.05 J'.")


class ResultCache(Spec):
    """A memo of results, of which the least recently used is forgotten first."""

    keys: Popularity
    capacity: Annotated[int, Field(ge=0, le=10**9, strict=True, description="Results it has room for.")]
    lookup: Lookup


class RouteCache(ResultCache):
    """One in front of a route."""

    at: str = Field(description="The workload of 'to' on whose hosts' CPUs it is looked into.")
