"""What the user wrote: frozen models that refuse what they do not know, and the loader that places every mistake.

``scenario`` is the root model; ``site``, ``cluster``, ``workloads`` and ``accounting`` its parts; ``loader`` reads
files (``extends:``, ``--set``); ``crosscheck`` finds what only shows when parts are held against each other.
"""

from sim.spec.loader import Loaded, load_scenario
from sim.spec.scenario import Scenario

__all__ = ["Loaded", "Scenario", "load_scenario"]
