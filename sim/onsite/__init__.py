"""Energy made or kept at the site: PV, wind, a battery, diesel generators, and what is sent where in each interval.

What a source could make is a pure function of weather (``pv``, ``wind``), so it stays outside the loop over time. Only
the battery remembers, so only ``loop`` goes through the intervals in order. ``dispatch`` ties them together.
"""
