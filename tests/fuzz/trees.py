"""Damage to plain data (scenarios, studies, profiles, JSON): at one path at a time, as people and generators err.

With ``Fragments`` of a JSON Schema, faults know the form as well: another kind in the place of one, a field more, parts
of other scenarios. ``mild`` faults keep most scenarios sound, for those that are to be run.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from tests.fuzz.fragments import Fragments

Path = tuple[str | int, ...]

_QUANTITY = re.compile(r"^\s*([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)\s*(.*)$", re.IGNORECASE)

NUMBERS: tuple[Any, ...] = (
    0, -0.0, 1, -1, 0.5, 1e-12, 5e-324, 1e6, 1e12, 1e29, 1e308, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 2**70,
    float("nan"), float("inf"), float("-inf"), 10**100,
)  # fmt: skip
WORDS: tuple[str, ...] = (
    "", " ", "x", "null", "~", "yes", "0", "1e999", "-", "*", "&a", "<<", "!!python/none", "a" * 300, "n" * 10_000,
    "\x1b[31mred\x1b[0m", "\x07", "a\nb", "a\x00b", "\u202egnp.exe", "\ud7ff\ufffd", "é" * 50, "日本語", "../../etc",
    "/dev/null", "..", "=1+1", "site", "unallocated", "<script>", "%s%n", "{0}", "[bold]x[/bold]", "-1 W", "1e30 W",
    "NaN W", "inf W", "1 W W", "W", "1", "1 furlong", "1 kg", "1 h", "100 %", "1e-300 s", "9" * 41,
)  # fmt: skip
UNITS: tuple[str, ...] = (
    "W", "kW", "MW", "TW", "kWh", "J", "h", "s", "ms", "ns", "d", "years", "gCO2e/kWh", "kgCO2e", "USD/kWh", "EUR/MWh",
    "L/kWh", "%", "degC", "K", "request/s", "/s", "B", "GB", "GB/s", "TFLOP/s", "TFLOP", "deg", "m", "m/s", "kWh/GB",
    "USD/GB", "",
)  # fmt: skip
TIMES: tuple[str, ...] = (
    "2022-02-30T00:00:00Z", "2024-02-29T23:59:59Z", "2022-07-04", "2022-07-04T00:00:00", "yesterday",
    "0001-01-01T00:00Z", "9999-12-31T23:59:59Z", "2022-07-04T00:00:00+14:00", "2022-07-04T23:59:60Z",
    "1969-12-31T00:00:00Z", "2262-04-12T00:00Z", "20220704T000000Z", "2022-W27-1T00:00:00Z", "1656892800",
)  # fmt: skip


def walk(tree: Any, path: Path = ()) -> Iterator[Path]:
    """Every path of a tree below its root."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from walk(value, (*path, key))


def at(tree: Any, path: Path) -> Any:
    """What stands there."""
    for part in path:
        tree = tree[part]
    return tree


def put(tree: Any, path: Path, value: Any) -> None:
    """Sets what stands there."""
    at(tree, path[:-1])[path[-1]] = value


def mutated(tree: Any, rng: Random, fragments: Fragments | None = None, *, mild: bool = False) -> Any:
    """A copy of ``tree`` with one to three faults."""
    changed = copy.deepcopy(tree)
    ways = list(_MILD if mild else _ANY)
    if fragments is not None:
        ways += [fragments.other, fragments.more, fragments.more, fragments.of_another] * (2 if mild else 1)
    for _ in range(rng.choice((1, 1, 2, 3))):
        paths = list(walk(changed))
        if not paths:
            return changed
        path = rng.choice(paths)
        rng.choice(ways)(changed, path, rng)
    return changed


def _null(tree: Any, path: Path, _rng: Random) -> None:
    put(tree, path, None)


def _other_type(tree: Any, path: Path, rng: Random) -> None:
    value = at(tree, path)
    others: tuple[Any, ...] = ([], {}, "", [value], {"kind": value}, {str(path[-1]): value}, str(value), 1, 0.5, [None])
    put(tree, path, copy.deepcopy(rng.choice(others)))


def _truth(tree: Any, path: Path, rng: Random) -> None:
    put(tree, path, rng.random() < 0.5)


def _number(tree: Any, path: Path, rng: Random) -> None:
    put(tree, path, rng.choice(NUMBERS))


def _word(tree: Any, path: Path, rng: Random) -> None:
    put(tree, path, rng.choice((*WORDS, *TIMES)))


def _quantity(tree: Any, path: Path, rng: Random) -> None:
    """Its number or its unit; of something else, a quantity in its place."""
    value = at(tree, path)
    found = _QUANTITY.match(value) if isinstance(value, str) else None
    number, unit = (found.group(1), found.group(2)) if found else ("1", rng.choice(UNITS))
    if isinstance(value, int | float) and not isinstance(value, bool):
        number, unit = str(value), ""
    if rng.random() < 0.7:
        number = rng.choice(
            ("0", "-1", "1e-30", "1e-6", "1e3", "1e6", "1e12", "1e29", "1e308", "nan", "inf", "1e400", "-" + number)
        )
    else:
        unit = rng.choice(UNITS)
    put(tree, path, f"{number} {unit}".strip())


def _scaled(tree: Any, path: Path, rng: Random) -> None:
    """A number within ten times of what it was."""
    value, by = at(tree, path), rng.choice((0.1, 0.3, 0.5, 0.9, 1.1, 2, 3, 10))
    if isinstance(value, bool):
        put(tree, path, not value)
    elif isinstance(value, int):
        put(tree, path, round(value * by))
    elif isinstance(value, float):
        put(tree, path, value * by)
    elif isinstance(value, str) and (found := _QUANTITY.match(value)) and found.group(2):
        put(tree, path, f"{float(found.group(1)) * by:g} {found.group(2)}")


def _gone(tree: Any, path: Path, _rng: Random) -> None:
    del at(tree, path[:-1])[path[-1]]


def _renamed(tree: Any, path: Path, rng: Random) -> None:
    """Or, in a list, doubled."""
    around, key = at(tree, path[:-1]), path[-1]
    if isinstance(around, list):
        around.insert(int(key), copy.deepcopy(around[int(key)]))
        return
    name = str(key)
    wrong = rng.choice(
        (name[:-1], name + "s", name.upper(), name.replace("_", "-"), rng.choice(WORDS), f"{name}.{name}")
    )
    around[wrong] = around.pop(key)


def _doubled(tree: Any, path: Path, rng: Random) -> None:
    """Under another name, or in a list up to a thousand times."""
    around, value = at(tree, path[:-1]), at(tree, path)
    if isinstance(around, list):
        around.extend(copy.deepcopy(value) for _ in range(rng.choice((1, 1, 30, 1000))))
    else:
        around[f"{path[-1]}-2"] = copy.deepcopy(value)


def _swapped(tree: Any, path: Path, rng: Random) -> None:
    """With something else in the tree."""
    other = rng.choice(list(walk(tree)))
    if other[: len(path)] != path and path[: len(other)] != other:
        one, two = at(tree, path), at(tree, other)
        put(tree, path, two)
        put(tree, other, one)


def _copied(tree: Any, path: Path, rng: Random) -> None:
    put(tree, path, copy.deepcopy(at(tree, rng.choice(list(walk(tree))))))


def _deep(tree: Any, path: Path, rng: Random) -> None:
    value = at(tree, path)
    for _ in range(rng.choice((5, 45, 150))):
        value = [value] if rng.random() < 0.5 else {"a": value}
    put(tree, path, value)


def _reordered(tree: Any, path: Path, rng: Random) -> None:
    value = at(tree, path)
    if isinstance(value, list):
        rng.shuffle(value)
    elif isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        put(tree, path, {key: value[key] for key in keys})


Fault = Callable[[Any, Path, Random], None]
_MILD: Sequence[Fault] = (_scaled, _scaled, _scaled, _reordered, _doubled, _copied, _swapped, _gone)
_ANY: Sequence[Fault] = (
    _null, _other_type, _truth, _number, _word, _quantity, _quantity, _scaled, _gone, _renamed, _doubled, _swapped,
    _copied, _deep, _reordered,
)  # fmt: skip
