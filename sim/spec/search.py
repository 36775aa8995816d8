"""A search: what to minimise over which choices, and what the result must keep to::

    base: chat-service
    optimize:
      minimise: carbon_kg.total
      subject_to: [{path: serving.chat.ttft_s.p99, at_most: 0.5}]
      over:
        workloads.chat.replicas.power_cap: {low: 300 W, high: 700 W}
        cluster.nodes.0.profile: [dgx-h100, dgx-a100]
      trials: 50

A path to vary is that of ``--set``; a path of a result is that of ``summary.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from sim.documents import Document, KeyPath, Place, from_mapping, read_document
from sim.errors import InputError
from sim.paths import written_over
from sim.reading import is_file
from sim.spec.ranges import Range, read_range
from sim.validation import Spec, mapping_or, validate


class Limit(Spec):
    """A result of the summary, by dotted path, that must be ``at_most`` or ``at_least`` a number, in its own unit."""

    path: str = Field(min_length=1)
    at_most: Annotated[float, Field(allow_inf_nan=False)] | None = None
    at_least: Annotated[float, Field(allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _one_side(self) -> Limit:
        if self.at_most is None and self.at_least is None:
            raise PydanticCustomError("limit", "needs 'at_most' or 'at_least'")
        return self

    def excess(self, value: float) -> float:
        """How far ``value`` is beyond the limit; zero or below where it keeps to it."""
        above = value - self.at_most if self.at_most is not None else float("-inf")
        below = self.at_least - value if self.at_least is not None else float("-inf")
        return max(above, below)

    def beyond(self, value: float) -> float:
        """How far ``value`` is beyond the limit as a share of it, so that limits of unlike units compare; the bare
        excess at a limit of 0."""
        low, high = self.at_least, self.at_most
        shares = [0.0]
        shares += [(value - high) / (abs(high) or 1.0)] if high is not None else []
        shares += [(low - value) / (abs(low) or 1.0)] if low is not None else []
        return max(shares)

    def __str__(self) -> str:
        low, high = self.at_least, self.at_most
        said = [f"at least {low:g}"] if low is not None else []
        said += [f"at most {high:g}"] if high is not None else []
        return f"{self.path} {' and '.join(said)}"


class Span(Spec):
    """Anything from ``low`` to ``high``: two quantities of one unit. Whole ends make whole numbers."""

    low: Any
    high: Any
    scale: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _is_a_range(self) -> Span:
        try:
            self.range()
        except ValueError as error:
            raise PydanticCustomError("range", "{message}", {"message": str(error)}) from None
        return self

    def range(self) -> Range:
        """The span as a range, as studies have it."""
        return read_range([self.low, self.high], None, log=self.scale == "log")


Choice = Annotated[
    Annotated[Annotated[list[Any], Field(min_length=1)], Tag("@list")] | Annotated[Span, Tag("@mapping")],
    mapping_or("@list"),
]


class Search(Spec):
    """What is searched, over what, within which limits, in how many trials."""

    minimise: str = Field(min_length=1)
    subject_to: list[Limit] = Field(default_factory=list)
    over: dict[str, Choice] = Field(min_length=1)
    trials: int = Field(ge=1, le=1_000_000, strict=True)
    seed: int = Field(default=0, ge=0, lt=2**63, strict=True)


class SearchFile(Spec):
    """A file that asks for a search of variants of one scenario."""

    name: str | None = None
    description: str = ""
    base: str
    set: dict[str, Any] = Field(default_factory=dict, description="What all trials have beside the base.")
    optimize: Search


@dataclass(frozen=True)
class LoadedSearch:
    """A search as read, with where its paths are written, and its base scenario's path or name."""

    spec: SearchFile
    document: Document
    base: str

    def place(self, path: str) -> Place:
        """Where the choices of a path, or its one value, are written."""
        within: KeyPath = ("optimize", "over") if path in self.spec.optimize.over else ("set",)
        return self.document.place((*within, path))


def load_search(source: str | Path | Mapping[str, Any]) -> LoadedSearch:
    """A search from a file or a mapping. Raises ``InputError`` naming every problem."""
    if isinstance(source, Mapping):
        document, folder = from_mapping(source, "<search>"), Path.cwd()
    else:
        document, folder = read_document(Path(source)), Path(source).parent
    problems = list(document.problems)
    spec = validate(SearchFile, document, problems=problems)
    if spec is not None:
        searched = spec.optimize.over
        problems += [
            document.problem(("optimize", "over", outer), f"takes away what '{inner}' sets; write it before that")
            for inner, outer in written_over([*spec.set, *searched])
            if outer in searched
        ]
    if problems or spec is None:
        raise InputError(problems)
    beside = folder / spec.base
    return LoadedSearch(spec, document, str(beside) if is_file(beside) else spec.base)
