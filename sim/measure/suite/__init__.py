"""Microbenchmarks that load a GPU with known work."""
