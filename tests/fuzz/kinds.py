"""Every kind of input, and who reads it: the public functions, or the ``coldaisle`` command itself, in this process."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from typer.main import get_command

import sim
from sim.build.serving.step_table import read_step_table
from sim.build.site.weather import weather_series
from sim.cli.command import app
from sim.cli.faults import describe
from sim.cli.options import inert
from sim.errors import InputError
from sim.instants import parse_instant
from sim.loading.scenario import parse_assignments
from sim.measure.readers import read_recording
from sim.profiles.catalog import Catalog, read_profile
from sim.report.run import report
from sim.results.files import read, sha256, to_json, to_yaml, write
from sim.signals.gaps import Policy
from sim.signals.series_file import read_series
from sim.spec.schema import scenario_schema
from sim.spec.study import load_study
from sim.spec.weather import MonthHours, OpenMeteo, TypicalWeather
from sim.study.sweep.check_points import Asked, Checker, Given
from sim.study.sweep.design import idle_conditions, points
from sim.study.sweep.front import Goal, front_of
from sim.study.sweep.plan import base_of, outputs_of
from sim.units import DAY_NS
from sim.workload.request_file import read_interval_counts, read_request_times
from sim.workload.servegen import read_lengths, read_windows
from sim.workload.traces import read_trace
from tests.fuzz import columns, sound, trees
from tests.fuzz.fragments import Fragments
from tests.fuzz.guard import NonsenseError
from tests.fuzz.invariants import must_hold, same_again
from tests.fuzz.raw import damaged
from tests.fuzz.shorten import shortened
from tests.small import small

Case = Callable[[Path, Random], object]
"""One case in an empty folder. It raises ``InputError`` where the input is refused."""


@dataclass(frozen=True)
class Kind:
    """A kind of input: how often it is drawn beside the others, and how one case of it is tried.

    ``runs`` are cases that simulate, and may end in a ``RunError``. ``before`` is done first, and its time is not the
    case's: it gets the folder around that of the case.
    """

    weight: float
    case: Case
    runs: bool = False
    before: Callable[[Path], object] = lambda _place: None


def _file(content: Callable[[], bytes], name: str, syntax: str, reader: Callable[[Path], object]) -> Case:
    """A damaged file, read. One in ten has its name's ending taken off, or is packed under a name that says so."""

    def case(folder: Path, rng: Random) -> object:
        path = folder / rng.choice((name,) * 9 + (f"{name}.gz",))
        path.write_bytes(damaged(content(), syntax, rng))
        return reader(path)

    return case


# Scenarios, studies, overrides, profiles


@cache
def _fragments() -> Fragments:
    return Fragments(scenario_schema(), sound.scenarios())


def _scenario(folder: Path, rng: Random) -> None:
    """As plain data, as YAML in a file, or by the command."""
    tree = trees.mutated(rng.choice(sound.scenarios()), rng, _fragments())
    how = rng.random()
    if how < 0.6:
        _raise(sim.check(tree))
        return
    path = folder / "s.yaml"
    try:
        path.write_text(to_yaml(tree), encoding="utf-8", errors="surrogatepass")
    except Exception:  # what cannot be written as YAML is no file
        _raise(sim.check(tree))
        return
    if how < 0.85:
        _raise(sim.check(path))
    else:
        command("check", str(path))


def _scenario_text(folder: Path, rng: Random) -> None:
    path = folder / "s.yaml"
    written = to_yaml(rng.choice(sound.scenarios())).encode()
    path.write_bytes(damaged(written, "text", rng) if rng.random() < 0.8 else _anchored(written, rng))
    command("check", str(path))


ODD_YAML = (
    "b: &b {c: *b}\n", "t: !!binary aGk=\n", "t: !x {}\n", "<<: {name: x}\n", "---\nname: x\n", "? [1, 2]\n: 3\n",
    "%YAML 9.9\n---\n", "&a *a\n", "k: " + "[" * 3000 + "\n", "- - -\n",
)  # fmt: skip


def _anchored(written: bytes, rng: Random) -> bytes:
    """With anchors: one that repeats itself, one that holds itself, tags, merges, or a second document."""
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]\n" for i in range(rng.choice((2, 6, 9)))
    )
    odd = rng.choice((bomb, *ODD_YAML))
    return written + odd.encode() if rng.random() < 0.5 else odd.encode() + written


def _null(_folder: Path, rng: Random) -> None:
    """``null`` at one path of one scenario or study: exactly that."""
    if rng.random() < 0.25:
        tree = _copied(rng.choice(sound.studies()))
        path = rng.choice(list(trees.walk(tree)))
        trees.put(tree, path, None)
        _check_study(tree)
        return
    tree = _copied(rng.choice(sound.scenarios()))
    trees.put(tree, rng.choice(list(trees.walk(tree))), None)
    _raise(sim.check(tree))


def _copied(tree: Any) -> Any:
    return json.loads(json.dumps(tree))


def _assignment(_folder: Path, rng: Random) -> None:
    """``--set``, of a path that is there or nearly so."""
    tree = rng.choice(sound.scenarios())
    words = []
    for _ in range(rng.choice((1, 1, 2))):
        path = [str(part) for part in rng.choice(list(trees.walk(tree)))]
        if rng.random() < 0.2:
            path[rng.randrange(len(path))] = rng.choice((*trees.WORDS, "0", "-1", "99", "1.5", "kind"))
        value = rng.choice(
            (*trees.WORDS, *trees.TIMES, *(str(n) for n in trees.NUMBERS), "null", "{kind: x}", "[", "{a: [1]}")
        )
        words.append(f"{'.'.join(path)}{rng.choice(('=', '=', '=', '=', ''))}{value}")
    _raise(sim.check(tree, set=parse_assignments(words)))


def _raise(problems: tuple[Any, ...]) -> None:
    if problems:
        error = InputError(problems)
        told(error)
        raise error


def told(error: InputError) -> None:
    """A refusal is told in words that a terminal may show, and not by the page."""
    said = inert(describe(error))
    if any(ord(letter) < 32 and letter not in "\n\t" for letter in said):
        raise NonsenseError("a control character reaches the terminal")
    if max(map(len, said.splitlines()), default=0) > 40_000:
        raise NonsenseError("a message of more than 40,000 characters")


def _study(folder: Path, rng: Random) -> None:
    tree = rng.choice(sound.studies())
    if rng.random() < 0.3 and isinstance(tree["base"], dict):
        tree = {**tree, "base": trees.mutated(tree["base"], rng, _fragments())}
    else:
        tree = trees.mutated(tree, rng)
    if rng.random() < 0.2:
        path = folder / "study.yaml"
        path.write_bytes(damaged(to_yaml(rng.choice(sound.studies())).encode(), "text", rng))
        _check_study(path)
    else:
        _check_study(tree)


def _check_study(source: Any) -> None:
    """All that ``sweep`` checks before it simulates, for the first points."""
    study = load_study(source)
    base = base_of(study)
    axes = tuple(dict.fromkeys(path for axis in study.axes for path in axis.paths))
    checker = Checker(Asked(base, axes, outputs_of(study), None, frozenset()))

    def written(path: str) -> Any:
        return study.spec.set.get(path, checker.variants.base(path))

    found = list(idle_conditions(study, written))
    first = list(islice(points(study, written), 3))
    looked = checker.look([Given(p.replication, 0, {**study.spec.set, **p.values}) for p in first])
    found += [*looked.problems, *(problem for seen in looked.seen for problem in seen.problems)]
    _raise(tuple(found))


def _profile(folder: Path, rng: Random) -> None:
    """A profile of one's own: read by itself, and by a scenario that names its folder."""
    name, data = rng.choice(sound.profiles())
    path = folder / f"{name}.yaml"
    if rng.random() < 0.75:
        path.write_text(to_yaml(_as_yaml(trees.mutated(data, rng))), encoding="utf-8", errors="surrogatepass")
    else:
        path.write_bytes(damaged(to_yaml(data).encode(), "text", rng))
    found = read_profile(path)
    users = [tree for tree in sound.scenarios() if name in json.dumps(tree)]
    for tree in users[:2]:
        _raise(sim.check({**tree, "profiles": str(folder)}))
    if found.kind == "node":
        Catalog((folder, *Catalog().folders)).node(name)


def _as_yaml(tree: Any) -> Any:
    """What the writer of YAML takes."""
    if isinstance(tree, dict):
        return {str(key): _as_yaml(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_as_yaml(value) for value in tree]
    if isinstance(tree, str):
        return "".join(letter for letter in tree if letter == "\n" or ord(letter) >= 32)
    return tree


# Files that scenarios name


def _weather(kind: str) -> Callable[[Path], object]:
    spans = {
        "epw": ("2022-01-01T00:00Z", 300),
        "tmy3": ("2022-01-01T00:00Z", 300),
        "open-meteo": ("2022-01-01T06:00Z", 12),
    }
    written, hours = spans.get(kind, ("2022-01-01T00:00Z", 48))
    start_ns = parse_instant(written)

    def reader(path: Path) -> None:
        spec: Any
        if kind == "month-hours":
            spec = MonthHours(kind="month-hours", file=str(path), latitude=32.9, longitude=-97.0)
        elif kind == "open-meteo":
            spec = OpenMeteo(kind="open-meteo", file=str(path))
        else:
            spec = TypicalWeather(kind=kind, file=str(path))
        series = weather_series(spec, start_ns=start_ns, end_ns=start_ns + hours * (DAY_NS // 24))
        for name in ("dry_bulb_c", "relative_humidity", "pressure_pa", "wet_bulb_c"):
            _finite(name, getattr(series, name))
        _within("dry_bulb_c", series.dry_bulb_c, -95.0, 65.0)
        _within("relative_humidity", series.relative_humidity, 0.0, 1.1)
        _within("pressure_pa", series.pressure_pa, 2e4, 1.2e5)

    return reader


def _finite(name: str, values: Any) -> None:
    if not np.isfinite(np.asarray(values, dtype=np.float64)).all():
        raise NonsenseError(f"{name} is not finite")


def _within(name: str, values: Any, low: float, high: float) -> None:
    found = np.asarray(values, dtype=np.float64)
    if len(found) and not (found.min() >= low and found.max() <= high):
        raise NonsenseError(f"{name} outside {low:g}..{high:g}")


def _grid(name: str, content: Callable[[str], bytes], read: Callable[[Path, Policy], object]) -> Case:
    def case(folder: Path, rng: Random) -> None:
        path = folder / name
        path.write_bytes(damaged(content(name), "json" if name.endswith(".json") else "csv", rng))
        found = read(path, rng.choice(("refuse", "hold", "interpolate")))
        for field in ("intensity", "price"):
            signal = getattr(found, field, None)
            if signal is not None:
                _finite(field, signal.values)
        for fuel, share in (getattr(found, "mix", None) or {}).items():
            _within(f"share of {fuel}", share.values, 0.0, 1.0 + 1e-9)

    return case


def _series(path: Path) -> None:
    signal = read_series(
        path,
        time_column="datetime_utc",
        value_column="carbon_intensity",
        si_per_value=1.0,
        unit="g/J",
        origin_ns=0,
        may_be_negative=False,
    )
    _finite("series", signal.values)
    _within("series", signal.values, 0.0, np.inf)


def _trace(path: Path) -> None:
    requests = read_trace(path).requests
    _within("prompt_tokens", requests.prompt_tokens, 1, 2**31)
    _within("output_tokens", requests.output_tokens, 1, 2**31)
    if len(requests) and (np.diff(requests.arrival_ns) < 0).any():
        raise NonsenseError("arrivals are not in order")


def _traced(name: str) -> Case:
    text, syntax = sound.TRACES[name]
    return _file(text.encode, "trace.jsonl" if syntax == "jsonl" else "trace.csv", syntax, _trace)


def _recording(name: str) -> Case:
    syntax = "json" if name.endswith(("API", "JSON")) else "jsonl" if name == "Scaphandre" else "csv"
    return _file(sound.RECORDINGS[name].encode, "log", syntax, _recorded)


def _recorded(path: Path) -> None:
    """Read, and by one in some held against a run."""
    found = read_recording(path)
    power = found.samples["power_w"].dropna().to_numpy()
    _within("power_w", power, 0.0, np.inf)
    _finite("power_w", power)
    if not found.samples["time_ns"].is_monotonic_increasing:
        raise NonsenseError("samples are not in order")
    if path.stat().st_size % 4 == 0:
        command("validate", str(path), "--profile", "nvidia-h100-sxm-80gb", "--json")
    elif path.stat().st_size % 4 == 1:
        command("validate", str(path), "--scenario", str(_own_scenario(path.parent)), "--json")


def _own_scenario(folder: Path) -> Path:
    path = folder / "small.yaml"
    path.write_text(to_yaml({**small(), "duration": "10 min", "outputs": {"bin": "1 min"}}))
    return path


def _clock_table(path: Path) -> None:
    command("calibrate", str(path), "--out", str(path.with_name("mine.yaml")), "--base", "nvidia-a100-sxm-80gb")
    read_profile(path.with_name("mine.yaml"))


def _load_table(path: Path) -> None:
    command("calibrate", str(path), "--out", str(path.with_name("mine.yaml")), "--base", "amd-epyc-7543")
    read_profile(path.with_name("mine.yaml"))


# Folders of finished runs and studies


@cache
def finished(place: Path) -> tuple[Path, Path]:
    """A finished run and a finished study, made once."""
    run, study = place / "finished-run", place / "finished-study"
    if not run.exists():
        write(sim.run({**small(), "duration": "2 h"}), run)
    if not study.exists():
        axes = {"site.grid.intensity": ["50 gCO2e/kWh", "400 gCO2e/kWh"], "site.facility.pue": [1.1, 1.5]}
        base = {**small(), "duration": "1 h"}
        sim.sweep({"name": "small", "base": base, "axes": axes}, study, workers=1, cache=place / "cache")
    return run, study


def _run_folder(folder: Path, rng: Random) -> None:
    """One file of a run damaged; in two of three cases with a manifest that vouches for it."""
    run = folder / "run"
    shutil.copytree(finished(folder.parent)[0], run)
    path = run / rng.choice(("summary.json", "manifest.json", "scenario.yaml", "ledger.parquet", "jobs.parquet"))
    if path.suffix == ".parquet":
        if not _damage_table(path, rng):
            return
    elif path.suffix == ".json":
        path.write_bytes(damaged(path.read_bytes(), "json", rng))
    else:
        path.write_bytes(damaged(path.read_bytes(), "text", rng))
    if rng.random() < 0.67 and path.name != "manifest.json":
        manifest = json.loads((run / "manifest.json").read_text())
        manifest["files_sha256"][path.name] = sha256(path)
        (run / "manifest.json").write_text(to_json(manifest))
    how = rng.randrange(4)
    if how == 0:
        command("compare", str(finished(folder.parent)[0]), str(run))
    elif how == 1:
        command("account", str(run), "--set", "site.facility.pue=1.5", "--json")
    elif how == 2:
        report(read(run))
    else:
        read(run)


def _damage_table(path: Path, rng: Random) -> bool:
    """A Parquet file with other columns or rows, or cut short; its bytes are Arrow's own to try."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    name = rng.choice(table.column_names)
    how = rng.randrange(9)
    if how == 0:
        table = table.drop_columns([name])
    elif how == 1:
        table = table.rename_columns([name[:-1] if old == name else old for old in table.column_names])
    elif how == 2:
        table = table.set_column(
            table.column_names.index(name), name, pa.nulls(len(table), table.schema.field(name).type)
        )
    elif how == 3:
        table = table.set_column(table.column_names.index(name), name, pa.array(["x"] * len(table)))
    elif how == 4:
        number = rng.choice((float("nan"), -1.0, float("inf"), 1e300))
        table = table.set_column(table.column_names.index(name), name, pa.array([number] * len(table)))
    elif how == 5:
        table = table.slice(rng.randrange(len(table) + 1))
    elif how == 6:
        table = pa.concat_tables([table, table])
    elif how == 7:
        odd: Mapping[str, str] | None = rng.choice(
            (None, {"start_ns": "x", "end_ns": "1"}, {"start_ns": "0", "end_ns": "-5"})
        )
        table = table.replace_schema_metadata(odd)
    else:
        content = path.read_bytes()
        path.write_bytes(content[: rng.randrange(len(content))])
        return True
    pq.write_table(table, path)
    return True


def _study_folder(folder: Path, rng: Random) -> None:
    study = folder / "study"
    shutil.copytree(finished(folder.parent)[1], study)
    if rng.random() < 0.6:
        path = study / "study.json"
        path.write_bytes(damaged(path.read_bytes(), "json", rng))
    else:
        _damage_table(rng.choice(sorted(study.rglob("*.parquet"))), rng)
    goals = ["carbon_kg.total", rng.choice(("kpi.pue", "energy_kwh.facility", "max:cost.energy", "name", "axis.x"))]
    if rng.random() < 0.5:
        command("pareto", str(study), "--over", goals[0], "--over", goals[1], "--json")
    else:
        front_of(study, [Goal.read(goal) for goal in goals])


# Runs


def _ran(*, serving: bool) -> Case:
    def case(_folder: Path, rng: Random) -> None:
        chosen = [tree for tree in sound.scenarios() if _serves(tree) == serving]
        tree = shortened(trees.mutated(rng.choice(chosen), rng, _fragments(), mild=True), rng)
        _raise(sim.check(tree))
        try:
            results = sim.run(tree)
        except InputError as error:
            if not any(word in str(error) for word in _KNOWN_ONLY_IN_THE_RUN):
                raise NonsenseError(f"check finds nothing, and run refuses: {error}") from error
            raise
        must_hold(results)
        if rng.random() < 0.2:
            same_again(results, sim.run(tree))

    return case


_KNOWN_ONLY_IN_THE_RUN = ("ends before the run does", "does not cover")
"""How long a run without a ``duration`` lasts shows only in the run, and so whether its series are long enough."""


@cache
def compiled() -> None:
    """Compiles the engines, so that no case waits for it."""
    tree = next(tree for tree in sound.scenarios() if _serves(tree))
    sim.run(shortened(tree, Random(0)))


def _serves(tree: Any) -> bool:
    return any(work.get("kind") == "serving" for work in tree["workloads"].values())


@cache
def _command() -> Any:
    """Put together once: it takes longer than most of what it does."""
    return get_command(app)


def command(*words: str) -> None:
    """The command in this process; raises what it fails by, and what it prints as JSON must be JSON."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            _command()(args=list(words), standalone_mode=False)
        except InputError as error:
            told(error)
            raise
    if "--json" in words:
        json.loads(out.getvalue(), parse_constant=_no_constant)


def _no_constant(word: str) -> None:
    raise NonsenseError(f"{word} in what is printed as JSON")


def _kinds() -> Iterator[tuple[str, Kind]]:
    yield "scenario", Kind(30, _scenario)
    yield "scenario-text", Kind(6, _scenario_text)
    yield "null", Kind(6, _null)
    yield "set", Kind(6, _assignment)
    yield "study", Kind(8, _study)
    yield "profile", Kind(8, _profile)
    for name, content, file, syntax in (
        ("epw", sound.epw, "town.epw", "csv"),
        ("tmy3", sound.tmy3, "town.csv", "csv"),
        ("open-meteo", sound.open_meteo, "weather.json", "json"),
        ("open-meteo-csv", lambda: sound.OPEN_METEO_CSV, "weather.csv", "csv"),
        ("month-hours", sound.month_hours, "days.csv", "csv"),
    ):
        kind = name.removesuffix("-csv")
        slow = name in ("epw", "tmy3")
        yield f"weather-{name}", Kind(0.4 if slow else 2, _file(content, file, syntax, _weather(kind)))
    for name, read_grid in sound.GRID_READERS.items():
        yield f"grid-{name}", Kind(1.5, _grid(name, sound.grid, read_grid))
    for name, (_, read_own) in sound.PUBLISHERS.items():
        yield f"publisher-{name}", Kind(1.5, _grid(name, sound.publisher, read_own))
    yield "series", Kind(1.5, _file(sound.SERIES.encode, "series.csv", "csv", _series))
    yield "interval-log", Kind(1, _file(sound.COUNTS.encode, "log.csv", "csv", read_interval_counts))
    yield "request-log", Kind(1, _file(sound.TIMES.encode, "log.csv", "csv", read_request_times))
    for name in sound.TRACES:
        yield f"trace-{name}", Kind(1.5, _traced(name))
    yield "servegen-windows", Kind(1, _file(sound.SERVEGEN_WINDOWS.encode, "chunk.csv", "csv", read_windows))
    yield "servegen-lengths", Kind(1, _file(sound.SERVEGEN_LENGTHS.encode, "data.json", "json", read_lengths))
    yield "step-table", Kind(1, _file(sound.STEPS.encode, "steps.csv", "csv", lambda path: read_step_table(str(path))))
    for name in sound.RECORDINGS:
        yield f"recording-{name.replace(' ', '-')}", Kind(1.5, _recording(name))
    for name, weight, case in columns.cases():
        yield name, Kind(weight, case)
    yield "clock-table", Kind(0.5, _file(sound.clock_table, "clock.csv", "csv", _clock_table))
    yield "load-table", Kind(0.7, _file(sound.load_table, "loads.csv", "csv", _load_table))
    yield "run-folder", Kind(3, _run_folder, before=finished)
    yield "study-folder", Kind(2, _study_folder, before=finished)
    yield "run", Kind(0, _ran(serving=False), runs=True)
    yield "run-serving", Kind(0, _ran(serving=True), runs=True, before=lambda _place: compiled())


KINDS: Mapping[str, Kind] = dict(_kinds())
