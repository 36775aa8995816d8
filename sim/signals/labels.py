"""How the times in a file are to be read, where the user may say: on which clock they are, and what they label.

A time with an offset from UTC is an instant. One without is read on the clock that the file's published format or the
column's own name fixes (``datetime_utc``, ``UTC time``), else on that of a zone which the user names; with neither it
is refused, because read as UTC it would be hours wrong without a word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sim.errors import InputError
from sim.instants import epoch_ns, named_zone, offset_ns

Stamps = Literal["start", "end"]
"""Whether the time of a row is that at which its interval starts, or ends."""

_UTC = re.compile(r"(?<![a-z])(?:utc|gmt)(?![a-z]|\s*[+-]\s*\d)", re.IGNORECASE)

_END = re.compile(r"(?<![A-Za-z])[Ee](?:nd|ND)(?:s|ing|ING)?(?![A-Za-z])|(?<=[a-z])End(?:ing)?(?![a-z])")

NO_OFFSET = (
    "has no offset from UTC, so it is no instant: write one ('+02:00' or 'Z'), "
    "or name the zone of its clock, e.g. zone: Europe/Berlin"
)

_WINTER_AND_SUMMER = tuple(epoch_ns(datetime(2024, month, 1, tzinfo=UTC)) for month in (1, 7))


@dataclass(frozen=True)
class Labels:
    """What the user says of a file's times: the ``zone`` of a clock without offsets, and what they label.

    None leaves either to what the format documents.
    """

    zone: str | None = None
    stamps: Stamps | None = None

    def at_end(self, documented: Stamps = "start") -> bool:
        """Whether times label the ends of intervals."""
        return (self.stamps if self.stamps is not None else documented) == "end"

    def refuse_stamps(self, file: str, why: str) -> None:
        """Raises ``InputError`` where the user says what times label and the file says it itself."""
        if self.stamps is not None:
            raise InputError.one(file, f"{why}: leave 'stamps' out")

    def refuse_ends(self, file: str, name: str) -> None:
        """Raises ``InputError`` where the column called ``name`` holds ends by that name, and is read as starts."""
        if says_end(name) and not self.at_end():
            message = (
                f"'{name}' holds the ends of intervals by its name: write stamps: end, or rename it if it does not"
            )
            raise InputError.one(file, message)

    def refuse_zone(self, file: str, why: str) -> None:
        """Raises ``InputError`` where the user names a zone that is not UTC's and the file's clock is known."""
        if self.zone is not None and any(offset_ns(named_zone(self.zone), when) for when in _WINTER_AND_SUMMER):
            raise InputError.one(file, f"{why}, and 'zone' says {self.zone}: leave 'zone' out")


AS_DOCUMENTED = Labels()
"""What a reader assumes where the user says nothing."""


def says_end(name: str) -> bool:
    """Whether the name of a column says that its times are the ends of intervals.

    >>> [says_end(name) for name in ("Interval End", "period_ending", "intervalEnd", "UTC Time at End of Hour")]
    [True, True, True, True]
    >>> [says_end(name) for name in ("Interval Start", "weekend", "endpoint", "datetime_utc")]
    [False, False, False, False]
    """
    return _END.search(name) is not None


def says_utc(name: str) -> bool:
    """Whether the name of a column says that its times are in UTC.

    >>> [says_utc(name) for name in ("datetime_utc", "UTC time", "Datetime (Local)", "time (UTC+1)", "timestamp")]
    [True, True, False, False, False]
    """
    return _UTC.search(name) is not None
