"""Served language models: replicas behind a router, their lives, and what they draw; token by token, in one loop twice.

``service`` keeps a workload's replicas in simulated time and asks its pool for nothing but the present; ``pools`` makes
that of the plain loop (``reference``) or of the compiled one (``kernel``, driven by ``fast``).
"""
