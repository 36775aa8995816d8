"""A workload may have any name: it runs, and every table, page, path and file shows the name as text."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from ruamel.yaml import YAML

import sim
from sim.exports.registry import FORMATS, exported
from sim.paths import assigned, joined, key_path, keys_of
from sim.report.compare import report as compared
from sim.report.run import report
from sim.results.files import read, write
from sim.results.results import Results
from sim.results.tables import run_tables
from tests.hostile import LONG, MARKUP, QUOTES, RIGHT_TO_LEFT
from tests.small import small

POINTS = "v1.5 [bold]chat[/bold] a=b *"
NAMES = {"markup": MARKUP, "quotes": QUOTES, "right to left": RIGHT_TO_LEFT, "10 kB": LONG, "points": POINTS}


def odd(name: str) -> dict[str, Any]:
    """The small scenario with a training of that name, which the functional unit counts."""
    data = small()
    data["workloads"][name] = data["workloads"].pop("tune")
    data["accounting"]["functional_unit"] = {"of": name, "per": "gpu-hour"}
    return data


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return NAMES[request.param]


@pytest.fixture(scope="module")
def results(name: str) -> Results:
    return sim.run(odd(name))


@pytest.fixture(scope="module")
def folder(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd") / "run"
    write(results, folder)
    return folder


texts = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\u2028\u2029"), min_size=1)


@given(st.lists(st.one_of(texts, st.integers(0, 99)), min_size=1, max_size=5))
def test_every_path_reads_back(keys: list[str | int]) -> None:
    whole = [key for key in keys if not (isinstance(key, str) and key.isascii() and key.isdigit())]
    path = joined(whole)
    assert key_path(path) == tuple(whole) or not whole
    assert keys_of(joined(map(str, keys))) == tuple(map(str, keys))
    assert assigned(f"{joined(map(str, keys))}=a=b") == (joined(map(str, keys)), "a=b")


def test_names_do_not_move_a_joule(results: Results, name: str) -> None:
    """But for the last digit of sums, which go in the order of names."""
    plain = sim.run(odd("tune"))
    assert results.at("energy_kwh.facility") == pytest.approx(plain.at("energy_kwh.facility"), rel=1e-14)
    path = joined(("energy_kwh", "by_workload", name))
    assert results.at(path) == plain.at("energy_kwh.by_workload.tune")


def test_it_is_set_swept_and_explained_by_its_path(results: Results, name: str) -> None:
    gpus = joined(("workloads", name, "gpus"))
    fewer = sim.run(odd(name), set={gpus: 4})
    assert fewer.scenario["workloads"][name]["gpus"] == 4
    study = sim.sweep({"base": odd(name), "axes": {gpus: [4, 8]}}, workers=1)
    assert len(study.frame()) == 2
    path = joined(("energy_kwh", "by_workload", name))
    (explained,) = sim.explain(results, path)
    assert explained.place.path == path
    assert explained.place.value == results.at(path)
    (problem,) = sim.check(odd(name), set={gpus: 0})
    assert problem.path.startswith(joined(("workloads", name)))


def test_files_and_frames_read_back_with_it(folder: Path, name: str) -> None:
    again = read(folder)
    assert name in set(again.ledger().owner)
    assert name in again.scenario["workloads"]
    assert set(again.jobs().workload) == {name}
    assert sim.run(folder / "scenario.yaml").summary == again.summary


def test_pages_and_tables_show_it_as_text(results: Results, name: str) -> None:
    for page in (report(results), compared([results, results], folders=["a", "b"])):
        assert "<script>globalThis.hacked" not in page
        assert "<img" not in page
    shown = io.StringIO()
    Console(file=shown, width=100, color_system=None).print(run_tables("run", results.summary))
    words = "".join(shown.getvalue().split())
    assert "".join(name[:9].split()) in words


@pytest.mark.parametrize("form", FORMATS)
def test_exports_carry_it(folder: Path, name: str, form: str) -> None:
    text = exported(folder, form)
    if form in ("sci", "perfetto", "ro-crate"):
        assert json.loads(text)
    if form == "sci-ai":
        assert json.loads(text)["provider"]["workloads"] == [name]
    if form == "impact-framework":
        assert YAML(typ="safe").load(text)
    if form == "perfetto":
        tracks = [one["args"]["name"] for one in json.loads(text)["traceEvents"] if one["name"] == "thread_name"]
        assert name in tracks
    if form.startswith("openmetrics"):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        assert f'"{escaped}"' in text


@pytest.mark.parametrize("bad", ["", "two\nlines", "bell\x07", "sep\u2028", "x" * 20_000])
def test_control_characters_and_no_end_are_refused(bad: str) -> None:
    problems = sim.check(odd(bad))
    assert problems
    assert any("workloads" in one.path for one in problems)
    told = ("without control characters", "at most 10,240 characters", "at least 1 character")
    assert any(word in one.message for one in problems for word in told)
