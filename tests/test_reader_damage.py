"""Recordings that are damaged, or say what no meter can have measured: what is lost is said, and nothing more is."""

from __future__ import annotations

import gzip
import math
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sim.cli.command import app
from sim.errors import InputError
from sim.measure.readers import read_recording
from sim.measure.readers.text import read_text
from tests.test_readers import column, faults, read, refusal

HEADER = "timestamp, index, power.draw [W], utilization.gpu [%]\n"


def rows(watts: list[str]) -> str:
    """One GPU every half second."""
    return "".join(f"2025/07/27 00:34:{10 + i // 2:02}.{500 * (i % 2):03}, 0, {w}, 50 %\n" for i, w in enumerate(watts))


def log(*watts: str) -> str:
    return HEADER + rows(list(watts))


@pytest.mark.parametrize("impossible", ["-70.00 W", "inf W", "-inf W", "1e999 W"])
def test_a_value_that_no_meter_can_have_is_nan_and_said(tmp_path: Path, impossible: str) -> None:
    found = read(tmp_path, log("70.00 W", impossible, "80.00 W"))
    power = column(found, "gpu0", "power_w")
    assert (power[0], power[2]) == (70.0, 80.0)
    assert math.isnan(power[1])
    assert column(found, "gpu0", "gpu_utilization") == [0.5, 0.5, 0.5]  # the rest of the row stands
    assert "line 3, gpu0: power_w cannot be" in faults(found)


def test_a_line_with_bytes_that_are_no_text_costs_that_line(tmp_path: Path) -> None:
    whole = log(*(f"{70 + i}.00 W" for i in range(40))).encode()
    damaged = whole.replace(b" 75.00 W", b" 7\xff\xfe.00 W")
    found = read(tmp_path, damaged)
    assert column(found, "gpu0", "power_w") == [70.0 + i for i in range(40) if i != 5]
    assert faults(found) == "line 7: holds bytes that are no text, and is left out"
    assert found.complete


def test_much_that_is_no_text_is_refused(tmp_path: Path) -> None:
    whole = log(*(f"{70 + i}.00 W" for i in range(40))).encode()
    for clean, torn in ((b"70.00", b"\xff"), (b"71", b"\xfe"), (b"72", b"\xfd")):
        whole = whole.replace(clean, torn)
    assert "not text" in refusal(tmp_path, whole)
    assert "not text" in refusal(tmp_path, b"\xfd" + log("70.00 W").encode())


def test_a_replacement_character_in_a_sound_text_is_no_damage(tmp_path: Path) -> None:
    named = "timestamp, index, name, power.draw [W]\n2025/07/27 00:34:10.000, 0, GPU \ufffd, 70.00 W\n"
    found = read(tmp_path, named)
    assert column(found, "gpu0", "power_w") == [70.0]
    assert found.faults == ()


@pytest.mark.parametrize("watts", [["0.00 W"] * 4, ["[N/A]", "0.00 W", "0.00 W", "0.00 W"]])
def test_a_meter_that_only_ever_reads_zero_is_none(tmp_path: Path, watts: list[str]) -> None:
    found = read(tmp_path, log(*watts))
    assert all(map(math.isnan, column(found, "gpu0", "power_w")))
    assert "gpu0: its meter reads 0 W throughout; it is taken for none" in faults(found)


def test_a_recording_of_dead_meters_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "dead.csv"
    path.write_text(log(*["0.00 W"] * 4))
    said = CliRunner().invoke(app, ["validate", str(path), "--scenario", "disaggregated"])
    assert isinstance(said.exception, InputError)
    assert "gpu0: its meter reads 0 W throughout" in str(said.exception)


@pytest.mark.parametrize("watts", [["0.00 W", "0.00 W", "0.00 W", "1.00 W"], ["0.00 W", "0.00 W"], ["0.00 W"]])
def test_a_meter_that_may_read_zero_for_a_while_is_believed(tmp_path: Path, watts: list[str]) -> None:
    found = read(tmp_path, log(*watts))
    assert column(found, "gpu0", "power_w") == [float(one.split()[0]) for one in watts]
    assert found.faults == ()


def test_a_counter_that_stands_still_is_none_and_another_counts(tmp_path: Path) -> None:
    metrics = ["# TYPE node_rapl_package_joules_total counter", "# TYPE node_rapl_dram_joules_total counter"]
    for i in range(4):
        at = 1_753_576_485_000 + 1000 * i
        metrics += [f'node_rapl_package_joules_total{{index="0",path="p"}} {100 + 50 * i} {at}']
        metrics += [f'node_rapl_dram_joules_total{{index="0",path="d"}} 7 {at}']
    found = read(tmp_path, "\n".join(metrics) + "\n")
    package, dram = found.devices
    assert column(found, package.name, "energy_j") == [100.0, 150.0, 200.0, 250.0]
    assert all(map(math.isnan, column(found, dram.name, "energy_j")))
    assert "its meter counts nothing throughout; it is taken for none" in faults(found)


def test_warnings_before_the_header_are_left_out_and_said(tmp_path: Path) -> None:
    warned = "WARNING: infoROM is corrupted at gpu 0000:65:00.0\n\n" + log("70.00 W", "80.00 W")
    found = read(tmp_path, warned)
    assert column(found, "gpu0", "power_w") == [70.0, 80.0]
    assert faults(found).startswith("line 1: stands before the header, and is left out: 'WARNING: infoROM")


def test_cells_in_quotes_are_the_same_cells(tmp_path: Path) -> None:
    quoted = "".join(
        ",".join(f'"{cell.strip()}"' for cell in line.split(",")) + "\n"
        for line in log("70.00 W", "80.00 W").splitlines()
    )
    assert column(read(tmp_path, quoted), "gpu0", "power_w") == [70.0, 80.0]


def test_a_spreadsheet_s_semicolons_are_refused_with_the_remedy(tmp_path: Path) -> None:
    assert ":3: is separated by semicolons" in refusal(tmp_path, "WARNING\n\n" + log("70.00 W").replace(",", ";"))


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="a pipe or a device"):
        read_recording(tmp_path / "pipe")


def test_what_is_packed_is_unpacked_up_to_a_limit_also_where_it_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = gzip.compress(b"time,power\n" + b"1,2\n" * 100_000)
    for name, content in {"whole.gz": packed, "cut.gz": packed[:-20], "twice.gz": packed + packed + bytes(8)}.items():
        (tmp_path / name).write_bytes(content)
    assert len(read_text(tmp_path / "whole.gz").lines) == 100_001
    assert read_text(tmp_path / "whole.gz").cut is None
    assert read_text(tmp_path / "cut.gz").cut is not None
    assert len(read_text(tmp_path / "twice.gz").lines) == 200_002
    monkeypatch.setattr("sim.measure.readers.text.MOST_BYTES", 300_000)
    for name in ("whole.gz", "cut.gz", "twice.gz"):
        with pytest.raises(InputError, match="holds more than 300,000 bytes"):
            read_text(tmp_path / name)
