"""Overheads of the building as pure functions of IT power and outdoor air.

``building`` says what every building answers, ``pue`` and ``plant`` are the two kinds; ``cooling`` holds the ways to
take heat outdoors, made of ``chiller``, ``tower`` and ``flow``; ``electrical`` is the power chain, ``servers`` what
warm air costs them, ``reuse`` the heat that others use.
"""
