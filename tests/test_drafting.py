"""A draft model reads along: its passes over prompts and its cache, beside those of the model that verifies."""

from __future__ import annotations

import numpy as np
import pytest

from sim.build.serving.deployment import Deployment
from sim.profiles import Catalog
from sim.profiles.iteration.capped import READ
from sim.profiles.iteration.cost import BOTH, CAPPED, COMPUTE, DECODES, ENERGY, MEMORY, PROMPTS, IterationCost
from sim.spec.serving import Serving

CATALOG = Catalog()
GUESSES = 4


def deployed(draft: str | None) -> Deployment:
    """Llama 3.1 8B on one GPU, which verifies four guesses a sequence whoever makes them."""
    written = {
        "kind": "serving", "model": "llama-3.1-8b", "stack": "generic-2025", "precision": {"weights": "bf16"},
        "replicas": {"count": 1}, "routing": "round-robin", "cpu_load": 0.1,
        "batching": {"max_num_seqs": 64, "max_num_batched_tokens": 4096},
        "arrivals": {"kind": "poisson", "rate": "1 request/s"},
        "speculative": {"draft_tokens": GUESSES, "acceptance": 0.7} | ({"draft_model": draft} if draft else {}),
    }  # fmt: skip
    spec = Serving.model_validate(written)
    assert spec.replicas is not None
    gpu, node = CATALOG.gpu("nvidia-h100-sxm-80gb"), CATALOG.node("dgx-h100")
    return Deployment.of(spec, spec.replicas, gpu, node, CATALOG)


def cost(draft: str | None) -> IterationCost:
    """Of an iteration there, without a cap."""
    return deployed(draft).roofline(700.0, 4096)


@pytest.mark.parametrize("draft", [None, "llama-3.2-1b"])
def test_what_is_kept_is_what_is_reckoned(draft: str | None) -> None:
    kept = cost(draft)
    tokens = np.arange(kept.table.shape[1] + 0.0)
    for cap_w in (400.0, 700.0):
        found, reckoned = (deployed(draft).roofline(cap_w, 4096, tokens=given) for given in (None, tokens))
        assert np.array_equal(found.table, reckoned.table)
        assert np.array_equal(found.slope, reckoned.slope)
        assert (found is kept) == (cap_w == 700.0)
    with pytest.raises(ValueError, match="read-only"):
        kept.table[...] = 0.0


def test_a_prompt_passes_through_the_draft_model_once() -> None:
    """Long prompts are arithmetic, so that time and energy rise as parameters do: 1.24 on 8.03 billion."""
    alone, drafted = cost(None), cost("llama-3.2-1b")
    for row in (COMPUTE, ENERGY):
        more = drafted.table[PROMPTS, 4096, row] / alone.table[PROMPTS, 4096, row] - 1
        assert more == pytest.approx(1.24 / 8.03, rel=0.35)  # its heads and narrow products are less efficient
    assert (drafted.table[PROMPTS, 0] == alone.table[PROMPTS, 0]).all()


def test_its_cache_is_read_with_every_guess() -> None:
    """16 layers of 8 heads of 64 values against 32 of 8 of 128: a quarter of the bytes, four times."""
    alone, drafted = cost(None), cost("llama-3.2-1b")
    assert drafted.slope[MEMORY, READ] == pytest.approx(alone.slope[MEMORY, READ] * (1 + GUESSES / 4), rel=1e-12)


def test_nothing_is_cheaper_with_a_draft_model_and_a_larger_one_costs_more() -> None:
    alone, small, large = cost(None), cost("llama-3.2-1b"), cost("llama-3.2-3b")
    for kind in (DECODES, PROMPTS, BOTH):
        assert (small.table[kind] >= alone.table[kind]).all()
        assert (large.table[kind, 1:] >= small.table[kind, 1:]).all()
    assert (small.slope >= alone.slope).all()
    per_joule = small.slope[CAPPED, READ] / small.slope[ENERGY, READ]
    assert small.table[..., CAPPED] == pytest.approx(small.table[..., ENERGY] * per_joule, rel=1e-9)
