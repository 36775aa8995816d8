"""The unit effect of a pool as written -> what the engine draws its units by."""

from __future__ import annotations

from sim.kinds import builder
from sim.later import later
from sim.profiles.catalog import Catalog

with later():
    from sim.engine.metering.unit_effects import KnownUnits, LognormalUnits, UnitEffect
    from sim.spec import unit_effects as spec


def unit_effect(written: spec.UnitEffectSpec | None, catalog: Catalog) -> UnitEffect | None:
    """How units of a pool differ, if it is said."""
    if written is None:
        return None
    made: UnitEffect = builder(written)(written, catalog)
    return made


def drawn(written: spec.DrawnUnits, _catalog: Catalog) -> UnitEffect:
    """By a law of the scenario."""
    return UnitEffect(written.of, LognormalUnits(float(written.active), float(written.idle), written.correlation))


def of_profile(written: spec.UnitsOfProfile, catalog: Catalog) -> UnitEffect:
    """By the law of a profile, or measured ones. Raises ``InputError`` for an unknown profile."""
    profile = catalog.units(written.profile)
    if written.units is not None:
        known = [profile.units[name] for name in written.units]
        return UnitEffect(profile.of, KnownUnits(tuple(u.active for u in known), tuple(u.idle for u in known)))
    law = LognormalUnits(float(profile.active.value), float(profile.idle.value), float(profile.correlation.value))
    return UnitEffect(profile.of, law)
