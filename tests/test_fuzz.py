"""A thousand of the nightly hundred thousand malformed inputs, and that what they are made of is sound."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

import sim
from sim.errors import InputError
from sim.spec.schema import scenario_schema
from tests.fuzz import sound, trees
from tests.fuzz.campaign import RUN_NUMBERS, campaign, kind_of, tried
from tests.fuzz.fragments import Fragments
from tests.fuzz.guard import NonsenseError, Outcome, attempt
from tests.fuzz.kinds import KINDS

THOUSAND = range(1000)
RUNS = range(RUN_NUMBERS, RUN_NUMBERS + 25)


def test_a_thousand_malformed_inputs_are_refused_or_read() -> None:
    """The same every time; ``python -m tests.fuzz --replay KIND:SEED`` shows one of them."""
    tally = campaign([THOUSAND, RUNS], serving=False)
    assert tally.tried == len(THOUSAND) + len(RUNS)
    failures = "\n".join(f"{failure.name}\n{failure.outcome.details}" for failure in tally.failures)
    assert not tally.failures, failures
    ends = [sum(found[end] for found in tally.ends.values()) for end in ("refused", "accepted")]
    assert min(ends) > 100  # neither all sound nor all beyond reading


def test_every_kind_is_among_the_nightly_cases() -> None:
    drawn = {kind_of(number) for number in (*range(20_000), *range(RUN_NUMBERS, RUN_NUMBERS + 100))}
    assert drawn == set(KINDS)


def test_what_is_damaged_is_sound_at_first(tmp_path: Path) -> None:
    """A seed that is refused as it is would try nothing but its refusal."""
    for tree in sound.scenarios():
        assert sim.check(tree) == ()
    # every kind accepts some of its damaged inputs, which it could not if the sound one were refused
    for name, kind in KINDS.items():
        if not kind.runs and name not in ("clock-table", "study-folder"):
            ends = (tried(name, seed, tmp_path, limit_memory=False).end for seed in range(300))
            assert "accepted" in ends, name


def test_a_case_is_decided_by_its_kind_and_seed() -> None:
    fragments = Fragments(scenario_schema(), sound.scenarios())
    one, two = (trees.mutated(sound.scenarios()[0], Random("x:1"), fragments) for _ in range(2))
    assert repr(one) == repr(two)  # NaN is not equal to itself


@pytest.mark.parametrize(
    ("raised", "end"),
    [
        (InputError.one("x", "y"), "refused"),
        (ValueError("y"), "failed"),
        (NonsenseError("y"), "nonsense"),
        (MemoryError(), "memory"),
        (None, "accepted"),
    ],
)
def test_an_end_is_told_for_what_it_is(raised: Exception | None, end: str) -> None:
    def case() -> None:
        if raised is not None:
            raise raised

    assert attempt(case, limit_memory=False).end == end


def dies_at_three(_kind: str, seed: int, _place: Path) -> Outcome:
    """Hard: the process is gone, as by a fault of a library below."""
    if seed == 3:
        os._exit(11)
    return Outcome("refused")


def test_a_process_that_ends_is_one_case_and_not_the_end_of_all(tmp_path: Path) -> None:
    tally = campaign([range(6)], out=tmp_path, each=dies_at_three)
    assert tally.tried == 6
    assert [(failure.seed, failure.outcome.end) for failure in tally.failures] == [(3, "crashed")]
    again = campaign([range(6)], out=tmp_path, each=dies_at_three)  # nothing is done twice
    assert again.as_dict() == tally.as_dict()
