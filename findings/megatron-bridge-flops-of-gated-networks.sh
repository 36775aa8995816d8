#!/usr/bin/env bash
# Guess: Megatron Bridge's TFLOP/s count a gated feed-forward network with its three matrices, whatever its activation:
# `gated_linear_unit` says that there is a third one.
# Found with megatron-bridge 0.3.1: the third matrix counts only where the activation is torch's own SiLU. gpt-oss gates
# with a clamped swish, so a third of its experts' FLOPs, a fifth of all, are missing from its TFLOP/s and MFU: 27.1 GFLOP
# a token, as NVIDIA's table of measured throughput has it up to its release 26.04 (158 TFLOP/s at 5,824 token/s). From
# 26.06 on the same table has 32.6, gates counted and half of the layers with their sliding window. MFUs of gated models
# with other activations compare neither across releases nor with others'.
# The function is run as it is shipped; torch and the configuration that it reads are stood in for by plain objects.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$folder" megatron-bridge==0.3.1 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import ast
import zipfile
from pathlib import Path
from types import SimpleNamespace

wheel = zipfile.ZipFile(next(Path().glob("megatron_bridge-*.whl")))
tree = ast.parse(wheel.read("megatron/bridge/training/utils/flop_utils.py"))
counting = next(node for node in tree.body if getattr(node, "name", "") == "num_floating_point_operations")
counting.args.args[0].annotation = None


def silu(x): ...
def clamped_swish(x): ...


names = {
    "F": SimpleNamespace(silu=silu), "Path": Path, "LoRA": type("LoRA", (), {}), "_lora_seq_stats_cache": {},
    "calculate_padded_vocab_size": lambda size, *_, **__: size,
}
exec(compile(ast.Module([counting], []), "flop_utils.py", "exec"), names)


def gflop_a_token(activation):
    model = SimpleNamespace(  # gpt-oss-120b as its configuration states it
        num_layers=36, hidden_size=2880, kv_channels=64, num_attention_heads=64, num_query_groups=8, seq_length=4096,
        ffn_hidden_size=2880, moe_ffn_hidden_size=2880, num_moe_experts=128, moe_router_topk=4, moe_layer_freq=1,
        moe_shared_expert_intermediate_size=None, mtp_num_layers=None, multi_latent_attention=False,
        gated_linear_unit=True, activation_func=activation, vocab_size=201088, make_vocab_size_divisible_by=128,
        tensor_model_parallel_size=1,
    )
    return names["num_floating_point_operations"](SimpleNamespace(model=model)) / 4096 / 1e9


with_silu, with_another = gflop_a_token(silu), gflop_a_token(clamped_swish)
print(f"megatron-bridge 0.3.1, gpt-oss-120b: {with_another:.1f} GFLOP a token; {with_silu:.1f} if its gate were SiLU")
assert abs(with_another - 158e3 / 5824) < 0.5, "changed: not what the table has"
assert abs((with_silu - with_another) - 6 * 36 * 2880 * 2880 * 4 / 1e9) < 0.01, "changed: the gate counts"
PYTHON
