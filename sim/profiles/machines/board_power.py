"""What the board of a GPU draws by its profile: clocked up, its multiprocessors at work, and within its limit."""

from __future__ import annotations

from sim.later import later
from sim.profiles.machines.gpu import GPUProfile

with later():
    from sim.profiles.kernels.power import drawn_w


def cores_active_w(gpu: GPUProfile) -> float:
    """W of multiprocessors at work on nothing in particular, where energies of operations do not hold it."""
    return float(gpu.power.active.value) if gpu.power.active is not None else 0.0


def clocked_up_w(gpu: GPUProfile) -> float:
    """W of a board in the middle of its work, with or without a kernel that runs: a model resident, clocked up."""
    return float(gpu.power.loaded.value) + (float(gpu.power.waiting.value) if gpu.power.waiting is not None else 0.0)


def within_limit_w(asked_w: float, gpu: GPUProfile) -> float:
    """What the TDP lets a board draw of what is asked: softly where the board's power follows ``kernels.power``, whose
    law that is."""
    tdp_w = float(gpu.tdp.value)
    return float(drawn_w(asked_w, tdp_w)) if gpu.power.active is not None else min(asked_w, tdp_w)


def mean_w(gpu: GPUProfile, seconds: float, busy_s: float, joules: float) -> float:
    """Of ``seconds`` in which kernels run for ``busy_s`` and take so many J beyond waiting: waiting while launches or
    the host are behind; at work, what the limit lets it draw of what is asked."""
    waiting_w = clocked_up_w(gpu)
    at_work_w = within_limit_w(waiting_w + joules / busy_s, gpu) if busy_s > 0.0 else waiting_w
    return (at_work_w * busy_s + waiting_w * (seconds - busy_s)) / seconds
