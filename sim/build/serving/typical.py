"""What an iteration attends to where only its tokens are known: as many contexts, at the workload's mean lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.later import later
from sim.profiles.iteration.capped import BLOCK, CHUNK, PAIR, READ, SEQUENCE, WINDOW_PAIR, WINDOW_READ

with later():
    from sim.spec.requests import SeparateLengths

if TYPE_CHECKING:
    from sim.build.serving.deployment import Deployment
    from sim.spec.requests import Lengths
    from sim.spec.steps import TypicalLengths

Floats = npt.NDArray[np.float64]

REQUIRED = "required where the workload has no 'lengths' of kind 'separate': {prompt: 1000, context: 1200}"


def are_known(stated: TypicalLengths | None, lengths: Lengths | None) -> bool:
    """Whether there is a mean length."""
    return stated is not None or isinstance(lengths, SeparateLengths)


def mean_lengths(stated: TypicalLengths | None, lengths: Lengths | None) -> tuple[float, float]:
    """Tokens of a prompt, and of the context that a decode attends to, in the mean over decodes: a prompt and half an
    output, where long outputs are met the more often."""
    if stated is not None:
        return stated.prompt, stated.context
    assert isinstance(lengths, SeparateLengths)  # a problem otherwise
    prompt = lengths.prompt.mean_tokens
    return prompt, prompt + lengths.output.weighted_tokens / 2.0


@dataclass(frozen=True)
class Attended:
    """The mean lengths of a workload's requests, and how its iterations batch them.

    Of sequences that decode each brings ``verified`` tokens, ``most_decoded`` all together at most; layers with a
    window reach ``window`` tokens (0: none), or all of the chunk of so many that they are in.
    """

    prompt: float
    context: float
    verified: int
    most_decoded: int
    window: int
    chunked: bool

    @classmethod
    def of(cls, deployment: Deployment, stated: TypicalLengths | None) -> Attended:
        """By a deployment whose mean lengths are known."""
        prompt, context = mean_lengths(stated, deployment.spec.lengths)
        model = deployment.model
        return cls(prompt, context, 1 + deployment.guesses, deployment.verified, model.window, model.chunked)

    def work(self, tokens: Floats) -> Floats:
        """By kinds of iterations, slopes and tokens (3, 7, n): what its slopes are multiplied with."""
        nothing = np.zeros_like(tokens)
        return np.stack([
            self._work(tokens, nothing),
            self._work(nothing, tokens),
            self._work(decoded := self._decoded(tokens), tokens - decoded),
        ])  # fmt: skip

    def _decoded(self, tokens: Floats) -> Floats:
        """Of tokens in an iteration with prompts those that decode: as many as there are in all requests, where a
        context is a prompt and half an answer."""
        answer = 2.0 * max(self.context - self.prompt, 0.0)
        return np.minimum(tokens * answer / (answer + self.prompt), self.most_decoded)

    def _work(self, decoded: Floats, prompt: Floats) -> Floats:
        sequences = decoded / self.verified
        chunks = np.where(prompt > 0.0, np.maximum(prompt / self.prompt, 1.0), 0.0)
        chunk = np.minimum(prompt, self.prompt)
        before = (self.prompt - chunk) / 2.0  # of a prompt in several chunks, in the mean over these
        of: dict[int, Floats] = {
            PAIR: decoded * (self.context + (self.verified + 1) / 2.0) + prompt * (before + (chunk + 1.0) / 2.0),
            READ: sequences * (self.context + self.verified) + chunks * (before + chunk),
            SEQUENCE: sequences + chunks,
            CHUNK: chunks,
            BLOCK: 0.0 * decoded,
        }
        reached = self._within(np.asarray(self.context + 1.0))
        of[WINDOW_PAIR] = decoded * reached + prompt * self._within(before + (chunk + 1.0) / 2.0)
        of[WINDOW_READ] = sequences * (reached + self.verified - 1) + chunks * (self._within(before + 1.0) + chunk)
        return np.stack([of[slope] for slope in range(len(of))])

    def _within(self, tokens: Floats) -> Floats:
        """Of so many tokens those that the last reaches in layers with a window; in chunks of so many, half of one."""
        if not self.window:
            return np.zeros_like(tokens)
        return np.minimum(tokens, (self.window + 1) / 2.0 if self.chunked else self.window)
