"""How sure the four numbers are: their intervals, what these leave out, and what it takes to have them."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from sim.profiles.catalog import Catalog
from sim.report.parts import folded, note
from sim.results.formats import kilowatt_hours, percent
from sim.results.model_error import ModelError, model_error, widened
from sim.results.results import Results
from sim.results.stated import Stated, stated

MODELS = "how far the models themselves lie from meters (docs/accuracy.md has them against held-out readings)"
MODELS_BESIDE = "how far the models themselves lie from meters, which the ranges 'with the models' error' have"
RESTS = {
    "energy_kwh": (".facility.pue",),
    "carbon_kg": (".grid.intensity", ".facility.pue", "accounting.gpu_lifetime", "accounting.server_lifetime"),
    "water_l": (".water.wue", ".water.ewif"),
    "cost": (".grid.price", "carbon_price.price"),
}
"""What of a scenario each of the four numbers follows from, beside the watts and seconds of profiles."""
MOST_NAMED = 8


@dataclass(frozen=True)
class Sure:
    """What is known of it: ``intervals`` by path of the summary, whether they are ``asked`` for beside the run and not
    in its summary, how many draws under how many seeds they rest on, and what sources state."""

    intervals: Mapping[str, Mapping[str, float]]
    asked: bool
    about: Mapping[str, Any]
    known: Stated
    models: ModelError

    @classmethod
    def of(cls, results: Results, drawn: Mapping[str, Any] | None = None) -> Sure:
        """``drawn`` has ``intervals`` over what sources state, where those were asked for, and is ``about`` them."""
        known = stated(results.scenario, results.manifest["profiles_sha256"], Catalog())
        own = results.summary.get("intervals")
        if drawn is not None and not own:
            return cls(drawn["intervals"], True, drawn["about"], known, model_error(results))
        return cls(own or {}, False, results.summary.get("uncertainty") or {}, known, model_error(results))

    def basis(self) -> str:
        """What an interval is over, in brackets behind it."""
        return "90 % interval over the ranges that sources state" if self.asked else "90 % interval"

    def needs(self, path: str) -> str:
        """What a number without an interval needs."""
        ends = RESTS[path.partition(".")[0]]
        own = [name for name in self.known.own if name.endswith(ends)]
        profiles = sum(name.startswith("profiles.") for name in self.known.over)
        parts = [", ".join(own)] if own else []
        parts += [f"numbers of {profiles} profile{'s' if profiles > 1 else ''}"] if profiles else []
        told = f"needs ranges of {' and '.join(parts)}; see below"
        return f"no interval: {told if parts else 'nobody states a range'}"

    def below(self, folder: str) -> str:
        """What stands under the four numbers, as HTML."""
        command = f"<pre><code>{escape(shlex.join(['coldaisle', 'report', folder, '--intervals']))}</code></pre>"
        lines = note("In the scenario, with what you know of your own numbers filled in, and a new run:")
        lines += f'<pre tabindex="0"><code>{escape(self.known.as_yaml)}</code></pre>'
        if self.intervals:
            told = note(self._left_out()) + self._of_models()
            return told + (folded("Intervals of your own numbers, too", lines) if self.asked else "")
        if not self.known.over:
            told = (
                "No interval: no source of this run's profiles gives a range, and the scenario states no 'uncertainty'."
            )
            return self._of_models() + note(told) + folded("What to add to the scenario", lines)
        first = (
            note("Over the ranges that the sources of this run's profiles state, simulated for each draw:") + command
        )
        return self._of_models() + folded("How to get intervals of these numbers", first + lines)

    def with_models(self, path: str, value: float, per_it_kwh: float) -> tuple[float, float] | None:
        """The ends of a number's interval with the error of the models in it; None where none was judged.

        ``per_it_kwh`` is what a kWh of IT energy adds to the number.
        """
        by = self.models.reach(per_it_kwh)
        found = self.intervals.get(path, {"p05": value, "p95": value})
        return widened(value, found["p05"], found["p95"], by) if any(by) else None

    def _of_models(self) -> str:
        """What the models' own error is, of what, and by which readings."""
        terms = self.models.terms
        if not terms:
            return ""
        each = "; ".join(
            f"{term.workload}: "
            + ", ".join(
                f"{percent(math.expm1(-one.within))} to +{percent(math.expm1(one.within))} by {one.of} "
                f"({one.held_out} held out of the fit; {percent(one.error)} on average)"
                for one in term.errors
            )
            + f", of {kilowatt_hours(term.it_kwh)}"
            for term in terms
        )
        none = f" None was judged for {', '.join(self.models.unjudged)}." if self.models.unjudged else ""
        return note(
            f"With the models' error: how far {percent(self.models.chance)} of readings lie whose family no constant "
            f"was fitted to ({each}; see docs/accuracy.md), added in squares to the interval, of which they may count "
            f"a part twice.{none}"
        )

    def _left_out(self) -> str:
        """Of intervals: draws, and all that is in none of them."""
        about, known = self.about, self.known
        drawn = f"Intervals over {about['draws']} draws under {about['seeds']} seed{'s' if about['seeds'] > 1 else ''}"
        if self.asked:
            each = ", ".join(f"{count} of {name}" for name, count in known.bounded.items())
            drawn += f" of embodied carbon{f' and of numbers with a range: {each}' if each else ''}"
        gaps = []
        if known.own:
            names = [*known.own]
            more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            gaps.append(f"{', '.join(names[:MOST_NAMED])}{more}, which the scenario states without a range")
        bare = sum(known.bare.values())
        if bare and self.asked:
            gaps.append(f"{bare} numbers of profiles whose sources give no range")
        if about["seeds"] == 1:
            gaps.append("chance (one seed)")
        return f"{drawn}. Not in them: {'; '.join([*gaps, MODELS if not self.models.terms else MODELS_BESIDE])}."
