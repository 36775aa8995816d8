"""How the carbon of making a device is spread over what it does: pure shares, which the fold multiplies.

A share is of one device's embodied carbon. Each rule charges all of it, once, to a device that lives and works as the
rule expects; none of them is right about a device that does not, and which one is used changes the answer, so it is
said beside it. Embodied carbon is never multiplied by PUE.
"""

from __future__ import annotations

from dataclasses import dataclass


def time_share(held_ns: int, lifetime_ns: int) -> float:
    """Share of a device's carbon by time: the share of its lifetime for which it is held.

    Time that nobody holds it is charged like any other, on a line of its own. Source: Software Carbon Intensity,
    ISO/IEC 21031:2024: M = TE x (time reserved / lifetime) x (share reserved).
    """
    return held_ns / lifetime_ns


def expected_utilisation_share(held_ns: int, lifetime_ns: int, utilisation: float) -> float:
    """Share of a device's carbon by held time over the part of its lifetime that is expected to be held.

    Unheld time is then charged to no one. ``utilisation`` is in (0, 1]. Source: Luccioni, Viguier and Ligozat, JMLR 24,
    2023 (85 % for BLOOM).
    """
    return held_ns / (lifetime_ns * utilisation)


def use_share(active_ns: int, active_lifetime_ns: int) -> float:
    """By use: active time over the active time that the device is expected to give before it is replaced.

    For a device that wears out by work or is replaced for the work it has done. Idle time is free; where it is used
    less than expected, part of the carbon is never charged.
    """
    return active_ns / active_lifetime_ns


@dataclass(frozen=True)
class SecondLife:
    """Another use after this one, which carries ``share`` (0..1) of the carbon of making the device."""

    share: float


def second_life_by_time(first_ns: int, second_ns: int) -> SecondLife:
    """A second life that carries the carbon in proportion to its years."""
    return SecondLife(second_ns / (first_ns + second_ns))


def first_life_g(made_g: float, second: SecondLife | None) -> float:
    """Carbon of making a device, g, that its first life answers for."""
    return made_g if second is None else made_g * (1.0 - second.share)


@dataclass(frozen=True)
class EndOfLife:
    """The end of one device, g: moving it, treating it, and what its recovered materials spare others.

    ``credit_g`` (>= 0) is shown and never deducted: it is somebody else's footprint that is smaller.
    """

    transport_g: float
    treatment_g: float
    credit_g: float = 0.0

    @property
    def charged_g(self) -> float:
        """Carbon of the end, g, that the device answers for."""
        return self.transport_g + self.treatment_g
