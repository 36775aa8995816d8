"""Methods of a summary as grids of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.results.catalogue import grid
from sim.results.catalogue.methods import METHODS
from sim.results.formats import Grid


def method_grids(summary: Mapping[str, Any]) -> list[Grid]:
    """What methods did to work that was given, a row a place."""
    told = summary["methods"]
    return [grid(METHODS, {f"{place}: {', '.join(one['applied'])}": one for place, one in told.items()})]


def method_remarks(summary: Mapping[str, Any]) -> list[str]:
    """What was assumed of them beyond what was measured."""
    return [f"{place}: {why}" for place, one in summary["methods"].items() for why in one.get("assumed", ())]
