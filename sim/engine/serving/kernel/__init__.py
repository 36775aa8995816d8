"""The compiled serving engine: ``reference`` said again for Numba, with whole runs of decode iterations in one step.

While nobody joins or leaves a batch, an iteration's cost is affine in the number of iterations gone by, and the longest
of three affine times is convex: so the time and energy of k iterations close in form, in the very integers the
reference adds up one by one. A run is planned to the next batch change (``Replica.run`` iterations), and cut where
something happens to the replica before that. ``records`` names what the functions here read and write; ``loop.call``
is the one way in.
"""
