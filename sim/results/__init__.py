"""What a run leaves behind: the summary, its tables, the files of ``--out``, and how people see them.

``results`` is the object, ``summary`` the fold into ``summary.json``, ``files`` the directory, ``tables`` the terminal,
``compare`` the difference between runs.
"""

from sim.results.results import Results

__all__ = ["Results"]
