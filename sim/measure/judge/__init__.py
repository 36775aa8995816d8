"""Validation: what was measured beside what the simulator says, and how far apart they are."""
