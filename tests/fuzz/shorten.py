"""Makes a scenario quick to run: an hour at most, few machines, few requests. What it says is otherwise as it was."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

from sim.errors import InputError
from sim.units import parse, parse_ns

SHORT = ("10 min", "30 min", "1 h", "1 h", "2 h")
MOST_PER_S = 3.0
_MOST = {"concurrency": 32, "requests": 300, "draws": 8, "seeds": 2, "count": 64, "sample": 1000}


def shortened(tree: Any, rng: Random) -> Any:
    """A copy of ``tree``."""
    short = copy.deepcopy(tree)
    if not isinstance(short, dict):
        return short
    written = short.get("duration")
    if "end" in short or not _shorter(written, "2 h"):
        short.pop("end", None)
        short["duration"] = rng.choice(SHORT)
    _few(short)
    outputs = short.get("outputs")
    if not isinstance(outputs, dict) or not isinstance(outputs.get("bin"), str) or _shorter(outputs["bin"], "20 s"):
        short["outputs"] = {**(outputs if isinstance(outputs, dict) else {}), "bin": "10 min"}
    return short


def _few(tree: Any) -> None:
    items = list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree)) if isinstance(tree, list) else []
    for key, value in items:
        if key in _MOST and isinstance(value, int) and value > _MOST[key]:
            tree[key] = _MOST[key]
        elif key in ("rate", "most") and isinstance(value, str) and _per_s(value) > MOST_PER_S:
            tree[key] = f"{MOST_PER_S:g} request/s"
        elif key == "turns" and isinstance(value, int | float) and value > 20:
            tree[key] = 20
        else:
            _few(value)


def _per_s(text: str) -> float:
    try:
        return float(parse(text, "request rate"))
    except InputError:
        return 0.0


def _shorter(written: Any, than: str) -> bool:
    """Whether it is a duration, and no longer."""
    try:
        return isinstance(written, str) and parse_ns(written) <= parse_ns(than)
    except InputError:
        return False
