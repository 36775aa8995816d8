"""The ``coldaisle`` command. It reads arguments, calls the package, prints, and turns errors into exit statuses."""

from sim.cli.command import main

__all__ = ["main"]
