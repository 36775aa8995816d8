"""The ``coldaisle`` command. It reads arguments, calls the package, prints, and turns errors into exit statuses."""

import atexit
import gc

__all__ = ["main"]

GARBAGE_AFTER = 200_000
"""Objects made before the collector looks again: what is loaded and read at the start stays, and is not worth looking
through, be it every 700 objects, Python's own choice, or every 50,000, which takes a twentieth of the time to start."""


def main() -> None:
    """The entry point of the ``coldaisle`` command."""
    gc.set_threshold(GARBAGE_AFTER)  # before anything is imported: that makes most of the objects of a short command
    atexit.register(gc.freeze)  # memory goes back with the process: to look through it at the end takes 0.2 s
    from sim.cli.command import main as command

    command()
