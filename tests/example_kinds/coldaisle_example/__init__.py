"""Kinds of one's own for coldaisle, whose code stays as it is: each a spec class, a builder and a row of ``KINDS``."""

from coldaisle_example.cooling import SeaWater, sea_water
from coldaisle_example.grid import DayAndNight, day_and_night
from coldaisle_example.policy import AtFirst, at_first
from coldaisle_example.scheduler import ShortestFirst, shortest_first
from sim.kinds import Kind

KINDS = (
    Kind(SeaWater, sea_water),
    Kind(DayAndNight, day_and_night),
    Kind(AtFirst, at_first),
    Kind(ShortestFirst, shortest_first),
)
