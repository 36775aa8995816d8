"""Cold starts by the size of what is brought: an image from a registry, and weights."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Tag

from sim.quantities import Bytes, Duration, Fraction, PositiveByteRate
from sim.validation import Spec, mapping_or


class ColdStart(Spec):
    """What a new replica waits for: its image, which is pulled and then unpacked, and its weights."""

    image: Bytes = Field(description="Of all its layers, e.g. '15 GB'.")
    image_bandwidth: PositiveByteRate = Field(description="At which a node pulls it, e.g. '1 GB/s'.")
    cached: Fraction = Field(
        default="0", validate_default=True, description="The share of it in layers that every node has already."
    )
    unpack: PositiveByteRate | None = Field(
        default=None, description="Bytes of image unpacked a second; if absent, unpacking keeps up with the pull."
    )
    kept: bool = Field(
        default=False, description="Whether a node keeps what it has pulled: later starts on it bring weights alone."
    )
    weights_bandwidth: PositiveByteRate
    launch: Duration = Field(
        default="0 s", validate_default=True, description="Of the program itself, once all is there."
    )


class ColdStartOf(ColdStart):
    """The same, with the weights, of which a service of given times says nothing."""

    weights: Bytes = Field(description="That a replica reads, e.g. '14 GB'.")


StartUpOfModel = Annotated[
    Annotated[Duration, Tag("@word")] | Annotated[ColdStart, Tag("@mapping")], mapping_or("@word")
]
"""Of a served model, whose weights are known."""

StartUpOfService = Annotated[
    Annotated[Duration, Tag("@word")] | Annotated[ColdStartOf, Tag("@mapping")], mapping_or("@word")
]
"""Of a service whose times are given."""
