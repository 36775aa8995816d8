"""Where the times of a served model's iterations come from."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sim.documents import KeyPath
from sim.kinds import Choice
from sim.later import later
from sim.validation import Spec

with later():
    from sim.profiles.kernel_tables.package import installed


Tokens = Annotated[float, Field(ge=1.0, le=1e7)]


class StepTime(Choice):
    """How long iterations take."""

    family: ClassVar[str] = "step time"
    pads_ranks: ClassVar[bool] = True
    """Whether data-parallel ranks are padded to the largest, and tiles of attention filled up; a table of whole
    iterations says what it says."""

    @property
    def files(self) -> tuple[tuple[KeyPath, str], ...]:
        """Every file that it names, with its path below ``step_time``."""
        return ()

    @property
    def packages(self) -> tuple[str, ...]:
        """Distributions whose files decide it, which the manifest names with their versions."""
        return ()


class Roofline(StepTime):
    """Iteration times from the model, the GPU's profile and the stack's coefficients."""

    kind: Literal["roofline"] = "roofline"


class TypicalLengths(Spec):
    """Tokens of a prompt, and of the context that a decode attends to, where attention meets what was measured."""

    prompt: Tokens
    context: Tokens


class MeasuredSteps(StepTime):
    """Iteration times from a table: a CSV of ``phase`` (prompt, decode), ``tokens`` in the batch, ``time_ms``.

    Linear between rows, and beyond the last. ``mixed`` multiplies the time of an iteration that has both. What an
    iteration draws beyond loaded GPUs is the roofline's, with contexts of the workload's mean length: its J where the
    roofline is as fast, its W where it is not. ``lengths`` are those of the workload; needed where it has no
    ``lengths`` of kind ``separate``.
    """

    pads_ranks: ClassVar[bool] = False
    file: str
    mixed: float = Field(default=1.0, ge=1.0, le=10.0)
    lengths: TypicalLengths | None = None

    @property
    def files(self) -> tuple[tuple[KeyPath, str], ...]:
        """The table."""
        return ((("file",), self.file),)


class KernelSteps(StepTime):
    """Iteration times summed from measured kernels, and what the stack adds beside them (``coldaisle[kernels]``).

    ``version`` is the framework's in the tables, and ``system`` their folder, by default that of the GPU's profile.
    ``fp8`` says how weights in fp8 are scaled, by tensor or in blocks (kernels differ threefold), and is needed where
    there are such. ``popularity`` is how tokens choose experts.
    ``lengths`` are those of the workload; needed where it has no ``lengths`` of kind ``separate``. Energy of operations
    and bytes is the roofline's, that of multiprocessors at work goes by the measured times.
    """

    framework: Literal["vllm", "sglang", "trtllm"]
    version: str
    system: str | None = None
    fp8: Literal["tensor", "block"] | None = None
    popularity: Literal["balanced", "power_law_1.01", "power_law_1.2"] = "power_law_1.2"
    lengths: TypicalLengths | None = None

    @property
    def files(self) -> tuple[tuple[KeyPath, str], ...]:
        """The list of what is installed, which has a hash of every table."""
        found = installed()
        return (((), str(found.record)),) if found is not None else ()

    @property
    def packages(self) -> tuple[str, ...]:
        """The one that holds the tables."""
        return ("aiconfigurator-core",)
