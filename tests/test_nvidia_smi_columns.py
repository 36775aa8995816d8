"""One nvidia-smi file, several columns of power: each device is read from the best one that it answers."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.measure.recording import energy_j
from tests.test_readers import column, faults, read

POWER = ("power.draw.instant", "power.draw", "power.draw.average")


def log(rows: Sequence[Sequence[str]], columns: Sequence[str] = POWER) -> str:
    """A row a second and GPU: ``rows`` holds, of each GPU, the cells of ``columns``, which stay as they are."""
    text = f"timestamp, index, {', '.join(f'{name} [W]' for name in columns)}\n"
    return text + "".join(
        f"2025/03/01 00:00:{second:02}.000, {gpu}, {', '.join(cells)}\n"
        for second in range(10)
        for gpu, cells in enumerate(rows)
    )


def test_a_gpu_that_does_not_answer_the_instant_column_is_read_from_its_own(tmp_path: Path) -> None:
    """300 W and 70 W over 9 s; the older GPU has only power.draw, the third only the mean."""
    found = read(tmp_path, log([("300.00 W", "299.00 W", "1 W"), ("[N/A]", "70.00 W", "1 W"), ("N/A", "N/A", "50 W")]))
    assert energy_j(found.of_device("gpu0")) == 300 * 9
    assert energy_j(found.of_device("gpu1")) == 70 * 9
    assert energy_j(found.of_device("gpu2")) == 50 * 9
    assert "power.draw.instant (gpu0), power.draw (gpu1), power.draw.average (gpu2)" in faults(found)
    assert found.origin["columns"]["power_w"] == dict(
        zip(["gpu0", "gpu1", "gpu2"], POWER, strict=True)
    )  # the order that is said


@pytest.mark.parametrize(
    "cell", ["[N/A]", "N/A", "[Not Supported]", "[Unknown Error]", "[GPU requires reset]", "[GPU is lost]"]
)
def test_a_gpu_without_a_usable_column_is_named_with_what_it_says(tmp_path: Path, cell: str) -> None:
    text = log([("300.00 W", "300.00 W", "300.00 W"), (cell, "[N/A]", "[Not Supported]")])
    found = read(tmp_path, text)
    (told,) = (fault for fault in found.faults if fault.device == "gpu1")
    assert f"has no power: 'power.draw.instant' is {cell} (10 times); 'power.draw' is [N/A] (10 times)" in told.reason
    assert column(found, "gpu0", "power_w") == [300.0] * 10


def test_a_column_that_answers_now_and_then_does_not_hide_one_that_always_does(tmp_path: Path) -> None:
    lines = log([("[N/A]", "70.00 W", "70.00 W")]).splitlines(keepends=True)
    lines[5] = lines[5].replace("[N/A]", "99.00 W")
    assert column(read(tmp_path, "".join(lines)), "gpu0", "power_w") == [70.0] * 10


def test_a_column_that_stops_halfway_does_not_hide_one_that_goes_on(tmp_path: Path) -> None:
    lines = log([("99.00 W", "70.00 W", "70.00 W")]).splitlines(keepends=True)
    stopped = [line.replace("99.00 W", "[N/A]") for line in lines[7:]]
    assert column(read(tmp_path, "".join([*lines[:7], *stopped])), "gpu0", "power_w") == [70.0] * 10


def test_a_reset_in_the_middle_is_told_with_its_line(tmp_path: Path) -> None:
    lines = log([("70.00 W",)], ["power.draw"]).splitlines(keepends=True)
    lines[5] = lines[5].replace("70.00 W", "[GPU requires reset]")
    lines[7] = lines[7].replace("70.00 W", "[Unknown Error]")
    found = read(tmp_path, "".join(lines))
    assert faults(found) == (
        "line 6, gpu0: 'power.draw' is [GPU requires reset] (1 times), [Unknown Error] (1 times), of 10 rows"
    )


def test_appended_files_with_other_columns_are_each_read_from_their_best(tmp_path: Path) -> None:
    first = log([("300.00 W", "1 W")], ["power.draw.instant", "power.draw"])
    second = log([("200.00 W",)], ["power.draw"]).replace("00:00:", "00:01:")
    found = read(tmp_path, first + second)
    assert column(found, "gpu0", "power_w") == [300.0] * 10 + [200.0] * 10


def test_a_log_without_any_power_says_so(tmp_path: Path) -> None:
    found = read(tmp_path, log([("50 %",)], ["utilization.gpu"]).replace("[W]", "[%]"))
    assert "gpu0: has no power: no column for it; add power.draw to --query-gpu" in faults(found)


@given(st.permutations(POWER), st.sets(st.sampled_from(POWER), min_size=1))
def test_the_order_of_the_columns_in_the_file_does_not_matter(order: list[str], answered: set[str]) -> None:
    cells = [f"{100 + POWER.index(name)}.00 W" if name in answered else "[N/A]" for name in order]
    with tempfile.TemporaryDirectory() as folder:
        found = read(Path(folder), log([cells], order))
    best = next(at for at, name in enumerate(POWER) if name in answered)
    assert column(found, "gpu0", "power_w") == [100.0 + best] * 10


def test_without_an_index_the_gpus_of_a_sweep_are_read_from_their_own_columns(tmp_path: Path) -> None:
    text = "timestamp, power.draw [W], power.draw.instant [W]\n"
    for second in range(10):
        text += (
            f"2025/03/01 00:00:{second:02}.000, 1.00 W, 300.00 W\n2025/03/01 00:00:{second:02}.002, 70.00 W, [N/A]\n"
        )
    found = read(tmp_path, text)
    assert column(found, "gpu0", "power_w") == [300.0] * 10
    assert column(found, "gpu1", "power_w") == [70.0] * 10


def test_a_gpu_keeps_its_name_when_its_index_changes_at_a_restart(tmp_path: Path) -> None:
    text = "timestamp, index, uuid, power.draw [W]\n"
    for second, order in ((0, "ab"), (1, "ab"), (2, "ba"), (3, "ba")):
        for index, gpu in enumerate(order):
            text += f"2025/03/01 00:00:0{second}.000, {index}, GPU-{gpu}, {300 if gpu == 'a' else 70}.00 W\n"
    found = read(tmp_path, text)
    assert [device.name for device in found.devices] == ["gpu0", "gpu1"]
    assert column(found, "gpu0", "power_w") == [300.0] * 4
    assert column(found, "gpu1", "power_w") == [70.0] * 4


@pytest.mark.parametrize(("name", "serial"), [("serial", "[N/A]"), ("serial", "1563221012345"), ("uuid", "[N/A]")])
def test_gpus_that_share_a_board_s_number_or_have_none_stay_two(tmp_path: Path, name: str, serial: str) -> None:
    text = f"timestamp, index, {name}, power.draw [W]\n"
    for second in range(4):
        text += f"2025/03/01 00:00:0{second}.000, 0, {serial}, 300.00 W\n"
        text += f"2025/03/01 00:00:0{second}.000, 1, {serial}, 70.00 W\n"
    found = read(tmp_path, text)
    assert column(found, "gpu0", "power_w") == [300.0] * 4
    assert column(found, "gpu1", "power_w") == [70.0] * 4
