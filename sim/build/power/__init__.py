"""What work draws and may draw: loads, caps and limits, and what is kept of power over time."""
