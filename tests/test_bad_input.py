"""Bad input: exit 2, every problem named with its place and remedy, no traceback, and nothing written."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.cli.faults import describe
from sim.errors import InputError, Problem
from sim.loading.scenario import load_scenario
from sim.results.files import to_yaml
from tests.commands import COLDAISLE, coldaisle
from tests.small import small


def refused(tmp_path: Path, text: str, *says: str, name: str = "s.yaml") -> str:
    """``run`` refuses ``text`` with exit 2, says each of ``says``, shows no traceback and writes nothing."""
    path = tmp_path / name
    path.write_text(text)
    before = sorted(tmp_path.iterdir())
    done = coldaisle("run", name, "--out", "out", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert sorted(tmp_path.iterdir()) == before
    for word in says:
        assert word in done.stderr
    return done.stderr


def test_every_problem_is_named_with_its_line_path_and_remedy(tmp_path: Path) -> None:
    text = """\
name: broken
start: 2022-07-04T00:00:00Z
duration: 6 h
site:
  grid: {}
  facility: {kind: fixd-pue, pue: 1.2}
cluster:
  nodes:
    - {profile: dgx-a10, count: 0}
    - {profile: dgx-h100, count: 1, initialy: off}
workloads:
  tune:
    kind: training
    gpus: 8
    work: {kind: gpu-hours, gpu_hours: 10, load: {kind: measured, active: -350 W}}
    cpu_load: 120 %
  api:
    kind: inference
    replicas: 1
    gpus_per_replica: 1
    arrivals: {kind: poison, rate: 3 /s}
    service_time: {law: constant, first: 2}
    load: {kind: nameplate}
    cpu_load: 0.1
accounting: {server_lifetime: 6 yaers}
"""
    shown = refused(tmp_path, text, "s.yaml: 11 problems")
    lines = {line[:5].strip() + " " + line[7:].split(" ")[0]: line for line in shown.splitlines()[1:]}
    expected = {
        "5 site.grid.intensity": "do not guess a carbon intensity",
        "6 site.facility.kind": "did you mean 'fixed-pue'?",
        "9 cluster.nodes.0.count": "must be at least 1",
        "10 cluster.nodes.1.initialy": "did you mean 'initially'?",
        "15 workloads.tune.work.load.active": "must not be negative",
        "16 workloads.tune.cpu_load": "at most 1",
        "21 workloads.api.arrivals.kind": "did you mean 'poisson'?",
        "22 workloads.api.service_time.first": "has no unit; write a duration like '30 min'",
        "25 accounting.server_lifetime": "unknown unit in '6 yaers'",
    }
    for place, says in expected.items():
        found = [line for key, line in lines.items() if key == place]
        assert found, f"{place} is not in\n{shown}"
        assert says in found[0]


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"site.facility.pue": 0.9}, "site.facility.pue", "at least 1"),
        ({"site.grid.intensity": "57"}, "site.grid.intensity", "has no unit"),
        ({"site.grid.intensity": "57 kWh/gCO2e"}, "site.grid.intensity", "not a carbon intensity"),
        ({"site.grid.intensity": "-1 gCO2e/kWh"}, "site.grid.intensity", "negative"),
        ({"site.grid.intensity": ".nan"}, "site.grid.intensity", "not a finite number"),
        ({"site.grid.intensity": float("nan")}, "site.grid.intensity", "not a finite number"),
        ({"site.grid.intensity": None}, "site.grid.intensity", "do not guess"),
        ({"site.facility.pue": None}, "site.facility.pue", "do not guess"),
        ({"accounting.gpu_lifetime": None}, "accounting.gpu_lifetime", "do not guess"),
        ({"accounting.server_lifetime": None}, "accounting.server_lifetime", "do not guess"),
        ({"accounting.server_lifetime": "0 s"}, "accounting.server_lifetime", "above zero"),
        ({"duration": None, "end": "2022-07-03T00:00:00Z"}, "end", "must be after the start"),
        ({"end": "2022-07-05T00:00:00Z"}, "end", "not both"),
        ({"duration": None}, "workloads.api.arrivals", "never end"),
        ({"start": "2022-07-04"}, "start", "time zone"),
        ({"start": "yesterday"}, "start", "cannot be read as a time"),
        ({"cluster.nodes.0.profile": "dgx-a10"}, "cluster.nodes.0.profile", "did you mean 'dgx-a100'?"),
        (
            {"cluster.nodes.0.profile": "nvidia-t4"},
            "cluster.nodes.0.profile",
            "is a gpu profile where a node is needed",
        ),
        ({"cluster.nodes.0.count": 10**9}, "cluster.nodes.0.count", "100000"),
        ({"cluster.nodes.0.count": 1.5}, "cluster.nodes.0.count", "must be a whole number"),
        ({"cluster.nodes.0.count": True}, "cluster.nodes.0.count", "must be a whole number"),
        (
            {"workloads.tune.gpus": 13},
            "workloads.tune.gpus",
            "asks for 13 GPUs; 'dgx-a100' has 16, of which services hold 4",
        ),
        ({"workloads.api.replicas": 9}, "workloads.api.replicas", "which has 16"),
        ({"workloads.tune.work.load.active": "10 W"}, "workloads.tune.work.load.active", "less than half of what"),
        ({"workloads.tune.work.load.loaded": "390 W"}, "workloads.tune.work.load", "work cannot lower power"),
        ({"workloads.tune.pool": "dgx"}, "workloads.tune.pool", "unknown pool 'dgx'"),
        ({"workloads.api.service_time.cv": 1}, "workloads.api.service_time.cv", "takes no 'cv'"),
        ({"workloads.api.service_time.law": "lognormal"}, "workloads.api.service_time.cv", "required"),
        ({"workloads.api.service_time.law": "normal"}, "workloads.api.service_time.law", "did you mean 'lognormal'?"),
        ({"workloads.api.service_time.law": "seen"}, "workloads.api.service_time.law", "lognormal, roofline"),
        (
            {"workloads.api.service_time.fist": "1 s"},
            "workloads.api.service_time.fist",
            "allowed: cv, first, further, law",
        ),
        ({"workloads.api.service_time": {"first": "1 s"}}, "workloads.api.service_time", "needs a 'law'"),
        ({"outputs.bin": "1 us"}, "outputs.bin", "bins"),
        ({"seed": -1}, "seed", "must be at least 0"),
        ({"seed": 2**70}, "seed", "more than 64 bits"),
        ({"seed": 2**63}, "seed", "must be below 9,223,372,036,854,775,808"),
        (
            {"accounting.functional_unit": {"of": "chat", "per": "request"}},
            "accounting.functional_unit.of",
            "unknown workload",
        ),
        (
            {"accounting.functional_unit": {"of": "tune", "per": "request"}},
            "accounting.functional_unit.per",
            "counts no requests",
        ),
        ({"workloads.unallocated": small()["workloads"]["tune"]}, "workloads.unallocated", "choose another"),
        ({"site.grid.price": "0.18 USD"}, "site.grid.price", "not an energy price"),
        ({"nmae": "x"}, "nmae", "did you mean 'name'?"),
        ({"pue": 1.2}, "pue", "that is 'site.facility.pue'"),
        ({"site.facility.wue": "1 L/kWh"}, "site.facility.wue", "that is 'site.water.wue'"),
        ({"site.server_lifetime": "5 years"}, "site.server_lifetime", "unknown name 'server_lifetime'  (allowed"),
        (  # which other kinds have at that very place
            {"cluster.scheduler": {"kind": "elastic", "every": "1 h", "backfill": "easy"}},
            "cluster.scheduler.backfill",
            "unknown name 'backfill'  (allowed",
        ),
        ({"workloads": {}}, "workloads", "must not be empty"),
        ({"workloads.tune.work": {"kind": "steps", "steps": 1}}, "workloads.tune.work.flops", "required"),
        ({"name.first": "x"}, "name.first", "single value"),
        ({"cluster.nodes.7.count": 1}, "cluster.nodes.7.count", "nothing has a '7'"),
    ],
)
def test_one_mistake_is_named_at_its_path(change: dict[str, Any], path: str, says: str) -> None:
    problems = sim.check(small(), set=change)
    found = [problem for problem in problems if problem.path == path]
    assert found, problems
    assert says in found[0].message


def _load(compute: str, memory: str = "1 TB/s", precision: str = "bf16") -> dict[str, Any]:
    load = {"kind": "throughput", "compute": compute, "precision": precision, "memory_traffic": memory}
    return {"workloads.tune.work.load": load}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_load("400 TFLOP/s"), "above the peak"),
        (_load("100 TFLOP/s", "9 TB/s"), "above the bandwidth"),
        (_load("300 TFLOP/s"), "above its TDP"),
        (_load("100 TFLOP/s", precision="fp8"), "for fp8"),
        (_load("100 TFLOP/s", precision="bf61"), "did you mean 'bf16'?"),
    ],
)
def test_a_load_the_hardware_cannot_carry_is_refused(change: dict[str, Any], says: str) -> None:
    assert says in " ".join(problem.message for problem in sim.check(small(), set=change))


def test_two_pools_of_one_name_are_a_duplicate(tmp_path: Path) -> None:
    data = small()
    data["cluster"]["nodes"].append({"profile": "dgx-a100", "count": 1})
    refused(tmp_path, to_yaml(data), "cluster.nodes.1", "duplicate name 'dgx-a100'")


def test_one_mistake_does_not_hide_another_elsewhere() -> None:
    """A file that does not parse in one part is still cross-checked in the others."""
    change = {"site.facility.pue": 0.5, "cluster.nodes.0.profile": "nonsense", "workloads.api.service_time.cv": 2}
    paths = {problem.path for problem in sim.check(small(), set=change)}
    assert paths == {"site.facility.pue", "cluster.nodes.0.profile", "workloads.api.service_time.cv"}


HOSTILE = {
    "empty": ("", "is empty"),
    "not a mapping": ("- 1\n- 2\n", "must be a mapping"),
    "not yaml": ("name: [1\n", "not valid YAML"),
    "python tag": ("name: !!python/object/apply:os.system ['touch owned']\n", "tag", "refused"),
    "private tag": ("name: !secret x\n", "tag '!secret' is refused"),
    "duplicate key": ("name: a\nname: b\n", "2  name", "duplicate name; it already stands on line 1"),
    "anchor bomb": (
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{c}: &{c} [{','.join([f'*{p}'] * 10)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
        "unfold into more than 100,000 values",
    ),
    "self reference": ("name: &a {b: *a}\n", "nests deeper"),
    "deep nesting": ("name: " + "[" * 5000 + "\n", "nests deeper"),
    "nan": ("duration: .nan\n", "not a finite number"),
    "long number": ("seed: " + "9" * 100_000 + "\n", "a number of 100,000 characters"),
    "nul byte": ("name: a\x00b\n", "not valid YAML"),
    "two documents": ("name: a\n---\nname: b\n", "not valid YAML"),
    "merge key": ("a: &a {b: 1}\nc: {<<: *a}\n", "merge keys"),
}


@pytest.mark.parametrize("case", list(HOSTILE))
def test_hostile_files_are_refused(tmp_path: Path, case: str) -> None:
    text, *says = HOSTILE[case]
    refused(tmp_path, text, *says)
    assert not (tmp_path / "owned").exists()


def test_a_file_of_a_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "s.yaml").open("wb") as stream:
        stream.write(b"seed: 9")
        stream.truncate(1 << 30)  # sparse: takes no disk
    done = coldaisle("check", "s.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "larger than 64 MiB" in done.stderr


def test_missing_and_wrong_files(tmp_path: Path) -> None:
    for name, says in (("absent.yaml", "no such file"), ("bloom-trainig", "did you mean 'bloom-training'?"), (".", "")):
        done = coldaisle("check", name, cwd=tmp_path)
        assert done.returncode == 2
        assert says in done.stderr
        assert "Traceback" not in done.stderr
    (tmp_path / "latin.yaml").write_bytes("name: caf\xe9\n".encode("latin-1"))
    assert "not UTF-8" in coldaisle("check", "latin.yaml", cwd=tmp_path).stderr
    data = small()
    data["workloads"]["api"]["arrivals"] = {"kind": "request-log", "file": "nowhere.csv"}
    refused(tmp_path, to_yaml(data), "workloads.api.arrivals.file", "no such file")


def test_a_series_that_does_not_cover_the_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ci.csv").write_text(
        "datetime_utc,carbon_intensity\n2022-07-04T00:00Z,300\n2022-07-04T01:00Z,310\n2022-07-04T02:00Z,320\n"
    )
    data = small()
    data["site"]["grid"]["intensity"] = {"kind": "series", "file": "ci.csv", "unit": "1 gCO2e/kWh"}
    refused(tmp_path, to_yaml(data), "site.grid.intensity.file", "the series covers", "the run lasts")
    # and where the length of the run is known only once it is over
    del data["duration"], data["workloads"]["api"]
    data["workloads"]["tune"]["work"]["gpu_hours"] = 80
    refused(tmp_path, to_yaml(data), "site.grid.intensity", "ends before the run does")
    data["workloads"]["tune"]["work"]["gpu_hours"] = 16
    (tmp_path / "s.yaml").write_text(to_yaml(data))
    assert coldaisle("run", "s.yaml", cwd=tmp_path).returncode == 0


def test_a_log_that_does_not_cover_the_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("interval_end_utc,requests\n2022-07-04T00:10Z,5\n2022-07-04T00:20Z,6\n")
    data = small()
    data["workloads"]["api"]["arrivals"] = {"kind": "interval-log", "file": "log.csv", "within": "even"}
    refused(tmp_path, to_yaml(data), "workloads.api.arrivals.file", "the log covers")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("2022-07-04T00:20Z,-1", "not a whole number"),
        ("2022-07-04T00:20Z,2.5", "not a whole number"),
        ("2022-07-04T00:20Z,", "not a whole number"),
        ("2022-07-04T00:40Z,5", "by 1800 s, not 600 s"),
        ("soon,5", "not an ISO 8601 time"),
        ("2022-07-04T00:20Z", "not a whole number"),
    ],
)
def test_bad_rows_of_a_log_are_named_by_line(tmp_path: Path, row: str, says: str) -> None:
    (tmp_path / "log.csv").write_text(f"interval_end_utc,requests\n2022-07-04T00:00Z,1\n2022-07-04T00:10Z,5\n{row}\n")
    data = small()
    data["workloads"]["api"]["arrivals"] = {"kind": "interval-log", "file": "log.csv", "within": "even"}
    shown = refused(tmp_path, to_yaml(data), says)
    assert "log.csv:4" in shown


def test_extends_states_only_what_differs(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(to_yaml(small()))
    (tmp_path / "sub").mkdir()
    child = tmp_path / "sub" / "child.yaml"
    child.write_text("extends: ../base.yaml\nname: child\nworkloads:\n  api: null\n  tune: {gpus: 4}\n")
    scenario = load_scenario(child).scenario
    assert scenario.name == "child"
    assert list(scenario.workloads) == ["tune"]
    assert scenario.workloads["tune"].gpus == 4  # type: ignore[attr-defined]
    child.write_text("extends: ../base.yaml\nsite: {grid: {intensity: 5 kg}}\nnmae: x\n")
    with pytest.raises(InputError) as caught:
        load_scenario(child)
    assert {(problem.file, problem.line) for problem in caught.value.problems} == {(str(child), 2), (str(child), 3)}
    (tmp_path / "base.yaml").write_text("extends: sub/child.yaml\n")
    with pytest.raises(InputError, match="in turn"):
        load_scenario(child)
    child.write_text("extends: nowhere.yaml\n")
    with pytest.raises(InputError, match="is no file"):
        load_scenario(child)


def test_another_kind_replaces_the_inherited_mapping(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(to_yaml(small()))
    (tmp_path / "child.yaml").write_text(
        "extends: base.yaml\nworkloads:\n  tune:\n    work: {load: {kind: nameplate}}\n"
    )
    load = load_scenario(tmp_path / "child.yaml").scenario.workloads["tune"].work.load  # type: ignore[attr-defined]
    assert load.kind == "nameplate"  # the inherited 'active' went with the inherited kind


def test_set_takes_the_same_checks(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(to_yaml(small()))
    for words, says in (
        (["--set", "site.facility.pue=0.5"], "at least 1"),
        (["--set", "site.facilty.pue=2"], "did you mean 'facility'?"),
        (["--set", "seed"], "write PATH=VALUE"),
        (["--set", "a=[1"], "not valid YAML"),
        (["--set", "name=!!python/name:os.system"], "refused"),
    ):
        done = coldaisle("check", "s.yaml", *words, cwd=tmp_path)
        assert done.returncode == 2, words
        assert "--set" in done.stderr
        assert says in done.stderr
    done = coldaisle("run", "s.yaml", "--quiet", "--set", "seed=3", "site.facility.pue=1.1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "words", [["run"], ["runn"], ["compare", "x"], ["profiles", "nvidia-t5"], ["account", "nowhere"], ["check", "-x"]]
)
def test_wrong_words_on_the_command_line_exit_2(tmp_path: Path, words: list[str]) -> None:
    done = coldaisle(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def _paths(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(value, dict):
        return [p for key, item in value.items() for p in ((*path, key), *_paths(item, (*path, key)))]
    return []


@settings(max_examples=300)
@given(st.sampled_from(_paths(small())), JUNK)
def test_junk_anywhere_is_refused_or_meant_and_never_crashes(path: tuple[str, ...], junk: Any) -> None:
    data = small()
    target = data
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = junk
    sim.check(data)


@given(st.text(max_size=200))
def test_any_text_as_a_file_is_refused_or_read(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "s.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(InputError):
        load_scenario(path)


def test_a_log_of_single_requests_is_replayed_by_its_clock_or_moved(tmp_path: Path) -> None:
    """BOM, CRLF, a zone, rows out of order, no final newline: read; a time that is none: refused by its line."""
    log = tmp_path / "log.csv"
    log.write_bytes(
        b"\xef\xbb\xbfid,timestamp_utc\r\n1,2022-07-04T02:00:01+02:00\r\n\r\n2,2022-07-04 00:00:00.5\r\n3,2022-07-05"
    )
    data = small()
    del data["workloads"]["tune"]
    data["workloads"]["api"]["arrivals"] = {"kind": "request-log", "file": str(log)}
    arrivals = sorted(sim.run(data).requests().arrival_ns)
    assert [ns / 1e9 for ns in arrivals] == [0.5, 1.0]  # the third comes after the run
    data["workloads"]["api"]["arrivals"]["align"] = "start"
    assert [ns / 1e9 for ns in sorted(sim.run(data).requests().arrival_ns)] == [0.0, 0.5]
    log.write_text("timestamp_utc\n2022-07-04T00:00Z\nnoon\n")
    assert any("log.csv:3" in problem.message for problem in sim.check(data))
    log.write_text("timestamp_utc\n2022-08-04T00:00Z\n")
    data["workloads"]["api"]["arrivals"]["align"] = "clock"
    assert any("outside the run" in problem.message for problem in sim.check(data))


def test_what_is_refused_while_reading_does_not_hide_the_rest(tmp_path: Path) -> None:
    text = (
        to_yaml(small())
        .replace("pue: 1.25", "pue: 0.5")
        .replace("duration: 6 h", "duration: .nan\nnmae: x\nname: again")
    )
    shown = refused(tmp_path, text, "4 problems")
    for says in ("duplicate name", "'.nan' is not a finite number", "did you mean 'name'?", "at least 1"):
        assert says in shown


def test_a_bad_part_hides_no_problem_of_the_others() -> None:
    data = small()
    del data["duration"]
    data["end"] = "2021-01-01T00:00:00Z"
    data["typo"] = 1
    data["workloads"]["tune"]["work"]["load"]["active"] = "-5 W"
    data["workloads"]["api"] |= {"arrivals": {"kind": "request-log", "file": "nowhere.csv"}, "cpu_load": 7}
    data["site"]["grid"]["intensity"] = {"kind": "series", "file": "gone.csv", "unit": "1 gCO2e/kWh"}
    data["accounting"]["functional_unit"] = {"of": "nope", "per": "run"}
    data["cluster"]["nodes"].append({"profile": "dgx-b2000", "count": 1, "name": "new"})
    data["workloads"]["more"] = {**small()["workloads"]["tune"], "pool": "dgx-a100", "gpus": 99}
    assert {problem.path for problem in sim.check(data)} == {
        "end",
        "typo",
        "workloads.tune.work.load.active",
        "workloads.api.cpu_load",
        "workloads.api.arrivals.file",
        "site.grid.intensity.file",
        "accounting.functional_unit.of",
        "cluster.nodes.1.profile",
        "workloads.more.gpus",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"site.grid.price": "1e999 USD/kWh"},
        {"workloads.api.arrivals.rate": "1e12 /s"},
        {"workloads.api.arrivals.rate": "1e300 /s"},
        {"outputs.bin": "1 ms"},
        {"outputs.bin": "2 ms"},
        {"workloads.api.service_time": {"law": "lognormal", "first": "1 s", "cv": 1e200}},
        {"start": "0001-01-01T00:00:00+14:00"},
        {"start": "2300-01-01T00:00:00Z"},
        {"cluster.nodes.².count": 3},
        {"seed": 10**5000},
        {"duration": 10**5000},
        {1: 2},
        {"workloads.api.arrivals": {"kind": "request-log", "file": "a\0b"}},
        {"outputs.requests": "some"},
        {"outputs.requests": {"smaple": 3}},
        {"workloads.tune.start_after": "48 h"},
        {
            "workloads.tune.work": {
                "kind": "steps",
                "steps": 1,
                "flops": "0 FLOP",
                "precision": "bf16",
                "memory_traffic": "0 B",
                "link_traffic": "0 B",
                "efficiency": {"compute": 1, "memory": 1, "link": 1},
                "overhead": "0 s",
            }
        },
    ],
)
def test_what_no_run_could_hold_is_refused_before_it_starts(change: dict[Any, Any]) -> None:
    problems = sim.check(small(), set=change)
    assert 1 <= len(problems) <= 2
    assert all("[" not in problem.path and len(problem.message) < 300 for problem in problems)


def test_logs_beyond_reason_are_refused(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("interval_end_utc,requests\n2022-07-04T04:00Z,999999999999\n2022-07-04T08:00Z,9\n")
    data = small()
    data["workloads"]["api"]["arrivals"] = {"kind": "interval-log", "file": str(log), "within": "even"}
    assert any("can be simulated" in problem.message for problem in sim.check(data))
    log.write_text("timestamp_utc\n9999-01-01T00:00Z\n")
    data["workloads"]["api"]["arrivals"] = {"kind": "request-log", "file": str(log)}
    assert any("not an ISO 8601 time" in problem.message for problem in sim.check(data))


def test_odd_names_and_keys(tmp_path: Path) -> None:
    for name in ("a\0b.yaml", "x" * 300 + ".yaml", "y" * 300):
        assert len(sim.check(name)) == 1
    for base in ("a\0b", "z" * 5000, "bloom-trainig"):
        (tmp_path / "s.yaml").write_text(to_yaml({"extends": base}))
        assert [problem.path for problem in sim.check(tmp_path / "s.yaml")] == ["extends"]
    data = small()
    data["workloads"] = {"1": data["workloads"]["tune"], 1: data["workloads"]["tune"]}
    assert any(problem.message == "duplicate name" for problem in sim.check(data))
    refused(tmp_path, "!!python/name:os.system bogus: 1\n", "keys must be plain text")
    done = coldaisle("check", "bloom-training", "--set", "seed=1", "--set", "seed=2", cwd=tmp_path)
    assert done.returncode == 2
    assert "more than once" in done.stderr
    whole = {"kind": "fixed-pue", "pue": 2}
    (problem,) = sim.check("bloom-training", set={"site.facility.pue": 1.1, "site.facility": whole})
    assert (problem.path, problem.message) == (
        "site.facility",
        "takes away what 'site.facility.pue' sets; write it before that",
    )
    assert sim.check("bloom-training", set={"site.facility": whole, "site.facility.pue": 1.1}) == ()


def test_numbers_of_numpy_are_numbers() -> None:
    import numpy as np

    assert sim.check(small(), set={"seed": np.int64(3), "site.facility.pue": np.float64(1.2)}) == ()
    assert sim.load(small(), set={"seed": np.int64(3)}).scenario.seed == 3


def test_extends_names_a_shipped_scenario_too(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "extends: bloom-training\nname: elsewhere\nsite: {grid: {intensity: 380 gCO2e/kWh}}\n"
    )
    assert sim.load(tmp_path / "mine.yaml").scenario.name == "elsewhere"


def test_a_large_extension_is_merged_in_time(tmp_path: Path) -> None:
    """1,500 workloads on top of 1,500: time linear in their number, where it once was quadratic."""
    job = "{kind: training, gpus: 1, cpu_load: 0, work: {kind: gpu-hours, gpu_hours: 1, load: {kind: nameplate}}}"
    for name, letter in (("base", "a"), ("child", "b")):
        rows = "".join(f"  {letter}{i}: {job}\n" for i in range(1500))
        head = "extends: base.yaml\n" if name == "child" else ""
        (tmp_path / f"{name}.yaml").write_text(f"{head}name: {name}\nworkloads:\n{rows}")
    problems = sim.check(tmp_path / "child.yaml")
    assert {problem.path for problem in problems} == {"start", "site", "cluster", "accounting"}


def test_a_page_that_cannot_be_printed_is_a_failed_write(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{COLDAISLE} run bloom-training --json > /dev/full",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "internal error" not in done.stderr


@pytest.mark.parametrize("name", ["circle.yaml", "n" * 400])
def test_a_path_that_cannot_be_is_an_input_error_wherever_it_stands(tmp_path: Path, name: str) -> None:
    """A link that leads to itself, or a name longer than any file's."""
    (tmp_path / "circle.yaml").symlink_to("circle.yaml")
    path = str(tmp_path / name)
    changes: list[dict[str, Any]] = [
        {"profiles": path},
        {"site.weather": {"kind": "epw", "file": path}},
        {"site.grid.intensity": {"kind": "electricity-maps", "file": path, "basis": "direct"}},
        {"workloads.api.arrivals": {"kind": "request-log", "file": path}},
    ]
    for change in changes:
        assert sim.check(small(), set=change), change
    assert sim.check({"extends": path})
    assert sim.check(path)
    with pytest.raises(InputError):
        sim.sweep({"name": "x", "base": path, "axes": {"seed": [1]}})


def test_what_shows_only_when_parts_are_put_together_is_found_by_check() -> None:
    """At its own path, before anything runs."""
    battery = {
        "kind": "battery", "energy": "50 kWh", "power": "20 kW", "round_trip": 0.88, "start": 0.5, "self_discharge": 0,
        "life": {"end_of_life": 0.8, "cycles": 6000, "calendar": "15 years"}, "lifecycle": "ivl-2019-lithium-ion",
        "dispatch": {"kind": "price"},
    }  # fmt: skip
    on_site = {"site.on_site": [battery, {"kind": "connection", "export_limit": "0 W"}]}
    fixed = {"kind": "fixed", "charge_at": "0.1 EUR/kWh", "discharge_at": "0.2 EUR/kWh"}
    transfer = {"data": "1 GB", "bandwidth": "1 GB/s", "energy": "0.06 kWh/GB", "cost": "0.05 USD/GB"}
    place = {"kind": "lowest", "signal": "marginal", "pools": ["a", "b"], "home": "a", "transfer": transfer}
    pools = [{"profile": "dgx-a100", "count": 1, "name": name} for name in "ab"]
    uncertain = {"draws": 8, "seeds": 1, "over": {"embodied": {"kind": "from-profiles"}}}
    stated = {"accounting.embodied": {"gpu": "150 kgCO2e", "server": "2500 kgCO2e"}}
    wrong: dict[str, dict[str, Any]] = {
        "site.on_site.0.dispatch": {**on_site, "site.grid.price": None},
        "site.on_site.0.dispatch.bounds": {**on_site, "site.on_site.0.dispatch.bounds": fixed},
        "cluster.nodes.0.profile": {
            "cluster.nodes": [{"profile": "jean-zay-v100-node", "count": 3}],
            "accounting.embodied": {"nodes": "bill-of-materials"},
            "workloads.tune.work.load.active": "250 W",
        },
        "accounting.embodied.factors": {
            "accounting.embodied": {"nodes": "bill-of-materials", "factors": "absent.yaml"}
        },
        "workloads.tune.place.signal": {
            "workloads.tune.place": {**place, "forecast": {"kind": "perfect"}},
            "cluster.nodes": pools,
            "workloads.api.pool": "a",
        },
        "uncertainty.over.embodied": {"uncertainty": uncertain, **stated},
    }
    for path, change in wrong.items():
        assert [problem.path for problem in sim.check(small(), set=change)] == [path], path


def test_a_battery_needs_no_sun(tmp_path: Path) -> None:
    """Weather without radiation is enough for a site without panels and turbines."""
    rows = [f"{m},{h},20,0.5,101325" for m in range(1, 13) for h in range(24)]
    names = "month,hour_utc,dry_bulb_c,relative_humidity,pressure_pa"
    (tmp_path / "days.csv").write_text("\n".join([names, *rows]))
    weather = {"kind": "month-hours", "file": str(tmp_path / "days.csv"), "latitude": 1.0, "longitude": 1.0}
    connection = {"kind": "connection", "export_limit": "0 W"}
    change = {"site.weather": weather, "site.on_site": [connection]}
    assert sim.check(small(), set=change) == ()
    panels = {"kind": "pv", "capacity": "1 kW", "tilt": "9 deg", "azimuth": "9 deg", "lifecycle": "ipcc-ar5-pv-utility"}
    found = sim.check(small(), set={**change, "site.on_site": [panels, connection]})
    assert [problem.path for problem in found] == ["site.weather"]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("seed", "one", "must be a whole number, and is 'one'"),
        ("workloads.api.replicas", 0, "must be at least 1, and is 0"),
        ("workloads.tune.gpus", 0, "needs either 'gpus' or 'sockets' above zero"),
        ("workloads.tune.work.gpu_hours", "16 h", "must be a number, and is '16 h'"),
        ("workloads.tune.work.gpu_hours", 0, "must be above 0, and is 0"),
        ("name", "x" * 201, "must have at most 200 characters"),
        (
            "site.name",
            "<b>",
            "must be made of letters from A to Z, digits, dots, underscores and hyphens alone, and begin with a letter "
            "or digit, and is '<b>'",
        ),
        ("start", 0, "must be a time such as '2022-03-11T00:00:00Z', and is 0"),
        ("site", 5, "must be a mapping with grid, facility, not int"),
        (
            "workloads.tune",
            None,
            "must be a mapping with a 'kind'  (campaign, federated, inference, jobs, serving, split, training), "
            "not null",
        ),
    ],
)
def test_faults_are_said_in_plain_words(path: str, value: object, said: str) -> None:
    scenario = small()
    *outer, last = path.split(".")
    here: Any = scenario
    for part in outer:
        here = here[part]
    here[last] = value
    assert said in [problem.message for problem in sim.check(scenario)]


def test_a_long_path_does_not_move_what_is_said_of_others() -> None:
    lines = describe(InputError([Problem("a", 1, "x" * 300, "is long"), Problem("a", 2, "short", "is not")])).split(
        "\n"
    )
    assert lines[2] == "    2  short  is not"
    assert lines[1].endswith("x  is long")


def test_several_scenarios_are_checked_at_once(tmp_path: Path) -> None:
    """The sound ones are told, and the problems of the others together, each under its file."""
    (tmp_path / "good.yaml").write_text(to_yaml(small()))
    for name, path in (("one", "site"), ("two", "cluster")):
        data = small()
        del data[path]
        (tmp_path / f"{name}.yaml").write_text(to_yaml(data))
    done = coldaisle("check", "one.yaml", "good.yaml", "two.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == "good.yaml: no problems\n"
    assert "one.yaml: 1 problem" in done.stderr
    assert "two.yaml: 1 problem" in done.stderr
    assert coldaisle("check", "good.yaml", "good.yaml", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("workloads.api.arrivals", {"rate": "1/s"}, r"needs a 'kind'  \(backlog, interval-log, poisson, .*\)"),
        ("workloads.api.arrivals", 3, r"must be a mapping with a 'kind'  \(backlog, .*\), not int"),
        ("workloads.api.arrivals", None, r"required, a mapping with a 'kind'  \(backlog, .*\)"),
        ("workloads.api.service_time", {"first": "1 s"}, r"needs a 'law'  \(constant, denoising, exponential, .*\)"),
        ("workloads.api.replicas", None, "required, a whole number"),
        ("workloads.tune.checkpoint", {"every": "1 h"}, "required, e.g. '30 min'"),
        ("site.facility", {"kind": "plant"}, "required, a mapping with utility, critical, feed"),
        ("cluster.nodes.0.sharing", {"kind": "mps", "x": 1}, "unknown name"),
        ("workloads.tune.work", 5, r"must be a mapping with a 'kind'  \(gpu-hours, .*\), not int"),
        ("accounting.gpu_lifetime", "6 yr.", "e.g. '5 years'"),
        ("workloads.tune.checkpoint", {"every": "1 xy", "write": "1 s"}, "like '30 min' or '6 years'"),
        (
            "site.grid.market",
            {
                "residual_mix": "700 g/kWh",
                "contracts": [
                    {"kind": "ppa", "source": "wind", "supply": "flat", "matching": "annual", "energy": "9 MWh"}
                ],
            },
            r"'9 MWh' is not a power. Energy over time, e.g. '40 GWh/year'\.",
        ),
    ],
)
def test_what_is_missing_says_what_may_stand_there(path: str, value: object, said: str) -> None:
    scenario = small()
    *outer, last = path.split(".")
    here: Any = scenario
    for part in outer:
        here = here[int(part) if isinstance(here, list) else part]
    if value is None:
        del here[last]
    else:
        here[last] = value
    assert any(re.search(said, problem.message) for problem in sim.check(scenario)), sim.check(scenario)


def test_problems_are_folded_under_their_messages_at_a_terminal_and_a_line_each_elsewhere() -> None:
    long = InputError([Problem("a.yaml", 3, "site.grid", "must be " + "one of these words " * 9 + "(allowed:  x)")])
    assert len(describe(long).splitlines()) == 2
    for columns in (60, 80):
        lines = describe(long, columns).splitlines()
        assert max(map(len, lines)) <= columns
        assert " ".join(" ".join(lines).split()) == " ".join(describe(long).split())
        assert {len(line) - len(line.lstrip()) for line in lines[2:]} == {7 + len("site.grid") + 2}
