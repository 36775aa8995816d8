"""An explanation for a terminal, of 80 columns unless it has fewer."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from sim.plain import as_number
from sim.results.catalogue import Quantity, quantity_at
from sim.results.explain.explanation import Explanation, Step
from sim.results.explain.formula import digits
from sim.results.explain.inputs import WEAKEST_FIRST, Input
from sim.results.formats import percent

WIDTH = 80
MOST_TERMS = 10
"""Terms of a sum that are shown; the others in one line."""
SAYS = {
    "measured": "read off meters",
    "calibrated": "fitted to recordings",
    "datasheet": "a maker's figure",
    "cited": "published",
    "derived": "reckoned from what is published or measured",
    "assumed": "nobody measured it",
    "stated": "what the scenario itself says",
}


def text_of(found: Explanation, width: int = WIDTH) -> str:
    """The whole explanation, in lines of at most ``width`` where words and numbers allow it."""
    quantity = found.place.quantity
    lines = [f"{found.place.path} = {_valued(found.place.value, quantity)}", f"{quantity.label}"]
    for step in found.steps:
        lines += ["", *_step(step, width, alone=len(found.steps) == 1)]
    lines += _shares(found, width)
    lines += _inputs(found.inputs, width)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _valued(value: object, quantity: Quantity) -> str:
    number = as_number(value)
    if number is None:
        return str(value)
    unit = f" {quantity.unit}" if quantity.unit else ""
    return f"{digits(number)}{unit}"


def _wrapped(text: str, width: int, indent: str = "  ", further: str = "    ") -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=further, break_on_hyphens=False) or [""]


def _step(step: Step, width: int, *, alone: bool) -> Iterator[str]:
    yield from _wrapped(step.words if alone else f"{step.path}: {step.words}", width, "" if not alone else "  ", "  ")
    if step.symbols:
        yield from _wrapped(f"= {step.symbols}", width)
        yield from _wrapped(f"= {step.numbers}", width)
        yield from _wrapped(f"= {_result(step)}", width)
    elif step.terms:
        yield from _sum(step, width)
    elif not alone or as_number(step.value) is not None:
        yield from _wrapped(f"= {_result(step)}", width)
    if step.distribution is not None:
        own = step.distribution
        said = f"{own.count:,} values in {own.table} ({own.column}), from {digits(own.least)} to {digits(own.most)}"
        if own.again is not None:
            said += f"; of these rows it is {digits(own.again)}"
        yield from _wrapped(said, width)
    for note in step.notes:
        yield from _wrapped(note, width)


def _result(step: Step) -> str:
    known = quantity_at(step.path.partition(".")[2].partition(".")[2] if step.path.startswith("sites.") else step.path)
    return _valued(step.value, known) if known is not None else str(step.value)


def _sum(step: Step, width: int) -> Iterator[str]:
    """A term a line: what it is, what is multiplied, and what it comes to."""
    shown = step.terms[:MOST_TERMS]
    left = step.terms[MOST_TERMS:]
    rows = [(term.label, term.product, digits(term.value)) for term in shown]
    if left:
        rows.append((f"{len(left)} smaller", "", digits(sum(term.value for term in left))))
    numbers = max(len(value) for _, _, value in rows)
    labels = min(max(len(label) for label, _, _ in rows), 30)
    for i, (label, product, value) in enumerate(rows):
        sign = "+" if i else "="
        room = width - numbers - 3
        line = f"  {sign} {label:<{labels}}  {product}"
        if len(line) > room:
            yield from _wrapped(f"{sign} {label}", width)
            *above, line = _wrapped(product, room, "      ", "      ")
            yield from above
        yield f"{line:<{room}}   {value:>{numbers}}"
    if len(rows) > 1:
        yield f"  = {_result(step)}".ljust(4)


def _shares(found: Explanation, width: int) -> Iterator[str]:
    """How well it is known, as a whole or step by step."""
    told = (
        {found.place.path: found.shares}
        if found.shares
        else {step.path: step.shares for step in found.steps if step.shares}
    )
    if not told:
        return
    yield ""
    yield from _wrapped("How well it is known, by the weakest input of each part:", width, "", "  ")
    for path, shares in told.items():
        yield from _wrapped(
            f"{path}: {', '.join(_share(name, shares) for name in WEAKEST_FIRST if name in shares)}", width
        )


def _share(name: str, shares: Mapping[str, float]) -> str:
    return f"{name} {percent(shares[name])}"


def _inputs(inputs: tuple[Input, ...], width: int) -> Iterator[str]:
    if not inputs:
        return
    yield ""
    yield "Inputs:"
    for name in (*reversed(WEAKEST_FIRST),):
        own = [one for one in inputs if one.confidence == name]
        if own:
            yield f"  {name} ({SAYS[name]})"
        for (holder, source), said in _grouped(own).items():
            yield from _wrapped(f"{holder}{', '.join(said)}", width, "    ", "      ")
            if name != "stated":
                yield from _wrapped(source, width, "        ", "        ")


def _grouped(inputs: Sequence[Input]) -> dict[tuple[str, str], list[str]]:
    """Numbers of one profile from one source stand together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in inputs:
        holder, colon, number = one.name.rpartition(": ")
        key = (f"{holder}{colon}", one.source) if colon else (f"{one.name} = ", f"{one.name}\0")
        groups.setdefault(key, []).append(f"{number} = {one.value}" if colon else one.value)
    return groups
