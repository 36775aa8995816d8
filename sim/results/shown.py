"""How results find what shows them: pages and charts stand above results, which know their address and nothing more.

What is shown is imported when it is asked for, so that reading or writing a run loads none of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

NOTEBOOK, PLOTS, STUDY_PLOTS = "sim.report.notebook", "sim.report.plots", "sim.report.study_plots"


def shown(module: str, name: str) -> Any:
    """``name`` of one of the modules that show results."""
    return getattr(import_module(module), name)
