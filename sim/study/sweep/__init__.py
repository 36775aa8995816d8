"""Sweeps: the points of a study, simulated once each and priced, in one dataset."""
