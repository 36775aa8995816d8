"""Whether a difference between two runs is larger than the models' own error.

Work that is the same in both runs (``sim.results.same_work``: one model and stack, batches, requests, boards, nodes and
caps) errs by the same factor in both, so that only its change errs. All else errs independently: two runs of one family
of models differ from the ratio of their predictions by as much as two of unlike families (``docs/accuracy.md``), so a
change of batch, layout or model is not known better than either run.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.results.catalogue import COMPARED
from sim.results.catalogue.quantity import value_in
from sim.results.formats import mass, number
from sim.results.model_error import NOTHING, ModelError, Reach, Term, model_error, per_it_kwh
from sim.results.results import Results

TOLD = tuple(one for one in COMPARED if one.always and one.path.endswith((".facility", ".total")))
"""Energy of the whole, and its carbon."""


@dataclass(frozen=True)
class ModelChange:
    """A ``change`` of a number from one run to another, and how far it may lie from that because models err, with a
    ``chance``."""

    path: str
    what: str
    unit: str
    change: float
    reach: Reach
    chance: float

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the most that it may be."""
        return self.change - self.reach.less, self.change + self.reach.more

    @property
    def survives(self) -> bool:
        """Whether its sign is sure as far as the models go."""
        low, high = self.ends
        return low > 0.0 or high < 0.0

    @property
    def remark(self) -> str:
        """In a sentence."""
        low, high = (self._said(end) for end in self.ends)
        told = f"With the models' error ({100 * self.chance:.0f} %) {self.what} changes by {low} to {high}"
        return f"{told}{'' if self.survives else ': their error alone can make this difference'}."

    def as_dict(self) -> dict[str, float | bool]:
        """As plain data."""
        low, high = self.ends
        return {"low": low, "high": high, "chance": self.chance, "survives": self.survives}

    def _said(self, value: float) -> str:
        return ("+" if value > 0.0 else "") + (mass(value) if self.unit == "kg" else f"{number(value)} {self.unit}")


def model_changes(first: Results, other: Results) -> list[ModelChange]:
    """Of energy and carbon, where they change and a model was judged that decides a part of either run's."""
    errors = model_error(first), model_error(other)
    chance = min((one.chance for one in errors if one.terms), default=0.0)
    found = []
    for one in TOLD:
        here, there = (float(value_in(run.summary, one.keys)) for run in (first, other))
        per = per_it_kwh(first.summary, one.path), per_it_kwh(other.summary, one.path)
        reach = reach_of_change(*errors, *per)
        if here != there and any(reach):
            found.append(ModelChange(one.path, one.label, one.unit, there - here, reach, chance))
    return found


def reach_of_change(first: ModelError, other: ModelError, per_first: float, per_other: float) -> Reach:
    """Of the change of a number to which a kWh of IT energy adds so much in either run.

    The same work adds up first, wherever it stands. Of what is left, whatever runs on one stack errs at most as
    ``ModelError.reach`` has it within a run: as one where it pulls the change the same way; where it pulls against
    itself, it might as well not cancel.
    """
    terms = [(term, -term.it_kwh * per_first) for term in first.terms]
    terms += [(term, term.it_kwh * per_other) for term in other.terms]
    work: list[Term] = []
    amounts: list[float] = []
    for term, amount in terms:
        at = next((at for at, one in enumerate(work) if one.same_work(term)), None)
        if at is None:
            work.append(term)
            amounts.append(amount)
        else:
            amounts[at] += amount
    pulls: dict[tuple[str, bool], Reach] = {}
    for term, amount in zip(work, amounts, strict=True):
        pull = term.stack, amount > 0.0
        pulls[pull] = pulls.get(pull, NOTHING).beside(term.reach(amount))
    return Reach.independent(pulls.values())
