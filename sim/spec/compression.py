"""What is taken away of a model before it is served or trained, and what becomes of its operations and bytes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.quantities import PositiveFraction
from sim.validation import Spec

Natural = Annotated[int, Field(ge=1, le=10**7, strict=True)]


class Pruning(Spec):
    """Whole parts taken out; what is left is a smaller model of the same kind."""

    layers: Natural | None = Field(default=None, description="That are left; all, if absent.")
    networks: PositiveFraction | None = Field(default=None, description="Of their width that is left; all, if absent.")
    heads: PositiveFraction | None = Field(default=None, description="Of attention that are left; all, if absent.")

    @model_validator(mode="after")
    def _takes_something(self) -> Pruning:
        if self.layers is None and self.networks is None and self.heads is None:
            raise PydanticCustomError("pruning", "needs 'layers', 'networks' or 'heads': what is left of which")
        return self


class SparseWeights(Spec):
    """Weights that are zero in a pattern that matrix units know."""

    pattern: Literal["2:4"]
    rate: float = Field(
        ge=1.0, le=2.0, description="Of sparse products over dense ones, as your kernels reach it: 1 to 2."
    )


class Compression(Spec):
    """Of a model: pruned, in factors of low rank, sparse; its precision is said by itself."""

    pruning: Pruning | None = None
    rank: Natural | None = Field(default=None, description="Of two factors in the place of each matrix of layers.")
    sparsity: SparseWeights | None = None

    @model_validator(mode="after")
    def _does_something(self) -> Compression:
        if self.pruning is None and self.rank is None and self.sparsity is None:
            raise PydanticCustomError("compression", "needs 'pruning', 'rank' or 'sparsity'")
        if self.rank is not None and self.sparsity is not None:
            raise PydanticCustomError("compression", "give 'rank' or 'sparsity': of both together nothing is measured")
        return self
