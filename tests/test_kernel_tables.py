"""Measured kernels: found, read, looked up between and beyond what was measured, and told how they are known."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.build.serving.kernel_steps import measured_kernels
from sim.errors import InputError
from sim.loading.scenario import load_scenario
from sim.profiles.kernel_tables import package
from sim.profiles.kernel_tables.attentions import Attentions, Lengths
from sim.profiles.kernel_tables.collectives import collective
from sim.profiles.kernel_tables.curves import BORROWED, INTERPOLATED, MEASURED, ROOFLINE, Curve, neighbours
from sim.profiles.kernel_tables.mixtures import mixture
from sim.profiles.kernel_tables.products import Products
from sim.profiles.kernel_tables.roof import Experts, Roof
from sim.profiles.kernel_tables.tables import Shelf, versions
from sim.profiles.language_models.layers import Attention
from tests import kernel_tables as made

ROOF = Roof(made.FLOP_PER_S, made.BYTE_PER_S)
SCENARIO: dict[str, Any] = {
    "name": "measured kernels",
    "start": "2026-01-01T00:00:00Z",
    "site": {"name": "x", "grid": {"intensity": "100 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.0}},
    "cluster": {"nodes": [{"profile": "dgx-h100", "count": 1}]},
    "workloads": {
        "w": {
            "kind": "serving",
            "model": "llama-3.1-8b",
            "stack": "vllm-2025",
            "precision": {"weights": "bf16"},
            "replicas": {"count": 1},
            "batching": {"max_num_seqs": 32, "max_num_batched_tokens": 1024},
            "step_time": {"kind": "kernels", "framework": "vllm", "version": made.VERSION},
            "routing": "round-robin",
            "arrivals": {"kind": "poisson", "rate": "20 /s", "requests": 200},
            "lengths": {
                "kind": "separate",
                "prompt": {"kind": "uniform", "low": 100, "high": 900},
                "output": {"kind": "uniform", "low": 10, "high": 60},
            },
            "cpu_load": 0.1,
            "engine": "reference",
        }
    },
    "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
}


def scenario(**steps: Any) -> dict[str, Any]:
    """The scenario with other words below ``step_time``."""
    changed = copy.deepcopy(SCENARIO)
    changed["workloads"]["w"]["step_time"] |= steps
    return changed


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up tables of one GPU."""
    return made.install(tmp_path_factory.mktemp("tables"))


@pytest.fixture
def installed(data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same where the package would be."""
    monkeypatch.syspath_prepend(str(data.parents[3]))
    return data


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No such package."""
    monkeypatch.setattr(package, "DISTRIBUTION", "aiconfigurator-core-that-nobody-installed")


@pytest.fixture
def shelf(data: Path) -> Shelf:
    """What vLLM finds of it."""
    return Shelf(data, "vllm", made.VERSION)


# Curves

RISING = st.lists(st.integers(1, 10**6), min_size=2, max_size=8, unique=True).map(sorted)


@given(RISING, st.data())
def test_a_curve_is_exact_where_measured_and_between_its_neighbours_elsewhere(sizes: list[int], draw: Any) -> None:
    seconds = draw.draw(st.lists(st.floats(1e-6, 1.0), min_size=len(sizes), max_size=len(sizes)))
    curve = Curve.of(np.array(sizes), np.array(seconds))
    assert curve is not None
    measured = curve.at(np.array(sizes, dtype=np.float64), lambda x: x)
    assert measured.seconds.tolist() == seconds
    assert (measured.known == MEASURED).all()
    at = draw.draw(st.floats(sizes[0], sizes[-1]))
    one = curve.at(np.array([at]), lambda x: x)
    above = int(np.searchsorted(sizes, at))
    near = seconds[max(above - 1, 0) : above + 1]
    assert min(near) <= one.seconds[0] <= max(near)
    assert one.known[0] == (MEASURED if at in sizes else INTERPOLATED)


def test_beyond_what_was_measured_the_law_goes_on_and_is_told() -> None:
    curve = Curve.of(np.array([10, 100]), np.array([1.0, 3.0]))
    assert curve is not None
    found = curve.at(np.array([0.0, 1.0, 1000.0]), lambda x: x**2)
    assert found.seconds.tolist() == [0.0, pytest.approx(0.01), pytest.approx(300.0)]
    assert found.known[1:].tolist() == [ROOFLINE, ROOFLINE]


@given(st.floats(1.0, 2e4))
def test_weights_of_neighbours_sum_to_one_and_meet_the_place(wanted: float) -> None:
    found = neighbours(made.SIDES, wanted)
    assert sum(weight for _, weight in found) == pytest.approx(1.0)
    if made.SIDES[0] <= wanted <= made.SIDES[-1]:
        assert np.exp(sum(weight * np.log(place) for place, weight in found)) == pytest.approx(wanted)


# Kernels

M = np.array([1.0, 3.0, 256.0, 700.0])


def test_products_are_looked_up_by_all_three_sides(shelf: Shelf) -> None:
    products = Products(shelf, ROOF)
    measured = products.product(1024, 4096, M, "bf16")
    assert measured is not None
    assert measured.known.tolist() == [MEASURED, INTERPOLATED, MEASURED, INTERPOLATED]
    assert measured.seconds[2] == pytest.approx(made.gemm_s(256, 1024, 4096), rel=1e-12)
    between = products.product(6000, 4096, M, "bf16")
    assert between is not None
    assert (between.known == INTERPOLATED).all()
    for m, seconds in zip(M[[0, 2]], between.seconds[[0, 2]], strict=True):
        assert made.gemm_s(m, 4096, 4096) < seconds < made.gemm_s(m, 16384, 4096)
        assert seconds == pytest.approx(made.gemm_s(m, 6000, 4096), rel=0.15)
    beyond = products.product(262144, 4096, M, "bf16")
    assert beyond is not None
    assert (beyond.known == ROOFLINE).all()
    assert beyond.seconds[0] == pytest.approx(4.0 * made.gemm_s(1, 65536, 4096), rel=0.01)
    assert products.product(1024, 1024, M, "int4") is None


def test_a_launch_is_no_kernel(shelf: Shelf) -> None:
    """Host-launched rows have a floor of 100 us; the same kernel in another framework's graph has not."""
    found = Products(shelf, ROOF).product(1024, 1024, np.array([1.0, 16.0]), "fp8-block")
    assert found is not None
    assert (found.known == BORROWED).all()
    assert found.seconds.tolist() == pytest.approx([1.1 * made.gemm_s(m, 1024, 1024, 1.0) for m in (1, 16)])
    large = Products(shelf, ROOF).product(16384, 16384, np.array([4096.0]), "fp8-block")
    assert large is not None
    assert large.known.tolist() == [MEASURED]
    assert large.seconds[0] == pytest.approx(1.1 * made.gemm_s(4096, 16384, 16384, 1.0))


def test_quantising_is_one_pass(shelf: Shelf) -> None:
    rows = np.array([1.0, 4096.0])
    found = Products(shelf, ROOF).quantising(4096, rows)
    assert found is not None
    assert (found.known == MEASURED).all()
    assert found.seconds.tolist() == pytest.approx([2e-6 + 3.0 * m * 4096 / made.BYTE_PER_S for m in rows])
    beyond = Products(shelf, ROOF).quantising(2 * made.SIDES[-1], rows)
    assert beyond is not None
    assert (beyond.known == ROOFLINE).all()


def test_experts_stand_in_for_those_alike_alone(shelf: Shelf) -> None:
    tokens = np.array([1.0, 64.0, 4096.0])
    own = Experts(4096, 1536, 8, 128, 1, 8)
    measured = mixture(shelf, ROOF, own, tokens, "bf16", "power_law_1.2")
    assert measured is not None
    assert (measured.known == MEASURED).all()
    alike = mixture(shelf, ROOF, Experts(2048, 1536, 8, 128, 1, 8), tokens, "bf16", "power_law_1.2")
    assert alike is not None
    assert (alike.known == BORROWED).all()
    assert (alike.seconds < measured.seconds).all()
    for shape, word, popularity in (
        (Experts(64, 64, 2, 8, 1, 1), "bf16", "power_law_1.2"),
        (own, "fp8", "power_law_1.2"),
        (own, "bf16", "balanced"),
    ):
        assert mixture(shelf, ROOF, shape, tokens, word, popularity) is None


def test_collectives_are_those_of_graphs(shelf: Shelf) -> None:
    found = collective(shelf, "all_reduce", np.array([64.0, 1 << 20]), 8)
    assert found is not None
    assert found.seconds.tolist() == pytest.approx([made.reduce_s(128, 8), made.reduce_s(1 << 20, 8)])
    assert collective(shelf, "all_reduce", np.array([64.0]), 4) is None
    assert collective(shelf, "all_gather", np.array([64.0]), 8) is None


@pytest.mark.parametrize("prompt", [200.0, 2048.0, 5000.0])
@pytest.mark.parametrize("context", [256.0, 1000.0, 4096.0])
def test_attention_is_a_line_that_meets_the_workload(shelf: Shelf, prompt: float, context: float) -> None:
    """At the workload's own lengths for every number of tokens; on a GPU that is a line itself, everywhere."""
    tokens = np.array([1.0, 7.0, 64.0, 256.0])
    lengths = Lengths(prompt, context, 256.0, 8192.0)
    line = Attentions(shelf).line(Attention(1, 32, 8, 128, 128), "bf16", lengths, tokens, tokens)
    assert line is not None
    assert line.per_pair_s >= 0.0
    assert line.per_read_s >= 0.0
    for reads in (context, context / 2.0, context * 2.0):
        seconds = line.decodes.seconds + (line.per_pair_s + line.per_read_s) * tokens * reads
        whole = np.array([made.read_s(t, reads, 8, 128) for t in tokens])
        assert seconds == pytest.approx(whole, rel=0.25 if reads != context else 0.12)
    pairs = tokens * (tokens + 1.0) / 2.0 if prompt >= 256 else None
    if pairs is not None:
        seconds = line.prompts.seconds + line.per_pair_s * pairs
        assert seconds == pytest.approx([made.attend_s(1, t, 32, 128) for t in tokens], rel=0.25)


def test_attention_of_heads_that_were_not_measured_is_scaled_and_told(shelf: Shelf) -> None:
    one, lengths = np.array([64.0]), Lengths(1024.0, 1024.0, 64.0, 8192.0)
    near = Attentions(shelf).line(Attention(1, 32, 4, 128, 128), "bf16", lengths, one, one)
    own = Attentions(shelf).line(Attention(1, 32, 8, 128, 128), "bf16", lengths, one, one)
    assert near is not None
    assert own is not None
    assert near.decodes.known[0] >= BORROWED
    assert near.per_read_s + near.per_pair_s == pytest.approx((own.per_read_s + own.per_pair_s) / 2.0, rel=0.05)
    assert Attentions(shelf).line(Attention(1, 32, 8, 96, 96), "bf16", lengths, one, one) is None
    assert Attentions(shelf).line(Attention(1, 32, 8, 128, 128), "int8", lengths, one, one) is None


def test_a_version_without_a_table_takes_what_it_is_told_or_the_nearest(data: Path, tmp_path: Path) -> None:
    shelf = Shelf(data, "vllm", made.VERSION)
    assert versions(data, "vllm") == ["0.19.0", made.VERSION]
    older = shelf.table("moe", "moe_perf")
    assert older is not None
    assert older.origin == "vllm 0.19.0"
    later = Shelf(data, "vllm", "0.19.0").table("gemm", "gemm_perf")
    assert later is not None
    assert later.origin == f"vllm {made.VERSION}"
    for version in ("1.0", "2.0", "3.0rc1"):
        made.write(tmp_path / "moe" / "vllm" / version / "moe_perf.parquet", [{"latency": 1.0}])
    told = tmp_path / "moe" / "vllm" / "4.0" / "reuse.yaml"
    told.parent.mkdir()
    told.write_text("schema_version: 1\nreuse:\n- {table: moe_perf, from_version: '1.0', reason: x}\n")
    for version, origin in (("4.0", "1.0"), ("3.0", "3.0rc1"), ("3.0rc0", "2.0"), ("0.5", "1.0")):
        found = Shelf(tmp_path, "vllm", version).table("moe", "moe_perf")
        assert found is not None
        assert found.origin == f"vllm {origin}"


@pytest.mark.parametrize("rows", [[{"m": 1}], [{"latency": 0.0}], [{"latency": float("nan")}]])
def test_what_is_no_table_is_told(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    file = tmp_path / "gemm" / "vllm" / "1.0" / "gemm_perf.parquet"
    made.write(file, rows)
    with pytest.raises(InputError, match=r"gemm_perf.parquet"):
        Shelf(tmp_path, "vllm", "1.0").table("gemm", "gemm_perf")
    file.write_bytes(b"no parquet")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        Shelf(tmp_path, "vllm", "1.0").table("gemm", "gemm_perf")


@given(st.integers(0, 10**9), st.integers(0, 255))
def test_a_damaged_table_is_read_or_refused(data: Path, place: int, byte: int) -> None:
    whole = (data / "comm" / "vllm" / made.VERSION / "custom_allreduce_perf.parquet").read_bytes()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "comm" / "vllm" / "1.0" / "custom_allreduce_perf.parquet"
        file.parent.mkdir(parents=True)
        damaged = bytearray(whole)
        damaged[place % len(whole)] = byte
        file.write_bytes(damaged)
        with contextlib.suppress(InputError):
            collective(Shelf(Path(folder), "vllm", "1.0"), "all_reduce", np.array([1e4]), 8)


def test_a_column_that_is_not_there_is_told(tmp_path: Path) -> None:
    made.write(tmp_path / "gemm" / "vllm" / "1.0" / "gemm_perf.parquet", [{"latency": 1.0, "gemm_dtype": "bfloat16"}])
    with pytest.raises(InputError, match="it has no column of numbers 'n'"):
        Products(Shelf(tmp_path, "vllm", "1.0"), ROOF).product(64, 64, M, "bf16")


# Scenarios


def refused(**steps: Any) -> str:
    """What is said against a scenario."""
    with pytest.raises(InputError) as told:
        load_scenario(scenario(**steps))
    return str(told.value)


@pytest.mark.usefixtures("missing")
def test_without_the_package_it_is_told_what_to_install() -> None:
    assert "workloads.w.step_time" in refused()
    assert "pip install 'coldaisle[kernels]'" in refused()


def test_a_package_of_an_unknown_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made.install(tmp_path, package="0.13.1")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "knows the tables of aiconfigurator-core 0.12.0, and 0.13.1 is installed" in refused()


@pytest.mark.usefixtures("installed")
def test_what_the_tables_do_not_have_is_told_before_a_run() -> None:
    assert "step_time.version: vllm was not measured in it on h100_sxm  (0.19.0, 0.24.0)" in refused(version="0.7")
    assert "step_time.framework" in refused(framework="tgi")
    for stranger in ("b200_sxm", "nope", "../data/h100_sxm"):
        assert f"step_time.system: no tables of '{stranger}' are installed  (h100_sxm)" in refused(system=stranger)
    joint = scenario()
    joint["workloads"]["w"]["lengths"] = {"kind": "joint", "file": "nowhere.csv"}
    with pytest.raises(InputError, match=r"step_time\.lengths: required where the workload has no 'lengths'"):
        load_scenario(joint)
    narrow = scenario()
    narrow["workloads"]["w"]["precision"]["weights"] = "fp8"
    with pytest.raises(InputError, match=r"step_time\.fp8: required with weights in fp8: block .* or tensor"):
        load_scenario(narrow)
    mi300x = scenario()
    mi300x["cluster"]["nodes"][0]["profile"] = "mi300x-8-gpu"
    with pytest.raises(InputError, match="'amd-mi300x' has no tables of its own"):
        load_scenario(mi300x)


@pytest.mark.usefixtures("installed")
def test_a_finished_run_is_priced_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = sim.run(scenario())
    monkeypatch.setattr(package, "DISTRIBUTION", "aiconfigurator-core-that-nobody-installed")
    priced = sim.account(ran, set={"site.grid.intensity": "1 gCO2e/kWh"})
    assert priced.summary["energy_kwh"]["it"] == ran.summary["energy_kwh"]["it"]


@pytest.mark.usefixtures("installed")
def test_both_engines_run_on_them_alike_and_say_how_times_are_known() -> None:
    fast = scenario()
    fast["workloads"]["w"]["engine"] = "fast"
    first, second = sim.run(scenario()), sim.run(fast)
    ours, theirs = (dict(run.summary["serving"]["w"]) for run in (first, second))
    assert ours.pop("engine") != theirs.pop("engine")
    assert ours == theirs
    for kind in ("decode", "prompt"):
        shares = ours["step_time_shares"][kind]
        assert sum(shares.values()) == pytest.approx(1.0)
        assert shares["measured"] + shares["interpolated"] > 0.3
    assert first.manifest["versions"]["aiconfigurator-core"] == "0.12.0"
    assert any(name.endswith("RECORD") for name in first.manifest["inputs_sha256"])


@pytest.mark.usefixtures("installed")
def test_kernels_take_the_place_of_the_roofline_and_the_stack_stays() -> None:
    """Iterations without contexts: what the tables' laws give for an 8B and what the stack adds, no more."""
    loaded = load_scenario(scenario())
    deployment = loaded.answers.deployments["w"]["replicas"]
    cost = deployment.cost(700.0, 1024)
    known = measured_kernels(deployment.spec.step_time, deployment)  # type: ignore[arg-type]
    layers = 32.0 * (
        made.gemm_s(1, 6144, 4096) + made.gemm_s(1, 4096, 4096) + made.gemm_s(1, 28672, 4096)
        + made.gemm_s(1, 4096, 14336)
    )  # fmt: skip
    stack = deployment.coefficients()
    beside = float(stack.iteration_s) + 32.0 * float(stack.layer_s)
    attention = 32.0 * 2.0 * made.FLOOR_S
    head = made.gemm_s(1, 128256, 4096)
    assert cost.table[0, 1, 0] == pytest.approx(layers + head + attention + beside, rel=0.08)
    assert np.array_equal(cost.table[:, :, 0], cost.table[:, :, 1])
    assert (np.diff(cost.table[0, 1:33, 0]) > -1e-5).all()
    assert (cost.slope >= 0.0).all()
    roofline = deployment.roofline(700.0, 1024)
    assert np.array_equal(cost.table[0, :33, 3] > 0.0, roofline.table[0, :33, 3] > 0.0)
    assert {origin.partition(":")[0] for origin in known.origins} <= {"attention", "comm", "gemm", "moe", "quantize"}


@pytest.mark.usefixtures("installed")
def test_a_cap_slows_measured_kernels_too() -> None:
    deployment = load_scenario(scenario()).answers.deployments["w"]["replicas"]
    free, capped = (deployment.cost(cap_w, 1024) for cap_w in (700.0, 300.0))
    assert capped.table[1, 1024, :3].max() > 1.05 * free.table[1, 1024, :3].max()
    assert capped.slope[0, 0] > 1.05 * free.slope[0, 0]
    assert (capped.slope[:2] >= free.slope[:2] * (1.0 - 1e-12)).all()


def test_results_depend_on_what_is_in_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: Path
) -> None:
    from sim.study.points import Keys

    key = Keys().of(load_scenario(scenario()))
    assert Keys().of(load_scenario(scenario())) == key
    other = made.install(tmp_path)
    slower = [
        {**row, "latency": 1.01 * row["latency"]} for row in made.tables()["gemm", "vllm", made.VERSION, "gemm_perf"]
    ]
    made.write(other / "gemm" / "vllm" / made.VERSION / "gemm_perf.parquet", slower)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert Keys().of(load_scenario(scenario())) != key
    assert installed != other


@pytest.mark.usefixtures("installed")
def test_little_that_was_measured_is_told() -> None:
    assert load_scenario(scenario()).remarks() == []
    hybrid = scenario()
    hybrid["workloads"]["w"]["precision"] = {"weights": "int4", "kv": "int8"}
    (told,) = load_scenario(hybrid).remarks()
    assert told.startswith("workloads.w.replicas: no measured kernel tells")


# The package itself, where it is installed

real = pytest.mark.skipif(package.installed() is None, reason="aiconfigurator-core is not installed")


@real
@pytest.mark.parametrize("system", sorted(set(package.SYSTEMS.values())))
@pytest.mark.parametrize("framework", ["vllm", "sglang", "trtllm"])
def test_installed_tables_answer_for_a_small_model(system: str, framework: str) -> None:
    folder = package.required().folder(system)
    newest = versions(folder, framework)[-1]
    shelf = Shelf(folder, framework, newest)
    tokens = np.array([1.0, 100.0, 4096.0])
    found = Products(shelf, ROOF).product(6144, 4096, tokens, "bf16")
    assert found is not None
    assert found.seconds[2] > 1.5 * found.seconds[:2].max()
    assert (found.known < BORROWED).all()
    lengths = Lengths(1000.0, 1200.0, 64.0, 8192.0)
    line = Attentions(shelf).line(Attention(32, 32, 8, 128, 128), "bf16", lengths, tokens, tokens)
    assert line is not None
    assert 0.0 < line.per_pair_s < line.per_pair_s + line.per_read_s < 1e-8
