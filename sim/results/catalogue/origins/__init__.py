"""How every quantity of the catalogue comes about, by its path. A test holds the two together: none is without."""

from __future__ import annotations

from collections.abc import Mapping

from sim.results.catalogue.origins.accounts import ACCOUNTS
from sim.results.catalogue.origins.activity import ACTIVITY
from sim.results.catalogue.origins.origin import Origin
from sim.results.catalogue.origins.shared import SHARED

__all__ = ["ORIGINS", "Origin"]

ORIGINS: Mapping[str, Origin] = {**ACCOUNTS, **ACTIVITY, **SHARED}
