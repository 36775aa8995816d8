"""What weights take and are multiplied in, by the format that they are kept in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.profiles.machines.gpu import Precision

BITS = {"bf16": 16.0, "fp16": 16.0, "fp8": 8.0, "int8": 8.0, "int4": 4.125, "mxfp4": 4.25, "nvfp4": 4.5}
"""Of a weight. int4 with a 16-bit scale for 128 weights; mxfp4 with an 8-bit scale for 32 (OCP MX v1.0), nvfp4 with one
for 16 (Pretraining Large Language Models with NVFP4, arXiv:2509.25149, section 2)."""

ARITHMETIC: dict[str, Precision] = {
    "bf16": "bf16", "fp16": "fp16", "fp8": "fp8", "int8": "int8", "int4": "bf16", "mxfp4": "bf16", "nvfp4": "fp4",
}  # fmt: skip
"""What weights are multiplied in where nothing is said: int4 and mxfp4 are unpacked to 16 bits, which are fp16 on GPUs
without bf16."""

OPERAND_BYTES: dict[Precision, float] = {"fp8": 1.0, "int8": 1.0, "fp6": 1.0, "fp4": 0.5625}
"""Of a value that is multiplied, where activations are quantised; 2 elsewhere."""
