"""What all formats ask of a finished run: its sites, when it was, who answers for what, how many units came of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sim.errors import InputError
from sim.results.results import Results
from sim.results.work import units_done
from sim.units import NS_PER_S

NO_UNIT = (
    "has no functional unit: name one under accounting.functional_unit (of: a workload, per: request, output-token, "
    "trained-token, gpu-hour, run ...) and run again"
)
NOTHING_DONE = "did none of its functional unit, so that nothing can be told of one; give it work, or a longer duration"
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def one_line(text: str) -> str:
    """A name as it may stand in a cell or a line of text: what ends a line or moves a cursor is a blank."""
    return _CONTROL.sub(" ", text)


@dataclass(frozen=True)
class Share:
    """What a workload at a site answers for: kWh of IT energy, kg of operational (by location) and embodied carbon."""

    site: str
    workload: str
    it_kwh: float
    operational_kg: float
    embodied_kg: float


@dataclass(frozen=True)
class Run:
    """A finished run and the folder it was read from."""

    folder: Path
    results: Results

    @property
    def summary(self) -> Mapping[str, Any]:
        """``summary.json``."""
        return self.results.summary

    @property
    def name(self) -> str:
        """The scenario's, on one line."""
        return one_line(str(self.results.scenario["name"]))

    @property
    def generator(self) -> str:
        """Who wrote the run, and in which version."""
        return f"coldaisle {self.results.manifest['versions'].get('coldaisle', version('coldaisle'))}"

    @property
    def identity(self) -> str:
        """A short name of this very scenario: the beginning of its hash."""
        return str(self.results.manifest["scenario_sha256"])[:16]

    @property
    def start(self) -> str:
        """When the run begins, UTC."""
        return instant(self.results.start_ns)

    @property
    def end(self) -> str:
        """When it ends, UTC."""
        return instant(self.results.start_ns + self.results.energy.end_ns)

    @cached_property
    def sites(self) -> Mapping[str, Mapping[str, Any]]:
        """The account of each site; of one alone it is that of the run."""
        several = self.summary.get("sites")
        if several:
            return dict(several)
        names = sorted({key.site for key in self.results.energy.keys})
        return {one_line(names[0]) if len(names) == 1 else self.name: self.summary}

    @cached_property
    def shares(self) -> Sequence[Share]:
        """Who answers for what at which site. Shares add up to the totals of the summary but for rounding."""
        return tuple(share for site, account in self.sites.items() for share in _shares(site, account))

    @property
    def units(self) -> float:
        """How many functional units were delivered: carbon over the SCI. Raises ``InputError`` where none is named."""
        done = units_done(self.summary)
        if done is None:
            named = (self.results.scenario.get("accounting") or {}).get("functional_unit")
            raise self.lacks(NOTHING_DONE if named else NO_UNIT)
        return done

    def lacks(self, what: str) -> InputError:
        """The error for something that a format needs and this run has not."""
        return InputError.one(str(self.folder), what)


def _shares(site: str, account: Mapping[str, Any]) -> Iterator[Share]:
    energy, carbon = account["energy_kwh"]["by_workload"], account["carbon_kg"]
    for name, total_kg in carbon["by_workload"].items():
        embodied_kg = carbon["embodied_by_workload"].get(name, 0.0)  # a sum over no lines is 0
        yield Share(site, name, energy.get(name, 0.0), total_kg - embodied_kg, embodied_kg)
    for name in energy.keys() - carbon["by_workload"].keys():  # drew energy that emits nothing
        yield Share(site, name, energy[name], 0.0, 0.0)


def instant(ns: int) -> str:
    """Nanoseconds since 1970 as text, to the second, in UTC."""
    return datetime.fromtimestamp(ns // NS_PER_S, UTC).isoformat(timespec="seconds")
