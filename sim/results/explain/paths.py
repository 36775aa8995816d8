"""Paths of a summary as people write them, and what the catalogue knows of each."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from sim.errors import InputError
from sim.paths import joined
from sim.plain import as_list, as_mapping, as_text
from sim.results.catalogue import TABLES, Quantity, quantity_at
from sim.results.explain.absent import why_absent

NEAREST = 5
MOST_AT_ONCE = 20
"""Paths that one pattern may stand for: more than that nobody reads."""
Keys = tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """One value of a summary: the keys that lead to it, its quantity, the names that stand for its ``*``, and the site
    of which it is told alone, "" for the whole run."""

    keys: Keys
    value: Any
    quantity: Quantity
    names: tuple[str, ...]
    site: str = ""

    @property
    def path(self) -> str:
        """As it is written."""
        return joined(self.keys)


def leaves(found: Any, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Every value with its keys; an item of a list goes by its ``name``, or by its number."""
    mapping, items = as_mapping(found), as_list(found)
    if mapping is not None:
        for key, inner in mapping.items():
            yield from leaves(inner, (*keys, key))
    elif items is not None:
        for i, inner in enumerate(items):
            name = as_text((as_mapping(inner) or {}).get("name"))
            yield from leaves(inner, (*keys, name or str(i)))
    else:
        yield keys, found


@cache
def _patterns(first: str, length: int, per_site: bool) -> tuple[tuple[Quantity, Keys], ...]:
    """Of all that begin so or with anything, and are so long."""
    every = (
        (one, (*one.path.split("."),)) for table in TABLES if table.per_site or not per_site for one in table.quantities
    )
    return tuple((one, keys) for one, keys in every if len(keys) == length and keys[0] in (first, "*", "[]"))


def _names(pattern: Keys, keys: Keys) -> tuple[str, ...] | None:
    """The names that stand for what the pattern leaves open, None where it does not fit."""
    pairs = list(zip(pattern, keys, strict=True))
    if not all(a in (b, "*", "[]") for a, b in pairs):
        return None
    return tuple(b for a, b in pairs if a in ("*", "[]"))


def place_of(keys: Keys, value: Any) -> Place | None:
    """What the catalogue knows of a value; None if it knows none there."""
    at_site = len(keys) > 2 and keys[0] == "sites"
    own = keys[2:] if at_site else keys
    for quantity, pattern in _patterns(own[0], len(own), at_site):
        names = _names(pattern, own)
        if names is not None:
            return Place(keys, value, quantity, names, keys[1] if at_site else "")
    return None


def places(summary: Mapping[str, Any]) -> dict[str, Place]:
    """Every value of a summary by its path."""
    found = (place_of(keys, value) for keys, value in leaves(summary))
    return {place.path: place for place in found if place is not None}


def asked_for(summary: Mapping[str, Any], path: str) -> list[Place]:
    """The values that a path names, in which ``*`` stands for anything. Raises ``InputError`` with the nearest."""
    there = places(summary)
    if path in there:
        return [there[path]]
    found = [place for known, place in there.items() if fnmatchcase(known, path)] if "*" in path else []
    if len(found) > MOST_AT_ONCE:
        raise InputError.one(path, f"stands for {len(found)} numbers; name at most {MOST_AT_ONCE} of them")
    if found:
        return found
    asked = quantity_at(path)
    elsewhere = any(
        known.startswith(f"{path}.") or (place.names and place.quantity is asked) for known, place in there.items()
    )
    absent = why_absent(path, summary) if not elsewhere else None  # where others have it, it is the name that is wrong
    raise InputError.one(path, absent or f"is no number of this run{_hint(path, [*there])}")


def _hint(path: str, there: Sequence[str]) -> str:
    below = [known for known in there if known.startswith(f"{path}.")]
    if below:
        more = f" and {len(below) - NEAREST} more" if len(below) > NEAREST else ""
        return f": it holds {', '.join(below[:NEAREST])}{more}"
    close = difflib.get_close_matches(path, there, n=NEAREST, cutoff=0.5)
    last = path.rpartition(".")[2]
    close += [known for known in there if known.rpartition(".")[2] == last and known not in close]
    close = close[:NEAREST] or [*dict.fromkeys(f"{known.partition('.')[0]}.*" for known in there)]
    return f"; nearest: {', '.join(close)}"


def value_at(summary: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """What some keys lead to. Raises ``KeyError`` where they lead nowhere."""
    found: Any = summary
    for key in keys:
        items = as_list(found)
        if items is not None:
            named = [one for one in items if (as_mapping(one) or {}).get("name") == key]
            found = named[0] if named else items[int(key)]
        else:
            found = found[key]
    return found
