"""Measured mixtures of experts: by the tokens of all ranks, in their own shape or the likest that was measured.

A row is one GPU's whole work for one layer: its part of the experts, sliced or whole, with the tokens that ask them as
the ``popularity`` has it: ``balanced``, or by a power law of that exponent, where the GPU with most to do was timed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from sim.profiles.kernel_tables.curves import BORROWED, Answer, Curve, Floats
from sim.profiles.kernel_tables.roof import Experts, Roof
from sim.profiles.kernel_tables.tables import Shelf, Table

FORMATS: Mapping[str, tuple[str, ...]] = {
    "bf16": ("bfloat16",),
    "fp16": ("bfloat16",),
    "fp8": ("fp8",),
    "fp8-block": ("fp8_block", "fp8"),
    "int8": (),
    "int4": ("int4_wo",),
    "nvfp4": ("nvfp4",),
    "mxfp4": ("w4a8_mxfp4_mxfp8", "w4a16_mxfp4"),
}
"""As ``products.FORMATS``. Blackwell multiplies mxfp4 with activations in mxfp8, others with activations in 16 bits."""
ALIKE = 4.0
"""Shapes that are within this factor of one another in every size stand in for one another."""
COLUMNS = ("hidden_size", "inter_size", "topk", "num_experts", "moe_tp_size", "moe_ep_size")


def mixture(shelf: Shelf, roof: Roof, shape: Experts, tokens: Floats, word: str, popularity: str) -> Answer | None:
    """s of a layer's experts on one GPU for the ``tokens`` of all ranks; None where nothing alike was measured."""
    whole = shelf.table("moe", "moe_perf")
    if whole is None:
        return None
    for name in FORMATS.get(word, ()):
        table = whole.where(moe_dtype=name, distribution=popularity)
        if not len(table):
            continue
        near = _nearest(table, shape)
        if near is None:
            continue
        rows = table.where(**dict(zip(COLUMNS, _written(near), strict=True)))
        curve = Curve.of(rows["num_tokens"], rows["seconds"])
        assert curve is not None
        answer = curve.at(tokens, partial(roof.experts, near))
        if near == shape:
            return answer
        some = np.maximum(tokens, 1.0)
        return answer.beyond(float(curve.y.min()), roof.experts(shape, some) / roof.experts(near, some)).at_most(
            BORROWED
        )
    return None


def _written(shape: Experts) -> tuple[int, ...]:
    return shape.hidden, shape.width, shape.per_token, shape.experts, shape.tensor, shape.expert


def _nearest(table: Table, shape: Experts) -> Experts | None:
    """The measured shape that is likest; itself, where it was measured. None where none is alike."""
    measured = np.unique(np.stack([table[name] for name in COLUMNS], axis=1), axis=0)
    shapes = [Experts(*(int(size) for size in row)) for row in measured]
    if shape in shapes:
        return shape
    away = np.abs(np.log(np.array([other.sizes for other in shapes]) / np.array(shape.sizes)))
    alike = np.flatnonzero(away.max(axis=1) <= np.log(ALIKE))
    return shapes[alike[np.argmin(away[alike].sum(axis=1))]] if len(alike) else None
