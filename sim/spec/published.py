"""What somebody published about the work of a scenario, so that ``coldaisle reproduce`` can hold a run against it.

The block changes no simulation. It says which paper, how sure its numbers are, which runs tell which of them, within
which tolerance a run has to meet them, and where every number of the scenario comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from sim.published.expression import Expression as Parsed
from sim.published.expression import ExpressionError, parse
from sim.published.tolerance import read_tolerance
from sim.validation import LONGEST_NAME, Spec, mapping_or

Mechanism = Literal[
    "unit-check",
    "batching",
    "boundary",
    "caching",
    "cascade",
    "cold-start",
    "communication",
    "cooling",
    "early-exit",
    "embodied",
    "failures",
    "growth",
    "idle",
    "power-model",
    "queueing",
    "routing",
    "scheduling",
    "shifting",
    "speculation",
    "split",
    "step-time",
    "water",
]
"""What of the platform a published number is reproduced by; ``unit-check`` alone is a multiplication."""

MECHANISMS: tuple[str, ...] = get_args(Mechanism)
Text = Annotated[str, Field(min_length=1, max_length=4_000)]
RunName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]*$", max_length=LONGEST_NAME)]
Published = Annotated[float, Field(ge=-1e21, le=1e21)]

NumberOrByRun = Annotated[
    Annotated[Published, Tag("@number")] | Annotated[dict[RunName, Published], Tag("@mapping")],
    mapping_or("@number"),
]


def _expression(text: str) -> str:
    try:
        parse(text)
    except ExpressionError as error:
        raise PydanticCustomError("expression", "{why}", {"why": str(error)}) from None
    return text


def _tolerance(text: str) -> str:
    try:
        read_tolerance(text)
    except ValueError as error:
        raise PydanticCustomError("tolerance", "{why}", {"why": str(error)}) from None
    return text


Expression = Annotated[str, Field(min_length=1, max_length=2_000), AfterValidator(_expression)]
Tolerance = Annotated[str, Field(max_length=40), AfterValidator(_tolerance)]


class PublishedRun(Spec):
    """One run: this scenario, or another file, under overrides as of ``--set``."""

    scenario: str | None = Field(default=None, description="Another scenario; this one, if absent.")
    set: dict[str, Any] = Field(default_factory=dict, description="Dotted paths and their values.")


class PublishedOutput(Spec):
    """A published result, and how it is read from ``summary.json`` of the runs."""

    title: Annotated[str, Field(max_length=LONGEST_NAME)] = ""
    ours: Expression = Field(
        description="e.g. '{energy_kwh.facility}' or '1 - {small: carbon_kg.total} / {large: ...}'."
    )
    published: NumberOrByRun | None = Field(
        default=None, description="A number, or one for each run; or give 'between'."
    )
    between: Annotated[list[Published], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="The ends of a published range, in which ours has to lie."
    )
    unit: Annotated[str, Field(max_length=80)] = Field(
        description="Of the published number and of 'ours'; '' for none."
    )
    tolerance: Tolerance = Field(description="'1 %', '2 points', 'factor 2', 'at least', 'at most', 'sign', or 'none'.")
    why: Text = Field(description="Why this tolerance.")
    missed: Text | None = Field(default=None, description="Why it is missed, where it is.")

    @model_validator(mode="after")
    def _one_of(self) -> PublishedOutput:
        # asked of what is written: a number that was refused while reading stands as None, and is told already
        if ("published" in self.model_fields_set) == ("between" in self.model_fields_set):
            raise PydanticCustomError("published", "needs either 'published' or 'between'")
        if self.between is not None and self.between[0] > self.between[1]:
            raise PydanticCustomError("between", "'between' goes from the lower to the higher")
        if isinstance(self.published, Mapping) and not self.published:
            raise PydanticCustomError("published", "needs a number for at least one run")
        return self


class PhysicalEstimate(Spec):
    """What the meters of a run say where the paper counts by a convention, and why the two differ."""

    of: str = Field(description="One of 'outputs'.")
    ours: Expression
    unit: Annotated[str, Field(max_length=80)]
    gap: Text = Field(description="What makes the difference.")


class Constant(Spec):
    """Where numbers of the scenario come from."""

    kind: Literal["input", "profile", "cited", "measured", "derived", "assumed"] = Field(
        description="'input': printed by the paper as what went in."
    )
    source: Text = Field(description="Paper, table, document; for what is assumed or derived: why, or how.")


class PublishedRecord(Spec):
    """A paper's results beside the scenario that reproduces them."""

    paper: Text
    where: Annotated[str, Field(max_length=LONGEST_NAME)] = Field(default="", description="Table, figure or section.")
    confidence: Literal["high", "medium", "recalled"] = Field(
        description="'high': seen in the document; 'medium': second hand or partly derived; 'recalled': not seen."
    )
    exercises: list[Mechanism] = Field(min_length=1, description="'unit-check' alone for mere multiplication.")
    about: Text = Field(description="What it shows.")
    limits: Annotated[str, Field(max_length=4_000)] = Field(default="", description="What it cannot say.")
    note: Annotated[str, Field(max_length=4_000)] = Field(default="", description="What in the paper does not agree.")
    runs: dict[RunName, PublishedRun] = Field(default_factory=dict, description="This scenario as it is, if absent.")
    outputs: dict[RunName, PublishedOutput] = Field(min_length=1)
    estimate: dict[RunName, PhysicalEstimate] = Field(default_factory=dict)
    constants: dict[str, Constant] = Field(description="By dotted path: where what stands there, or below, comes from.")

    @model_validator(mode="after")
    def _known_runs(self) -> PublishedRecord:
        known = set(self.run_names)
        for name, output in self.outputs.items():
            rows = set(output.published) if isinstance(output.published, Mapping) else set()
            self._refuse(rows - known, f"outputs.{name}.published", known)
            named = parse(output.ours)
            self._refuse(named.runs - known, f"outputs.{name}.ours", known)
            if not rows:
                self._refuse_any(named, f"outputs.{name}.ours")
        for name, estimate in self.estimate.items():
            self._refuse({estimate.of} - set(self.outputs), f"estimate.{name}.of", set(self.outputs))
            meant = parse(estimate.ours)
            self._refuse(meant.runs - known, f"estimate.{name}.ours", known)
            self._refuse_any(meant, f"estimate.{name}.ours")
        if "unit-check" in self.exercises and len(self.exercises) > 1:
            raise PydanticCustomError("exercises", "'unit-check' stands alone: it is what exercises nothing else")
        return self

    def _refuse_any(self, meant: Parsed, where: str) -> None:
        if meant.without_run and len(self.run_names) > 1:
            words = {"where": where, "form": "'{run: path}'"}
            raise PydanticCustomError("runs", "{where} does not say of which run: write {form}", words)

    @staticmethod
    def _refuse(unknown: Set[str], where: str, known: Set[str]) -> None:
        if unknown:
            message = "{where} names what is not there: {unknown}  ({known})"
            shown = {"where": where, "unknown": ", ".join(sorted(unknown)), "known": ", ".join(sorted(known))}
            raise PydanticCustomError("runs", message, shown)

    @property
    def run_names(self) -> tuple[str, ...]:
        """Its runs, or the only one: this scenario as it is."""
        return tuple(self.runs) or ("this",)

    @property
    def is_unit_check(self) -> bool:
        """Whether it exercises nothing but multiplication."""
        return self.exercises == ["unit-check"]
