"""Methods as written -> what they do to work: read from their profiles, or from factors of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sim.errors import InputError
from sim.later import later
from sim.profiles.catalog import Catalog
from sim.spec.methods import MethodChoice, OwnMethod, name_of

with later():
    from sim.profiles.methods import Method, together


if TYPE_CHECKING:
    from sim.profiles.methods import Effect, MethodProfile


def method_of(choice: MethodChoice, catalog: Catalog) -> Method:
    """Raises ``InputError`` for a profile that is not there, and for factors that nobody tells or two do."""
    if isinstance(choice, OwnMethod):
        return choice.method
    profile = catalog.method(name_of(choice))
    given = {name: getattr(choice, name) for name in ("work", "time", "power")} if not isinstance(choice, str) else {}
    given = {name: value for name, value in given.items() if value is not None}
    lacking = [name for name in profile.unknown if name not in given]
    twice = [name for name in given if name not in profile.unknown]
    if twice:
        told = f"its source tells its {' and '.join(twice)}: leave that out, or write a method of your own"
        raise InputError.one(f"profile '{profile.name}'", told)
    if lacking:
        values = ", ".join(f"{name}: ..." for name in lacking)
        ask = f"its source does not tell its {' and '.join(lacking)}: write {{profile: {profile.name}, {values}}}"
        raise InputError.one(f"profile '{profile.name}'", ask)
    return _of_profile(profile, given)


def _of_profile(profile: MethodProfile, given: Mapping[str, float]) -> Method:
    def value(name: str) -> float:
        sourced: Any = getattr(profile, name)
        known = given.get(name)
        return float(known if known is not None else sourced.value)

    return Method(
        name=profile.name,
        family=profile.family,
        work=value("work"),
        time=value("time"),
        power=value("power") if profile.power is not None else 1.0,
        saved_w=value("power_saved") if profile.power_saved is not None else 0.0,
        excludes=tuple(profile.excludes),
        significant=profile.significant,
        measured_on=profile.measured_on,
    )


def effect_of(choices: Sequence[MethodChoice], active_w: float, catalog: Catalog) -> Effect:
    """What methods that have passed their checks do to GPUs which draw ``active_w`` at work without them."""
    return together([method_of(choice, catalog) for choice in choices], active_w)
