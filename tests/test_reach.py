"""What boards of another maker than the stacks' reach: what was measured on them, and never more than their peaks."""

from __future__ import annotations

import pytest

from sim.profiles.catalog import Catalog
from sim.profiles.machines.reach import OTHER_KERNELS, product_rate, stream_rate

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


@pytest.mark.parametrize("name", sorted(CHIPS))
def test_boards_that_stacks_were_told_by_are_left_alone(name: str) -> None:
    gpu = CHIPS[name]
    assert gpu.chip is not None
    bounded = [product_rate(gpu, precision, 1.0) < rate.value for precision, rate in gpu.peak.items()]
    bounded.append(stream_rate(gpu, 1.0) < gpu.memory.bandwidth.value)
    if gpu.chip.generation not in OTHER_KERNELS:
        assert not any(bounded)
    elif gpu.sustained:
        assert any(bounded)
