"""``python -m sim.engine.kernels``: builds the library of kernels, if it does not fit the sources that lie here."""

from __future__ import annotations

import sys

from sim.engine.kernels.build import CannotBuildError, build, is_fresh


def main() -> None:
    """Builds, or says that there is nothing to do; exit 1 with the reason where it cannot."""
    if is_fresh():
        print("the compiled kernels fit their sources")
        return
    try:
        build()
    except CannotBuildError as reason:
        sys.exit(f"no compiled kernels: {reason}")
    print("compiled the kernels")


if __name__ == "__main__":
    main()
