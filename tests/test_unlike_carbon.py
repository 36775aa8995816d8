"""Carbon of a life-cycle grid is held against none of a direct one without a word: in tables, pages, searches."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import sim
from sim.explore.answers import compared
from sim.profiles.catalog import Catalog
from sim.profiles.intensity_bases import mixed_along
from sim.report.compare import report as report_of_runs
from sim.results.files import to_yaml, write
from sim.results.results import Results
from sim.study.sweep.tables import study_tables
from tests.commands import coldaisle
from tests.small import small

FRANCE, IOWA = {"kind": "average", "region": "FRA"}, {"kind": "average", "region": "US-IA"}
"""Ember's life-cycle factors, and eGRID's of the stack."""
WARNS = "combines life-cycle"


@pytest.fixture(scope="module")
def runs() -> tuple[Results, Results, Results]:
    """A run in France, in Iowa, and at a plain number, which is taken at the user's word."""
    base = sim.run(small())
    france, iowa, plain = (
        sim.account(base, set={"site.grid.intensity": one}) for one in (FRANCE, IOWA, "400 gCO2e/kWh")
    )
    return france, iowa, plain


def test_every_comparison_of_runs_says_so(runs: tuple[Results, Results, Results], tmp_path: Path) -> None:
    france, iowa, plain = runs
    unlike, alike = sim.compare(france, iowa), sim.compare(france, plain)
    assert unlike.unlike_carbon.startswith("their carbon cannot be subtracted: ")
    assert WARNS in unlike.unlike_carbon
    assert alike.unlike_carbon == ""
    assert unlike.as_dict()["unlike_carbon"] == unlike.unlike_carbon
    assert "unlike_carbon" not in alike.as_dict()
    assert WARNS in unlike._repr_html_()
    assert WARNS not in alike._repr_html_()
    assert WARNS in report_of_runs([france, iowa], folders=["a", "b"])
    assert WARNS not in report_of_runs([france, plain], folders=["a", "b"])
    assert WARNS in report_of_runs([france, plain, iowa], folders=["a", "b", "c"])
    assert WARNS in compared(france, iowa)["remark"]
    assert WARNS not in compared(france, plain)["remark"]
    for name, one in (("france", france), ("iowa", iowa)):
        write(one, tmp_path / name)
    folders = [str(tmp_path / name) for name in ("france", "iowa")]
    assert WARNS in " ".join(coldaisle("compare", *folders, cwd=tmp_path).stderr.split())
    assert WARNS in json.loads(coldaisle("compare", "--json", *folders, cwd=tmp_path).stdout)["unlike_carbon"]


@pytest.mark.parametrize(
    ("axes", "unlike"),
    [
        ({"site.grid.intensity.region": ["FRA", "US-IA"]}, True),
        ({"site.grid.intensity.region": ["FRA", "DEU"]}, False),
        ({"site.grid.intensity": [FRANCE, IOWA]}, True),
        ({"site.grid.intensity": [FRANCE, "400 gCO2e/kWh"]}, False),
        ({"place": {"zip": {"site.grid.intensity": [FRANCE, IOWA], "site.facility.pue": [1.1, 1.2]}}}, True),
        ({"site.grid.intensity": {"values": [IOWA, FRANCE]}}, True),
        ({"sites.north.grid.intensity.basis": ["direct", "life-cycle"]}, True),
        ({"site.grid.intensity.region": ["FRA", "no such place"]}, False),
        ({"site.grid.marginal.region": ["FRA", "US-IA"]}, False),
        ({"site.facility.pue": {"range": [1.1, 1.3, 3]}}, False),
    ],
)
def test_an_axis_of_unlike_grids_is_told(axes: dict[str, Any], unlike: bool) -> None:
    assert any(WARNS in words for words in mixed_along(axes, Catalog())) is unlike


def test_a_study_says_so_at_its_end_on_its_page_in_its_front_and_in_a_notebook(tmp_path: Path) -> None:
    study = {
        "name": "places",
        "base": small(),
        "axes": {"site.grid.intensity": [FRANCE, IOWA], "site.facility.pue": [1.1, 1.2]},
    }
    (tmp_path / "study.yaml").write_text(to_yaml(study))
    results = sim.sweep(tmp_path / "study.yaml", tmp_path / "out", workers=1)
    console = Console(width=400, file=(shown := StringIO()))
    console.print(study_tables(results))
    assert WARNS in shown.getvalue()
    assert WARNS in results._repr_html_()
    front = coldaisle(
        "pareto", str(tmp_path / "out"), "--over", "carbon_kg.total", "--over", "energy_kwh.facility", cwd=tmp_path
    )
    assert WARNS in " ".join(front.stderr.split())
    page = coldaisle("report", str(tmp_path / "out"), "--out", str(tmp_path / "page.html"), cwd=tmp_path)
    assert page.returncode == 0
    assert WARNS in (tmp_path / "page.html").read_text()


def test_a_search_over_unlike_grids_says_so(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    (tmp_path / "base.yaml").write_text(to_yaml(small()))
    search = {
        "base": "base.yaml",
        "optimize": {
            "minimise": "carbon_kg.total",
            "over": {"site.grid.intensity": [FRANCE, IOWA]},
            "trials": 3,
            "subject_to": [{"path": "cost.energy", "at_most": 0.001}],
        },
    }
    (tmp_path / "search.yaml").write_text(to_yaml(search))
    done = coldaisle("optimize", "search.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert WARNS in " ".join(done.stderr.split())
    assert "it misses cost.energy at most 0.001 by" in " ".join(done.stdout.split())
