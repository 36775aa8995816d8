"""What goes into a published record by way of its profiles and files: listed, and not what it is judged on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sim.cli.command import app
from sim.errors import InputError
from sim.profiles.catalog import Catalog
from sim.published.records import Record, read_record, read_records
from sim.published.used import Used, profiles_used

CATALOG = Catalog()
OF_THE_PAPER = {
    "bloom-training-node": "2,500 kg of making a server, which the paper takes itself from elsewhere",
    "jean-zay-v100-node": "the same kg, as an end of a range",
    "nvidia-a100-sxm-80gb": "150 kg of making a GPU, as an end of a range",
    "nvidia-a100-sxm-40gb": "the same kg; 78 W loaded, which no run of the API reads: it gives its own",
    "a2-megagpu-16g-like": "the kg of a server, as an end of a range",
    "intel-xeon-e5-2630v3": "watts at rest, an input beside those at work",
    "titan-x-workstation": "memory and its watts at rest, as its processor's",
    "nvidia-h100-sxm-94gb": "floor and slope of its clock, told by clocks that are shown and not judged",
    "upmem-pim-dimm-8gb": "what a module has: operations, memory, bandwidth",
    "mono-forward": "used in an estimate that is not judged",
    "mixed-precision-desktop": "used in an estimate that is not judged",
    "llama-3-herd": "what failed; judged is the time that was kept",
    "wu-2022-caching": "one of four printed factors whose product is judged, and is called a multiplication there",
    "wu-2022-fp16": "as the first",
    "wu-2022-gpu": "as the first",
    "wu-2022-kernels": "as the first",
}
"""Profiles with numbers of the paper that a record is judged on, and why they may."""
COUNTED = 10.0
"""Small whole numbers are counts of things, equal by chance."""


@pytest.fixture(scope="module")
def shipped() -> list[Record]:
    """Every record."""
    return read_records([])


@pytest.fixture(scope="module")
def used(shipped: list[Record]) -> list[tuple[Record, list[Used]]]:
    """Every record with the profiles that its runs use."""
    return [(record, profiles_used(record)) for record in shipped]


def judged(record: Record) -> list[float]:
    """The published numbers that it is judged on."""
    outputs = [output for output in record.published.outputs.values() if output.tolerance != "none"]
    return [
        value
        for output in outputs
        for value in (
            output.published.values()
            if isinstance(output.published, Mapping)
            else [output.published]
            if output.published is not None
            else output.between or []
        )
    ]


def test_every_profile_with_numbers_of_the_judged_paper_is_known(used: list[tuple[Record, list[Used]]]) -> None:
    """A profile that takes numbers from the paper that a record is held against has to be looked at, and named here."""
    of_it = {one.name for record, profiles in used for one in profiles if one.from_paper(record.published.paper)}
    assert of_it == set(OF_THE_PAPER)


def test_no_profile_holds_what_a_record_is_judged_on(used: list[tuple[Record, list[Used]]]) -> None:
    for record, profiles in used:
        for one in profiles:
            held = one.from_paper(record.published.paper)
            same = [
                (one.name, where, number)
                for where, number in held.items()
                for value in judged(record)
                if abs(value) > COUNTED and abs(number) == pytest.approx(abs(value), rel=2e-3)
            ]
            assert not same, record.id


def test_profiles_name_each_other_and_stand_with_their_sources() -> None:
    record = read_record("bloom-infer-published", {"bloom-infer-published": _path("bloom-infer-published")})
    found = {one.name: one for one in profiles_used(record)}
    assert {"a2-megagpu-16g-like", "nvidia-a100-sxm-40gb"} <= set(found)  # the second is named by the first alone
    told = json.loads(CliRunner().invoke(app, ["reproduce", record.id, "--sources", "--json"]).stdout)["records"][0]
    assert set(told["profiles"]) == set(found)
    assert all(one["sources"] for one in told["profiles"].values())


def test_profiles_of_ones_own_stand_with_their_sources_too() -> None:
    """A record whose scenario names a folder of profiles: the board that only stands there is told like any other."""
    found = {one.name: one for one in profiles_used(read_record(str(_path("cpu-llama-i5")), {}))}
    assert {"i5-6500", "i5-6500-desktop"} <= set(found)
    assert found["i5-6500"].numbers["rates.bandwidth"] == (20.02, "user")


def test_a_file_needs_a_source_too(tmp_path: Path) -> None:
    text = _path("fernandez-savings").read_text(encoding="utf-8")
    without = "\n".join(line for line in text.splitlines() if "workloads.text.arrivals.file: {kind" not in line)
    (tmp_path / "data").mkdir()
    for name in ("burst", "code", "conv"):
        packed = _path("fernandez-savings").parent / "data" / f"fernandez_{name}.csv.gz"
        (tmp_path / "data" / packed.name).write_bytes(packed.read_bytes())
    mine = tmp_path / "mine.yaml"
    mine.write_text(without, encoding="utf-8")
    with pytest.raises(InputError, match=r"does not say where 'workloads\.text\.arrivals\.file'"):
        read_record(str(mine), {})


def _path(name: str) -> Path:
    return Path(__file__).resolve().parents[1] / "scenarios" / "published" / f"{name}.yaml"
