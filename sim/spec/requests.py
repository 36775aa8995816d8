"""What a serving workload is asked: arrival processes, lengths, shared prefixes, and traces replayed."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.documents import KeyPath
from sim.kinds import Choice, NameIn
from sim.quantities import AtLeastOne, Duration, PositiveDuration, RequestRate, ZoneName
from sim.validation import Spec

Tokens = Annotated[int, Field(ge=1, le=1 << 21, strict=True)]
Number = Annotated[int, Field(ge=1, le=10**12, strict=True)]
Scale = Annotated[float, Field(gt=0.0, le=1e6)]
CV = Annotated[float, Field(ge=0.05, le=20.0)]


class TokenLaw(Choice):
    """How many tokens a prompt or an output has."""

    family: ClassVar[str] = "token law"

    @property
    @abstractmethod
    def mean_tokens(self) -> float:
        """Their mean, at least 1."""

    @property
    def weighted_tokens(self) -> float:
        """The mean where each counts by its tokens, in which the long ones are met more often; as the mean where the
        law tells no more."""
        return self.mean_tokens


class ConstantTokens(TokenLaw):
    """The same number of tokens always."""

    tokens: Tokens

    @property
    def mean_tokens(self) -> float:
        """As many."""
        return float(self.tokens)


class UniformTokens(TokenLaw):
    """Every number from ``low`` to ``high`` equally likely."""

    low: Tokens
    high: Tokens

    @model_validator(mode="after")
    def _ordered(self) -> UniformTokens:
        if self.low > self.high:
            raise PydanticCustomError("order", "needs low <= high")
        return self

    @property
    def mean_tokens(self) -> float:
        """Half way."""
        return (self.low + self.high) / 2.0

    @property
    def weighted_tokens(self) -> float:
        """Of every number alike."""
        spread = (self.high - self.low + 1) ** 2 - 1
        return self.mean_tokens + spread / 12.0 / self.mean_tokens


class LognormalTokens(TokenLaw):
    """Lognormal with this mean and coefficient of variation, held between ``min`` and ``max``."""

    mean: Annotated[float, Field(ge=1.0, le=1e6)]
    cv: Annotated[float, Field(gt=0.0, le=20.0)]
    min: Tokens = 1
    max: Tokens = 1 << 17

    @property
    def mean_tokens(self) -> float:
        """Of the law before its tails are cut, which makes it smaller by little; at most ``max``."""
        return min(self.mean, float(self.max))

    @property
    def weighted_tokens(self) -> float:
        """Of the law before its tails are cut; at most ``max``."""
        return min(self.mean * (1.0 + self.cv**2), float(self.max))


class HistogramTokens(TokenLaw):
    """``tokens`` drawn with chances in proportion to ``weights``."""

    tokens: list[Tokens] = Field(min_length=1, max_length=100_000)
    weights: list[Annotated[float, Field(ge=0.0, le=1e18)]]

    @model_validator(mode="after")
    def _match(self) -> HistogramTokens:
        if len(self.tokens) != len(self.weights) or not sum(self.weights) > 0:
            raise PydanticCustomError("weights", "needs a weight for each of 'tokens', one of them above zero")
        return self

    @property
    def mean_tokens(self) -> float:
        """Weighted."""
        return sum(t * w for t, w in zip(self.tokens, self.weights, strict=True)) / sum(self.weights)

    @property
    def weighted_tokens(self) -> float:
        """By tokens."""
        tokens = sum(t * w for t, w in zip(self.tokens, self.weights, strict=True))
        return sum(t * t * w for t, w in zip(self.tokens, self.weights, strict=True)) / tokens


class Lengths(Choice):
    """How long prompts and outputs are."""

    family: ClassVar[str] = "lengths"

    @property
    def mean_tokens(self) -> float:
        """Of a prompt and its output together; 2, the least there is, where only a file would tell."""
        return 2.0

    @property
    def files(self) -> tuple[tuple[KeyPath, str], ...]:
        """Every file that is read for them, with its path below the lengths."""
        return ()


class SeparateLengths(Lengths):
    """Prompt and output drawn independently."""

    prompt: TokenLaw
    output: TokenLaw

    @property
    def mean_tokens(self) -> float:
        """Of both laws."""
        return self.prompt.mean_tokens + self.output.mean_tokens


class JointLengths(Lengths):
    """Rows of a trace drawn with replacement, each prompt with its own output."""

    file: str
    on_bad_rows: Literal["fail", "skip"] = "fail"

    @property
    def files(self) -> tuple[tuple[KeyPath, str], ...]:
        """The trace, with its path below the lengths."""
        return ((("file",), self.file),)


class SharedDocuments(Spec):
    """Each prompt begins with one of ``count`` documents (or system prompts), chosen by Zipf's law."""

    kind: Literal["documents"]
    count: Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
    tokens: Tokens
    zipf: Annotated[float, Field(ge=0.0, le=5.0)]
    block_tokens: Annotated[int, Field(ge=1, le=4096, strict=True)] = 16


class Turns(Spec):
    """Conversations: arrivals are of first turns, each later one repeats all before it after a mean ``think_time``."""

    kind: Literal["conversations"]
    turns: AtLeastOne = Field(description="Mean number of turns, geometric.")
    think_time: PositiveDuration
    max_tokens: Tokens = 1 << 15
    block_tokens: Annotated[int, Field(ge=1, le=4096, strict=True)] = 16


Prefix = Annotated[SharedDocuments | Turns, Field(discriminator="kind")]


class RequestArrivals(Choice):
    """How requests come, and what they bring with them."""

    family: ClassVar[str] = "arrivals"
    brings_lengths: ClassVar[bool] = False
    """Whether lengths, and prefixes where there are any, come with it."""

    @property
    def endless(self) -> bool:
        """Whether it ends with the run alone."""
        return False

    @property
    def files(self) -> tuple[tuple[KeyPath, str], ...]:
        """Every file that it names, with its path below the arrivals."""
        return ()


class OpenArrivals(RequestArrivals):
    """Requests that come whatever becomes of those before them."""


class ArrivalProcess(OpenArrivals):
    """Arrivals that are drawn, of so many requests or for ever."""

    if TYPE_CHECKING:
        requests: Number | None

    @property
    def endless(self) -> bool:
        """Unless it says how many requests."""
        return self.requests is None

    @property
    @abstractmethod
    def most_per_s(self) -> float:
        """The rate at its highest."""


class _OneRate(ArrivalProcess):
    """Arrivals whose rate does not change."""

    if TYPE_CHECKING:
        rate: RequestRate

    @property
    def most_per_s(self) -> float:
        """That rate."""
        return float(self.rate)


class Poisson(_OneRate):
    """A Poisson process: exponential gaps."""

    rate: RequestRate
    requests: Number | None = None


class GammaRenewal(_OneRate):
    """Gamma gaps with a coefficient of variation: above 1 bursty, below 1 smooth."""

    rate: RequestRate
    cv: CV
    requests: Number | None = None


class WeibullRenewal(_OneRate):
    """Weibull gaps with a coefficient of variation."""

    rate: RequestRate
    cv: CV
    requests: Number | None = None


class ModulationState(Spec):
    """A Poisson rate, held for an exponential time of mean ``dwell``."""

    rate: RequestRate
    dwell: PositiveDuration


class Modulated(ArrivalProcess):
    """A Markov-modulated Poisson process; each other state is equally likely to follow."""

    states: list[ModulationState] = Field(min_length=2, max_length=64)
    requests: Number | None = None

    @property
    def most_per_s(self) -> float:
        """That of its busiest state."""
        return max(float(state.rate) for state in self.states)


class DiurnalRate(ArrivalProcess):
    """A Poisson process whose rate is a cosine over the day (of ``zone``, or UTC), scaled on Saturdays and Sundays."""

    rate: RequestRate = Field(description="Mean over a weekday.")
    peak_to_mean: Annotated[float, Field(ge=1.0, le=2.0)]
    peak_hour: Annotated[float, Field(ge=0.0, lt=24.0)]
    weekend: Annotated[float, Field(ge=0.0, le=10.0)] = 1.0
    zone: ZoneName | None = Field(default=None, description="Whose days these are, e.g. Europe/Berlin; UTC, if absent.")
    requests: Number | None = None

    @property
    def most_per_s(self) -> float:
        """That of its peak hour, on the busier days."""
        return float(self.rate) * self.peak_to_mean * max(1.0, self.weekend)


class ClientStream(Spec):
    """One client of a mix: its own process, lengths and priority (0 is the most urgent)."""

    name: str
    arrivals: ArrivalProcess
    lengths: Lengths
    prefix: Prefix | None = None
    priority: Annotated[int, Field(ge=0, le=7, strict=True)] = 0


class Clients(OpenArrivals):
    """Streams of several clients, merged."""

    brings_lengths: ClassVar[bool] = True

    clients: list[ClientStream] = Field(min_length=1, max_length=1000)

    @property
    def endless(self) -> bool:
        """As long as any of them is."""
        return any(client.arrivals.endless for client in self.clients)

    @property
    def files(self) -> tuple[tuple[KeyPath, str], ...]:
        """Those of their lengths."""
        return tuple(
            (("clients", i, "lengths", *at), file)
            for i, client in enumerate(self.clients)
            for at, file in client.lengths.files
        )


class ClosedLoopUsers(RequestArrivals):
    """``concurrency`` users, each with one request under way and ``think_time`` before the next."""

    concurrency: Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
    think_time: Duration = Field(default="0 s", validate_default=True)
    requests: Number | None = None

    @property
    def endless(self) -> bool:
        """Unless it says how many requests."""
        return self.requests is None


class TraceReplay(OpenArrivals):
    """A trace in its native format, played from the start of the run or by its own clock, at a rate of one's choice."""

    brings_lengths: ClassVar[bool] = True

    file: str
    format: Annotated[str, NameIn("request trace")] | None = None
    on_bad_rows: Literal["fail", "skip"] = "fail"
    rate_scale: Scale = 1.0
    prompt_scale: Scale = 1.0
    output_scale: Scale = 1.0
    repeat: bool = False
    align: Literal["start", "clock"] = "start"
    requests: Number | None = None
    block_tokens: Annotated[int, Field(ge=1, le=4096, strict=True)] | None = Field(
        default=None, description="Tokens of a hashed block, where they are not those of the format's publisher."
    )

    @property
    def endless(self) -> bool:
        """If it is repeated, unless it says how many requests."""
        return self.repeat and self.requests is None

    @property
    def files(self) -> tuple[tuple[KeyPath, str], ...]:
        """The trace."""
        return ((("file",), self.file),)


class LengthsFile(Spec):
    """Length distributions by window."""

    file: str


class ServeGenClient(Spec):
    """A client: the file of its windows (CSV), and that of its length distributions (JSON)."""

    file: str
    lengths: LengthsFile


class ServeGen(OpenArrivals):
    """Clients in the form of ServeGen, merged."""

    brings_lengths: ClassVar[bool] = True

    clients: list[ServeGenClient] = Field(min_length=1, max_length=1000)
    rate_scale: Scale = 1.0

    @property
    def files(self) -> tuple[tuple[KeyPath, str], ...]:
        """Those of windows and of lengths of each client."""
        return tuple(
            one
            for i, client in enumerate(self.clients)
            for one in (
                (("clients", i, "file"), client.file),
                (("clients", i, "lengths", "file"), client.lengths.file),
            )
        )


class RoutedArrivals(RequestArrivals):
    """A share of a route's requests, which bring their lengths and prefixes with them."""

    route: str
