"""Recordings of other tools, one format a file."""
