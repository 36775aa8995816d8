"""What CodeCarbon's columns carry depends on its version; the IT figures do not."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.measure.readers.codecarbon import CarbonRun, read_runs
from sim.measure.recording import energy_j
from sim.units import J_PER_KWH
from tests.test_readers import column, faults, read, refusal

COLUMNS = (
    "timestamp", "project_name", "run_id", "duration", "emissions", "cpu_power", "gpu_power", "ram_power",
    "cpu_energy", "gpu_energy", "ram_energy", "energy_consumed", "water_consumed", "codecarbon_version",
    "gpu_count", "gpu_model", "pue", "wue",
)  # fmt: skip
WATTS = {"cpu": 100.0, "gpu": 300.0, "ram": 20.0}
HOURS = 0.5
WUE = 1.8


def emissions(version: str, pue: float, *, drop: tuple[str, ...] = (), minutes: float = 30, run: str = "r1") -> str:
    """The file that a version writes of half an hour at ``WATTS``: as the sources of the released packages have it."""
    number = tuple(int(part) for part in version.split(".")) if version else (3, 3, 2)
    on_energy = pue if number >= (2, 2, 3) else 1.0
    on_power = pue if number >= (3, 3, 1) else 1.0
    kwh = {part: watts / 1000 * minutes / 60 * on_energy for part, watts in WATTS.items()}
    row = {
        "timestamp": f"2026-03-01T10:{int(minutes):02}:00", "project_name": "p", "run_id": run,
        "duration": minutes * 60, "emissions": 0.1,
        **{f"{part}_power": watts * on_power for part, watts in WATTS.items()},
        **{f"{part}_energy": energy for part, energy in kwh.items()},
        "energy_consumed": sum(kwh.values()), "water_consumed": WUE * sum(kwh.values()), "codecarbon_version": version,
        "gpu_count": 1, "gpu_model": "1 x H100", "pue": pue, "wue": WUE,
    }  # fmt: skip
    names = [name for name in COLUMNS if name not in drop]
    return ",".join(names) + "\n" + ",".join(str(row[name]) for name in names) + "\n"


def only_run(text: str) -> CarbonRun:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "emissions.csv"
        path.write_text(text)
        (run,) = read_runs(path)
    return run


@given(
    st.sampled_from(["2.2.2", "2.2.3", "2.8.4", "3.0.8", "3.2.0", "3.3.0", "3.3.1", "3.3.2", "4.0.0"]),
    st.floats(1.0, 3.0),
)
def test_the_it_figures_do_not_depend_on_the_version_nor_on_the_pue(version: str, pue: float) -> None:
    run = only_run(emissions(version, pue))
    assert run.gpu_j == pytest.approx(0.3 * HOURS * J_PER_KWH)
    assert run.total_j == pytest.approx(0.42 * HOURS * J_PER_KWH)
    assert (run.gpu_w, run.cpu_w, run.dram_w) == pytest.approx((300, 100, 20))
    if version > "2.2.2":
        assert run.water_l == pytest.approx(WUE * 0.42 * HOURS)  # WUE is litres per kWh of IT energy


def test_what_was_undone_is_said(tmp_path: Path) -> None:
    newest = read(tmp_path, emissions("3.3.2", 1.5))
    said = "the PUE of 1.5 that CodeCarbon 3.3.2 has in its energies, powers and water is divided out"
    assert said in faults(newest)
    assert newest.origin["water_l"] == pytest.approx(WUE * 0.42 * HOURS)
    assert "in its energies and water is divided out" in faults(read(tmp_path, emissions("3.2.0", 1.5)))
    assert read(tmp_path, emissions("3.3.2", 1.0)).faults == ()


def test_mean_powers_without_the_pue_stand_in_the_recording(tmp_path: Path) -> None:
    found = read(tmp_path, emissions("3.3.2", 1.5))
    assert column(found, "r1/gpu", "power_w")[-1] == pytest.approx(300)
    assert energy_j(found.of_device("r1/gpu")) == pytest.approx(300 * 1800)


def test_a_mean_since_the_start_is_no_sample_of_a_later_row(tmp_path: Path) -> None:
    text = emissions("3.3.2", 1.0, minutes=10) + emissions("3.3.2", 1.0, minutes=30).splitlines()[1] + "\n"
    power = column(read(tmp_path, text), "r1/gpu", "power_w")
    assert power[1] == 300
    assert power[2] != power[2]  # NaN


def test_powers_of_an_unknown_version_are_not_guessed() -> None:
    unknown = only_run(emissions("", 1.5, drop=("codecarbon_version",)))
    assert (unknown.gpu_w, unknown.cpu_w, unknown.dram_w) == (None, None, None)
    assert unknown.gpu_j == pytest.approx(0.3 * HOURS * J_PER_KWH)


def test_a_file_from_before_the_pue_has_none_folded_in(tmp_path: Path) -> None:
    drop = ("pue", "wue", "water_consumed")
    assert read(tmp_path, emissions("2.2.2", 1.0, drop=drop)).faults == ()
    assert "folded" in faults(read(tmp_path, emissions("2.2.3", 1.0, drop=drop)))


def test_water_that_is_not_its_wue_is_told(tmp_path: Path) -> None:
    text = emissions("3.3.2", 1.5)
    water = WUE * 0.42 * HOURS * 1.5
    assert str(water) in text
    assert "not the" in faults(read(tmp_path, text.replace(str(water), "99")))


@pytest.mark.parametrize("cell", ["x" * 200_000, '"' + "x" * 200_000])
def test_a_cell_past_the_limit_of_csv_is_a_fault(tmp_path: Path, cell: str) -> None:
    text = emissions("3.3.2", 1.0)
    found = read(tmp_path, text + text.splitlines()[1].replace(",p,", f",{cell},") + "\n")
    assert "line 3: is no row of cells" in faults(found)
    assert "holds no samples" in refusal(tmp_path, text.splitlines()[0] + "\n" + cell + "\n")


@pytest.mark.parametrize("damage", ["-1", "nan", "inf", "x", "1e999"])
@pytest.mark.parametrize("name", ["gpu_power", "water_consumed", "wue", "pue", "gpu_energy"])
def test_a_figure_that_is_none_is_told_and_costs_no_more_than_it_must(tmp_path: Path, name: str, damage: str) -> None:
    """Energies need their own number and the PUE; without a power or the water they stand."""
    header, row = emissions("3.3.2", 1.5).splitlines()
    cells = dict(zip(header.split(","), row.split(","), strict=True)) | {name: damage}
    text = f"{header}\n{','.join(cells.values())}\n"
    if name in ("pue", "gpu_energy"):
        assert "is no run" in refusal(tmp_path, text)
    else:
        found = read(tmp_path, text)
        assert f"'{name}' is" in faults(found)
        assert energy_j(found.of_device("r1/gpu")) == pytest.approx(300 * 1800)


@pytest.mark.parametrize("name", ["timestamp", "duration"])
def test_a_second_header_without_a_column_costs_its_own_rows(tmp_path: Path, name: str) -> None:
    """Files appended to each other stand under headers of their own; what one lacks is told of its rows."""
    found = read(tmp_path, emissions("3.3.2", 1.2) + emissions("3.3.2", 1.2, drop=(name,), run="r2"))
    assert f"line 4: is no run: its header has no column '{name}'" in faults(found)
    assert energy_j(found.of_device("r1/gpu")) == pytest.approx(0.3 * HOURS * J_PER_KWH)
