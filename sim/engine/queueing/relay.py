"""Relays between inference services: a memo in front, and what one cannot answer asked of the next."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial

import simpy

from sim.engine.clock import Clock
from sim.engine.queueing.service import Service
from sim.workload.relays import Passing, RelayLog, RelayPlan, passing
from sim.workload.result_cache import Memo


class QueueRelay:
    """Hands each request to the services of its plan, in turn, and closes them when all is answered."""

    def __init__(self, env: Clock, plan: RelayPlan, services: Sequence[Service]) -> None:
        self._env = env
        self._plan = plan
        self._services = services
        self._log = RelayLog.of(plan)
        self._memo = Memo(plan.cache.capacity) if plan.cache is not None else None
        self._open = 1  # requests on their way, and the stream
        for place, service in enumerate(services):
            service.on_end = partial(self._back, place)
        env.process(self._ask())

    def log(self) -> RelayLog:
        """What is known up to now."""
        if self._memo is not None:
            self._log.evictions, self._log.remembered = self._memo.evictions, len(self._memo)
        return self._log

    def _ask(self) -> Generator[simpy.Event, object, None]:
        env, log, cache = self._env, self._log, self._plan.cache
        for chunk in passing(self._plan):
            for one in chunk:
                if one.born_ns > env.now_ns:
                    yield env.wait(one.born_ns - env.now_ns)
                self._open += 1
                log.asked += 1
                if cache is None or self._memo is None:
                    self._send(one, one.place, 0)
                    continue
                log.looked_ns.append(env.now_ns)
                if self._memo.has(one.key, env.now_ns):
                    log.hits += 1
                    env.process(self._after(cache.lookup_ns, None))
                else:
                    self._send(one, one.place, cache.lookup_ns)
        if self._plan.open_until_ns > env.now_ns:
            yield env.wait(self._plan.open_until_ns - env.now_ns)
        self._over()

    def _send(self, one: Passing, place: int, wait_ns: int) -> None:
        one.place = place
        wait_ns += self._plan.way_ns[place]
        if wait_ns:
            self._env.process(self._after(wait_ns, one))
        else:
            self._services[place].enter(one)

    def _after(self, wait_ns: int, one: Passing | None) -> Generator[simpy.Event, object, None]:
        """A while later the request is at its place; or, if there is none, it is over."""
        yield self._env.wait(wait_ns)
        if one is None:
            self._over()
        else:
            self._services[one.place].enter(one)

    def _back(self, place: int, one: Passing, served: bool) -> None:
        """A service is done with a request."""
        plan, log = self._plan, self._log
        if not served:
            log.lost[place] += 1
            self._over()
            return
        if plan.judges(place):
            log.judged_ns[place].append(self._env.now_ns)
        judged_ns = plan.way_ns[place] + (plan.verifier_ns if plan.judges(place) else 0)
        if one.hardness > plan.limits[place]:
            log.passed_on[place] += 1
            self._send(one, place + 1, judged_ns)
            return
        self._env.process(self._answer(place, one, judged_ns))

    def _answer(self, place: int, one: Passing, wait_ns: int) -> Generator[simpy.Event, object, None]:
        if wait_ns:
            yield self._env.wait(wait_ns)
        self._log.answer(place, self._env.now_ns - one.born_ns)
        if self._memo is not None:
            self._memo.put(one.key, self._env.now_ns)
        self._over()

    def _over(self) -> None:
        self._open -= 1
        if not self._open:
            for service in self._services:
                service.close()
