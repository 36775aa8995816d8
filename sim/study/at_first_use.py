"""Imported by the server that processes of work are copies of, so that none of them has to make ready what is made at
first use: the models of a scenario with all kinds there are, and those of profiles."""

from __future__ import annotations

from contextlib import suppress

from sim.errors import ColdaisleError
from sim.loading.scenario import load_scenario

with suppress(ColdaisleError):  # whoever needs it is told
    load_scenario("chat-service")
