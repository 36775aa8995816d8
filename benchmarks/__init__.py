"""Timings and accuracy, run by hand with `python -m benchmarks NAME`; nothing here is a timed test."""
