"""Networks that make pictures and films by denoising, as their configurations state them: U-Nets and transformers.

A picture begins as noise in a latent space, some 64 times smaller than its pixels. In so many steps a network
takes noise away, asked twice a step where it is guided (with the prompt and without: Ho and Salimans, "Classifier-free
diffusion guidance", arXiv:2207.12598). A decoder makes pixels of what is left. What such a network computes follows
from its shape (``layers``).

References: Rombach and others, "High-resolution image synthesis with latent diffusion models", CVPR 2022,
arXiv:2112.10752 (U-Net, decoder); Peebles and Xie, "Scalable diffusion models with transformers", ICCV 2023,
arXiv:2212.09748; Esser and others, "Scaling rectified flow transformers", ICML 2024, arXiv:2403.03206 (text and picture
in one attention).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.profiles.sourced import Profile
from sim.validation import Spec

Natural = Annotated[int, Field(ge=1, le=10**6, strict=True)]
Whole = Annotated[int, Field(ge=0, le=10**6, strict=True)]
MOST_LEVELS = 8
Levels = Annotated[list[Natural], Field(min_length=1, max_length=MOST_LEVELS)]


class UNet(Spec):
    """Convolutions at ``channels`` of each level, each of half the last one's height and width; ``resnets`` blocks on
    the way down and one more on the way up, and two in the middle.

    Behind each block ``transformers`` layers attend to the picture and to the prompt, in heads of ``head_dim``;
    ``middle_transformers`` in the middle. Vectors of the prompt are ``context`` wide.
    """

    kind: Literal["unet"]
    channels: Levels
    resnets: Natural
    transformers: Annotated[list[Whole], Field(min_length=1, max_length=MOST_LEVELS)]
    middle_transformers: Whole
    head_dim: Levels
    context: Natural

    @model_validator(mode="after")
    def _of_all_levels(self) -> UNet:
        if not len(self.channels) == len(self.transformers) == len(self.head_dim):
            raise PydanticCustomError("levels", "'channels', 'transformers' and 'head_dim' are one for each level")
        for channels, layers, width in zip(self.channels, self.transformers, self.head_dim, strict=True):
            if layers and channels % width:
                raise PydanticCustomError("order", "a level's 'head_dim' must divide its channels")
        if self.middle_transformers and self.channels[-1] % self.head_dim[-1]:
            raise PydanticCustomError("order", "a level's 'head_dim' must divide its channels")
        return self


class DiffusionTransformer(Spec):
    """Layers over patches of ``patch`` by ``patch`` places of the latent picture.

    ``joint``: text has a stream of its own, with its own matrices, and both attend to both. ``single``: text and
    picture are one stream, attention and network side by side. ``cross``: the picture attends to itself, then to the
    text. ``ffn`` is the width of the networks. Queries and keys are normalised and ``rotated`` by their places, or
    neither.
    """

    kind: Literal["transformer"]
    hidden: Natural
    heads: Natural
    ffn: Natural
    patch: Natural
    joint: Whole = 0
    single: Whole = 0
    cross: Whole = 0
    rotated: bool = True

    @model_validator(mode="after")
    def _fits_together(self) -> DiffusionTransformer:
        if self.hidden % self.heads:
            raise PydanticCustomError("order", "heads must divide hidden")
        if not self.joint + self.single + self.cross:
            raise PydanticCustomError("layers", "has no layers: give 'joint', 'single' or 'cross'")
        return self


class Decoder(Spec):
    """From the latent picture to pixels: convolutions at ``channels`` of each level, from the smallest (latent) picture
    to the largest, with ``resnets`` blocks at each, and attention of one head at the smallest.

    ``precision`` is what it is computed in, whatever the network's: fp32 is convolutions in TF32 and attention in 32
    bits, as PyTorch has it unless told otherwise.
    """

    channels: Levels
    resnets: Natural
    precision: Literal["fp32"] | None = None


class TextEncoder(Spec):
    """A transformer of so many ``layers`` of width ``hidden``, asked once a picture."""

    layers: Natural
    hidden: Natural


class DenoiserProfile(Profile):
    """A network that denoises, with what is asked before it and after it.

    ``compression`` pixels of height and width are one place of the latent picture, ``frames_compression`` frames of a
    film one frame of it, but for the first. ``text_tokens`` of the prompt are attended to.
    """

    kind: Literal["denoiser"]
    source: str
    note: str | None = None
    latent_channels: Natural
    compression: Natural
    frames_compression: Natural = 1
    text_tokens: Natural
    network: Annotated[UNet | DiffusionTransformer, Field(discriminator="kind")]
    decoder: Decoder | None = None
    text_encoders: list[TextEncoder] = Field(default_factory=list, max_length=8)
