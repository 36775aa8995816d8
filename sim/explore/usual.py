"""What people move most, and how it is called: patterns of paths with their words, and labels of all others."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from sim.documents import KeyPath
from sim.paths import joined, keys_of

_NAME = r'(?P<of>"(?:[^"]|"")*"|[^.]+)'
_SITE = rf"site\.|sites\.{_NAME}\."
_WORK = rf"workloads\.{_NAME}\."
USUAL: tuple[tuple[str, str], ...] = (
    (rf"(?:{_SITE})grid\.intensity", "Carbon intensity of the grid"),
    (rf"(?:{_SITE})grid\.intensity\.(?P<what>file|region|year)", "Grid"),
    (rf"(?:{_SITE})facility\.pue", "PUE"),
    (rf"(?:{_SITE})facility", "PUE in place of the plant"),
    (rf"(?:{_SITE})grid\.price", "Price of electricity"),
    (r"accounting\.gpu_lifetime", "Lifetime of GPUs"),
    (r"accounting\.server_lifetime", "Lifetime of servers"),
    (r"cluster\.nodes\.(?P<of>\d+)\.profile", "Servers and their GPUs"),
    (r"cluster\.nodes\.(?P<of>\d+)\.count", "Number of servers"),
    (rf"{_WORK}gpus", "GPUs"),
    (rf"{_WORK}(?P<part>replicas|prefill|decode)\.count(?:\.(?P<what>min|max))?", "Replicas"),
    (rf"{_WORK}replicas", "Replicas"),
    (rf"{_WORK}(?:\w+\.)*power_cap", "Power cap of a GPU"),
    (rf"policies\.\d+\.domains\.{_NAME}\.limit", "Power limit"),
    (rf"{_WORK}batching\.max_num_seqs", "Batch: most sequences"),
    (rf"{_WORK}batching\.max_num_batched_tokens", "Batch: most tokens"),
    (rf"{_WORK}(?:\w+\.)*(?P<what>\w*batch\w*)", "Batch"),
    (rf"{_WORK}(?:source\.)?arrivals\.rate", "Rate of arrivals"),
    (rf"{_WORK}source\.arrivals\.load\.utilisation", "Load of GPUs by jobs"),
    (rf"{_WORK}model", "Model"),
    (rf"(?:{_SITE})water\.wue", "Water on site (WUE)"),
    (rf"(?:{_SITE})water\.ewif", "Water at the power stations (EWIF)"),
)
"""Patterns of the paths that people move most, in this order, and what people call them."""


def rank(path: str) -> int:
    """Where a path stands among those that people move most; behind them all where it is none."""
    return next((i for i, (pattern, _) in enumerate(USUAL) if re.fullmatch(pattern, path)), len(USUAL))


def is_usual(path: str) -> bool:
    """Whether people move it often."""
    return rank(path) < len(USUAL)


def label(path: KeyPath) -> str:
    """What a value is called: the words of its pattern, or the end of its path.

    >>> label(("workloads", "chat", "replicas", "count", "min")), label(("cluster", "scheduler", "aging"))
    ('Replicas of chat (min)', 'scheduler / aging')
    >>> label(("workloads", "v1.5", "gpus"))
    'GPUs of v1.5'
    """
    dotted = joined(path)
    for pattern, words in USUAL:
        found = re.fullmatch(pattern, dotted)
        if found is not None:
            told = found.groupdict()
            more = [
                told[name].replace("_", " ") for name in ("part", "what") if told.get(name) and told[name] != "replicas"
            ]
            of = f" of {keys_of(told['of'])[0]}" if told.get("of") and path[0] != "cluster" else ""
            return f"{words}{of}" + (f" ({', '.join(more)})" if more else "")
    words_of = [str(part).replace("_", " ") for part in path]
    return " / ".join(words_of[1:][-4:] or words_of)


def told_apart(paths: Sequence[KeyPath], names: Mapping[KeyPath, str]) -> list[str]:
    """The labels of paths, longer by what differs where several would be called alike. ``names`` has what lists call
    their members.

    >>> counts = [("cluster", "nodes", 0, "count"), ("cluster", "nodes", 1, "count")]
    >>> told_apart(counts, {("cluster", "nodes", 0): "old"})
    ['Number of servers (old)', 'Number of servers (2)']
    """
    labels = [label(path) for path in paths]
    alike: dict[tuple[str, int], set[KeyPath]] = defaultdict(set)
    for path, words in zip(paths, labels, strict=True):
        alike[words, len(path)].add(path)
    return [
        f"{words} ({', '.join(found)})" if (found := _differing(path, alike[words, len(path)], names)) else words
        for path, words in zip(paths, labels, strict=True)
    ]


def _differing(path: KeyPath, others: set[KeyPath], names: Mapping[KeyPath, str]) -> list[str]:
    """Those parts of a path in which it is unlike some of the others."""
    parts = [at for at in range(len(path)) if len({other[at] for other in others}) > 1]
    return [_called(path, at, names) for at in parts]


def _called(path: KeyPath, at: int, names: Mapping[KeyPath, str]) -> str:
    part = path[at]
    plain = str(part + 1) if isinstance(part, int) else part.replace("_", " ")
    return names.get(path[: at + 1], plain)
