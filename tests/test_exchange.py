"""How data-parallel ranks bring tokens to experts: all to every GPU, or each to those of its experts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import sim
from sim.errors import InputError
from sim.profiles.catalog import Catalog
from sim.profiles.iteration.collectives import collective_runs
from sim.profiles.language_models.model import shape
from sim.results.results import Results
from tests.iterations import H100, PLAIN, layout
from tests.test_large_batches import WIDE

MODEL = shape(Catalog().model("deepseek-v3").architecture)


def sent(data: int, routed: float, tokens: float = 4096.0) -> float:
    spread = replace(layout(data, expert=True, data=data), tensor=1, routed=routed)
    (run,) = collective_runs(MODEL, H100, PLAIN, spread, np.array([tokens]))
    return float(np.asarray(run.link_byte)[0])


@pytest.mark.parametrize("data", [16, 32, 144])
def test_a_routed_token_goes_to_its_experts_and_no_further(data: int) -> None:
    assert sent(data, 0.0) / sent(data, 1.0) == pytest.approx((data - 1) / MODEL.experts_per_token)


@pytest.mark.parametrize("data", [2, 4, 8])
def test_among_few_ranks_both_send_to_all_others(data: int) -> None:
    assert sent(data, 1.0) == sent(data, 0.0)


def _asked(**replicas: Any) -> Results:
    return sim.run(WIDE, set={f"workloads.api.replicas.{name}": value for name, value in replicas.items()})


def test_a_service_over_a_network_answers_more_by_it() -> None:
    gathered, routed = (_asked(exchange=way) for way in ("gather", "all-to-all"))
    name = "serving.api.throughput_tok_per_s"
    assert routed.at(name) > 1.2 * gathered.at(name)


def test_sliced_experts_need_all_tokens() -> None:
    with pytest.raises(InputError, match="'all-to-all' needs 'expert_parallel'"):
        _asked(exchange="all-to-all", expert_parallel=False)
