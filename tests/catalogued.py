"""The paths of a summary as the catalogue writes them, for tests that hold the two together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.results.catalogue import TABLES, Quantity

Keys = tuple[str, ...]


def leaves(found: Any, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Every single value, and the names that lead to it; ``[]`` in a list."""
    if isinstance(found, Mapping):
        for name, inner in found.items():
            yield from leaves(inner, (*keys, name))
    elif isinstance(found, list):
        for inner in found:
            yield from leaves(inner, (*keys, "[]"))
    else:
        yield keys, found


def quantity_of(keys: Keys) -> Quantity | None:
    """What the catalogue has at a place of a summary; what several sites come to stands again under each."""
    at_site = len(keys) > 2 and keys[0] == "sites"
    for table in TABLES:
        for one in table.quantities if table.per_site or not at_site else ():
            pattern = one.path.split(".")
            own = keys[2:] if at_site else keys
            if len(pattern) == len(own) and all(a in (b, "*") for a, b in zip(pattern, own, strict=True)):
                return one
    return None


def uncatalogued(summary: Mapping[str, Any]) -> list[str]:
    """Dotted paths of a summary that the catalogue has not, or as another kind of thing."""
    known = ((keys, value, quantity_of(keys)) for keys, value in leaves(summary))
    return [".".join(keys) for keys, value, one in known if one is None or type(value) not in one.kind]
