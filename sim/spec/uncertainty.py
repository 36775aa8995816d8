"""What is not known of a scenario: a distribution for any of its numbers, and how many draws are made of them::

    uncertainty:
      draws: 256
      seeds: 8
      over:
        site.grid.intensity: {kind: lognormal, cv: 10 %}
        site.facility.pue: {kind: triangular, low: 1.1, mode: 1.2, high: 1.4}
        embodied: {kind: from-profiles}
        methods.mono-forward: {kind: from-profiles}
        profiles.my-gpu: {kind: calibration}
        profiles.vllm-2026: {kind: from-profiles}
      groups:
        - {paths: [site.grid.intensity, site.water.ewif], correlation: 0.6}

Numbers of a distribution are written with the unit of the value they stand for. A mean, median or mode that is not
given is the scenario's own value.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from sim.quantities import SmallRatio
from sim.spec.ranges import split_quantity
from sim.validation import Spec

MOST = 1e21
Written = Annotated[float, Field(ge=-MOST, le=MOST)] | Annotated[int, Field(ge=-(10**18), le=10**18)] | str
"""A number, or text such as '380 gCO2e/kWh'."""


def _fail(message: str, **shown: str) -> PydanticCustomError:
    return PydanticCustomError("distribution", message, shown)


def number_and_unit(value: Written) -> tuple[float, str]:
    """``'380 gCO2e/kWh'`` -> ``(380.0, 'gCO2e/kWh')``. Raises a problem for anything else."""
    found = split_quantity(value)
    if found is None or not abs(found[0]) <= MOST:
        raise _fail("must be a number or a quantity such as '380 gCO2e/kWh', and is {v}", v=repr(value))
    return found


def _numbers(*values: Written | None) -> list[float]:
    """Numbers of one unit, of those given."""
    found = [number_and_unit(value) for value in values if value is not None]
    units = sorted({unit for _, unit in found})
    if len(units) > 1:
        raise _fail("its numbers must have one unit, not {units}", units=" and ".join(f"'{unit}'" for unit in units))
    return [number for number, _ in found]


class Law(Spec):
    """A distribution of a number, or of several."""

    def _first(self, *names: str) -> Any:
        return next((v for v in (getattr(self, name, None) for name in names) if v is not None), None)

    @property
    def centre(self) -> Written | None:
        """The number that it names as its place; None where it lies around the scenario's own."""
        found: Written | None = self._first("mean", "median", "mode")
        return found

    @property
    def unit(self) -> str | None:
        """The one that it is written in; None where it leaves that to the scenario's own value."""
        written = self._first("mean", "median", "mode", "low", "sd")
        return number_and_unit(written)[1] if written is not None else None


class Normal(Law):
    """A normal distribution around ``mean``, with a standard deviation or a coefficient of variation."""

    kind: Literal["normal"]
    mean: Written | None = None
    sd: Written | None = None
    cv: SmallRatio | None = None

    @model_validator(mode="after")
    def _checked(self) -> Normal:
        if (self.sd is None) == (self.cv is None):
            raise _fail("needs one of 'sd' and 'cv'")
        _numbers(self.mean, self.sd)
        if self.sd is not None and number_and_unit(self.sd)[0] < 0:
            raise _fail("its 'sd' must not be negative")
        return self


class Lognormal(Law):
    """A lognormal distribution: positive, with a mean or a median, and a coefficient of variation."""

    kind: Literal["lognormal"]
    mean: Written | None = None
    median: Written | None = None
    cv: SmallRatio

    @model_validator(mode="after")
    def _checked(self) -> Lognormal:
        if self.mean is not None and self.median is not None:
            raise _fail("needs one of 'mean' and 'median'")
        if any(number <= 0 for number in _numbers(self.mean, self.median)):
            raise _fail("must lie above zero")
        return self


class Triangular(Law):
    """A triangular distribution: between ``low`` and ``high``, likeliest at ``mode``."""

    kind: Literal["triangular"]
    low: Written
    mode: Written | None = None
    high: Written

    @model_validator(mode="after")
    def _checked(self) -> Triangular:
        numbers = _numbers(self.low, self.mode, self.high)
        if numbers != sorted(numbers) or numbers[0] == numbers[-1]:
            raise _fail("needs low <= mode <= high, and low below high")
        return self


class Uniform(Law):
    """A uniform distribution: anywhere between ``low`` and ``high``."""

    kind: Literal["uniform"]
    low: Written
    high: Written

    @property
    def centre(self) -> Written:
        """It lies where it says."""
        return self.low

    @model_validator(mode="after")
    def _checked(self) -> Uniform:
        low, high = _numbers(self.low, self.high)
        if not low < high:
            raise _fail("needs low below high")
        return self


class Empirical(Law):
    """An empirical distribution: one of ``values`` as observed, each as likely as the others or by ``weights``."""

    kind: Literal["empirical"]
    values: list[Written] = Field(min_length=2)
    weights: list[Annotated[float, Field(ge=0.0, le=1e18, allow_inf_nan=False)]] | None = None

    @property
    def centre(self) -> Written:
        """It lies where it was observed."""
        return self.values[0]

    @property
    def unit(self) -> str:
        """That of its values."""
        return number_and_unit(self.values[0])[1]

    @model_validator(mode="after")
    def _checked(self) -> Empirical:
        _numbers(*self.values)
        if self.weights is not None and (len(self.weights) != len(self.values) or not sum(self.weights)):
            raise _fail("needs one weight for each value, not all of them zero")
        return self


class FromProfiles(Law):
    """For ``embodied``: every profile's low, central and high as a triangular distribution, at the same place of all.

    One place for all, because what is not known is how to count, which is the same for each. For ``methods.<name>`` and
    ``profiles.<name>``: each factor of a method, and each number of a profile, whose source gives a range, by itself.
    """

    kind: Literal["from-profiles"]


class CalibrationDraw(Law):
    """For ``profiles.<gpu>``: the fitted constants with the covariance of their calibration, jointly normal."""

    kind: Literal["calibration"]


Distribution = Annotated[
    Normal | Lognormal | Triangular | Uniform | Empirical | FromProfiles | CalibrationDraw, Discriminator("kind")
]
EMBODIED = "embodied"
PROFILES = "profiles."
METHODS = "methods."
OF_PROFILES = ("calibration", "from-profiles")


def _one_complaint(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    try:
        return check(value)
    except ValidationError:
        raise _fail("must be a number from -1 to 1, or 'comonotone'") from None


class Group(Spec):
    """Inputs that move together: one correlation of their normal scores between all pairs, or all of them as one."""

    paths: list[str] = Field(min_length=2)
    correlation: Annotated[
        Annotated[float, Field(ge=-1.0, le=1.0)] | Literal["comonotone"], WrapValidator(_one_complaint)
    ]

    @model_validator(mode="after")
    def _possible(self) -> Group:
        lowest = -1.0 / (len(self.paths) - 1)
        if isinstance(self.correlation, float) and not lowest <= self.correlation:
            raise _fail("{n} inputs cannot all be correlated below {low}", n=str(len(self.paths)), low=f"{lowest:g}")
        return self


class Uncertainty(Spec):
    """Distributions by dotted path, and their draws: each is priced under each of ``seeds`` of the simulation."""

    draws: int = Field(ge=8, le=100_000, strict=True)
    seeds: int = Field(ge=1, le=1000, strict=True, description="With one, chance is not told from parameters.")
    design: Literal["latin-hypercube", "antithetic", "random"] = "latin-hypercube"
    over: dict[str, Distribution] = Field(min_length=1)
    groups: list[Group] = Field(default_factory=list)

    @model_validator(mode="after")
    def _holds_together(self) -> Uncertainty:
        for path, law in self.over.items():
            whole = path == EMBODIED or path.startswith(METHODS)
            if law.kind == "calibration" and not path.startswith(PROFILES):
                raise _fail("'calibration' goes with 'profiles.<gpu>' and nothing else, not with {p}", p=path)
            if whole and law.kind != "from-profiles":
                raise _fail("nothing but 'from-profiles' goes with {p}", p=path)
            if path.startswith(PROFILES) and law.kind not in OF_PROFILES:
                raise _fail("nothing but 'from-profiles' and 'calibration' goes with {p}", p=path)
            if law.kind == "from-profiles" and not whole and not path.startswith(PROFILES):
                raise _fail(
                    "'from-profiles' goes with 'embodied', 'methods.<name>' and 'profiles.<name>', not with {p}", p=path
                )
        counted = Counter(path for group in self.groups for path in group.paths)
        unknown = sorted(counted.keys() - self.over.keys())
        twice = sorted(path for path, count in counted.items() if count > 1)
        joint = sorted(path for path in counted if path.startswith((PROFILES, METHODS)))
        if unknown:
            raise _fail("groups name {p}, which 'over' does not", p=", ".join(unknown))
        if twice:
            raise _fail("{p} is in groups more than once", p=", ".join(twice))
        if joint:
            raise _fail("{p} is several numbers with a law of their own and cannot join a group", p=", ".join(joint))
        return self
