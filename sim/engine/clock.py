"""Simulated time: SimPy's environment, in integer nanoseconds and nothing else."""

from __future__ import annotations

import simpy


class Clock(simpy.Environment):
    """An environment whose time is an int.

    SimPy would also take floats; one of them in a delay would turn the clock into a float for good, so ``wait`` refuses
    it.
    """

    @property
    def now_ns(self) -> int:
        """The present, in ns from the start of the run."""
        return self._now  # type: ignore[return-value]  # SimPy's may be a float

    @property
    def next_ns(self) -> int | None:
        """When the next event is due, in ns; None where none is."""
        following = self.peek()
        return following if isinstance(following, int) else None

    def wait(self, delay_ns: int) -> simpy.Timeout:
        """An event ``delay_ns`` from now. Raises ``TypeError`` for anything but an int."""
        if type(delay_ns) is not int:
            raise TypeError(f"a delay is an int of nanoseconds, not {type(delay_ns).__name__}")
        return self.timeout(delay_ns)
