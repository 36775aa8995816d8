"""The published record: what is read, refused and judged, and that what ships comes out as the README says."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner, Result

import sim
from sim.cli.command import app
from sim.content import content_hash
from sim.documents import read_document
from sim.errors import InputError
from sim.loading.scenario import copied, load_scenario, published_scenarios
from sim.paths import joined
from sim.plain import as_number, inside, nested
from sim.published.expression import ExpressionError, looked_up, parse
from sim.published.records import Record, read_record, read_records, unsourced
from sim.published.reproduce import Reproduced, as_dict, counts, reproduce
from sim.published.tables import markdown, reproduced_tables
from sim.published.tolerance import read_tolerance
from sim.results.files import to_yaml
from sim.running.run import built_of
from sim.spec.published import MECHANISMS
from sim.study.processes import machine_workers
from tests.small import small
from tests.test_readme import README

WITHIN_OF_THE_LITERATURE = 35
"""Of 41; 38 were asked for. The records of the others say why they are missed."""
TABLE = re.compile(r"<!-- reproduce -->\n(.*?)<!-- end -->", flags=re.DOTALL)


@pytest.fixture(scope="session")
def shipped() -> list[Record]:
    return read_records([])


@pytest.fixture(scope="session")
def reproduced(shipped: list[Record]) -> list[Reproduced]:
    return reproduce(shipped, machine_workers())


# Expressions


SUMMARY: dict[str, Any] = {"a": {"b": 3.0, "c.d": 4, "list": [1, {"x": 7}]}, "true": True, "text": "5"}


@given(
    st.recursive(
        st.sampled_from(["2", "0.5", "{a.b}", "{a.c.d}", "{a.list[1].x}"]),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"({' '.join(parts)})"),
            inner.map(lambda text: f"-{text}"),
            inner.map(lambda text: f"abs({text})"),
            st.tuples(inner, inner).map(lambda parts: f"max({', '.join(parts)})"),
        ),
        max_leaves=12,
    )
)
def test_an_expression_is_the_arithmetic_it_looks_like(text: str) -> None:
    plain = text.replace("{a.b}", "3.0").replace("{a.c.d}", "4.0").replace("{a.list[1].x}", "7.0")
    try:
        expected = eval(compile(ast.parse(plain, mode="eval"), "", "eval"), {"abs": abs, "max": max})
    except ZeroDivisionError:
        with pytest.raises(ExpressionError, match="zero"):
            parse(text).value({"this": SUMMARY}, "this")
        return
    assume(math.isfinite(expected))
    assert parse(text).value({"this": SUMMARY}, "this") == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{a.b",
        "{}",
        "{: a.b}",
        "a.b",
        "__import__('os')",
        "{a.b}.real",
        "[1]",
        "lambda: 1",
        "eval({a.b})",
        "'a'",
        "True",
        "sqrt(1, 2)",
        "max(x=1)",
        "{a.b} if 1 else 2",
        "{a.b} @ 2",
        "_5",
        "(" * 80 + "1" + ")" * 80 + "+",
        "min()",
    ],
)
def test_nothing_but_arithmetic_is_read(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


def test_what_is_deep_is_refused() -> None:
    with pytest.raises(ExpressionError):
        parse("-" * 100 + "1")


@pytest.mark.parametrize("path", ["a", "a.e", "a.b.c", "true", "text", "a.list[2]", "a.list[x]", "nothing"])
def test_a_path_without_a_number_says_what_is_there(path: str) -> None:
    with pytest.raises(ExpressionError, match="the summary has no"):
        looked_up(SUMMARY, path)


def test_runs_are_named_and_gathered() -> None:
    summaries = {"one": {"x": 1.0}, "two": {"x": 5.0}}
    assert parse("{two: x} / {one: x}").value(summaries, "one") == 5.0
    assert parse("{x}").value(summaries, "two") == 5.0
    assert parse("max({*: x}) - min({*: x}) + mean({*: x}) + sum({*: x})").value(summaries, "one") == 4 + 3 + 6
    assert parse("{two: x} + {x}").runs == {"two"}
    with pytest.raises(ExpressionError, match="list"):
        parse("{*: x} + 1").value(summaries, "one")
    for text in ("(0 - {x}) ** 0.5", "abs((0 - {x}) ** 0.5)", "(0 - {x}) ** 0.5 + 1"):
        with pytest.raises(ExpressionError, match="real"):
            parse(text).value(summaries, "one")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("9**9**9**9", "is too large for a number"),
        ("1e300 * 1e300", "is too large for a number"),
        ("1e999 - 1e999", "is too large for a number"),
        ("9" * 1000 + " * 2", "is too large for a number"),
        ("log(0)", "logarithm or a root"),
        ("sqrt(0 - 1)", "logarithm or a root"),
        ("1 / 0", "divides by zero"),
    ],
)
def test_what_has_no_value_is_said_in_words(text: str, says: str) -> None:
    with pytest.raises(ExpressionError, match=says):
        parse(text).value({"this": SUMMARY}, "this")


# Tolerances


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0.1, 90))
def test_relative_and_point_tolerances_are_what_they_say(ours: float, published: float, size: float) -> None:
    size = round(size, 3)
    relative, points = read_tolerance(f"{size} %"), read_tolerance(f"{size} points")
    off = abs(ours - published)
    assume(abs(off - size) > 1e-6 and abs(off - size / 100 * abs(published)) > 1e-6 * max(1, abs(published)))
    assert relative.holds(ours, published, published) == (off < size / 100 * abs(published))
    assert points.holds(ours, published, published) == (off < size)
    assert (points.strain(ours, published, published) <= 1) == points.holds(ours, published, published)


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_a_factor_is_the_same_both_ways(ours: float, published: float) -> None:
    tolerance = read_tolerance("factor 2")
    assume(abs(abs(math.log2(ours / published)) - 1) > 1e-9)
    assert tolerance.holds(ours, published, published) == tolerance.holds(published, ours, ours)
    assert tolerance.holds(ours, published, published) == (abs(math.log2(ours / published)) < 1)
    assert not tolerance.holds(-ours, published, published)


def test_ranges_signs_and_bounds() -> None:
    assert read_tolerance("0 %").holds(5, 4, 6)
    assert not read_tolerance("0 %").holds(6.5, 4, 6)
    assert read_tolerance("10 %").holds(6.5, 4, 6)
    assert read_tolerance("at least").holds(5, 4, 4)
    assert not read_tolerance("at most").holds(5, 4, 4)
    assert read_tolerance("sign").holds(-5, -0.1, -0.1)
    assert not read_tolerance("sign").holds(0.0, -0.1, -0.1)
    for words in ("1 %", "1 point", "factor 2", "at least", "at most", "sign", "none"):
        assert not read_tolerance(words).holds(math.nan, 1, 1)
        assert not read_tolerance(words).holds(math.inf, 1, 1) or words == "at least"


@pytest.mark.parametrize("text", ["", "1", "-1 %", "factor 1", "factor 0.5", "about", "1%%", "NaN %", "1e3 %"])
def test_other_tolerances_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be '1 %'"):
        read_tolerance(text)


# Records


def record(**changes: Any) -> dict[str, Any]:
    """A small scenario with a record of its energy."""
    told = {
        "paper": "A paper",
        "confidence": "high",
        "exercises": ["idle"],
        "about": "What it shows.",
        "outputs": {
            "energy": {"ours": "{energy_kwh.it}", "published": 30, "unit": "kWh", "tolerance": "factor 3", "why": "w"}
        },
        "constants": {
            path: {"kind": "assumed", "source": "s"} for path in ("site", "cluster", "workloads", "accounting")
        },
    }
    return {**small(), "published": {**told, **changes}}


def written(folder: Path, data: Mapping[str, Any], name: str = "mine.yaml") -> str:
    (folder / name).write_text(to_yaml(data), encoding="utf-8")
    return str(folder / name)


def test_a_record_changes_no_simulation_and_no_result() -> None:
    plain, told = small(), record()
    assert content_hash(built_of(load_scenario(plain))) == content_hash(built_of(load_scenario(told)))
    assert sim.run(plain).summary == sim.run(told).summary


def test_a_scenario_of_one_s_own_is_reproduced(tmp_path: Path) -> None:
    [found] = reproduce(read_records([written(tmp_path, record())]))
    assert found.verdict == "within"
    [line] = found.lines
    assert line.ours == sim.run(small()).summary["energy_kwh"]["it"]
    assert line.difference == pytest.approx(line.ours / 30 - 1)


def test_runs_stand_beside_each_other_and_the_other_way_round(tmp_path: Path) -> None:
    outputs = {
        "pue": {
            "ours": "{kpi.pue}",
            "published": {"low": 1.1, "high": 1.5},
            "unit": "",
            "tolerance": "1 %",
            "why": "w",
        },
        "ratio": {
            "ours": "{high: energy_kwh.facility} / {low: energy_kwh.facility}",
            "published": 1.5 / 1.1,
            "unit": "",
            "tolerance": "0.1 %",
            "why": "w",
        },
        "between": {"ours": "max({*: kpi.pue})", "between": [1.4, 1.6], "unit": "", "tolerance": "0 %", "why": "w"},
        "shown": {"ours": "{low: energy_kwh.it}", "published": 1, "unit": "kWh", "tolerance": "none", "why": "w"},
        "missed": {
            "ours": "{low: kpi.pue}",
            "published": 2,
            "unit": "",
            "tolerance": "1 %",
            "why": "w",
            "missed": "because",
        },
    }
    runs = {"low": {"set": {"site.facility.pue": 1.1}}, "high": {"set": {"site.facility.pue": 1.5}}}
    wanted = read_records([written(tmp_path, record(outputs=outputs, runs=runs))])
    alone, together = reproduce(wanted, 1), reproduce(wanted, 2)
    assert as_dict(alone) == as_dict(together)
    verdicts = [(line.output, line.run, line.verdict) for line in alone[0].lines]
    assert verdicts == [
        ("pue", "low", "within"),
        ("pue", "high", "within"),
        ("ratio", None, "within"),
        ("between", None, "within"),
        ("shown", None, "not judged"),
        ("missed", None, "missed"),
    ]
    assert alone[0].verdict == "missed"
    assert alone[0].unexplained == ()
    assert "because" not in markdown(alone)
    assert counts(alone)["missed"] == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"exercises": ["unit-check", "idle"]}, "stands alone"),
        ({"exercises": ["magic"]}, "magic"),
        ({"outputs": {}}, "must not be empty"),
        ({"runs": {"a": {}, "b": {}}}, "does not say of which run"),
        ({"runs": {"a": {"set": {"site.facility.pue": 0.5}}}}, "cannot be run: site.facility.pue: must be at least 1"),
        ({"runs": {"a": {"scenario": "nowhere"}}}, "no scenario of that name"),
        (
            {"estimate": {"e": {"of": "power", "ours": "{a}", "unit": "W", "gap": "g"}}},
            "names what is not there: power",
        ),
        ({"constants": {}}, "does not say where 'site.facility.pue' comes from"),
    ],
)
def test_what_is_wrong_with_a_record_is_named(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        read_records([written(tmp_path, record(**changes))])


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ({"published": None}, "needs either 'published' or 'between'"),
        ({"between": [1, 2]}, "needs either 'published' or 'between'"),
        ({"published": None, "between": [2, 1]}, "from the lower to the higher"),
        ({"ours": "{energy_kwh.it"}, "cannot be read as arithmetic"),
        ({"ours": "{other: energy_kwh.it}"}, "names what is not there: other"),
        ({"published": {"other": 1}}, "names what is not there: other"),
        ({"tolerance": "a bit"}, "must be '1 %'"),
        ({"published": "much"}, "number"),
    ],
)
def test_what_is_wrong_with_an_output_is_named(output: dict[str, Any], says: str) -> None:
    data = record()
    energy = {**data["published"]["outputs"]["energy"], **output}
    data["published"]["outputs"]["energy"] = {key: value for key, value in energy.items() if value is not None}
    with pytest.raises(InputError, match=re.escape(says)):
        load_scenario(data)


def refused(data: Mapping[str, Any], folder: Path) -> list[str]:
    with pytest.raises(InputError) as found:
        read_records([written(folder, data)])
    return [f"{problem.path}: {problem.message}" for problem in found.value.problems]


@pytest.mark.parametrize("where", ["sites.facility", "site.facility.pve", "workloads.other", "seed"])
def test_a_constant_without_a_number_is_refused(tmp_path: Path, where: str) -> None:
    data = record()
    data["published"]["constants"][where] = {"kind": "assumed", "source": "s"}
    [problem] = refused(data, tmp_path)
    assert problem.startswith(f"{joined(('published', 'constants', where))}: there is no number at '{where}'")
    assert ("did you mean 'site.facility" in problem) == ("facility" in where)


def test_a_number_without_a_source_is_told_once_with_its_runs(tmp_path: Path) -> None:
    runs = {name: {"set": {"site.facility.pue": pue}} for name, pue in (("a", 1.1), ("b", 1.2), ("c", 1.3))}
    data = record(
        runs=runs, outputs={"pue": {**record()["published"]["outputs"]["energy"], "ours": "max({*: kpi.pue})"}}
    )
    del data["published"]["constants"]["site"]
    problems = refused(data, tmp_path)
    assert len(problems) == len(unsourced(small(), ["cluster", "workloads", "accounting"]))
    assert all("(runs a, b, c) comes from" in problem for problem in problems)


@pytest.mark.parametrize(
    "change",
    [{"published": math.nan}, {"published": {"this": math.nan}}, {"published": None, "between": [math.nan, 2.0]}],
)
def test_what_is_no_number_is_one_plain_problem(tmp_path: Path, change: dict[str, Any]) -> None:
    data = record()
    energy = {**data["published"]["outputs"]["energy"], **change}
    data["published"]["outputs"]["energy"] = {key: value for key, value in energy.items() if value is not None}
    [problem] = refused(data, tmp_path)
    assert problem.startswith("published.outputs.energy.")
    assert problem.endswith("'.nan' is not a finite number")


def test_a_reason_that_is_not_needed_any_more_is_told(tmp_path: Path) -> None:
    data = record()
    data["published"]["outputs"]["energy"]["missed"] = "because"
    [found] = told = reproduce(read_records([written(tmp_path, data)]))
    assert (found.verdict, found.needless) == ("within", ("energy",))
    assert as_dict(told)["records"][0]["reasons_not_needed"] == ["energy"]
    assert "energy: the reason for a miss is not needed any more" in drawn(told)
    assert "not needed any more" not in drawn(reproduce(read_records([written(tmp_path, record())])))


def drawn(found: list[Reproduced]) -> str:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(reproduced_tables(found))
    return captured.get()


def test_the_worst_is_one_that_is_judged(tmp_path: Path) -> None:
    far = {"ours": "{kpi.pue}", "published": 1000, "unit": "", "why": "w"}
    judged = {**far, "published": {"a": 1.11, "b": 1.12}, "tolerance": "10 %"}
    runs = {"a": {"set": {"site.facility.pue": 1.1}}, "b": {"set": {"site.facility.pue": 1.1}}}
    outputs = {"far": {**far, "ours": "{a: kpi.pue}", "tolerance": "none"}, "near": judged}
    found = reproduce(read_records([written(tmp_path, record(outputs=outputs, runs=runs))]))
    assert "| near, b (worst of 2) | 1.12 | 1.1 |" in markdown(found)
    alone = reproduce(read_records([written(tmp_path, record(outputs={"far": outputs["far"]}, runs=runs))]))
    assert "| far | 1,000 | 1.1 |" in markdown(alone)


def test_the_example_of_the_documentation_is_complete(tmp_path: Path) -> None:
    page = (README.parent / "docs" / "accounts.md").read_text(encoding="utf-8")
    [block] = [
        text for text in re.findall(r"^```yaml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE) if "\npublished:" in text
    ]
    (tmp_path / "mine.yaml").write_text(block, encoding="utf-8")
    [found] = reproduce(read_records([str(tmp_path / "mine.yaml")]))
    assert [line.verdict for line in found.lines] == ["within", "within"]


def command(*words: str) -> Result:
    return CliRunner().invoke(app, ["reproduce", *words], env={"COLUMNS": "80"})


def test_json_is_json_of_what_is_listed_too() -> None:
    names = ["bloom-train-dynamic", "bloom-train-measured-mean"]
    listed, sources = (json.loads(command(*names, how, "--json").stdout)["records"] for how in ("--list", "--sources"))
    assert [one["id"] for one in listed] == [one["id"] for one in sources] == names
    assert listed[0]["exercises"] == ["unit-check"]
    assert sources[0]["constants"]["accounting.convention"] == {"kind": "input", "source": "section 4.2"}


def test_names_are_listed_whole() -> None:
    named = "bloom-train-measured-mean"
    assert named in command(named, "--list").stdout.split()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["bloom-train-dynamic", "--only", "dynamics"], "bloom-train-dynamic: unit-check"),
        (["bloom-inference"], "is a scenario that ships and carries no published record"),
        (["--list", "--markdown"], "prints either --list or --markdown"),
    ],
)
def test_what_leaves_nothing_to_reproduce_is_refused(words: list[str], says: str) -> None:
    refused = command(*words)
    assert says in str(refused.exception)
    assert refused.exit_code


def test_a_run_that_fails_is_told_and_stops_no_other(tmp_path: Path) -> None:
    outputs = copied(record()["published"]["outputs"])
    outputs["energy"]["ours"] = "{energy_kwh.nothing}"
    broken = written(tmp_path, record(outputs=outputs), "broken.yaml")
    found = reproduce(read_records([broken, written(tmp_path, record())]))
    assert [one.verdict for one in found] == ["failed", "within"]
    why = found[0].failed or ""
    assert "below 'energy_kwh' there is it, facility" in why
    line = next(i for i, text in enumerate(Path(broken).read_text().splitlines(), 1) if "energy_kwh.nothing" in text)
    assert why.startswith(f"{broken}:{line}: published.outputs.energy.ours: ")


def test_every_record_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        read_records(["bloom-train-dynamc", written(tmp_path, small())])
    assert "did you mean 'bloom-train-dynamic'" in str(refused.value)
    assert "has no 'published'" in str(refused.value)


# What ships


def test_the_constants_of_what_ships_have_a_source_each(shipped: list[Record]) -> None:
    """Every number of every run lies under a path that says where it comes from; that each path has one is a matter of
    reading them."""
    for one in shipped:
        for run in one.runs.values():
            assert unsourced(load_scenario(run.source, run.overrides).document.data, one.published.constants) == []


def numbers(value: Any) -> Iterator[float]:
    if nested(value):
        for _, part in inside(value):
            yield from numbers(part)
    elif as_number(value) is not None:
        yield float(value)
    elif isinstance(value, str):
        yield from (float(found) for found in re.findall(r"^[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?", value.replace(",", "")))


def test_no_constant_is_the_number_it_is_judged_on(shipped: list[Record]) -> None:
    """What exercises dynamics has none of its judged numbers, to three digits and more, among its inputs."""
    for one in shipped:
        if one.published.is_unit_check:
            continue
        judged = set()
        for output in one.published.outputs.values():
            if output.tolerance != "none":
                values = output.published if isinstance(output.published, Mapping) else {"": output.published}
                judged |= {value for value in values.values() if value is not None}
        telling = {value for value in judged if len(f"{abs(value):.12g}".replace(".", "").strip("0")) >= 3}
        for run in one.runs.values():
            data = load_scenario(run.source, run.overrides).document.data
            given = set(numbers({key: part for key, part in data.items() if key != "published"}))
            assert not telling & given, f"{one.id}: {sorted(telling & given)}"


def test_what_a_record_exercises_is_known() -> None:
    assert MECHANISMS[0] == "unit-check"
    assert list(MECHANISMS[1:]) == sorted(MECHANISMS[1:])


@pytest.mark.shared_data
def test_the_literature_has_a_record_each(shared_data: Path) -> None:
    entries = read_document(shared_data / "published" / "literature.yaml").data["entries"]
    assert {entry["id"] for entry in entries} <= set(published_scenarios())


@pytest.mark.shared_data
def test_the_literature_comes_out(shared_data: Path, reproduced: list[Reproduced]) -> None:
    entries = read_document(shared_data / "published" / "literature.yaml").data["entries"]
    verdicts = {one.record.id: one.verdict for one in reproduced}
    within = [entry["id"] for entry in entries if verdicts[entry["id"]] == "within"]
    assert len(within) >= WITHIN_OF_THE_LITERATURE
    assert f"Of the {len(entries)} results that the record began with {len(within)} are within" in README.read_text()


def test_every_miss_is_explained_and_nothing_fails(reproduced: list[Reproduced]) -> None:
    for one in reproduced:
        assert one.failed is None, f"{one.record.id}: {one.failed}"
        assert not one.unexplained, f"{one.record.id}: {[line.output for line in one.unexplained]}"
        assert not one.needless, f"{one.record.id}: {one.needless} are not missed any more"


def test_the_readme_has_the_table_that_the_command_prints(reproduced: list[Reproduced]) -> None:
    found = TABLE.search(README.read_text(encoding="utf-8"))
    assert found is not None
    assert found[1] == markdown(reproduced)


def test_every_record_reads_by_itself() -> None:
    for name in published_scenarios():
        assert read_record(name, published_scenarios()).id == name


def test_every_topic_is_answered_and_every_record_has_one() -> None:
    folder = published_scenarios()["bloom-train-dynamic"].parent
    rows = [
        line.split(" | ") for line in (folder / "README.md").read_text(encoding="utf-8").splitlines() if "](" in line
    ]
    rows = [row for row in rows if len(row) == 4]
    assert len(rows) >= 23
    links = {link for row in rows for link in re.findall(r"\]\(([^)]+\.yaml)\)", row[1])}
    assert all((folder / link).is_file() for link in links)
    assert {f"{name}.yaml" for name in published_scenarios()} - links == set()
    assert all(shows.strip() and cannot.strip(" |") for _, _, shows, cannot in rows)


def test_an_estimate_says_of_which_run_too(tmp_path: Path) -> None:
    """Of several runs, the first was taken in silence."""
    data = read_document(published_scenarios()["wu-fb"]).data
    told = {
        **data["published"],
        "estimate": {"e": {"of": "use", "ours": "{carbon_kg.total}", "unit": "kg", "gap": "g"}},
    }
    mine = tmp_path / "mine.yaml"
    mine.write_text(to_yaml({**data, "published": told}), encoding="utf-8")
    with pytest.raises(InputError, match=r"estimate\.e\.ours does not say of which run: write '\{run: path\}'"):
        read_record(str(mine), {})


def test_overrides_mean_folders_and_files_beside_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of profiles as well as a file, wherever the record is read from; what is not there is named."""
    own = published_scenarios()["cpu-llama-i5"].parent / "data" / "own_boards"
    text = published_scenarios()["cpu-llama-i5"].read_text(encoding="utf-8")
    (tmp_path / "boards").symlink_to(own)
    text = text.replace("profiles: data/own_boards\n", "profiles: boards\n", 1)
    mine = tmp_path / "mine.yaml"
    monkeypatch.chdir(tmp_path.parent)
    mine.write_text(text.replace("    7B q4: {}", "    7B q4: {set: {profiles: boards}}"), encoding="utf-8")
    assert read_record(str(mine), {}).runs["7B q4"].overrides == {"profiles": str(own)}
    mine.write_text(text.replace("    7B q4: {}", "    7B q4: {scenario: nowhere.yaml}"), encoding="utf-8")
    with pytest.raises(InputError, match=r"'nowhere\.yaml' cannot be run: no such file"):
        read_record(str(mine), {})
