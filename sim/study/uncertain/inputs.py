"""What is drawn of an uncertain scenario, and what a draw changes in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.profiles.machines.gpu import GPUProfile
from sim.profiles.machines.node import NodeProfile
from sim.quantities import Quantity

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Changes:
    """What one draw changes in a scenario: values by path, and profiles by their names and what they are of."""

    values: dict[str, Any] = field(default_factory=dict)
    profiles: dict[tuple[str, type], Any] = field(default_factory=dict)

    def profile(self, profile: NodeProfile | GPUProfile, name: str, drawn: object) -> None:
        """A profile, one part of which was drawn."""
        known = self.profiles.get((profile.name, type(profile)), profile)
        self.profiles[profile.name, type(profile)] = known.model_copy(update={name: drawn})


class Input(ABC):
    """What is drawn together, one score a column."""

    path: str

    @property
    def columns(self) -> tuple[str, ...]:
        """What its scores are called."""
        return (self.path,)

    @abstractmethod
    def draw(self, scores: Floats, into: Changes) -> None:
        """Puts what its ``scores`` (columns,) come to ``into`` what the draw changes."""

    def shown(self, scores: Floats) -> list[Any]:
        """One column's ``scores`` (n,), as tables show them: the scores themselves."""
        found: list[Any] = scores.tolist()
        return found


def with_value(known: Any, value: float) -> Any:
    """A sourced number at another value, in SI, without its range."""
    return known.model_copy(update={"value": Quantity.of(value, repr(value)), "low": None, "high": None})
