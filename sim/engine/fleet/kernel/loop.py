"""Ends and arrivals, one instant after the other, and the one way into the compiled kernel."""

from sim.engine.fleet.kernel import ends
from sim.engine.fleet.kernel.decisions import ask, end
from sim.engine.fleet.kernel.waiting import wait
from sim.engine.fleet.records import ABSENT, DONE, NEED_PLACES, Fleet
from sim.engine.serving.compiled import at, entry, inner

fleet_at = at(Fleet)


@inner
def advance(fleet):
    """Everything before ``until_ns``: at each instant ends, then arrivals, then one question."""
    if fleet.asking and ask(fleet) != DONE:
        return NEED_PLACES
    while True:
        now = fleet.ends[0].at_ns if fleet.n_ends else ABSENT
        if fleet.next_job < fleet.n_jobs:
            now = min(now, fleet.jobs[fleet.next_job].submit_ns)
        if now >= fleet.until_ns:
            return DONE
        fleet.now_ns = now
        while fleet.n_ends and fleet.ends[0].at_ns == now:
            row = fleet.ends[0].row
            ends.drop_first(fleet)
            end(fleet, row)
            fleet.events += 1
        while fleet.next_job < fleet.n_jobs and fleet.jobs[fleet.next_job].submit_ns == now:
            if fleet.jobs[fleet.next_job].size >= 0:
                wait(fleet, fleet.next_job)
                fleet.events += 1
            fleet.next_job += 1
        if ask(fleet) != DONE:
            return NEED_PLACES


@entry
def call(address):
    """Runs the fleet that lies at an address; ``NEED_PLACES`` where it must be called again with more room."""
    return advance(fleet_at(address))
