#!/usr/bin/env bash
# Guess: a simulation whose delays are all integers keeps an integer clock, whatever kind of integer says when it ends.
# Found with simpy 4.1.2: `run(until=...)` keeps the clock an int only for Python's own int. numpy.int64 goes through
# float(), so that the clock is a float from then on. In nanoseconds since 1970 a float steps by 256.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check simpy==4.1.2 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import numpy
import simpy


def ticks(env):
    while True:
        yield env.timeout(3)


def clock_after(until):
    env = simpy.Environment()
    env.process(ticks(env))
    env.run(until=until)
    return env.now


plain, other = clock_after(10), clock_after(numpy.int64(10))
print(f"simpy {simpy.__version__}: until=10 -> {plain!r}; until=numpy.int64(10) -> {other!r}")
assert type(plain) is int
assert type(other) is float, "changed: the clock stays an integer now"

now = 1_700_000_000_000_000_000  # nanoseconds since 1970
env = simpy.Environment(initial_time=now)
env.process(ticks(env))
try:
    env.run(until=numpy.int64(now + 9))
    said = f"clock {env.now!r}"
except ValueError as error:
    said = f"ValueError: {error}"
print(f"nine nanoseconds at {now}: {said}")
assert "ValueError" in said, "changed: nine nanoseconds are more than nothing now"
PYTHON
