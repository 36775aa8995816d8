"""Joules as they are drawn: what a node draws for whom, meters that settle on change, and many nodes in columns."""
