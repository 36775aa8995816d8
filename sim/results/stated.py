"""How sure a scenario's numbers are, as far as anybody stated it: the ranges that sources give, and what has none.

No width is made up. What the sources of its profiles bound, and what a calibration left open, can be drawn; numbers of
the scenario itself have the range that their author gives them under ``uncertainty``, or none, and are then named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sim.errors import InputError
from sim.plain import as_mapping, as_text, inside, nested
from sim.profiles.catalog import Catalog
from sim.profiles.machines.gpu import GPUProfile
from sim.profiles.methods import MethodProfile
from sim.profiles.ranges import numbers_of, ranges_of
from sim.profiles.sourced import Profile

DRAWS = 64
"""Of intervals that are asked for without a scenario's own: percentiles 5 and 95 lie within the draws."""
OF_SITE = (("grid", "intensity"), ("grid", "price"), ("facility", "pue"), ("water", "wue"), ("water", "ewif"))
OF_ACCOUNTING = ("gpu_lifetime", "server_lifetime")
"""Numbers of a scenario that its totals are products of, or nearly."""


@dataclass(frozen=True)
class Stated:
    """``over``: laws of an ``uncertainty`` that sources bear out, by path. ``own``: numbers of the scenario that decide
    and have no range, with what is written. ``bounded`` and ``bare``: by profile, how many numbers have a range, and
    how many none."""

    over: Mapping[str, Mapping[str, str]]
    own: Mapping[str, str]
    bounded: Mapping[str, int]
    bare: Mapping[str, int]

    @property
    def uncertainty(self) -> dict[str, Any]:
        """What a scenario would say to draw from these ranges."""
        return {"draws": DRAWS, "seeds": 1, "over": {path: dict(law) for path, law in self.over.items()}}

    @property
    def as_yaml(self) -> str:
        """The lines to add to a scenario; what only its author can know is left to fill in."""
        lines = ["uncertainty:", f"  draws: {DRAWS}", "  seeds: 1", "  over:"]
        lines += [f"    {path}: {{kind: {law['kind']}}}" for path, law in self.over.items()]
        lines += [
            f"    #{path}: {{kind: triangular, low: ..., high: ...}}   # now {now}" for path, now in self.own.items()
        ]
        return "\n".join(lines) + "\n"


def stated(scenario: Mapping[str, Any], names: Iterable[str], catalog: Catalog) -> Stated:
    """Of a resolved scenario that rests on the profiles ``names``; those that cannot be read have no range."""
    profiles = [*_readable([*names, *fuels_named(scenario)], catalog)]
    over: dict[str, Mapping[str, str]] = {}
    embodied = as_mapping((scenario.get("accounting") or {}).get("embodied")) or {}
    own_embodied = embodied.get("nodes") == "bill-of-materials" or embodied.get("gpu") or embodied.get("server")
    if not own_embodied and any(isinstance(one, GPUProfile) or hasattr(one, "embodied") for one in profiles):
        over["embodied"] = {"kind": "from-profiles"}
    bounded: dict[str, int] = {}
    bare: dict[str, int] = {}
    for profile in profiles:
        ranged = len(ranges_of(profile))
        numbers = sum(not path.startswith("embodied.") for path, _ in numbers_of(profile))
        if isinstance(profile, MethodProfile):
            ranged = len(profile.ranges)
            over |= {f"methods.{profile.name}": {"kind": "from-profiles"}} if ranged else {}
        elif isinstance(profile, GPUProfile) and profile.calibration is not None:
            ranged = len(profile.calibration.constants)
            over[f"profiles.{profile.name}"] = {"kind": "calibration"}
        elif ranged:
            over[f"profiles.{profile.name}"] = {"kind": "from-profiles"}
        bounded |= {profile.name: ranged} if ranged else {}
        bare |= {profile.name: numbers - ranged} if numbers > ranged else {}
    given = (as_mapping(scenario.get("uncertainty")) or {}).get("over") or {}
    own = {path: value for path, value in _deciding(scenario) if path not in given}
    return Stated(over, own, bounded, bare)


def fuels_named(scenario: Mapping[str, Any]) -> list[str]:
    """Sets of factors of fuels that the sites of a scenario name."""
    found: dict[str, None] = {}

    def look(value: Any) -> None:
        for name, item in inside(value):
            if name == "factors" and as_text(item):
                found[str(item)] = None
            elif nested(item):
                look(item)

    for _, site in _sites(scenario):
        look({part: site.get(part) for part in ("grid", "water")})
    return [*found]


def _sites(scenario: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    own = as_mapping(scenario.get("site"))
    several = as_mapping(scenario.get("sites")) or {}
    return ([("site", own)] if own is not None else []) + [(f"sites.{name}", site) for name, site in several.items()]


def _deciding(scenario: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Single numbers that totals follow from, by path and as written."""
    places = [
        (f"{path}.{part}.{name}", site.get(part), name) for path, site in _sites(scenario) for part, name in OF_SITE
    ]
    places += [(f"accounting.{name}", scenario.get("accounting"), name) for name in OF_ACCOUNTING]
    charged = as_mapping((as_mapping(scenario.get("accounting")) or {}).get("carbon_price"))
    places += [("accounting.carbon_price.price", charged, "price")]
    for path, within, name in places:
        value = (as_mapping(within) or {}).get(name)
        if value is not None and not nested(value):
            yield path, str(value)


def _readable(names: Iterable[str], catalog: Catalog) -> Iterator[Profile]:
    for name in dict.fromkeys(names):
        try:
            yield catalog.read(name)
        except InputError:
            continue
