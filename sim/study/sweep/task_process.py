"""One task in a process of its own, for what might take a worker with it: ``python -m sim.study.sweep.task_process``.

The task comes pickled on standard input and what it did leaves pickled on standard output. Its limits are kept from
outside: past its time it is killed, and the row says so.
"""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys

from sim.study.sweep.rows import FAILED, OUT_OF_MEMORY, TIMED_OUT, Row
from sim.study.sweep.tasks import Done, Task, described, perform

START_S = 60.0
"""Granted beside a task's limit for starting the process."""


def perform_alone(task: Task) -> Done:
    """``perform`` in a process of its own; whatever ends that is the rows' error."""
    seconds = task.limits.seconds
    wait_s = None if seconds is None else START_S + 2.0 * seconds * (1 + len(task.points))
    # -c, not -m: a folder the command was started in must not shadow the package
    command = [sys.executable, "-c", "from sim.study.sweep.task_process import main; main()"]
    try:
        ended = subprocess.run(command, input=pickle.dumps(task), capture_output=True, timeout=wait_s, check=False)
    except subprocess.TimeoutExpired:
        return _all(task, TIMED_OUT, f"ended after its limit of {seconds:g} s")
    if ended.returncode == 0:
        done: Done = pickle.loads(ended.stdout)
        return done
    if -ended.returncode in (signal.SIGXCPU, signal.SIGALRM) and seconds is not None:
        return _all(task, TIMED_OUT, f"ended after its limit of {seconds:g} s")
    if task.limits.memory_bytes is not None and -ended.returncode in (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS):
        return _all(task, *described(MemoryError(), task.limits))
    if -ended.returncode == signal.SIGKILL:
        return _all(task, OUT_OF_MEMORY, "its process was killed, as a machine does that runs out of memory")
    return _all(task, FAILED, f"its process ended with status {ended.returncode}")


def _all(task: Task, status: str, error: str) -> Done:
    return Done(task.number, tuple(Row(index, status, error, {}) for index, _ in task.points), {}, made=False)


def main() -> None:
    """Reads, performs, answers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    task: Task = pickle.load(sys.stdin.buffer)
    answer = pickle.dumps(perform(task))
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
