"""How long a hostile word takes: a pattern that begins again at each of its letters would take minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from sim.errors import InputError
from sim.signals.grid.entsoe import read_entsoe_mix
from sim.signals.grid.series import Terms
from sim.signals.units_in_names import refuse_other_unit
from tests.test_readers import read

LONG = 100_000


def _labels(folder: Path) -> None:
    read(folder, "# HELP x y\n" + 'DCGM_FI_DEV_POWER_USAGE{gpu="0",x' + "x" * LONG + "} 70.5 1700000000000\n")


def _generation(folder: Path) -> None:
    (folder / "g.csv").write_text(f'"MTU (UTC)","x{" " * LONG}"\n"1","2"\n')
    read_entsoe_mix(folder / "g.csv", Terms("refuse", 0))


def _brackets(_folder: Path) -> None:
    refuse_other_unit("x.csv", f"price ({' ' * LONG}", 1.0, "EUR/J")


@pytest.mark.parametrize("case", [_labels, _generation, _brackets])
def test_a_long_word_takes_no_longer_than_it_is(tmp_path: Path, case: Callable[[Path], None]) -> None:
    began = time.process_time()
    with suppress(InputError):
        case(tmp_path)
    assert time.process_time() - began < 3.0
