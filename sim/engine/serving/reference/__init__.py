"""The plain serving engine: one iteration at a time, written to be read. ``kernel`` must equal it to the nanosecond.

At every instant, in this order: iterations that end (by replica), then what was due (hand-overs, retries, deadlines,
users of a closed loop), then arrivals, then every replica that stands still and has work begins an iteration. What is
in an iteration when it begins stays in it; whoever arrives meanwhile waits for the next.
"""
