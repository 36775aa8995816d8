"""What is given from outside and changes over time: ``signal`` has the type, ``series_file`` reads one from a file."""

from sim.signals.series_file import read_series
from sim.signals.signal import Signal

__all__ = ["Signal", "read_series"]
