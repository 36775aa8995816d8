"""Watts, clocks and seconds of devices by their work: pure functions, whatever a profile's numbers."""
