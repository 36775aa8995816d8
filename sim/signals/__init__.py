"""What is given from outside and changes over time: carbon intensity, price. See ``signal`` and ``series_file``."""

from sim.signals.series_file import read_series
from sim.signals.signal import Signal

__all__ = ["Signal", "read_series"]
