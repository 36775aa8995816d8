"""How hard requests are, by which they are shared out, passed on to a larger model, or leave a network early."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from sim.kinds import Choice

Shape = Annotated[float, Field(ge=0.01, le=1000.0, strict=True)]
Level = Annotated[float, Field(ge=-1e9, le=1e9, strict=True)]


class Difficulty(Choice):
    """How hard requests are: drawn, or in a column of their trace."""

    family: ClassVar[str] = "difficulty"

    @property
    def of_trace(self) -> str | None:
        """The column that tells; None where it is drawn."""
        return None


class UniformDifficulty(Difficulty):
    """A difficulty anywhere from 0 to 1, equally likely."""


class BetaDifficulty(Difficulty):
    """A difficulty between 0 and 1, by a beta distribution of mean alpha / (alpha + beta)."""

    alpha: Shape
    beta: Shape


class DifficultyColumn(Difficulty):
    """A column (a field, in a JSON trace) of the trace that the route replays, of numbers on any scale."""

    column: Annotated[str, Field(min_length=1)]

    @property
    def of_trace(self) -> str:
        """The one that is written."""
        return self.column
