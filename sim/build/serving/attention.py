"""Which kernel attends, where that decides what sequences that decode cost beside prompts."""

from __future__ import annotations

from sim.build.serving.deployment import Deployment
from sim.profiles.language_models.architecture import Transformer


def query_rows(deployment: Deployment) -> int:
    """Rows that attention multiplies for a head of a sequence that decodes beside prompts (the stack's ``query_rows``).

    0: no more than its tokens. Neither latent attention nor one with sinks is by the stack's usual kernel, and a table
    of whole iterations says what it says.
    """
    chip, model = deployment.gpu.chip, deployment.architecture
    rows = deployment.stack.query_rows.get(chip.generation) if chip is not None else None
    usual = isinstance(model, Transformer) and not model.attention_sinks and model.latent is None
    return int(rows.value) if rows is not None and usual and deployment.spec.step_time.pads_ranks else 0
