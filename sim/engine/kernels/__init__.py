"""Kernels as machine code: built with the package where there is a linker, compiled at first use by Numba elsewhere.

``loading`` finds the code of a kernel and needs no compiler; ``build`` makes the library that is looked for first.
``python -m sim.engine.kernels`` builds it anew, as after an edit of a kernel.
"""
