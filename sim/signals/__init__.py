"""What is given from outside and changes over time: see ``signal``, and ``series_file`` which reads one."""

from sim.signals.series_file import read_series
from sim.signals.signal import Signal

__all__ = ["Signal", "read_series"]
