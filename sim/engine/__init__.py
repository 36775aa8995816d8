"""How a run unfolds in simulated time; the only package that imports SimPy.

``clock`` keeps time, ``meter`` settles energy on change, ``draws`` says what each component of a node draws for whom,
``node`` and ``cluster`` own the state of machines, ``training`` and ``service`` are the work, ``failures`` bad luck,
``world`` the run.
"""
