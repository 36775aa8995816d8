"""Measured kernels: the latency tables of the optional package ``aiconfigurator-core``, read in place and looked up.

``package`` finds what is installed and refuses what is not known; ``tables`` reads one GPU's and one framework's files;
``curves`` interpolates; ``lookup`` answers for the kernels of ``language_models.layers`` in seconds, and says how each
answer is known. Without the package nothing here is of use, and nothing else needs it.
"""
