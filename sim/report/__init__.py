"""Pages that people open, forward and explore: the report of a run, of several, and of a study."""
