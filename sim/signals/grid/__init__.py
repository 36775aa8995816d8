"""What the grid does over time, as its publishers write it: one module a format, one ``GridSeries`` out of each."""

from sim.signals.grid.series import Basis, GridSeries

__all__ = ["Basis", "GridSeries"]
