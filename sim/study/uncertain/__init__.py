"""Uncertain scenarios: draws of their inputs, intervals of their results, and which input matters most."""
