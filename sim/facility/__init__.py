"""Overheads of the building as pure functions of the IT load."""
