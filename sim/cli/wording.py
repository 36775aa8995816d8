"""How the parser of arguments speaks: of faults of options as of those of scenarios, helps as wide as the terminal."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def flowing(command: Callable[..., Any] | None) -> str | None:
    """The help of a command, its paragraphs without the ends of lines that its source has."""
    told = inspect.getdoc(command) if command is not None else None
    return "\n\n".join(" ".join(part.split()) for part in told.split("\n\n")) if told else None


def say_plainly(error: Exception) -> None:
    """Puts a fault of an option's value as those of a scenario are put, and not as what checks types does."""
    if type(error.__cause__).__name__ == "ValidationError" and hasattr(error, "message"):
        from sim.validation import first_in_plain_words

        error.message = first_in_plain_words(error.__cause__)  # type: ignore[arg-type]  # known by name, not imported


def what_is_missing(error: Exception) -> str:
    """What the word is for that a command went without: the parser names it and no more."""
    missing = getattr(error, "param", None) if type(error).__name__ == "MissingParameter" else None
    told = getattr(missing, "help", None)
    return f"{missing.opts[0]}: {' '.join(told.split())}" if missing is not None and told else ""
