"""Early exits of an inference service: where easy requests leave, and what the classifiers there cost."""

from __future__ import annotations

from itertools import pairwise

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.later import later
from sim.quantities import Fraction, SmallRatio
from sim.validation import BELOW, Spec

with later():
    from sim.spec.difficulty import Difficulty, Level


class Exit(Spec):
    """A classifier within the network."""

    up_to: Level = Field(description="The hardest request that leaves here.")
    after: Fraction = Field(description="The share of the whole service time up to here, e.g. 0.3.")
    classifier: Fraction = Field(description="What it takes itself, as a share of the whole service time, e.g. 0.01.")
    load: SmallRatio = Field(
        default="1",
        validate_default=True,
        description="Power of the GPUs above loaded on the way here from the exit before, over that of the whole.",
    )


class EarlyExit(Spec):
    """Exits in order of depth; what none of them takes goes through to the end."""

    of: Difficulty
    exits: dict[str, Exit] = Field(min_length=1, max_length=100)
    last_load: SmallRatio = Field(
        default="1",
        validate_default=True,
        description="Power above loaded beyond the last exit, over that of the whole.",
    )

    @model_validator(mode="after")
    def _deeper_and_harder(self) -> EarlyExit:
        if "end" in self.exits:
            message = "'end' is where requests go that leave at none; choose another name"
            raise PydanticCustomError("exits", message, {BELOW: ("exits", "end")})
        for (name, one), (deeper, other) in pairwise(self.exits.items()):
            if not (one.up_to < other.up_to and one.after < other.after):
                words = {"name": name, "deeper": deeper, BELOW: ("exits", deeper)}
                message = "'{deeper}' must come later than '{name}' and take harder requests: nobody would leave there"
                raise PydanticCustomError("exits", message, words)
        if self.of.of_trace is not None:
            raise PydanticCustomError(
                "of", "difficulties here are drawn: {k}", {"k": "{kind: uniform} or beta", BELOW: ("of",)}
            )
        return self
