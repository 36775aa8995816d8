"""Arithmetic over results of runs: ``1 - {small: energy_kwh.it} / {large: energy_kwh.it}``.

In braces stands a path of ``summary.json``, after the name of a run where there are several; ``{*: path}`` is that path
of every run, for ``min``, ``max``, ``sum`` and ``mean``. Beside numbers there are ``+ - * / **``, ``abs``, ``sqrt`` and
``log``.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sim.plain import as_list, as_mapping, as_number

ALL = "*"
DOMAIN = "takes a logarithm or a root of a number that has none"
_IN_BRACES = re.compile(r"\{([^{}]*)\}")
_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_OF_ONE: Mapping[str, Callable[[float], float]] = {"abs": abs, "sqrt": math.sqrt, "log": math.log}
_OF_MANY: Mapping[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "max": max,
    "sum": math.fsum,
    "mean": lambda values: math.fsum(values) / len(values),
}


class ExpressionError(ValueError):
    """It cannot be read, or what it names is not in the summary."""


@dataclass(frozen=True)
class Reference:
    """A path of the summary of a run; of the run at hand where none is named."""

    run: str | None
    path: str


@dataclass(frozen=True)
class Expression:
    """A formula that was read, and what it refers to."""

    tree: ast.expr
    references: tuple[Reference, ...]

    @cached_property
    def runs(self) -> frozenset[str]:
        """The runs that it names."""
        return frozenset(found.run for found in self.references if found.run not in (None, ALL))

    @property
    def without_run(self) -> bool:
        """Whether it refers to the run at hand."""
        return any(found.run is None for found in self.references)

    def value(self, summaries: Mapping[str, Mapping[str, Any]], here: str) -> float:
        """Its value, given each run's summary, and which run is at hand. Raises ``ExpressionError``."""
        try:
            found = float(
                _single(_value(self.tree, [_looked_up(reference, summaries, here) for reference in self.references]))
            )
        except ZeroDivisionError:
            raise ExpressionError("divides by zero") from None
        except OverflowError:
            raise ExpressionError("is too large for a number") from None
        except ValueError as error:
            raise error if isinstance(error, ExpressionError) else ExpressionError(DOMAIN) from None
        if not math.isfinite(found):
            raise ExpressionError("is too large for a number")
        return found


def parse(text: str) -> Expression:
    """Reads a formula. Raises ``ExpressionError`` with what is wrong."""
    references: list[Reference] = []

    def named(found: re.Match[str]) -> str:
        run, colon, path = found[1].rpartition(":")
        if not path.strip() or (colon and not run.strip()):
            raise ExpressionError(
                f"'{found[0]}' needs a path of summary.json, as in '{{energy_kwh.it}}' or '{{run: path}}'"
            )
        references.append(Reference(run.strip() if colon else None, path.strip()))
        return f" _{len(references) - 1} "

    plain = _IN_BRACES.sub(named, text)
    try:
        tree = ast.parse(plain.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ExpressionError("cannot be read as arithmetic over '{path}' or '{run: path}'") from None
    _check(tree, len(references))
    return Expression(tree, tuple(references))


def _check(node: ast.expr, count: int, depth: int = 0) -> None:
    """Raises for everything but the arithmetic that is told above."""
    inner: list[ast.expr]
    if depth > 50:
        raise ExpressionError("is nested too deeply")
    number = isinstance(node, ast.Constant) and as_number(node.value) is not None
    if number or (isinstance(node, ast.Name) and re.fullmatch(r"_\d+", node.id) and int(node.id[1:]) < count):
        inner = []
    elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        inner = [node.left, node.right]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = [node.operand]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args and not node.keywords:
        if node.func.id not in {*_OF_ONE, *_OF_MANY}:
            raise ExpressionError(f"knows no '{node.func.id}'  ({', '.join([*_OF_ONE, *_OF_MANY])})")
        if node.func.id in _OF_ONE and len(node.args) != 1:
            raise ExpressionError(f"'{node.func.id}' takes one number")
        inner = list(node.args)
    else:
        raise ExpressionError("may hold only numbers, '{path}', + - * / ** ( ) and functions")
    for part in inner:
        _check(part, count, depth + 1)


def _value(node: ast.expr, found: Sequence[Any]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return found[int(node.id[1:])]
    if isinstance(node, ast.UnaryOp):
        value = _single(_value(node.operand, found))
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp):
        left, right = _single(_value(node.left, found)), _single(_value(node.right, found))
        # of floats, whose powers overflow at once: those of whole numbers would fill the memory
        value = _BINARY[type(node.op)](float(left), float(right))
        if isinstance(value, complex):
            raise ExpressionError("is no real number")
        return value
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    values = [_value(argument, found) for argument in node.args]
    if node.func.id in _OF_ONE:
        return _OF_ONE[node.func.id](_single(values[0]))
    return _OF_MANY[node.func.id]([one for value in values for one in (value if isinstance(value, list) else [value])])


def _single(value: Any) -> Any:
    if isinstance(value, list):
        raise ExpressionError("is a list: take its min, max, sum or mean")
    return value


def _looked_up(reference: Reference, summaries: Mapping[str, Mapping[str, Any]], here: str) -> float | list[float]:
    if reference.run == ALL:
        return [looked_up(summary, reference.path) for summary in summaries.values()]
    return looked_up(summaries[reference.run or here], reference.path)


def looked_up(summary: Mapping[str, Any], path: str) -> float:
    """The number under a dotted path of a summary; names may hold points themselves, items of lists go by ``[0]``.

    Raises ``ExpressionError`` naming how far the path goes, and what is there instead.
    """
    found, rest, gone = _followed(summary, path)
    number = as_number(found)
    if rest or number is None:
        inside = as_mapping(found)
        there = f"there is {', '.join(map(str, inside))}" if inside else "there is no number"
        raise ExpressionError(
            f"the summary has no '{path}': below '{gone}' {there}" if gone else f"the summary has no '{path}': {there}"
        )
    return float(number)


def _followed(value: Any, path: str, gone: str = "") -> tuple[Any, str, str]:
    """What stands under a path, what of the path was not found, and what was."""
    if not path:
        return value, "", gone
    mapping, items = as_mapping(value), as_list(value)
    if items is not None:
        found = re.match(r"\[(-?\d+)\]\.?", path)
        if found is None or not -len(items) <= int(found[1]) < len(items):
            return value, path, gone
        return _followed(items[int(found[1])], path[found.end() :], gone + found[0].rstrip("."))
    if mapping is None:
        return value, path, gone
    ends = [at for at, letter in enumerate(path) if letter in ".["] + [len(path)]
    for end in reversed(ends):  # the longest name first: names may hold points
        if path[:end] in mapping:
            rest = path[end + 1 :] if path[end : end + 1] == "." else path[end:]
            return _followed(mapping[path[:end]], rest, f"{gone}.{path[:end]}" if gone else path[:end])
    return value, path, gone
