"""Seconds of the kernels of one GPU under one framework's version, each with how it is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from sim.profiles.kernel_tables.attentions import Attentions, Lengths, Line
from sim.profiles.kernel_tables.collectives import Collective, collective
from sim.profiles.kernel_tables.curves import Answer, Floats
from sim.profiles.kernel_tables.mixtures import mixture
from sim.profiles.kernel_tables.products import Products
from sim.profiles.kernel_tables.roof import Experts, Roof
from sim.profiles.kernel_tables.tables import Shelf
from sim.profiles.language_models.layers import Attention


@dataclass(frozen=True, eq=False)
class Lookup:
    """What was measured. None is answered where nothing alike was: the roofline has it alone.

    ``weights`` and ``cache`` are formats as ``products.FORMATS`` has them, of weights and of the KV cache;
    ``popularity`` is how tokens choose experts, in the words of the tables.
    """

    shelf: Shelf
    roof: Roof
    weights: str
    cache: str
    popularity: str

    @cached_property
    def _products(self) -> Products:
        return Products(self.shelf, self.roof)

    @cached_property
    def _attentions(self) -> Attentions:
        return Attentions(self.shelf)

    def product(self, n: int, k: int, rows: Floats, *, quantised: bool) -> Answer | None:
        """``rows`` by ``k`` times ``k`` by ``n``, in the format of the weights or in 16 bits."""
        return self._products.product(n, k, rows, self.weights if quantised else "bf16")

    def quantising(self, k: int, rows: Floats) -> Answer | None:
        """Bringing ``rows`` of ``k`` activations to 8 bits."""
        return self._products.quantising(k, rows)

    def mixture(self, shape: Experts, tokens: Floats) -> Answer | None:
        """One layer's experts on one GPU, for the tokens of all ranks."""
        return mixture(self.shelf, self.roof, shape, tokens, self.weights, self.popularity)

    def collective(self, name: Collective, values: Floats, gpus: int) -> Answer | None:
        """One collective of so many values of 16 bits."""
        return collective(self.shelf, name, values, gpus)

    def attention(self, part: Attention, lengths: Lengths, decoding: Floats, prompting: Floats) -> Line | None:
        """One layer's attention as a line in pairs and reads."""
        return self._attentions.line(part, self.cache, lengths, decoding, prompting)
