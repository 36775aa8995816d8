"""Kinds of one's own for coldaisle, whose code stays as it is: each a spec class, a builder and a row of ``KINDS``."""

from sim.kinds import Kind, Named

from .cooling import SeaWater, sea_water
from .grid import DayAndNight, day_and_night
from .policy import AtFirst, at_first
from .router import InTurn, in_turn
from .scheduler import ShortestFirst, shortest_first
from .trace import OFFICE
from .workload import BurnIn, burn_in

KINDS = (
    Kind(SeaWater, sea_water),
    Kind(DayAndNight, day_and_night),
    Kind(AtFirst, at_first),
    Kind(ShortestFirst, shortest_first),
    Kind(InTurn, in_turn),
    Kind(BurnIn, burn_in),
    Named("request trace", OFFICE.name, OFFICE),
)
