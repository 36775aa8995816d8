"""How a run unfolds in simulated time; the only package that imports SimPy.

``world`` is the run and ``clock`` its time; ``metering`` settles energy on change, ``machines`` are the nodes, who
holds them and what breaks; ``fleet`` says who gets them; ``training``, ``queueing`` and ``serving`` are the work;
``control`` and ``fleet.power`` hold down what it draws. ``kernels`` builds and loads the loops that are compiled.
"""
