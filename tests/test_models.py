"""Parameter counts from architectures against those the publishers state, and the laws of what a token costs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.build.serving.deployment import Deployment
from sim.profiles import Catalog
from sim.profiles.language_models.layers import layers_of
from sim.profiles.language_models.model import ParameterCounts, distinct_experts, popularity, shape
from sim.spec.serving import Serving

# The exact numbers of parameters that the published checkpoints hold (sums over their tensors).
PUBLISHED = {
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "mistral-large-2": 122_610_069_504,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "llama-3.3-70b": 70_553_706_496,
    "mistral-7b": 7_241_732_096,
    "mixtral-8x7b": 46_702_792_704,
    "mixtral-8x22b": 140_620_634_112,
    "qwen2.5-7b": 7_615_616_512,
    "qwen2.5-14b": 14_770_033_664,
    "qwen2.5-32b": 32_763_876_352,
    "qwen2.5-72b": 72_706_203_648,
    "qwen3-8b": 8_190_735_360,
    "qwen3-14b": 14_768_307_200,
    "qwen3-32b": 32_762_123_264,
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-235b-a22b": 235_093_634_560,
    "gpt-oss-20b": 20_914_757_184,
    "gpt-oss-120b": 116_829_156_672,
    "gemma-2-9b": 9_241_705_984,
    "gemma-2-27b": 27_227_128_320,
    "bloom-176b": 176_247_271_424,
    "nemotron-nano-9b-v2": 8_888_227_328,
    "kimi-linear-48b-a3b": 49_122_681_728,
    "qwen3-next-80b-a3b": 79_674_391_296,
}

# Billions as the publishers round them: total, and active for each token.
ROUNDED = {
    "deepseek-v3": (671.0, 37.0),
    "deepseek-r1": (671.0, 37.0),
    "mixtral-8x7b": (46.7, 12.9),
    "mixtral-8x22b": (141.0, 39.0),
    "qwen3-30b-a3b": (30.5, 3.3),
    "qwen3-235b-a22b": (235.0, 22.0),
    "gpt-oss-20b": (20.9, 3.6),
    "gpt-oss-120b": (117.0, 5.1),
    "gemma-3-12b": (11.77, 11.77),
    "gemma-3-27b": (27.0, 27.0),
    "llama-4-scout": (109.0, 17.0),
    "qwen3-coder-480b-a35b": (480.0, 35.0),
    "qwen3.5-35b-a3b": (35.0, 3.0),
    "nemotron-3-nano-30b-a3b": (31.6, 3.2),
    "deepseek-v3.2": (671.0, 37.0),
    "glm-4.5-air": (106.0, 12.0),
    "glm-4.5": (355.0, 32.0),
    "glm-5": (744.0, 40.0),
    "kimi-k2": (1040.0, 32.6),
    "minimax-m2.5": (230.0, 10.0),
    "gpt-3-175b": (175.0, 175.0),
    "opt-30b": (30.0, 30.0),
    "opt-66b": (66.0, 66.0),
    "opt-175b": (175.0, 175.0),
}

MODELS = [name for name, path in Catalog().paths().items() if path.parent.name == "models"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_are_the_published_ones(name: str) -> None:
    assert shape(Catalog().model(name).architecture).parameters == PUBLISHED[name]


@pytest.mark.parametrize("name", ROUNDED)
def test_rounded_counts_agree(name: str) -> None:
    total, active = ROUNDED[name]
    found = shape(Catalog().model(name).architecture)
    assert found.parameters / 1e9 == pytest.approx(total, rel=0.02)
    # Publishers count the active ones with the input embeddings, without them, or without the head too.
    table = found.vocabulary * found.hidden
    counted = [(found.active_parameters + k * table) / 1e9 for k in (-1, 0, 1)]
    assert min(abs(count - active) for count in counted) <= 0.03 * active


def test_every_model_is_held_against_a_published_count() -> None:
    assert set(MODELS) == set(PUBLISHED) | set(ROUNDED)


@pytest.mark.parametrize(
    ("name", "kib"),
    # 2 x layers x KV heads x head dim x 2 bytes; DeepSeek: 61 x (512 + 64) x 2 bytes = 70,272 bytes
    # Kimi Linear: 7 layers of 512 + 64; Qwen3-Next: 12 of its 48 layers, 2 heads of 256
    [
        ("llama-2-7b", 512.0),
        ("llama-3.1-70b", 320.0),
        ("llama-3.1-8b", 128.0),
        ("deepseek-v3", 70_272 / 1024),
        ("kimi-linear-48b-a3b", 7 * 576 / 512),
        ("qwen3-next-80b-a3b", 24.0),
    ],
)
def test_kv_cache_of_a_token(name: str, kib: float) -> None:
    found = shape(Catalog().model(name).architecture)
    assert 2 * (found.kv_values_per_token_full + found.kv_values_per_token_windowed) / 1024 == kib


@pytest.mark.parametrize("name", MODELS)
def test_parts_are_within_the_whole(name: str) -> None:
    architecture = Catalog().model(name).architecture
    found = shape(architecture)
    routed = found.moe_layers * found.experts * found.expert_parameters
    assert found.resident_parameters + routed <= found.parameters
    assert found.resident_parameters <= found.active_parameters <= found.parameters
    # two FLOP a weight, less norms and biases: the rule "2 N" of Kaplan et al., arXiv:2001.08361, section 2.1
    flop = found.matmul_flop_per_token - sum(p.layers * p.prompt_flop for p in layers_of(architecture).recurrences)
    assert 0.99 * 2 * found.active_parameters < flop <= 2 * found.active_parameters


def test_deepseek_is_counted_without_its_prediction_module() -> None:
    """The router's correction bias (58 layers x 256) is in our count and in the checkpoint."""
    assert shape(Catalog().model("deepseek-v3").architecture).parameters == 671_026_404_352 + 58 * 256


def test_counts_alone_make_a_shape_that_closes() -> None:
    known = ParameterCounts(
        kind="parameters", total=100_000, active=30_000, layers=10, hidden=8, heads=2, kv_heads=1,
        head_dim=4, kv_values_per_token=20, vocabulary=50,
        experts=8, experts_per_token=1,
    )  # fmt: skip
    found = shape(known)
    assert found.expert_parameters == 1000  # 70,000 that a token does not use, in 10 layers x 7 experts
    assert found.resident_parameters + 10 * 8 * found.expert_parameters == 100_000
    assert found.resident_parameters + 10 * 1 * found.expert_parameters == found.active_parameters == 30_000


@given(st.integers(1, 300), st.data())
def test_distinct_experts(experts: int, data: st.DataObject) -> None:
    per_token = data.draw(st.integers(1, experts))
    tokens = np.arange(0.0, 4000.0)
    found = distinct_experts(experts, per_token, tokens)
    assert found[0] == 0.0
    assert found[1] == pytest.approx(per_token)
    assert (np.diff(found) >= 0.0).all()
    assert found[-1] <= experts
    assert (found <= per_token * tokens + 1e-9).all()


def test_distinct_experts_against_draws() -> None:
    rng = np.random.default_rng(0)
    draws = [len(np.unique(np.concatenate([rng.permutation(128)[:8] for _ in range(20)]))) for _ in range(2000)]
    expected = distinct_experts(128, 8, np.array([20.0]))[0]
    assert np.mean(draws) == pytest.approx(expected, abs=4 * np.std(draws) / np.sqrt(2000))


@given(st.integers(2, 300), st.floats(0.0, 3.0), st.data())
def test_skewed_routers_touch_fewer_experts_and_never_fewer_than_a_token_asks(
    experts: int, skew: float, data: st.DataObject
) -> None:
    per_token = data.draw(st.integers(1, experts))
    chance = popularity(experts, per_token, skew)
    assert chance.mean() == pytest.approx(per_token / experts)
    assert (np.diff(chance) >= 0.0).all()
    assert chance.max() <= 1.0
    tokens = np.arange(0.0, 4000.0)
    even, found = distinct_experts(experts, per_token, tokens), distinct_experts(experts, per_token, tokens, skew)
    assert found[0] == pytest.approx(0.0, abs=1e-9)
    assert found[1] == pytest.approx(per_token)
    assert (np.diff(found) >= -1e-9).all()
    assert (found <= even + 1e-9 * experts).all()  # Jensen: 1 - (1 - p)^n is concave in p


def test_a_little_skew_is_hardly_any() -> None:
    tokens = np.arange(300.0)
    assert distinct_experts(128, 8, tokens, 1e-4) == pytest.approx(distinct_experts(128, 8, tokens), rel=1e-6)


@pytest.mark.parametrize(("name", "gibibytes"), [("gpt-oss-120b", 60.8), ("gpt-oss-20b", 12.8)])
def test_weights_fill_the_published_checkpoint(name: str, gibibytes: float) -> None:
    """Table 1 of the model card (arXiv:2508.10925): only the experts are in mxfp4, 4.25 bits a weight."""
    scenario = {
        "kind": "serving", "model": name, "stack": "generic-2025", "precision": {"weights": "mxfp4"},
        "replicas": {"count": 1}, "batching": {"max_num_seqs": 8, "max_num_batched_tokens": 512},
        "routing": "round-robin", "cpu_load": 0.1, "arrivals": {"kind": "poisson", "rate": "1 request/s"},
    }  # fmt: skip
    spec = Serving.model_validate(scenario)
    catalog = Catalog()
    assert spec.replicas is not None
    placed = Deployment.of(spec, spec.replicas, catalog.gpu("nvidia-h200-sxm-141gb"), catalog.node("hgx-h200"), catalog)
    # half a percent: the embeddings' padding and the sinks are in neither count to the byte
    assert placed.weights_bytes_per_gpu() / 2**30 == pytest.approx(gibibytes, rel=0.005)
