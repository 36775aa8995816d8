"""Lists of hosts as Slurm writes them: ``node[001-004,7],login1`` and products such as ``rack[1-2]n[01-16]``.

Source: the manual page of scontrol (``show hostnames``, SchedMD). A range keeps the zeros of its first number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import product

from sim.workload.trace_formats import BadRowError, short

NOBODY = ("", "None assigned", "None", "(null)", "Unknown", "N/A")
"""Of a job that was given no node."""
MOST_HOSTS = 1 << 17
_PART = re.compile(r"\[([^\[\]]*)\]|([^\[\],]+)")
_RANGE = re.compile(r"^(\d+)(?:-(\d+))?$")


@lru_cache(maxsize=1 << 10)
def hosts(text: str) -> tuple[str, ...]:
    """The names in a list, in its order; none where no node was assigned. Raises ``BadRowError`` for what is no list.

    >>> hosts("n[08-10,2],login")
    ('n08', 'n09', 'n10', 'n2', 'login')
    """
    if text in NOBODY:
        return ()
    names = [name for one in _split(text) for name in _expanded(one, text)]
    if len(set(names)) < len(names):
        raise BadRowError(f"names a node twice: {short(repr(text))}")
    return tuple(names)


def _split(text: str) -> Iterator[str]:
    """The parts between commas outside brackets."""
    depth, begin = 0, 0
    for at, char in enumerate(text):
        depth += (char == "[") - (char == "]")
        if char == "," and not depth:
            yield text[begin:at]
            begin = at + 1
    yield text[begin:]


def _expanded(part: str, text: str) -> Iterator[str]:
    pieces, end = [], 0
    for found in _PART.finditer(part):
        if found.start() != end:
            break
        end = found.end()
        pieces.append(_numbers(found[1], text) if found[2] is None else [found[2]])
    if not part or end != len(part):
        raise _no_list(text)
    count = 1
    for piece in pieces:
        count *= len(piece)
    if count > MOST_HOSTS:
        raise BadRowError(f"is a list of {count:,} nodes, more than there can be")
    return map("".join, product(*pieces))


def _numbers(inside: str, text: str) -> list[str]:
    numbers: list[str] = []
    for one in inside.split(","):
        found = _RANGE.match(one)
        if found is None:
            raise _no_list(text)
        first, last = found[1], found[2] or found[1]
        count = int(last) - int(first) + 1
        if count < 1:
            raise _no_list(text)
        if len(numbers) + count > MOST_HOSTS:
            raise BadRowError(f"is a list of more than {MOST_HOSTS:,} nodes, more than there can be")
        numbers += [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    return numbers


def _no_list(text: str) -> BadRowError:
    return BadRowError(f"is no list of nodes: {short(repr(text))}; they are written node[001-004,7],login1")
