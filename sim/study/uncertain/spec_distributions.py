"""Distributions as a scenario writes them, made into quantile functions."""

from __future__ import annotations

from typing import Any

from sim.spec.uncertainty import Empirical, Lognormal, Normal, Triangular, Uniform, number_and_unit
from sim.study.uncertain import distributions as laws


def stands_by_itself(law: Any) -> bool:
    """Whether a distribution has a place of its own, whatever the scenario's value is."""
    return centre(law) is not None


def centre(law: Any) -> Any:
    """The number that a distribution names as its place; None where it lies around the scenario's own."""
    if isinstance(law, Uniform):
        return law.low
    if isinstance(law, Empirical):
        return law.values[0]
    return next((v for v in (getattr(law, n, None) for n in ("mean", "median", "mode")) if v is not None), None)


def quantile_of(law: Any, middle: float) -> laws.Quantile:
    """Its quantiles about ``middle``. Raises ``ValueError`` where it cannot lie there."""
    if isinstance(law, Normal):
        sd = number_and_unit(law.sd)[0] if law.sd is not None else float(law.cv or 0.0) * abs(middle)
        return laws.normal(middle, sd)
    if isinstance(law, Lognormal):
        if middle <= 0:
            raise ValueError("a lognormal distribution lies above zero, and the scenario's value does not")
        around_mean = law.median is None
        return laws.lognormal(
            float(law.cv), mean=middle if around_mean else None, median=None if around_mean else middle
        )
    if isinstance(law, Triangular):
        low, high = number_and_unit(law.low)[0], number_and_unit(law.high)[0]
        if not low <= middle <= high:
            raise ValueError("the scenario's own value lies outside; give a 'mode'")
        return laws.triangular(low, middle, high)
    if isinstance(law, Uniform):
        return laws.uniform(number_and_unit(law.low)[0], number_and_unit(law.high)[0])
    assert isinstance(law, Empirical)
    return laws.empirical([number_and_unit(value)[0] for value in law.values], law.weights)
