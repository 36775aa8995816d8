"""Methods as data: three factors apart, that multiply in any order, within what was measured and what GPUs can draw."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.errors import InputError
from sim.profiles.catalog import Catalog
from sim.profiles.methods import Method, MethodProfile, beyond, contradictions, together
from tests.small import small

NAMES = sorted(name for name, path in Catalog().paths().items() if path.parent.name == "methods")
RATIOS = st.floats(0.05, 20.0)


def own(**factors: Any) -> dict[str, Any]:
    """A method with factors of one's own; 1 where none is given."""
    written = {"name": "mine", "family": "kernels", "work": 1, "time": 1, "power": 1, "source": "a test"}
    return {**written, **factors}


def job(*methods: Any, **changes: Any) -> dict[str, Any]:
    """Eight GPUs at 350 W for 16 GPU-hours, alone, until they are done."""
    data = small()
    del data["duration"], data["workloads"]["api"]
    data["workloads"]["tune"] |= {"methods": [*methods], **changes}
    return data


def gpu_kwh(summary: dict[str, Any]) -> float:
    return float(summary["energy_kwh"]["by_component"]["gpu"])


def refused(data: dict[str, Any]) -> str:
    return " ".join(str(problem) for problem in sim.check(data))


@st.composite
def methods(draw: st.DrawFn) -> tuple[Method, ...]:
    families: Any = draw(st.lists(st.sampled_from(["kernels", "caching", "sparsity", "data"]), unique=True))
    return tuple(
        Method(f"m{i}", family, draw(RATIOS), draw(RATIOS), draw(RATIOS), saved_w=draw(st.floats(0.0, 20.0)))
        for i, family in enumerate(families)
    )


@given(methods(), st.floats(50.0, 700.0))
def test_factors_multiply_in_any_order(several: tuple[Method, ...], active_w: float) -> None:
    whole = together(several, active_w)
    assert whole.energy == pytest.approx(math.prod(m.work * m.time * m.power_at(active_w) for m in several))
    for order in list(permutations(several))[:6]:
        assert together(order, active_w).energy == pytest.approx(whole.energy, rel=1e-12)
    assert [*contradictions(several)] == []


def test_no_method_is_no_change() -> None:
    assert together((), 300.0).energy == 1.0
    plain, none = sim.run(job()), sim.run(job(own()))
    assert gpu_kwh(plain.summary) == gpu_kwh(none.summary)
    assert "methods" not in plain.summary


@pytest.mark.parametrize(
    ("factor", "time", "energy"),
    [({"work": 0.5}, 0.5, 0.5), ({"time": 0.5}, 0.5, 0.5), ({"power": 0.8}, 1.0, 0.8)],
)
def test_work_and_time_shorten_a_job_and_power_does_not(factor: dict[str, float], time: float, energy: float) -> None:
    """And what the rest of the machine draws follows the time alone."""
    before, after = sim.run(job()).summary, sim.run(job(own(**factor))).summary
    assert after["jobs"]["tune"]["makespan_s"] / before["jobs"]["tune"]["makespan_s"] == pytest.approx(time, rel=1e-9)
    fans = [s["energy_kwh"]["by_component"]["fans"] for s in (before, after)]
    assert fans[1] / fans[0] == pytest.approx(time, rel=1e-9)
    used = [1.0 * s["energy_kwh"]["by_workload"]["tune"] for s in (before, after)]
    assert used[1] < used[0]
    on_job = 16 * 0.35  # kWh of its GPUs; the other node's eight idle at 60 W for two hours or one
    idle = [8 * 0.06 * s["jobs"]["tune"]["makespan_s"] / 3600 for s in (before, after)]
    assert gpu_kwh(after) - idle[1] == pytest.approx(energy * on_job, rel=1e-9)
    told = after["methods"]["tune"]
    assert told["energy"] == pytest.approx(energy)
    assert told["applied"] == ["mine"]


@given(st.floats(0.3, 3.0), st.floats(0.7, 1.1))
def test_steps_take_their_factors_as_hours_do(time: float, power: float) -> None:
    """Of work in steps, too: its time and its mean power at work are those without, times the factors."""
    from sim.build.power.loads import changed, gang_of
    from sim.profiles.methods import Effect
    from sim.spec.workloads import Steps

    written = {"kind": "steps", "steps": 1000, "flops": "1e15 FLOP", "precision": "bf16", "memory_traffic": "1 TB"}
    written |= {"link_traffic": "0 B", "overhead": "1 ms"}
    written |= {"efficiency": {"compute": 0.4, "memory": 0.8, "link": 0.8}}
    gang = gang_of(Steps.model_validate(written), 8, Catalog().gpu("nvidia-a100-sxm-80gb"))
    before, after = gang.under(None), changed(gang, Effect(1.0, time, power)).under(None)
    assert after.work_ns == pytest.approx(before.work_ns * time, rel=1e-6)
    assert after.active_w == pytest.approx(before.active_w * power, rel=1e-6)


def test_a_service_takes_its_factors() -> None:
    data = small()
    del data["workloads"]["tune"]
    data["workloads"]["api"]["service_time"] = {"law": "constant", "first": "2 s"}
    before = sim.run(data).summary
    data["workloads"]["api"]["methods"] = [own(time=0.5, power=0.9)]
    after = sim.run(data).summary
    assert after["serving"]["api"]["utilisation"] == pytest.approx(
        0.5 * before["serving"]["api"]["utilisation"], rel=1e-3
    )
    assert after["methods"]["api"]["energy"] == pytest.approx(0.45)


def test_trials_of_a_campaign_take_their_factors() -> None:
    data = job()
    hours = {"kind": "gpu-hours", "gpu_hours": 2, "load": {"kind": "measured", "active": "300 W"}}
    kind = {"share": 1, "gpus": 1, "work": hours, "methods": [own(time=0.25)]}
    data["workloads"] = {
        "search": {
            "kind": "campaign", "trials": [kind], "size": {"kind": "constant"}, "at_once": 8, "setup": "0 s",
            "selection": {"kind": "all", "trials": 8}, "cpu_load": 0.1,
        }
    }  # fmt: skip
    summary = sim.run(data).summary
    assert summary["campaigns"]["search"]["gpu_hours"] == pytest.approx(8 * 2 * 0.25, rel=1e-9)
    assert summary["methods"]["search.trials.0"]["time"] == 0.25


def test_watts_saved_are_watts_and_noise_is_told() -> None:
    """Antonopoulos 2024: 7 to 11 W, and no test that tells them from nothing."""
    cited = {"profile": "mixed-precision-desktop", "time": 1}
    before, after = sim.run(job()), sim.run(job(cited))
    hours = 2.0
    assert gpu_kwh(before.summary) - gpu_kwh(after.summary) == pytest.approx(8 * 0.009 * hours, rel=1e-9)
    assert any("no statistical significance" in one for one in after.summary["methods"]["tune"]["assumed"])
    assert any("no statistical significance" in one for one in sim.load(job(cited)).remarks())


def test_beyond_what_was_measured_is_told() -> None:
    profile = Catalog().method("flash-attention")
    method = Method("x", "kernels", 1, 1, measured_on=profile.measured_on)
    assert [*beyond(method, "training", "nvidia-a100-sxm-80gb", 8)] == []
    assert len([*beyond(method, "inference", "nvidia-h100-sxm-80gb", 64)]) == 3
    two = sim.run(job(own(), own(name="other", family="caching"))).summary["methods"]["tune"]["assumed"]
    assert two == ["mine, other: each was measured without the others; their factors are multiplied"]


def test_what_contradicts_itself_is_refused() -> None:
    assert "both change the quantisation" in refused(job("llm-int8", "nf4-bitsandbytes"))
    assert "does not tell its power" in refused(job("gptq-3-bit"))
    assert "tells its time" in refused(job({"profile": "gptq-3-bit", "time": 1, "power": 1}))
    assert "did you mean 'mono-forward'" in refused(job("mono-foward"))
    assert "draws idle" in refused(job(own(power=0.01)))
    assert "TDP" in refused(job(own(power=1.5)))
    excluding = Method("a", "training-rule", 1, 1, excludes=("kernels",))
    assert [place for place, _ in contradictions((excluding, Method("b", "kernels", 1, 1)))] == [1]


def test_methods_go_with_work_that_is_given() -> None:
    nameplate = {"work": {"kind": "gpu-hours", "gpu_hours": 16, "load": {"kind": "nameplate"}}}
    assert "counted, not drawn" in refused(job(own(power=0.9), **nameplate))
    assert not sim.check(job(own(time=0.9), **nameplate))
    sockets = {"gpus": 0, "sockets": 2, "work": {"kind": "socket-hours", "socket_hours": 2}}
    assert "stands on sockets" in refused(job(own(), **sockets))
    from tests.training_worlds import training_world

    model = training_world()
    model["workloads"]["llama"]["methods"] = [own()]
    assert "go with work that is given" in refused(model)


def test_ranges_of_a_method_are_uncertain() -> None:
    """Within low and high, likeliest at the value; a method without a range has nothing to draw."""
    data = job("mono-forward")
    data["uncertainty"] = {"draws": 32, "seeds": 1, "over": {"methods.mono-forward": {"kind": "from-profiles"}}}
    summary = sim.run(data).summary
    interval = summary["intervals"]["energy_kwh.it"]
    best = sim.run(job("mono-forward")).summary["energy_kwh"]["it"]
    assert best < interval["p05"] < interval["p95"] < sim.run(job()).summary["energy_kwh"]["it"]
    data["uncertainty"]["over"] = {"methods.flash-attention": {"kind": "from-profiles"}}
    with pytest.raises(InputError, match="no workload has a method"):
        sim.run(data)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_method_says_where_it_was_seen(name: str) -> None:
    method = Catalog().method(name)
    assert isinstance(method, MethodProfile)
    for factor, low, value, high in method.ranges:
        assert low <= value <= high, factor
    assert method.measured_on.phases
