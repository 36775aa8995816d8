"""What the user wrote: frozen models that refuse what they do not know.

``scenario`` is the root model; ``site``, ``cluster``, ``workloads``, ``policies``, ``routes`` and ``accounting`` are
its parts, each ``kind`` a class of its own. Nothing here computes or holds one part against another.
"""
