"""Laws of factors as written -> what draws them."""

from __future__ import annotations

from sim.kinds import builder
from sim.spec import factors as spec
from sim.workload import laws


def factor_law(written: spec.FactorLaw) -> laws.Law:
    """The law that is written."""
    made: laws.Law = builder(written)(written)
    return made


def constant(_written: spec.ConstantFactor) -> laws.Same:
    """Always 1."""
    return laws.Same()


def exponential(_written: spec.ExponentialFactor) -> laws.Exponential:
    """Without memory."""
    return laws.Exponential()


def lognormal(written: spec.LognormalFactor) -> laws.Lognormal:
    """By its coefficient of variation."""
    return laws.Lognormal(written.cv)


def log_uniform(written: spec.LogUniformFactor) -> laws.LogUniform:
    """Between its ends."""
    return laws.LogUniform(written.low, written.high)


def choice(written: spec.ChosenFactor) -> laws.Choice:
    """By its weights."""
    return laws.Choice(tuple(written.values), written.shares)
