"""How a GPU is cut into slices (NVIDIA MIG): which there are, where each may start, and which go together.

A cut GPU has *memory slices* in a row (eight, or four) and fewer *compute slices*. An instance takes a run of memory
slices from one of a few starts: a GPU with room for it in sum may have none in a row, which is fragmentation. Source of
the rules: NVIDIA Multi-Instance GPU User Guide, r580, "Supported MIG Profiles" and "Creating GPU Instances"
(``nvidia-smi mig -lgipp``). Compute instances within an instance are left out: they share memory, and no work here
asks for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.profiles.sourced import Profile, Sourced, SourcedBytes
from sim.validation import Spec

Few = Annotated[int, Field(ge=1, le=16, strict=True)]
Starts = Annotated[list[Annotated[int, Field(ge=0, le=15, strict=True)]], Field(min_length=1)]


class SliceSpec(Spec):
    """One kind of instance: so many compute and memory slices, from any of ``starts``, ``most`` of it on one GPU.

    ``multiprocessors`` and ``usable`` memory are what a program on it has.
    """

    compute: Few
    memory: Few
    starts: Sourced[Starts]
    most: Few
    multiprocessors: Sourced[Annotated[int, Field(ge=1, le=100_000, strict=True)]]
    usable: SourcedBytes

    @model_validator(mode="after")
    def _starts_rise(self) -> SliceSpec:
        starts = list(self.starts.value)
        if starts != sorted(set(starts)):
            raise PydanticCustomError("order", "its starts must increase")
        return self


class SlicesProfile(Profile):
    """How one kind of GPU can be cut: ``compute`` and ``memory`` slices of the whole, and the instances by name."""

    kind: Literal["slices"]
    compute: Few
    memory: Few
    slices: dict[Annotated[str, Field(pattern=r"^[0-9]+g\.[0-9]+gb([+-][a-z.]+)*$", max_length=40)], SliceSpec] = Field(
        min_length=1
    )

    @model_validator(mode="after")
    def _within(self) -> SlicesProfile:
        for name, one in self.slices.items():
            if one.compute > self.compute or max(one.starts.value) + one.memory > self.memory:
                raise PydanticCustomError("slices", "'{name}' reaches beyond the whole GPU", {"name": name})
        return self

    @property
    def geometry(self) -> Geometry:
        """The rules alone."""
        kinds = {
            name: SliceKind(one.compute, one.memory, tuple(one.starts.value), one.most)
            for name, one in self.slices.items()
        }
        return Geometry(self.compute, self.memory, kinds)


class SliceKind(NamedTuple):
    """One kind of instance, in slices."""

    compute: int
    memory: int
    starts: tuple[int, ...]
    most: int


class Placed(NamedTuple):
    """An instance on a GPU: its kind, and its first memory slice."""

    kind: str
    start: int


@dataclass(frozen=True)
class Geometry:
    """The rules by which one GPU is cut. All of it is pure: ``taken`` are the instances that are there."""

    compute: int
    memory: int
    kinds: Mapping[str, SliceKind]

    def starts(self, taken: Sequence[Placed], kind: str) -> tuple[int, ...]:
        """Where another instance of ``kind`` may be made, lowest first; nowhere if the tuple is empty."""
        wanted = self.kinds[kind]
        if sum(placed.kind == kind for placed in taken) >= wanted.most:
            return ()
        if sum(self.kinds[placed.kind].compute for placed in taken) + wanted.compute > self.compute:
            return ()
        held = self.mask(taken)
        return tuple(start for start in wanted.starts if not held & _run(start, wanted.memory))

    def mask(self, taken: Iterable[Placed]) -> int:
        """The memory slices that are taken, as bits."""
        held = 0
        for placed in taken:
            held |= _run(placed.start, self.kinds[placed.kind].memory)
        return held

    def freedom(self, taken: Sequence[Placed]) -> int:
        """How much may still be asked for: memory slices of each start of each kind that is open, summed."""
        return sum(len(self.starts(taken, kind)) * wanted.memory for kind, wanted in self.kinds.items())

    def place(self, taken: Sequence[Placed], kind: str) -> Placed | None:
        """Where an instance goes: at the start that leaves most freedom, the lowest of several; None if nowhere."""
        open_ = [Placed(kind, start) for start in self.starts(taken, kind)]
        return max(open_, key=lambda placed: (self.freedom((*taken, placed)), -placed.start), default=None)

    def arrange(self, kinds: Sequence[str], taken: Sequence[Placed] = ()) -> tuple[Placed, ...] | None:
        """Places for all of ``kinds`` at once beside what is there, in their order; None where they do not fit.

        Unlike one ``place`` after another it finds them whenever there are some.
        """
        largest = sorted(range(len(kinds)), key=lambda i: (-self.kinds[kinds[i]].memory, kinds[i]))
        found = self._arranged([kinds[i] for i in largest], tuple(taken))
        if found is None:
            return None
        where = dict(zip(largest, found, strict=True))
        return tuple(where[i] for i in range(len(kinds)))

    def _arranged(self, kinds: Sequence[str], taken: tuple[Placed, ...]) -> tuple[Placed, ...] | None:
        if not kinds:
            return ()
        for start in self.starts(taken, kinds[0]):
            placed = Placed(kinds[0], start)
            rest = self._arranged(kinds[1:], (*taken, placed))
            if rest is not None:
                return (placed, *rest)
        return None

    def arrangements(self, kinds: Iterable[str] | None = None) -> frozenset[frozenset[Placed]]:
        """Every arrangement of instances of ``kinds`` (all there are) that can be, the empty one included."""
        names = tuple(self.kinds if kinds is None else kinds)
        found: set[frozenset[Placed]] = set()
        ahead: list[frozenset[Placed]] = [frozenset()]
        while ahead:
            taken = ahead.pop()
            if taken not in found:
                found.add(taken)
                ahead += [taken | {Placed(name, at)} for name in names for at in self.starts(tuple(taken), name)]
        return frozenset(found)

    def full(self, kinds: Iterable[str] | None = None) -> frozenset[frozenset[Placed]]:
        """Those of them beside which no further instance of ``kinds`` fits."""
        names = tuple(self.kinds if kinds is None else kinds)
        return frozenset(
            taken for taken in self.arrangements(names) if not any(self.starts(tuple(taken), name) for name in names)
        )

    def smallest(self, compute: float, memory: float) -> str | None:
        """The kind with the fewest slices that gives these shares (0..1) of the GPU, without media engines of its own.

        The first of equals; None where not even the whole is enough.
        """
        enough = [
            (kind.memory, kind.compute, i, name)
            for i, (name, kind) in enumerate(self.kinds.items())
            if kind.compute >= (compute - PER_MILLE) * self.compute
            if kind.memory >= (memory - PER_MILLE) * self.memory
            if "+" not in name
        ]
        return min(enough)[-1] if enough else None


PER_MILLE = 0.001
"""Parts of GPUs are asked for in thousandths: 143 of them are one slice of seven."""


def _run(start: int, length: int) -> int:
    return ((1 << length) - 1) << start
