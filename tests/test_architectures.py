"""Architectures whose layers differ: what recurrences keep, what an indexer leaves to be read, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sim.profiles import Catalog
from sim.profiles.language_models.architecture import Architecture, Transformer
from sim.profiles.language_models.layers import layers_of
from sim.profiles.language_models.mixers import Recurrence
from sim.profiles.language_models.model import shape, with_index_keys

CATALOG = Catalog()
PLAIN: dict[str, Any] = {
    "kind": "transformer", "layers": 12, "hidden": 512, "heads": 8, "kv_heads": 4, "head_dim": 64, "ffn": 2048,
    "vocabulary": 32000,
}  # fmt: skip
STATE: dict[str, Any] = {
    "form": "gated-delta", "layers": 9, "heads": 8, "key_heads": 4, "key_dim": 64, "value_dim": 64, "taps": 4,
    "state": "fp32",
}  # fmt: skip
LATENT = {"q_lora_rank": 128, "kv_lora_rank": 64, "rope_head_dim": 16, "nope_head_dim": 32, "v_head_dim": 32}
INDEX = {"heads": 4, "head_dim": 32, "top_k": 256, "layers": 12}


def read(**more: Any) -> Transformer:
    found = TypeAdapter(Architecture).validate_python(PLAIN | more)
    assert isinstance(found, Transformer)
    return found


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"recurrent": STATE | {"layers": 13}}, "more recurrent layers than layers"),
        ({"recurrent": STATE | {"layers": 12}}, "no layer with attention left"),
        ({"recurrent": STATE, "attention_layers": 4}, "more 'attention_layers' and recurrent layers"),
        ({"network_layers": 13}, "more network_layers than layers"),
        ({"attention_layers": 4, "network_layers": 4}, "neither attention, recurrence nor network"),
        ({"sliding_window": {"window": 9, "layers": 13}}, "more windowed layers"),
        ({"recurrent": STATE, "sliding_window": {"window": 9, "layers": 4}}, "more windowed layers"),
        (
            {"sliding_window": {"window": 9, "layers": 1}, "chunked_attention": {"chunk": 9, "layers": 1}},
            "not both",
        ),
        ({"sparse_attention": INDEX}, "needs 'latent' with a 'q_lora_rank'"),
        ({"sparse_attention": INDEX | {"layers": 13}, "latent": LATENT}, "more layers with an indexer"),
        ({"recurrent": STATE | {"key_heads": 3}}, "key_heads must divide heads"),
        ({"recurrent": STATE | {"gate_rank": 16}}, "'gate_rank' where its form is 'delta-by-channel'"),
        ({"recurrent": STATE | {"form": "delta-by-channel"}}, "'gate_rank' where its form is 'delta-by-channel'"),
        ({"recurrent": STATE | {"taps": 0}}, "needs 'taps'"),
        ({"recurrent": STATE | {"form": "decayed"}}, "needs 'taps'"),
        ({"recurrent": {k: v for k, v in STATE.items() if k != "state"}}, "Field required"),
    ],
)
def test_an_architecture_that_cannot_be_is_refused(more: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        read(**more)


@given(st.integers(1, 4000))
def test_attention_to_chosen_tokens_is_full_attention_as_long_as_all_are_chosen(context: int) -> None:
    """Beside what the indexer reads and scores."""
    sparse = with_index_keys(shape(CATALOG.model("deepseek-v3.2").architecture), 2.0)
    whole = shape(CATALOG.model("deepseek-v3").architecture)
    reached = min(context, sparse.window)
    read, all_read = sparse.kv_values_per_token_windowed * reached, whole.kv_values_per_token_full * context
    pairs = sparse.attention_flop_windowed * reached
    all_pairs = (whole.attention_flop_full + whole.absorbed_flop_full) * context  # as it decodes
    if context <= 2048:
        assert (read, pairs) == (all_read, all_pairs)
    else:
        assert read * context == all_read * 2048
        assert pairs * context == all_pairs * 2048
    assert sparse.keeps_all


def test_latent_attention_computes_prompts_by_heads_and_decodes_in_the_latent_space() -> None:
    """DeepSeek-V2, arXiv:2405.04434, section 2.1: a head's keys have 128 + 64 dimensions and its values 128; absorbed,
    both are of the latent's 512, and the 64 stay."""
    found = shape(CATALOG.model("deepseek-v3").architecture)
    assert found.attention_flop_full == 61 * 128 * 2 * (192 + 128)
    assert found.attention_flop_full + found.absorbed_flop_full == 61 * 128 * 2 * (2 * 512 + 64)
    assert shape(CATALOG.model("qwen3-8b").architecture).absorbed_flop_full == 0


def test_an_indexer_is_cheap_beside_the_attention_it_saves() -> None:
    """Keys of 132 B beside latents of 1,152 B a token and layer, and FLOP of 64 heads of 128 in 8 bits."""
    found = shape(CATALOG.model("deepseek-v3.2").architecture)
    assert found.index_bytes_per_token == 61 * (128 + 4)
    assert found.attention_flop_full == 61 * (64 * (2 * 128 + 3) // 2)
    assert found.attention_flop_full < 0.03 * found.attention_flop_windowed
    assert with_index_keys(found, 1.0).kv_values_per_token_full == 61 * 132
    assert with_index_keys(found, 2.0).kv_values_per_token_full == 61 * 66


def test_a_recurrence_takes_the_place_of_attention_in_its_layers() -> None:
    """A quarter of the layers keep tokens; the others a state that no context makes larger."""
    found = shape(read(recurrent=STATE))
    assert found.kv_values_per_token_full == shape(read()).kv_values_per_token_full // 4
    assert found.attention_flop_full == shape(read()).attention_flop_full // 4
    convolved = 9 * (2 * 4 * 64 + 8 * 64) * 3 * 2
    assert 4 * found.state_values == 9 * 8 * 64 * 64 * 4 + convolved
    halved = shape(read(recurrent=STATE | {"state": "bf16"}))
    assert 4 * halved.state_values == 9 * 8 * 64 * 64 * 2 + convolved


def test_lightning_attention_counts_as_its_publisher_says() -> None:
    """MiniMax-Text-01 (arXiv:2501.08313): 456 B, of which 45.9 B are active; one layer in eight is softmax."""
    found = shape(
        read(
            layers=80, hidden=6144, heads=64, kv_heads=8, head_dim=128, ffn=None, vocabulary=200_064,
            moe={"experts": 32, "experts_per_token": 2, "ffn": 9216},
            recurrent={
                "form": "decayed", "layers": 70, "heads": 64, "key_heads": 64, "key_dim": 128, "value_dim": 128,
                "state": "fp32",
            },
        )
    )  # fmt: skip
    assert found.parameters / 1e9 == pytest.approx(456.0, abs=0.5)
    assert (found.active_parameters) / 1e9 == pytest.approx(45.9, rel=0.03)
    assert found.state_values == 70 * 64 * 128 * 128


def test_layers_of_one_part_are_counted_in_pairs() -> None:
    """Nemotron's 56 layers have a mixer or a network: 56 all-reduces of a group, as 28 layers with both would."""
    assert shape(CATALOG.model("nemotron-nano-9b-v2").architecture).layers == 28
    assert shape(CATALOG.model("qwen3-next-80b-a3b").architecture).layers == 48


def test_a_group_shares_states_by_heads_and_scores_whole() -> None:
    part = layers_of(read(recurrent=STATE)).on(4).recurrences[0]
    assert (part.heads, part.key_heads) == (2, 1)
    assert 4 * part.kept_bytes == layers_of(read(recurrent=STATE)).recurrences[0].kept_bytes
    sparse = layers_of(CATALOG.model("glm-5").architecture)
    assert sparse.on(8).indexers == sparse.indexers
    assert sparse.attentions[0].window == 2048
    assert sparse.attentions[0].reach == "chosen"


def test_windows_and_chunks_are_told_apart() -> None:
    reaches = {
        name: layers_of(CATALOG.model(name).architecture).attentions for name in ("gemma-3-27b", "llama-4-scout")
    }
    assert [(part.layers, part.window, part.reach) for part in reaches["gemma-3-27b"]] == [
        (10, 0, "last"), (52, 1024, "last"),
    ]  # fmt: skip
    assert [(part.layers, part.window, part.reach) for part in reaches["llama-4-scout"]] == [
        (12, 0, "last"), (36, 8192, "chunk"),
    ]  # fmt: skip


def test_a_delta_rule_works_more_than_a_state_space_of_the_same_size() -> None:
    """It reads the state once more for what it corrects, and solves a system for each chunk of a prompt."""
    delta = Recurrence(1, "gated-delta", heads=32, key_heads=1, key_dim=128, value_dim=128)
    plain = replace(delta, form="state-space")
    assert delta.flop == 7 * 32 * 128 * 128
    assert plain.flop == 5 * 32 * 128 * 128
    assert plain.prompt_flop < delta.prompt_flop
    assert plain.kept_bytes == delta.kept_bytes == 4 * 32 * 128 * 128
