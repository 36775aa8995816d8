"""Units of time in the names of columns, such as ``run_s``: the ending, and ns in one."""

from sim.units import HOUR_NS, NS_PER_S

UNITS = {"ns": 1, "ms": NS_PER_S // 1000, "s": NS_PER_S, "min": 60 * NS_PER_S, "h": HOUR_NS}
