"""Who must give back its machines so that another has room: as few as help, and nobody for nothing."""

from __future__ import annotations

from collections.abc import Sequence

from sim.engine.fleet.request import Request
from sim.engine.fleet.scheduling import Placement, View


def can_make_room(request: Request) -> bool:
    """Whether one that runs may be preempted, and is not about to leave."""
    return not request.leaving and (request.gang is None or request.gang.on_preempt is not None)


def victims(request: Request, among: Sequence[Request], placement: Placement, view: View) -> list[Request] | None:
    """Those of ``among``, taken in this order, that must leave so that ``request`` has room; none of them, where it has
    room once those that are leaving already have left; None where all of them would not do.

    Whoever turns out not to be needed is spared: the last first.
    """
    near = [one for one in among if _shares_pool(request, one, view)]
    imagined = view.machines.copy()
    for one in view.running:
        if one.leaving:
            imagined.imagine_given(one, one.places)
    if placement.places(request, imagined) is not None:
        return []
    missing = request.slots - max(imagined.free_slots[pool] for pool in request.pools)
    chosen: list[Request] = []
    freed = 0
    for one in near:
        imagined.imagine_given(one, one.places)
        chosen.append(one)
        freed += one.held_slots
        if freed >= missing and placement.places(request, imagined) is not None:
            break
    else:
        return None
    needed: list[Request] = []
    for one in reversed(chosen):
        imagined.imagine_taken(one, one.places)
        if placement.places(request, imagined) is None:
            imagined.imagine_given(one, one.places)
            needed.append(one)
    return needed[::-1]


def _shares_pool(request: Request, one: Request, view: View) -> bool:
    return bool(one.places) and view.machines.pool_of[one.places[0].node] in request.pools
