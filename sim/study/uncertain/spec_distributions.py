"""Distributions as a scenario writes them, made into quantile functions."""

from __future__ import annotations

from functools import singledispatch

from sim.spec.uncertainty import Empirical, Law, Lognormal, Normal, Triangular, Uniform, number_and_unit
from sim.study.uncertain import distributions as laws


@singledispatch
def quantile_of(law: Law, middle: float) -> laws.Quantile:
    """Its quantiles about ``middle``. Raises ``ValueError`` where it cannot lie there."""
    raise TypeError(f"{law} has no quantiles about {middle}")


@quantile_of.register
def _(law: Normal, middle: float) -> laws.Quantile:
    return laws.normal(middle, number_and_unit(law.sd)[0] if law.sd is not None else float(law.cv or 0.0) * abs(middle))


@quantile_of.register
def _(law: Lognormal, middle: float) -> laws.Quantile:
    if middle <= 0:
        raise ValueError("a lognormal distribution lies above zero, and the scenario's value does not")
    of_median = law.median is not None
    return laws.lognormal(float(law.cv), mean=None if of_median else middle, median=middle if of_median else None)


@quantile_of.register
def _(law: Triangular, middle: float) -> laws.Quantile:
    low, high = number_and_unit(law.low)[0], number_and_unit(law.high)[0]
    if not low <= middle <= high:
        raise ValueError("the scenario's own value lies outside; give a 'mode'")
    return laws.triangular(low, middle, high)


@quantile_of.register
def _(law: Uniform, _middle: float) -> laws.Quantile:
    return laws.uniform(number_and_unit(law.low)[0], number_and_unit(law.high)[0])


@quantile_of.register
def _(law: Empirical, _middle: float) -> laws.Quantile:
    return laws.empirical([number_and_unit(value)[0] for value in law.values], law.weights)
