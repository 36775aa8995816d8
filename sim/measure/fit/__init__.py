"""Calibration: the constants of a profile fitted to recordings and measured tables."""
