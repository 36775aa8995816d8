"""A model taken apart into kernels is the model: the same weights multiplied, the same pairs, the same cache."""

from __future__ import annotations

import pytest

from sim.profiles.catalog import Catalog
from sim.profiles.language_models.layers import layers_of
from sim.profiles.language_models.model import shape

MODELS = [name for name, path in Catalog().paths().items() if path.parent.name == "models"]


@pytest.mark.parametrize("name", MODELS)
def test_kernels_multiply_the_weights_of_the_model(name: str) -> None:
    """Twice the weights of all kernels are the FLOP of a token; of the counted kind, to a layer's rounding."""
    architecture = Catalog().model(name).architecture
    whole, kernels = shape(architecture), layers_of(architecture)
    mixture = kernels.mixture
    experts = mixture.layers * mixture.per_token * mixture.matrices * mixture.hidden * mixture.width if mixture else 0
    slack = 3 * whole.hidden * whole.layers if architecture.kind == "parameters" else 0
    states = sum(part.layers * part.prompt_flop for part in kernels.recurrences)
    assert abs(2 * (kernels.multiplied + experts) + states - whole.matmul_flop_per_token) <= 2 * slack


@pytest.mark.parametrize("name", MODELS)
def test_kernels_attend_to_what_the_model_does(name: str) -> None:
    """FLOP of a pair as sequences decode, full and within windows."""
    architecture = Catalog().model(name).architecture
    whole = shape(architecture)
    scored = sum(part.layers * part.pair_flop // 2 for part in layers_of(architecture).indexers)  # in 8 bits
    decoding = whole.attention_flop_full + whole.absorbed_flop_full - scored
    for windowed, expected in ((False, decoding), (True, whole.attention_flop_windowed)):
        parts = [part for part in layers_of(architecture).attentions if bool(part.window) == windowed]
        assert sum(2 * p.layers * p.heads * (p.head_dim + p.value_dim) for p in parts) == expected


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("tensor", [2, 8])
def test_shares_of_a_group_make_up_the_model(name: str, tensor: int) -> None:
    """Sliced products add up to the whole, to rounding; what is not sliced is done by every GPU."""
    whole = layers_of(Catalog().model(name).architecture)
    for product, part in zip(whole.products, whole.on(tensor).products, strict=True):
        if product.split == "whole":
            assert part == product
        else:
            assert 0 <= tensor * part.n * part.k - product.n * product.k < tensor * max(product.n, product.k)
