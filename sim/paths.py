"""Paths of values as people write them: names with points between them, such as ``workloads.chat.replicas.count``.

A name may be any text, so one that holds a point, a quotation mark, ``=``, ``*`` or a bracket stands in quotation
marks, as in CSV: ``workloads."v1.5 chat".gpus``; a mark within is doubled. A number without quotation marks is a place
in a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

KeyPath = tuple[str | int, ...]
QUOTED = re.compile(r'"((?:[^"]|"")*)"(?=\.|=|$)')
PARTS = '.="*[]'
"""What a name without quotation marks has none of."""


def quoted(name: str) -> str:
    """A name as it stands in a path.

    >>> quoted("chat"), quoted("v1.5"), quoted('a"b')
    ('chat', '"v1.5"', '"a""b"')
    """
    return '"' + name.replace('"', '""') + '"' if any(mark in name for mark in PARTS) or not name else name


def joined(keys: Iterable[str | int]) -> str:
    """Keys as a path.

    >>> joined(("serving", "v1.5", "ttft_s", "p99")), joined(("cluster", "nodes", 0))
    ('serving."v1.5".ttft_s.p99', 'cluster.nodes.0')
    """
    return ".".join(quoted(key) if isinstance(key, str) else str(key) for key in keys)


def keys_of(path: str) -> tuple[str, ...]:
    """The names of a path, numbers as they are written.

    >>> keys_of('serving."v1.5".ttft_s.p99'), keys_of("nodes.0")
    (('serving', 'v1.5', 'ttft_s', 'p99'), ('nodes', '0'))
    """
    return tuple(name for name, _ in _parts(path))


def key_path(path: str) -> KeyPath:
    """``cluster.nodes.0`` -> ``('cluster', 'nodes', 0)``.

    >>> key_path('workloads."8"."a""b".gpus'), key_path("cluster.nodes.0")
    (('workloads', '8', 'a"b', 'gpus'), ('cluster', 'nodes', 0))
    """
    return tuple(
        int(name) if not in_marks and name.isascii() and name.isdigit() else name for name, in_marks in _parts(path)
    )


def written_over(paths: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of a path and a later one that holds it: set one after the other, the second takes the first away.

    >>> written_over(["site.facility.pue", "seed", "site.facility"])
    [('site.facility.pue', 'site.facility')]
    >>> written_over(["site.facility", "site.facility.pue"])
    []
    """
    keys = [keys_of(path) for path in paths]
    return [
        (paths[i], paths[j])
        for j, outer in enumerate(keys)
        for i, inner in enumerate(keys[:j])
        if len(inner) > len(outer) and inner[: len(outer)] == outer
    ]


def assigned(text: str) -> tuple[str, str]:
    """A path and what is set there, apart at the first ``=`` outside quotation marks; no path where there is no ``=``.

    >>> assigned("seed=3"), assigned('workloads."a=b".gpus=4'), assigned("seed")
    (('seed', '3'), ('workloads."a=b".gpus', '4'), ('', 'seed'))
    """
    at = 0
    while at < len(text):
        found = QUOTED.match(text, at) if at == 0 or text[at - 1] == "." else None
        if found is not None:
            at = found.end()
        elif text[at] == "=":
            return text[:at], text[at + 1 :]
        else:
            at += 1
    return "", text


def _parts(path: str) -> list[tuple[str, bool]]:
    """Names, and whether each stood in quotation marks."""
    if '"' not in path:
        return [(name, False) for name in path.split(".")]
    found, at = [], 0
    while at <= len(path):
        whole = QUOTED.match(path, at)
        if whole is not None:
            found.append((whole[1].replace('""', '"'), True))
            at = whole.end() + 1
        else:
            end = path.find(".", at)
            end = len(path) if end < 0 else end
            found.append((path[at:end], False))
            at = end + 1
    return found
