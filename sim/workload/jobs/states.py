"""How a job ended, in the words of each trace, by the code of ``table.RECORDED``."""

from __future__ import annotations

from collections.abc import Mapping

from sim.workload.jobs.table import RECORDED, RecordedState

CODE: Mapping[RecordedState, int] = {state: code for code, state in enumerate(RECORDED)}

WORDS: Mapping[str, RecordedState] = {
    **{state: state for state in RECORDED},
    # Slurm (sacct), and Helios and Acme, which come from it
    "canceled": "cancelled",
    "deadline": "timeout",
    "node_fail": "failed",
    "boot_fail": "failed",
    "launch_failed": "failed",
    "out_of_memory": "failed",
    "revoked": "cancelled",
    "completing": "running",
    "suspended": "running",
    "stopped": "running",
    "resizing": "running",
    "signaling": "running",
    "stage_out": "running",
    "pending": "never",
    "configuring": "never",
    "requeued": "preempted",
    # Philly
    "pass": "completed",
    "killed": "cancelled",
    # Alibaba: jobs and tasks of 2020, pods of 2023
    "terminated": "completed",
    "interrupted": "failed",
    "waiting": "never",
    "succeeded": "completed",
}
"""What a trace calls a state, in small letters -> what it is here."""


def state_of(word: str) -> int:
    """The code of a state such as ``CANCELLED by 1001`` or ``OUT_OF_MEMORY``; that of ``unknown`` for another word."""
    first = word.split(maxsplit=1)[0].rstrip("+").lower() if word.strip() else ""
    return CODE[WORDS.get(first, "unknown")]
