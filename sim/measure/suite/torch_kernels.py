"""The suite's kernels in PyTorch: one iteration of each kind of work, its operands made.

Operands are random normal numbers: zeros would toggle fewer bits and draw less. Everything is launched eagerly, without
CUDA graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, singledispatch
from typing import Any

from sim.measure.suite.kernels import Attention, Copy, Generate, Layer, MatMul, Train, Transformer, Triad

Iteration = Callable[[], object]


@singledispatch
def prepared(task: Any, torch: Any, device: str) -> Iteration:
    """One iteration of ``task``, its operands made on ``device``. Raises what PyTorch raises where it cannot."""
    raise TypeError(f"{task} is no work for {torch.__name__} on {device}")


def _normal(torch: Any, device: str, *shape: int, dtype: Any = None) -> Any:
    """Random normal numbers, in bf16 if nothing else is said."""
    return torch.randn(*shape, device=device, dtype=torch.float32).to(dtype or torch.bfloat16)


@prepared.register
def _(task: MatMul, torch: Any, device: str) -> Iteration:
    normal = partial(_normal, torch, device)
    if task.precision == "fp8":
        a = normal(task.m, task.k, dtype=torch.float8_e4m3fn)
        b = normal(task.n, task.k, dtype=torch.float8_e4m3fn).t()  # the hardware wants its second factor by columns
        one = torch.ones((), device=device)
        return lambda: torch._scaled_mm(a, b, scale_a=one, scale_b=one, out_dtype=torch.bfloat16)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(task.precision, torch.float32)
    a, b = normal(task.m, task.k, dtype=dtype), normal(task.k, task.n, dtype=dtype)
    product = torch.empty(task.m, task.n, device=device, dtype=dtype)
    tensor_cores = task.precision == "tf32"

    def matmul() -> None:
        torch.backends.cuda.matmul.allow_tf32 = tensor_cores
        torch.mm(a, b, out=product)

    return matmul


@prepared.register
def _(task: Copy, torch: Any, device: str) -> Iteration:
    source = torch.randint(0, 256, (task.size,), device=device, dtype=torch.uint8)
    target = torch.empty_like(source)
    return lambda: target.copy_(source)


@prepared.register
def _(task: Triad, torch: Any, device: str) -> Iteration:
    b, c = (torch.randn(task.values, device=device) for _ in range(2))
    a = torch.empty_like(b)
    return lambda: torch.add(b, c, alpha=1.5, out=a)


@prepared.register
def _(task: Attention, torch: Any, device: str) -> Iteration:
    normal = partial(_normal, torch, device)
    keys, values = (normal(task.batch, task.kv_heads, task.context, task.head_size) for _ in range(2))
    if task.causal:
        queries = normal(task.batch, task.heads, task.queries, task.head_size)
        groups = task.heads // task.kv_heads
        if groups > 1:
            keys, values = (tensor.repeat_interleave(groups, dim=1) for tensor in (keys, values))
        attend = torch.nn.functional.scaled_dot_product_attention
        return lambda: attend(queries, keys, values, is_causal=True)
    # Query heads that share keys are rows of one product, so that the cache is read once.
    rows = task.heads // task.kv_heads * task.queries
    queries = normal(task.batch, task.kv_heads, rows, task.head_size) * task.head_size**-0.5
    return lambda: torch.softmax(queries @ keys.transpose(-1, -2), -1) @ values


@prepared.register
def _(task: Layer, torch: Any, device: str) -> Iteration:
    normal = partial(_normal, torch, device)
    x = normal(task.tokens, task.d_model)
    up, down = normal(task.d_model, task.d_ff), normal(task.d_ff, task.d_model)
    attend = prepared(task.attention, torch, device)

    def layer() -> None:
        attend()
        (x @ up) @ down

    return layer


class _Weights:
    """A transformer's parameters, and its forward pass given a way to attend."""

    def __init__(self, torch: Any, model: Transformer, device: str, *, trained: bool) -> None:
        d = model.d_model

        def parameter(*shape: int) -> Any:
            values = torch.randn(*shape, device=device) * shape[0] ** -0.5
            return values.to(torch.bfloat16).requires_grad_(trained)

        self._torch = torch
        self._model = model
        self.embedding = parameter(model.vocabulary, d)
        self.layers = [
            (parameter(d, 3 * d), parameter(d, d), parameter(d, 4 * d), parameter(4 * d, d))
            for _ in range(model.layers)
        ]
        self.output = parameter(d, model.vocabulary)

    @property
    def all(self) -> list[Any]:
        """Every parameter."""
        return [self.embedding, self.output, *(weight for layer in self.layers for weight in layer)]

    def logits(self, tokens: Any, attend: Callable[[int, Any, Any, Any], Any]) -> Any:
        """Of every position of ``tokens`` (batch, positions); ``attend`` gets the layer and (batch, heads, ...)."""
        torch, model = self._torch, self._model
        functional = torch.nn.functional
        x = functional.embedding(tokens, self.embedding)
        batch, positions, d = x.shape
        for i, (qkv, out, up, down) in enumerate(self.layers):
            heads = (functional.layer_norm(x, (d,)) @ qkv).view(batch, positions, 3, model.heads, model.head_size)
            attended = attend(i, *heads.permute(2, 0, 3, 1, 4))
            x = x + attended.transpose(1, 2).reshape(batch, positions, d) @ out
            x = x + functional.gelu(functional.layer_norm(x, (d,)) @ up) @ down
        return functional.layer_norm(x, (d,)) @ self.output


@prepared.register
def _(task: Train, torch: Any, device: str) -> Iteration:
    weights = _Weights(torch, task.model, device, trained=True)
    optimizer = torch.optim.SGD(weights.all, lr=1e-3, momentum=0.9)
    tokens = torch.randint(0, task.model.vocabulary, (task.batch, task.tokens + 1), device=device)
    functional = torch.nn.functional

    def attend(_layer: int, queries: Any, keys: Any, values: Any) -> Any:
        return functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)

    def step() -> None:
        logits = weights.logits(tokens[:, :-1], attend).flatten(0, 1).float()
        functional.cross_entropy(logits, tokens[:, 1:].flatten()).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


@prepared.register
def _(task: Generate, torch: Any, device: str) -> Iteration:
    model = task.model
    weights = _Weights(torch, model, device, trained=False)
    shape = (model.layers, 2, task.batch, model.heads, task.context, model.head_size)
    cache = torch.randn(*shape, device=device, dtype=torch.bfloat16)
    tokens = torch.randint(0, model.vocabulary, (task.batch, 1), device=device)

    def attend(layer: int, queries: Any, keys: Any, values: Any) -> Any:
        cache[layer, 0, :, :, -1:] = keys
        cache[layer, 1, :, :, -1:] = values
        scores = queries @ cache[layer, 0].transpose(-1, -2) * model.head_size**-0.5
        return torch.softmax(scores, -1) @ cache[layer, 1]

    def token() -> None:
        tokens.copy_(weights.logits(tokens, attend).argmax(-1))

    return token
