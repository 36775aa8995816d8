"""Scenarios that are built in code: the same checks as of a file, and plain data in the words of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.documents import from_mapping
from sim.loading.scenario import load_scenario


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """``given`` as plain data, where it is a scenario that holds together.

    Raises ``InputError`` naming every problem.
    """
    load_scenario(given)
    return {**from_mapping(given).data}
