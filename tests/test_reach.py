"""What boards of another maker than the stacks' reach: what was measured on them, and never more than their peaks."""

from __future__ import annotations

import pytest

from sim.profiles.catalog import Catalog
from sim.profiles.machines.gpu import Precision
from sim.profiles.machines.reach import ALIKE, OF_16_BITS, TOLD, UNCUT_FLOP, kernel_share, product_rate, stream_rate

CATALOG = Catalog()
CHIPS = {
    name: gpu
    for name, path in CATALOG.paths().items()
    if path.parent.name == "gpus" and (gpu := CATALOG.gpu(name)).chip is not None
}


@pytest.mark.parametrize("share", [0.6, 0.81, 0.95])
def test_measured_products_and_streams_bound_what_a_stack_asks_of_an_mi300x(share: float) -> None:
    gpu = CHIPS["amd-mi300x"]
    assert product_rate(gpu, "bf16", share) * share == pytest.approx(668.4e12)
    assert product_rate(gpu, "fp16", share) == product_rate(gpu, "bf16", share)
    assert product_rate(gpu, "fp8", share) * share == pytest.approx(1159.5e12)
    assert stream_rate(gpu, 0.91) * 0.91 == pytest.approx(4.094e12)


def test_a_share_below_what_was_measured_is_of_the_peak() -> None:
    gpu = CHIPS["amd-mi300x"]
    assert product_rate(gpu, "bf16", 0.4) == gpu.peak["bf16"].value
    assert stream_rate(gpu, 0.5) == gpu.memory.bandwidth.value


def test_a_precision_that_was_not_measured_goes_by_its_peak() -> None:
    gpu = CHIPS["amd-mi300x"]
    assert product_rate(gpu, "tf32", 0.81) == gpu.peak["tf32"].value


def _cut(name: str, precision: Precision) -> bool:
    """Whether its tensor cores do less in a cycle than its generation's."""
    chip = CHIPS[name].chip
    assert chip is not None
    if chip.generation not in UNCUT_FLOP or precision not in OF_16_BITS:
        return False
    a_cycle = float(CHIPS[name].peak[precision].value) / (chip.multiprocessors.value * float(chip.clock.value))
    return a_cycle < 0.9 * UNCUT_FLOP[chip.generation] * OF_16_BITS[precision]


@pytest.mark.parametrize("name", sorted(CHIPS))
def test_boards_that_stacks_were_told_by_are_left_alone_and_others_reach_what_was_measured(name: str) -> None:
    gpu = CHIPS[name]
    for precision, peak in gpu.peak.items():
        measured = gpu.sustained.get(precision) or gpu.sustained.get(ALIKE.get(precision, precision))
        for share in (0.28, 0.8, 1.0):
            rate = product_rate(gpu, precision, share)
            if name in TOLD or measured is None:
                assert rate == peak.value
            else:
                assert rate * share <= float(measured.value) * (1 + 1e-12)
                assert _cut(name, precision) or rate <= peak.value
    if name in TOLD:
        assert stream_rate(gpu, 1.0) == gpu.memory.bandwidth.value


BOARDS_THAT_ARE_CUT = {  # share of the peak that products of 16 bits reach by PyTorch
    "nvidia-a10g": 0.99,
    "nvidia-h20-96gb": 0.96,
    "nvidia-l40": 0.91,
    "nvidia-rtx-3090": 0.82,
    "nvidia-rtx-4090": 0.89,
    "nvidia-rtx-5090": 0.95,
}


@pytest.mark.parametrize("name", sorted(CHIPS))
def test_cut_tensor_cores_come_near_their_peak_whatever_a_stack_s_share(name: str) -> None:
    """A share of 0.8 is of what the multiprocessors could feed, so that 0.5 of twice as much is all that is left."""
    gpu = CHIPS[name]
    precision: Precision = "bf16" if "bf16" in gpu.peak else "fp16" if "fp16" in gpu.peak else "fp32"
    assert _cut(name, precision) == (name in BOARDS_THAT_ARE_CUT)
    if name in BOARDS_THAT_ARE_CUT:
        reached = 0.8 * product_rate(gpu, precision, 0.8) / float(gpu.peak[precision].value)
        assert reached == pytest.approx(BOARDS_THAT_ARE_CUT[name], abs=0.01)
        own = kernel_share(gpu, precision, 0.63, 0.8) * product_rate(gpu, precision, 0.8)
        assert own == pytest.approx(0.63 * product_rate(gpu, precision, 0.63))
    else:
        assert kernel_share(gpu, precision, 0.63, 0.8) == 0.63


@pytest.mark.parametrize(("name", "most"), [("nvidia-l4", 0.48), ("nvidia-t4", 0.37), ("nvidia-h100-pcie-80gb", 0.66)])
def test_a_limit_of_few_watts_holds_products_back(name: str, most: float) -> None:
    gpu = CHIPS[name]
    precision: Precision = "bf16" if "bf16" in gpu.peak else "fp16"
    reached = 0.8 * product_rate(gpu, precision, 0.8) / float(gpu.peak[precision].value)
    assert reached == pytest.approx(most, abs=0.01)
