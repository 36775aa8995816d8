"""Messages of served models by how their GPUs are joined: kernels of the stack's own, or NCCL's over PCIe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim.build.serving.messages import over_pcie
from sim.profiles.catalog import Catalog
from sim.profiles.iteration.collectives import collective_runs
from sim.profiles.iteration.message_time import Ways, quickest_time
from sim.profiles.iteration.runs import Run
from sim.profiles.language_models.model import shape
from tests.iterations import H100, PLAIN, layout

CATALOG = Catalog()
DENSE, MIXTURE = "llama-3.1-70b", "qwen3-30b-a3b"


def ways(node: str, stack: str, gpus: int, kind: str = "all-reduce") -> Ways:
    profile = CATALOG.node(node)
    assert profile.gpus is not None
    return over_pcie(kind, gpus, profile, CATALOG.gpu(profile.gpus.profile), CATALOG.stack(stack))  # type: ignore[arg-type]  # a word of a list is a str, not a Literal


@pytest.mark.parametrize("stack", ["generic-2025", "vllm-2025", "vllm-2026", "sglang-2026", "trtllm-2026"])
@pytest.mark.parametrize("node", ["dgx-a100", "dgx-h100", "dgx-b200", "mi300x-8-gpu"])
def test_what_a_fabric_joins_is_left_to_the_stack(node: str, stack: str) -> None:
    assert [ways(node, stack, gpus) for gpus in (1, 2, 4, 8)] == [()] * 4


@pytest.mark.parametrize(
    ("stack", "by_library"),
    [("generic-2025", [2, 4, 8]), ("trtllm-2026", [2, 4, 8]), ("vllm-2025", [4, 8]), ("sglang-2026", [4, 8])],
)
def test_beyond_what_its_kernel_does_a_stack_goes_by_nccl(stack: str, by_library: list[int]) -> None:
    """vLLM's own all-reduce serves a pair over PCIe and no more."""
    assert [gpus for gpus in (1, 2, 4, 8) if ways("a100-pcie-server", stack, gpus)] == by_library


def test_a_bridge_is_no_bus_and_what_is_beyond_a_node_is_the_networks() -> None:
    node = "h100-pcie-bridged-server"
    assert [bool(ways(node, "generic-2025", gpus)) for gpus in (2, 4, 8, 16)] == [False, True, True, False]


def reduced(found: Ways, tensor: int, tokens: float) -> Run:
    stack = replace(PLAIN, reduces=found)
    (run,) = collective_runs(shape(CATALOG.model(DENSE).architecture), H100, stack, layout(tensor), np.array([tokens]))
    return run


def test_an_all_reduce_is_no_quicker_than_the_stack_has_it_on_a_fabric() -> None:
    """Slower ways are taken as they are, quicker ones not; none of both sends other bytes."""
    own = reduced((), 4, 8.0)
    slow, quick = ((100e-6, 1e-9), (300e-6, 1e-11)), ((1e-9, 1e-15),)
    byte = 8.0 * CATALOG.model(DENSE).architecture.hidden * 2.0
    late = reduced(slow, 4, 8.0)
    assert late.time.seconds == pytest.approx(quickest_time(byte, slow).seconds)
    assert reduced(quick, 4, 8.0).time.seconds == pytest.approx(own.time.seconds)
    assert own.link_byte == pytest.approx(late.link_byte)
    assert reduced(slow, 4, 0.0).time.seconds == 0.0


def test_every_shipped_link_that_is_pcie_says_so() -> None:
    gpus = [CATALOG.gpu(name).link for name, path in CATALOG.paths().items() if path.parent.name == "gpus"]
    nodes = [CATALOG.node(name).islands for name, path in CATALOG.paths().items() if path.parent.name == "nodes"]
    islands = [link for node in nodes if node is not None for link in (node.within, node.between) if link is not None]
    assert islands
    for link in gpus + islands:
        assert link.name.startswith("PCIe") == (link.medium == "pcie"), link.name
