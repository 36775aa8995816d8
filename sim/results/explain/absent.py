"""Why a run has not a number that others have: the field of its scenario to give."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from sim.results.catalogue import QUANTITIES, Quantity, quantity_at
from sim.results.catalogue.needs import NEEDS


def needs(quantity: Quantity) -> str | None:
    """What a run needs to have a quantity; None of what every run has."""
    return next((words for pattern, words in NEEDS.items() if fnmatchcase(quantity.path, pattern)), None)


def why_absent(path: str, summary: Mapping[str, Any]) -> str | None:
    """Why a run has no number at a path: what to give; None where the path is of no quantity, or of what all have."""
    site, own = _apart(path, summary)
    quantity = quantity_at(own) or next((one for one in QUANTITIES if one.path.startswith(f"{own}.")), None)
    words = needs(quantity) if quantity is not None else None
    if words is None:
        return None
    partly = (summary.get("known_in_part") or {}).get(own)
    if partly is not None and not site:
        lacking = f"{', '.join(partly['lacking'])} need{'s' if len(partly['lacking']) == 1 else ''} it"
        return f"is not known of all sites: {lacking}, so give {', '.join(partly['give'])}"
    several = "sites" in summary
    at = f"sites.{site}" if site else "sites.NAME" if several else "site"
    return f"is not in this run: {words.replace('SITE', at)}"


def _apart(path: str, summary: Mapping[str, Any]) -> tuple[str, str]:
    """The site of a path, "" of one of the whole run, and the path in its table."""
    for name in summary.get("sites") or ():
        if path.startswith(f"sites.{name}."):
            return name, path.removeprefix(f"sites.{name}.")
    return "", path
