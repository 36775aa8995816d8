"""Formulas of the catalogue with the names and numbers of a run put in."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim.paths import joined

IN_BRACES = re.compile(r"\{([^{}]*)\}")
_BINARY: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True)
class Filled:
    """A formula of one number: in ``symbols``, with the ``numbers`` put in, what it comes to, and the paths in it."""

    symbols: str
    numbers: str
    value: float
    refers_to: tuple[str, ...]
    additive: bool


def digits(value: float) -> str:
    """A number with so many digits that what is computed from it shows no difference."""
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:,.7g}"


def named(path: str, names: Sequence[str]) -> tuple[str, ...]:
    """The keys of a path of the catalogue with ``names`` in place of what it leaves open, as far as they go."""
    left = list(names)
    return tuple(left.pop(0) if key in ("*", "[]") and left else key for key in path.split("."))


def filled(formula: str, names: Sequence[str], look_up: Callable[[str, tuple[str, ...]], float]) -> Filled:
    """``look_up`` gives the number of what stands in braces: ``""``, ``sum`` or ``@`` for what it is, and its keys."""
    values: list[float] = []
    shown: list[str] = []
    paths: list[str] = []

    def put(found: re.Match[str]) -> str:
        text = found[1]
        how = "@" if text.startswith("@") else "sum" if text.startswith("sum ") else ""
        open_names = text.count("*") + text.count("[]") - (how == "sum")
        keys = named(text.removeprefix("@").removeprefix("sum "), names[:open_names])
        values.append(look_up(how, keys))
        path = joined(keys)
        shown.append(_in_words(keys) if how == "@" else f"sum of {path}" if how == "sum" else path)
        paths.extend([path] if how == "" else [])
        return f" _{len(values) - 1} "

    tree = ast.parse(IN_BRACES.sub(put, formula).strip(), mode="eval").body
    return Filled(
        symbols=_written(formula, shown),
        numbers=_written(formula, [digits(value) if value >= 0 else f"({digits(value)})" for value in values]),
        value=_value(tree, values),
        refers_to=tuple(dict.fromkeys(paths)),
        additive=all(isinstance(node, ast.Add) for node in ast.walk(tree) if isinstance(node, ast.operator)),
    )


def _in_words(keys: Sequence[str]) -> str:
    first, *rest = keys
    return " ".join([WORDS[first], *(f"of {name}" for name in rest)])


WORDS = {
    "outside_kg": "carbon of networks and devices outside",
    "inside_operational_kg": "operational carbon of the site",
    "inside_onsite_l": "on-site water of the site",
    "inside_offsite_l": "off-site water of the site",
    "renewable_kwh": "renewable energy",
    "carbon_free_kwh": "carbon-free energy",
    "reused_kwh": "heat reused",
    "supplied_kwh": "energy supplied",
    "units": "functional units",
    "metered_kwh": "metered IT kWh",
    "held_gpu_hours": "GPU-hours in the ledger",
}
"""Numbers of a run that its summary does not hold."""


def _written(formula: str, parts: Sequence[str]) -> str:
    left = iter(parts)
    return IN_BRACES.sub(lambda _found: next(left), formula).replace(" * ", " x ")


def _value(node: ast.expr, values: Sequence[float]) -> float:
    if isinstance(node, ast.BinOp):
        return _BINARY[type(node.op)](_value(node.left, values), _value(node.right, values))
    if isinstance(node, ast.Name):
        return values[int(node.id[1:])]
    assert isinstance(node, ast.Constant)
    constant: Any = node.value
    return float(constant)
