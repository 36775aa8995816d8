"""Jobs that can wait do so for a cleaner, or a cheaper, time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from sim.engine.fleet.request import Request
from sim.engine.fleet.schedulers.seen import Seen
from sim.engine.fleet.scheduling import Decision, Scheduler, View
from sim.signals import Signal
from sim.workload.schedule import best_start

By = Literal["carbon", "marginal", "price"]


@dataclass(frozen=True)
class WaitWithinSlack:
    """A job with slack stands in the queue of ``then`` only from the time on at which it should start: that within its
    slack, counted from its submission, for which the mean of the signal over the time that it asks for is least (the
    earliest of equals), at the site of the first of its pools (Wiesner et al. 2021, https://doi.org/10.1145/3464298.3493399).

    The future of the signal is known, the time that a job takes is what its user said; one who said nothing is judged
    by the signal at its start. A job has its place in the order in which all came once it is let in. One without slack,
    or at a site without the signal, does not wait.
    """

    signal: By
    then: Scheduler

    def next(self, view: View) -> Decision | None:
        """What the other scheduler does with those that wait for nothing but room."""
        return self.then.next(self._seen(view))

    def ask_again_ns(self, view: View) -> int | None:
        """When the next is let in."""
        now_ns = view.now_ns
        let_in = [at_ns for request in view.waiting if (at_ns := self.best_ns(request, view)) > now_ns]
        again_ns = self.then.ask_again_ns(self._seen(view))
        if again_ns is not None:
            let_in.append(again_ns)
        return min(let_in, default=None)

    def _seen(self, view: View) -> Seen:
        now_ns = view.now_ns
        queue = [request for request in view.waiting if self.best_ns(request, view) <= now_ns]
        return Seen(view, queue, view.machines)

    def best_ns(self, request: Request, view: View) -> int:
        """When a request should start; once it has been there, or has started before, at once."""
        if not request.slack_ns or request.ran_ns or request.submit_ns + request.slack_ns <= view.now_ns:
            return request.submit_ns
        signal = view.signal(request.pools[0], self.signal)
        if signal is None:
            return request.submit_ns
        return best_start_ns(signal, request.submit_ns, request.slack_ns, request.limit_ns or 1)


@lru_cache(maxsize=1 << 16)
def best_start_ns(signal: Signal, submit_ns: int, slack_ns: int, takes_ns: int) -> int:
    """The start from ``submit_ns`` to ``submit_ns + slack_ns`` with the least mean of a signal over ``takes_ns``. What
    lies beyond the end of the signal is not known, and does not count."""
    known_ns = min(signal.last_ns, submit_ns + slack_ns + takes_ns)
    takes_ns = min(takes_ns, known_ns - submit_ns)
    if takes_ns < 1 or submit_ns < signal.first_ns:
        return submit_ns
    first, last = np.searchsorted(signal.edges_ns, (submit_ns, known_ns), side="right")
    inside = signal.edges_ns[first:last]
    inside = inside[inside < known_ns]
    edges = np.concatenate([[submit_ns], inside, [known_ns]])
    ahead = Signal(edges, signal.values[first - 1 : first + len(inside)], signal.unit)
    return best_start(ahead, takes_ns, min(submit_ns + slack_ns, known_ns - takes_ns))
