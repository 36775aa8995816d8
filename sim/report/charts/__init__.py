"""Charts of a run: pure functions from results to a ``Chart``, or to None where a run has nothing of the kind."""
