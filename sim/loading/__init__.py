"""Scenario files read, merged with what they extend and with overrides, and checked."""
