#!/usr/bin/env bash
# Guess: llm-analysis' FLOPs of a transformer follow from its layers as its parameters do: twice as wide a feed-forward
# network, or one of eight experts of which two are asked, costs more per token.
# Found with llm-analysis 0.2.2: a network's FLOPs are 16 x hidden^2 a token, as of a plain one four times as wide as the
# model, whatever its width and however many experts; its parameters follow the width. What it says of time and of MFU
# of such models does not hold.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check llm-analysis==0.2.2 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
from llm_analysis.analysis import LLMAnalysis
from llm_analysis.config import ModelConfig, get_dtype_config_by_name, get_gpu_config_by_name


def of(**network):
    model = ModelConfig(
        name="a model", num_layers=32, n_head=32, hidden_dim=4096, vocab_size=32000, max_seq_len=4096, **network
    )
    told = LLMAnalysis(model, get_gpu_config_by_name("h100-sxm-80gb"), get_dtype_config_by_name("w16a16e16"))
    return told.get_num_params_per_layer_mlp(), told.get_num_flops_fwd_per_layer_mlp(1, 4096)


plain = of(ffn_embed_dim=4 * 4096)
for word, network in {
    "four times as wide": {"ffn_embed_dim": 4 * 4096},
    "eight times as wide": {"ffn_embed_dim": 8 * 4096},
    "eight experts, two asked": {"ffn_embed_dim": 4 * 4096, "moe_num_experts": 8, "moe_top_k": 2},
}.items():
    parameters, flop = of(**network)
    print(f"llm-analysis 0.2.2, {word:25}: {parameters / 1e6:6.0f} M parameters a layer, {flop / 1e12:.2f} TFLOP for 4,096 tokens")
    assert parameters >= plain[0]
    assert flop == plain[1] == 16 * 4096 * 4096**2, "changed: FLOPs follow the network"
PYTHON
