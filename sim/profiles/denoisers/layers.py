"""What one pass through a denoising network launches: products, convolutions, attention, and passes over memory.

Between products eager PyTorch launches a kernel for each operation, and each reads and writes its whole tensor: a
group normalisation reads it twice and writes it, an activation, a bias, a residual and a division by one read and write
it again. Compiled, chains of such operations become one kernel. Counts are those of diffusers' blocks
(``ResnetBlock2D``, ``Transformer2DModel``, ``BasicTransformerBlock``, ``FluxTransformerBlock``, ``WanTransformerBlock``
and ``Decoder``, versions 0.17 to 0.35) over kernels of PyTorch 2: a convolution is a product by an implicit matrix
(Chetlur and others, "cuDNN", arXiv:1410.0759), whose bias is another kernel. Tensor cores want pictures place by place
(NHWC), PyTorch's group normalisation channel by channel (``native_group_norm`` makes its input contiguous): without a
compiler every picture is turned before a convolution and turned back behind it. Where the whole network lies channel by
channel (NCHW), its weights are turned, too, each time.

Left out: what a second-level cache spares passes over small tensors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from sim.profiles.denoisers.network import Decoder, DiffusionTransformer, TextEncoder, UNet

MIDDLE_RESNETS = 2
TIME_EXPANSION = 4
"""Width of a step's embedding over the first level's channels."""


class Product(NamedTuple):
    """``rows`` times a matrix of ``depth`` by ``columns``; a convolution's depth holds its ``taps``."""

    rows: int
    columns: int
    depth: int
    taps: int = 1


class Attention(NamedTuple):
    """Of ``pictures``, each ``queries`` places to ``keys``, in ``heads`` of ``width``."""

    pictures: int
    queries: int
    keys: int
    heads: int
    width: int


class Pass(NamedTuple):
    """A kernel that reads and writes so many values."""

    values: float


Kernel = Product | Attention | Pass


@dataclass
class Launched:
    """What a network launches, in order, eager or compiled (``fused``); ``channels_last`` where pictures
    and weights lie place by place, as convolutions want them."""

    fused: bool
    channels_last: bool
    kernels: list[Kernel] = field(default_factory=list)
    """In order."""

    def between(self, eager: tuple[float, ...], fused: tuple[float, ...], values: int) -> None:
        """Kernels between products, each by how many times ``values`` it reads and writes."""
        for times in fused if self.fused else eager:
            self.kernels.append(Pass(times * values))

    def convolution(self, pictures: int, places: int, of: int, to: int, taps: int, *, stride: int = 1) -> None:
        """Of pictures with so many ``places`` afterwards, from ``of`` to ``to`` channels."""
        rows = pictures * places
        turned = not (self.fused and self.channels_last)
        if turned:
            self.kernels.append(Pass(2.0 * rows * of * stride * stride))
        if not self.channels_last:
            self.kernels.append(Pass(2.0 * of * to * taps))
        self.kernels.append(Product(rows, to, of * taps, taps))
        if turned:
            self.kernels.append(Pass(2.0 * rows * to))
        self.between((2.0,), (), rows * to)  # its bias

    def product(self, rows: int, of: int, to: int) -> None:
        """A linear layer; its bias is added by the same kernel."""
        self.kernels.append(Product(rows, to, of))


def unet(net: UNet, launched: Launched, *, pictures: int, height: int, width: int, channels: int, text: int) -> None:
    """One pass over ``pictures`` (twice as many as asked for, where guided) of so many latent places."""
    wide, levels = net.channels, len(net.channels)
    places = [max(1, -(-height // 2**i)) * max(1, -(-width // 2**i)) for i in range(levels)]
    time = TIME_EXPANSION * wide[0]
    launched.product(pictures, wide[0], time)
    launched.product(pictures, time, time)
    launched.convolution(pictures, places[0], channels, wide[0], 9)
    skips, before = [wide[0]], wide[0]
    for i in range(levels):
        for _ in range(net.resnets):
            _resnet(launched, pictures, places[i], before, wide[i], time)
            before = wide[i]
            _spatial(launched, net, i, net.transformers[i], pictures, places[i], text)
            skips.append(before)
        if i < levels - 1:
            launched.convolution(pictures, places[i + 1], before, before, 9, stride=2)
            skips.append(before)
    for at in range(MIDDLE_RESNETS):
        _resnet(launched, pictures, places[-1], before, before, time)
        if at == 0:
            _spatial(launched, net, levels - 1, net.middle_transformers, pictures, places[-1], text)
    for i in reversed(range(levels)):
        for _ in range(net.resnets + 1):
            joined = before + skips.pop()
            launched.between((2.0,), (2.0,), pictures * places[i] * joined)  # laid beside one another
            _resnet(launched, pictures, places[i], joined, wide[i], time)
            before = wide[i]
            _spatial(launched, net, i, net.transformers[i], pictures, places[i], text)
        if i:
            _enlarged(launched, pictures, places[i - 1], before)
    _normalised(launched, pictures * places[0] * before)
    launched.convolution(pictures, places[0], before, channels, 9)


def _normalised(launched: Launched, values: int) -> None:
    """Group normalisation and activation: its moments read all once, then it is read and written, and again."""
    launched.between((1.0, 2.0, 2.0), (1.0, 2.0), values)


def _enlarged(launched: Launched, pictures: int, places: int, channels: int) -> None:
    launched.between((1.25,), (1.25,), pictures * places * channels)
    launched.convolution(pictures, places, channels, channels, 9)


def _resnet(launched: Launched, pictures: int, places: int, of: int, to: int, time: int) -> None:
    """Two convolutions, each behind a normalisation; ``time`` wide an embedding of the step is added between them, if
    there is one."""
    values = pictures * places * to
    _normalised(launched, pictures * places * of)
    launched.convolution(pictures, places, of, to, 9)
    if time:
        launched.between((2.0,), (2.0,), pictures * time)
        launched.product(pictures, time, to)
        launched.between((2.0,), (), values)
    _normalised(launched, values)
    launched.convolution(pictures, places, to, to, 9)
    if of != to:
        launched.convolution(pictures, places, of, to, 1)
    launched.between((3.0, 2.0), (3.0,), values)  # the residual, and a division by its scale


def _spatial(launched: Launched, net: UNet, level: int, layers: int, pictures: int, places: int, text: int) -> None:
    """Attention layers over all places of a level: turned to rows of places, and back."""
    if not layers:
        return
    width = net.channels[level]
    rows = pictures * places
    launched.between((1.0, 2.0, 2.0), (1.0, 2.0), rows * width)
    launched.product(rows, width, width)
    for _ in range(layers):
        _attention(launched, pictures, places, places, width, width, net.head_dim[level])
        _attention(launched, pictures, places, text, width, net.context, net.head_dim[level])
        _normed(launched, rows * width)
        launched.product(rows, width, 8 * width)
        # gated by a GELU: of half of what comes out, then times the other half
        launched.between((2.0, 3.0), (3.0,), rows * 4 * width)
        launched.product(rows, 4 * width, width)
        launched.between((3.0,), (3.0,), rows * width)
    launched.product(rows, width, width)
    launched.between((2.0, 3.0), (3.0,), rows * width)


def _normed(launched: Launched, values: int) -> None:
    """Layer normalisation keeps its rows between reading and writing."""
    launched.between((2.0,), (2.0,), values)


def _attention(launched: Launched, pictures: int, places: int, keys: int, width: int, context: int, head: int) -> None:
    """Normalised queries, keys and values each by a matrix, attention, a matrix, a division by one, the residual."""
    rows = pictures * places
    _normed(launched, rows * width)
    launched.product(rows, width, width)
    for _ in range(2):
        launched.product(pictures * keys, context, width)
    launched.kernels.append(Attention(pictures, places, keys, width // head, head))
    launched.product(rows, width, width)
    launched.between((2.0, 3.0), (3.0,), rows * width)


def transformer(net: DiffusionTransformer, launched: Launched, *, pictures: int, places: int, text: int) -> None:
    """One pass over ``pictures`` of so many latent places, in patches."""
    wide, head = net.hidden, net.hidden // net.heads
    tokens = places // net.patch**2
    for _ in range(net.joint):
        for each in (tokens, text):
            _modulated(launched, pictures, each, wide, chunks=6)
            for _ in range(3):
                launched.product(pictures * each, wide, wide)
            if net.rotated:
                _queries_and_keys(launched, pictures * each * wide, pictures * each * wide, rotated=ROTATED)
            launched.product(pictures * each, wide, wide)
            _networked(launched, pictures * each, wide, net.ffn)
        launched.between((2.0, 2.0, 2.0), (2.0,), pictures * (tokens + text) * wide)  # both laid in a row
        launched.kernels.append(Attention(pictures, tokens + text, tokens + text, net.heads, head))
    for _ in range(net.single):
        rows = pictures * (tokens + text)
        _modulated(launched, pictures, tokens + text, wide, chunks=3)
        for _ in range(3):
            launched.product(rows, wide, wide)
        launched.product(rows, wide, net.ffn)
        launched.between((2.0,), (2.0,), rows * net.ffn)
        if net.rotated:
            _queries_and_keys(launched, rows * wide, rows * wide, rotated=ROTATED)
        launched.kernels.append(Attention(pictures, tokens + text, tokens + text, net.heads, head))
        launched.between((2.0,), (2.0,), rows * (wide + net.ffn))
        launched.product(rows, wide + net.ffn, wide)
        launched.between((2.0, 3.0), (3.0,), rows * wide)
    for _ in range(net.cross):
        rows = pictures * tokens
        launched.between(NORMALISED_IN_32_BITS, (2.0,), rows * wide)  # what a step changes is a table of the layer
        for keys, rotated in ((tokens, ROTATED_IN_64_BITS), (text, ())):
            launched.product(rows, wide, wide)
            for _ in range(2):
                launched.product(pictures * keys, wide, wide)
            if net.rotated:
                _queries_and_keys(launched, rows * wide, pictures * keys * wide, rotated=rotated)
            launched.kernels.append(Attention(pictures, tokens, keys, net.heads, head))
            launched.product(rows, wide, wide)
            launched.between((2.0, 3.0), (3.0,), rows * wide)
            launched.between(NORMALISED_IN_32_BITS, (2.0,), rows * wide)
        _networked(launched, rows, wide, net.ffn)


def _modulated(launched: Launched, pictures: int, tokens: int, wide: int, *, chunks: int) -> None:
    """Normalised, scaled and shifted by what the step says, in ``chunks`` of the hidden size by a matrix."""
    launched.product(pictures, wide, chunks * wide)
    launched.between((2.0, 2.0, 2.0), (2.0,), pictures * tokens * wide)


ROOT_MEAN_SQUARE = (3.0, 4.0, 2.0, 3.0, 3.0, 2.0)
"""Of values of 16 bits, by operations in 32 (``RMSNorm``): widened, squared, averaged, multiplied, narrowed, and
multiplied by a weight. A value of 32 bits counts twice."""
ROTATED = (1.0, 2.0, 3.0, 4.0, 3.0, 4.0, 6.0, 3.0)
"""Half negated, laid beside the other, widened and multiplied, both, added up, narrowed (``apply_rotary_emb``)."""
ROTATED_IN_64_BITS = (5.0, 8.0, 5.0)
"""Widened to 64 bits, multiplied as complex numbers, narrowed (``WanAttnProcessor``)."""
NORMALISED_IN_32_BITS = (3.0, 4.0, 4.0, 4.0, 3.0)
"""Widened, normalised, scaled, shifted and narrowed (``FP32LayerNorm``)."""


def _queries_and_keys(launched: Launched, values: int, of_keys: int, *, rotated: tuple[float, ...]) -> None:
    """Each normalised, and rotated by its place."""
    for each in (values, of_keys):
        launched.between((*ROOT_MEAN_SQUARE, *rotated), (2.0, 2.0) if rotated else (2.0,), each)


def _networked(launched: Launched, rows: int, wide: int, ffn: int) -> None:
    """The gated residual of attention, modulation, two matrices with an activation, and the residual."""
    launched.between((2.0, 3.0, 2.0, 2.0, 2.0), (3.0, 2.0), rows * wide)
    launched.product(rows, wide, ffn)
    launched.between((2.0,), (2.0,), rows * ffn)
    launched.product(rows, ffn, wide)
    launched.between((2.0, 3.0), (3.0,), rows * wide)


def decoder(net: Decoder, launched: Launched, *, pictures: int, height: int, width: int, channels: int) -> None:
    """Pixels of ``pictures`` of so many latent places; the last level is of pixels."""
    wide = net.channels
    places = height * width
    before = wide[0]
    launched.convolution(pictures, places, channels, before, 9)
    for at in range(MIDDLE_RESNETS):
        _resnet(launched, pictures, places, before, before, 0)
        if at == 0:
            values = pictures * places * before
            launched.between((1.0, 2.0), (1.0, 2.0), values)
            for _ in range(4):
                launched.product(pictures * places, before, before)
            launched.kernels.append(Attention(pictures, places, places, 1, before))
            launched.between((2.0, 3.0, 2.0), (3.0,), values)
    for i, to in enumerate(wide):
        for _ in range(net.resnets):
            _resnet(launched, pictures, places, before, to, 0)
            before = to
        if i < len(wide) - 1:
            places *= 4
            _enlarged(launched, pictures, places, before)
    _normalised(launched, pictures * places * before)
    launched.convolution(pictures, places, before, 3, 9)


def text_encoder(net: TextEncoder, launched: Launched, *, prompts: int, tokens: int) -> None:
    """A transformer over the prompts' tokens, in heads of 64 values."""
    rows = prompts * tokens
    for _ in range(net.layers):
        _normed(launched, rows * net.hidden)
        for _ in range(4):
            launched.product(rows, net.hidden, net.hidden)
        launched.kernels.append(Attention(prompts, tokens, tokens, max(1, net.hidden // 64), 64))
        launched.between((3.0, 2.0), (3.0,), rows * net.hidden)
        launched.product(rows, net.hidden, 4 * net.hidden)
        launched.between((2.0, 2.0), (2.0,), rows * 4 * net.hidden)
        launched.product(rows, 4 * net.hidden, net.hidden)
        launched.between((3.0,), (3.0,), rows * net.hidden)


SAMPLER_PASSES = 12
"""Over latent pictures, a step: both answers weighed, noise scaled and taken away (counted in diffusers' PNDM, Euler
and flow-matching schedulers: 8 to 16)."""


def sampled(launched: Launched, values: int) -> None:
    """What a sampler makes of the network's answer."""
    launched.kernels.extend([Pass(2.0 * values)] * SAMPLER_PASSES)
