"""How long a server's host takes at its own work, by the CPU that does it.

Launching kernels, scheduling, sampling and handing out text are single threads of an interpreter. They take as long as
the reference took, times its speed of one thread over the own: one scale, SPEC's integer suite of 2017 as one copy runs
it (``rate``, base, estimated), which is of compilers, interpreters, tables and searches, as hosts' work is. Where
either speed is not known, nothing is scaled.

It does not promise how hosts differ beside that: in governors that keep a core below its highest clock, in drivers and
buses, in how far a machine's other work slows one thread down. Measured pairs lie on both sides (docs/accuracy.md).
References: Vellaisamy et al., "TaxBreak", ISPASS 2026, arXiv:2603.12465, section on host CPUs; Fernandez et al., "The
framework tax", EMNLP 2023, arXiv:2302.06117.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.profiles.machines.node import CPUProfile


def host_slowdown(reference: CPUProfile | None, own: CPUProfile) -> float | None:
    """Times of the reference's host work on ``own``, as a factor; None where a speed is not known."""
    if reference is None or reference.single_thread is None or own.single_thread is None:
        return None
    return float(reference.single_thread.value) / float(own.single_thread.value)
