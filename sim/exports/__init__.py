"""Finished runs as files that other tools read: one module a format, and a registry of them (``registry``).

An export adds no physics and prices nothing anew: every number in one stands in ``summary.json``, in a table of the
run, or is the sum or the quotient of such numbers that its format asks for. What a run does not know is left out, or is
an error that says what to give; it is never 0.
"""
