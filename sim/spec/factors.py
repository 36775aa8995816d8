"""Laws of random factors on a stated amount of work, as they are written."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Annotated, ClassVar

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.kinds import Choice

Factor = Annotated[float, Field(gt=0, le=1e6)]


class FactorLaw(Choice):
    """How much more or less than the stated work one of many takes."""

    family: ClassVar[str] = "factor law"

    @property
    @abstractmethod
    def mean(self) -> float:
        """Of the factors."""


class ConstantFactor(FactorLaw):
    """All take the stated work."""

    @property
    def mean(self) -> float:
        """1."""
        return 1.0


class ExponentialFactor(FactorLaw):
    """Exponential factors of mean 1."""

    @property
    def mean(self) -> float:
        """1."""
        return 1.0


class LognormalFactor(FactorLaw):
    """Lognormal factors of mean 1."""

    cv: float = Field(gt=0, le=10, description="Coefficient of variation, e.g. 0.5.")

    @property
    def mean(self) -> float:
        """1."""
        return 1.0


class LogUniformFactor(FactorLaw):
    """From ``low`` to ``high``, each octave as likely as any other: as sizes of models are searched."""

    low: Factor
    high: Factor

    @model_validator(mode="after")
    def _rises(self) -> LogUniformFactor:
        if self.low >= self.high:
            raise PydanticCustomError("factors", "'low' must be below 'high'")
        return self

    @property
    def mean(self) -> float:
        """(high - low) / ln(high / low)."""
        return (self.high - self.low) / math.log(self.high / self.low)


class ChosenFactor(FactorLaw):
    """One of ``values``, by ``weights`` where they are not equally likely."""

    values: list[Factor] = Field(min_length=1, max_length=1000)
    weights: list[Factor] | None = Field(default=None, description="One a value; equal, if absent.")

    @model_validator(mode="after")
    def _one_each(self) -> ChosenFactor:
        if self.weights is not None and len(self.weights) != len(self.values):
            raise PydanticCustomError("factors", "give as many 'weights' as 'values'")
        return self

    @property
    def shares(self) -> tuple[float, ...]:
        """Probabilities of the values."""
        weights = self.weights if self.weights is not None else [1.0] * len(self.values)
        return tuple(weight / sum(weights) for weight in weights)

    @property
    def mean(self) -> float:
        """Of the values, weighed."""
        return sum(value * share for value, share in zip(self.values, self.shares, strict=True))
