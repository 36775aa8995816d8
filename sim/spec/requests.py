"""What a serving workload is asked: arrival processes, lengths, shared prefixes, and traces replayed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.documents import KeyPath
from sim.quantities import AtLeastOne, Duration, PositiveDuration, RequestRate, ZoneName
from sim.validation import Spec

Tokens = Annotated[int, Field(ge=1, le=1 << 21, strict=True)]
Number = Annotated[int, Field(ge=1, le=10**12, strict=True)]
Scale = Annotated[float, Field(gt=0.0, le=1e6)]
CV = Annotated[float, Field(ge=0.05, le=20.0)]


class ConstantTokens(Spec):
    """Always as many."""

    kind: Literal["constant"]
    tokens: Tokens


class UniformTokens(Spec):
    """Every number from ``low`` to ``high`` equally likely."""

    kind: Literal["uniform"]
    low: Tokens
    high: Tokens

    @model_validator(mode="after")
    def _ordered(self) -> UniformTokens:
        if self.low > self.high:
            raise PydanticCustomError("order", "needs low <= high")
        return self


class LognormalTokens(Spec):
    """Lognormal with this mean and coefficient of variation, held between ``min`` and ``max``."""

    kind: Literal["lognormal"]
    mean: Annotated[float, Field(ge=1.0, le=1e6)]
    cv: Annotated[float, Field(gt=0.0, le=20.0)]
    min: Tokens = 1
    max: Tokens = 1 << 17


class HistogramTokens(Spec):
    """``tokens`` drawn with chances in proportion to ``weights``."""

    kind: Literal["histogram"]
    tokens: list[Tokens] = Field(min_length=1, max_length=100_000)
    weights: list[Annotated[float, Field(ge=0.0, le=1e18)]]

    @model_validator(mode="after")
    def _match(self) -> HistogramTokens:
        if len(self.tokens) != len(self.weights) or not sum(self.weights) > 0:
            raise PydanticCustomError("weights", "needs a weight for each of 'tokens', one of them above zero")
        return self


TokenLaw = Annotated[ConstantTokens | UniformTokens | LognormalTokens | HistogramTokens, Field(discriminator="kind")]


class SeparateLengths(Spec):
    """Prompt and output drawn independently."""

    kind: Literal["separate"]
    prompt: TokenLaw
    output: TokenLaw


class JointLengths(Spec):
    """Rows of a trace drawn with replacement, each prompt with its own output."""

    kind: Literal["joint"]
    file: str
    on_bad_rows: Literal["fail", "skip"] = "fail"


Lengths = Annotated[SeparateLengths | JointLengths, Field(discriminator="kind")]


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


class Poisson(Spec):
    """Exponential gaps."""

    kind: Literal["poisson"]
    rate: RequestRate
    requests: Number | None = None


class GammaRenewal(Spec):
    """Gamma gaps with a coefficient of variation: above 1 bursty, below 1 smooth."""

    kind: Literal["gamma"]
    rate: RequestRate
    cv: CV
    requests: Number | None = None


class WeibullRenewal(Spec):
    """Weibull gaps with a coefficient of variation."""

    kind: Literal["weibull"]
    rate: RequestRate
    cv: CV
    requests: Number | None = None


class ModulationState(Spec):
    """A Poisson rate, held for an exponential time of mean ``dwell``."""

    rate: RequestRate
    dwell: PositiveDuration


class Modulated(Spec):
    """A Markov-modulated Poisson process; each other state is equally likely to follow."""

    kind: Literal["mmpp"]
    states: list[ModulationState] = Field(min_length=2, max_length=64)
    requests: Number | None = None


class DiurnalRate(Spec):
    """A Poisson process whose rate is a cosine over the day (of ``zone``, or UTC), scaled on Saturdays and Sundays."""

    kind: Literal["diurnal"]
    rate: RequestRate = Field(description="Mean over a weekday.")
    peak_to_mean: Annotated[float, Field(ge=1.0, le=2.0)]
    peak_hour: Annotated[float, Field(ge=0.0, lt=24.0)]
    weekend: Annotated[float, Field(ge=0.0, le=10.0)] = 1.0
    zone: ZoneName | None = Field(default=None, description="Whose days these are, e.g. Europe/Berlin; UTC, if absent.")
    requests: Number | None = None


Process = Annotated[Poisson | GammaRenewal | WeibullRenewal | Modulated | DiurnalRate, Field(discriminator="kind")]


class ClientStream(Spec):
    """One client of a mix: its own process, lengths and priority (0 is the most urgent)."""

    name: str
    arrivals: Process
    lengths: Lengths
    prefix: Prefix | None = None
    priority: Annotated[int, Field(ge=0, le=7, strict=True)] = 0


class Clients(Spec):
    """Streams of several clients, merged."""

    kind: Literal["clients"]
    clients: list[ClientStream] = Field(min_length=1, max_length=1000)


class ClosedLoopUsers(Spec):
    """``concurrency`` users, each with one request under way and ``think_time`` before the next."""

    kind: Literal["closed-loop"]
    concurrency: Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
    think_time: Duration = Field(default="0 s", validate_default=True)
    requests: Number | None = None


class TraceReplay(Spec):
    """A trace in its native format, played from the start of the run or by its own clock, at a rate of one's choice."""

    kind: Literal["trace"]
    file: str
    format: Literal["azure", "burstgpt", "mooncake", "qwen-bailian", "ragpulse", "coldaisle"] | None = None
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


class LengthsFile(Spec):
    """Length distributions by window."""

    file: str


class ServeGenClient(Spec):
    """A client: the file of its windows (CSV), and that of its length distributions (JSON)."""

    file: str
    lengths: LengthsFile


class ServeGen(Spec):
    """Clients in the form of ServeGen, merged."""

    kind: Literal["servegen"]
    clients: list[ServeGenClient] = Field(min_length=1, max_length=1000)
    rate_scale: Scale = 1.0


class RoutedArrivals(Spec):
    """A share of a route's requests, which bring their lengths and prefixes with them."""

    kind: Literal["routed"]
    route: str


OpenArrivals = Annotated[
    Poisson | GammaRenewal | WeibullRenewal | Modulated | DiurnalRate | Clients | TraceReplay | ServeGen,
    Field(discriminator="kind"),
]
"""Requests that come whatever becomes of those before them."""

RequestArrivals = Annotated[
    Poisson
    | GammaRenewal
    | WeibullRenewal
    | Modulated
    | DiurnalRate
    | Clients
    | ClosedLoopUsers
    | TraceReplay
    | ServeGen
    | RoutedArrivals,
    Field(discriminator="kind"),
]

OWN_LENGTHS = (Clients, TraceReplay, ServeGen)
"""Arrivals that bring their lengths with them."""


def request_files(arrivals: RequestArrivals, lengths: Lengths | None) -> Iterator[tuple[KeyPath, str]]:
    """Every file that arrivals and lengths name, with its path below the workload."""
    if isinstance(lengths, JointLengths):
        yield ("lengths", "file"), lengths.file
    if isinstance(arrivals, TraceReplay):
        yield ("arrivals", "file"), arrivals.file
    elif isinstance(arrivals, ServeGen):
        for i, client in enumerate(arrivals.clients):
            yield ("arrivals", "clients", i, "file"), client.file
            yield ("arrivals", "clients", i, "lengths", "file"), client.lengths.file
    elif isinstance(arrivals, Clients):
        for i, stream in enumerate(arrivals.clients):
            if isinstance(stream.lengths, JointLengths):
                yield ("arrivals", "clients", i, "lengths", "file"), stream.lengths.file
