"""Malformed input by the hundred thousand: every scenario and every file that is read, damaged at random and tried.

    python -m tests.fuzz --cases 100000 --workers 2 --out fuzz        # go on where it stopped: the same words again
    python -m tests.fuzz --replay scenario:4711                       # one case, with its traceback

A case is a kind of input and a seed; the two decide it entirely. It ends well when the input is accepted or refused
with an ``InputError``; anything else is a failure: another exception, a warning, more than ``guard.LONGEST_S`` seconds
or ``guard.MOST_BYTES`` more memory, the end of the process, or a value accepted that cannot be.

``trees`` and ``raw`` damage, ``sound`` holds what is damaged, ``kinds`` knows who reads it, ``invariants`` what a run
must keep, ``guard`` ends what does not end by itself, and ``campaign`` does it many times over.
"""

import os

os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # others set aside a gibibyte at a time, which no case did
