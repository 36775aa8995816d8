"""The registry of kinds: every kind has a spec, a builder and an example, and obeys the laws of its family."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim import kinds
from sim.accounting.amortization import first_life_g
from sim.build.accounts.embodied import plant_carbon
from sim.build.jobs.generated import job_size, run_time, time_limits
from sim.build.jobs.schedulers import scheduler
from sim.build.jobs.schedules import Job, forecaster
from sim.build.jobs.source import JobsAsked, jobs_of
from sim.build.machines.sharing import sharing_of
from sim.build.machines.unit_effects import unit_effect
from sim.build.serving.deployment import Deployment
from sim.build.site.facility import building
from sim.build.site.grid import ewif_signal, grid_series
from sim.build.site.onsite import Around
from sim.build.site.plant import cooling
from sim.build.site.weather import weather_series
from sim.build.traffic.requests import Asked, length_law, request_source
from sim.build.traffic.routes import Between, Told
from sim.build.training.fabric import Joined
from sim.content import content_hash
from sim.engine.clock import Clock
from sim.engine.fleet.fleet import Fleet as MachineFleet
from sim.engine.fleet.machines import Machines
from sim.engine.fleet.request import Places, Request
from sim.engine.fleet.scheduling import Placement, Scheduler
from sim.engine.fleet.shape import PoolShape
from sim.errors import SignalRangeError
from sim.kinds import Choice, Kind
from sim.measure.readers import formats
from sim.measure.readers.text import Text
from sim.onsite.loop import CHARGE, DISCHARGE, FOLLOW, REST
from sim.onsite.plan import OnsitePlan
from sim.onsite.thresholds import Rule
from sim.profiles.catalog import Catalog
from sim.profiles.shared_gpu.interference import Demand, shared
from sim.rng import Streams
from sim.shipped_kinds import SHIPPED
from sim.signals import Signal
from sim.signals.grid.series import GridSeries
from sim.spec.cluster import Cluster as ClusterSpec
from sim.spec.generated_jobs import GeneratedJobs
from sim.spec.policies import Cap
from sim.spec.power_limits import PowerLimits
from sim.spec.requests import RoutedArrivals
from sim.spec.routes import Destination
from sim.spec.serving import Serving
from sim.training.collectives import cost
from sim.training.protocols import Library
from sim.training.topology import Island
from sim.units import DAY_NS, HOUR_NS, NS_PER_S
from sim.workload.fleet import DeviceClass, Fleet
from sim.workload.jobs.table import COLUMNS, LABELS, UNKNOWN, JobTable
from sim.workload.jobs.traces import job_formats
from sim.workload.laws import Lognormal
from sim.workload.requests import plain_chunk
from sim.workload.traces import trace_formats
from tests import fleets, test_publishers_files
from tests.grid_files import ORIGIN
from tests.kernel_tables import install
from tests.kind_examples import EXAMPLES, HOURS, ONE_GPU_HOUR, OTHER_START, write_files
from tests.onsite_worlds import clear, imbalance_w, storage_imbalance_j
from tests.plants import weather
from tests.small import small

CATALOG = Catalog()
DAY = HOURS * HOUR_NS
EDGES = np.arange(HOURS + 1, dtype=np.int64) * HOUR_NS
ALL = [(kind, word) for family in SHIPPED for kind in kinds.kinds(family) for word in kind.names]
IDS = [f"{kind.spec.family}: {word}" for kind, word in ALL]


@pytest.fixture(scope="module", autouse=True)
def _files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The files that examples read, in the folder that they are read from."""
    folder = tmp_path_factory.mktemp("files")
    write_files(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


def example(spec: type[Choice], word: str) -> Choice:
    """The spec of a kind, from its example."""
    known = EXAMPLES.get(spec.family, {})
    written = dict(spec.example) or known.get(spec.__name__) or known.get(word, {})
    needed = {name for name, field in spec.model_fields.items() if field.is_required()} - {"kind"}
    assert needed <= set(written), f"{spec.family} '{word}' has no example: add one to its spec or to kind_examples"
    return spec.model_validate({**written, "kind": word})


@pytest.mark.parametrize(("kind", "word"), ALL, ids=IDS)
def test_a_kind_is_whole(kind: Kind, word: str) -> None:
    """Its spec reads its example, alone and where any of the family may stand; its builder takes it."""
    spec = kind.spec
    assert (spec.__doc__ or "").strip(), "say what it is"
    made = example(spec, word)
    assert made.kind == word
    bases = [base for base in spec.__mro__[1:] if issubclass(base, Choice) and base is not Choice]
    assert all(spec in base.alternatives() for base in bases if not kinds._words(base))
    family = next(base for base in bases if not kinds._words(base))
    assert family.model_validate(made.model_dump()) == made
    built = inspect.unwrap(kinds.builder(made))
    assert (built.__doc__ or "").strip()
    first = next(iter(inspect.signature(built).parameters.values()))
    known = {**vars(inspect.getmodule(spec)), **vars(inspect.getmodule(built))}
    taken = eval(first.annotation, known)  # of the others, some are known to type checkers only
    assert taken is Any or issubclass(spec, taken)


def wavy(unit: str, low: float, high: float, days: int = 3) -> Signal:
    """A signal by hours from a day before the run on, that swings once a day."""
    hours = np.arange(24 * days + 1, dtype=np.int64)
    swing = 0.5 - 0.5 * np.cos(hours[:-1] * 2.0 * np.pi / 24.0)
    return Signal((hours - 24) * HOUR_NS, low + (high - low) * swing, unit)


SEEN = {"carbon": wavy("g/J", 2e-5, 2e-4), "price": wavy("USD/J", 1e-8, 5e-8), "marginal": wavy("g/J", 1e-4, 2e-4)}


def cooling_takes_the_heat_out(spec: Any) -> None:
    """Power and water are finite and not below zero from frost to heat, and heat only grows on its way out."""
    made = cooling(spec, 1e6)
    assert made.capacity_w > 0.0
    assert 10.0 < made.supply_c < 60.0
    dry = np.repeat([-15.0, 0.0, 15.0, 30.0, 42.0], 4)
    air = weather(dry, dry - np.where(dry < 5.0, 1.0, 6.0)).on_bins(np.arange(len(dry) + 1) * HOUR_NS)
    heat_w = np.tile([0.0, 2e5, 6e5, 1e6], 5)
    cooled = made.cool(heat_w, air)
    for values in (*cooled.power_w.values(), *cooled.water_l_per_s.values(), cooled.rejected_w):
        assert np.isfinite(values).all()
        assert (np.broadcast_to(values, heat_w.shape) >= 0.0).all()
    assert (cooled.rejected_w >= heat_w * (1.0 - 1e-12)).all()


def facility_only_adds(spec: Any) -> None:
    """What a building adds to the IT load, and the water it takes, are finite and not below zero."""
    made = building(spec, weather(np.linspace(-5.0, 35.0, HOURS), np.linspace(-6.0, 22.0, HOURS)))
    bins = made.evaluate({"gpu": np.linspace(1e5, 9e6, HOURS)}, EDGES)
    for values in (*bins.components_w.values(), *bins.water_l_per_s.values()):
        assert np.isfinite(values).all()
        assert (values >= 0.0).all()
    assert bool(bins.water_l_per_s) <= made.models_water
    assert spec.has_limits == hasattr(made, "it_limit_w")


def sources_give_signals(which: str, spec: Any) -> None:
    """A grid's series covers the time asked for, and is not asked beyond that."""
    origin_ns = test_publishers_files.ORIGIN if getattr(spec, "file", "") in OTHER_START else ORIGIN
    series = grid_series(spec, origin_ns=origin_ns, start_ns=0, end_ns=HOUR_NS, catalog=CATALOG)
    signal = getattr(series, which)
    assert signal.covers(0, HOUR_NS)
    assert np.isfinite(signal.values).all()
    assert which == "price" or (signal.values >= 0.0).all()
    assert signal.unit.endswith("/J")
    if spec.kind != "average":
        with pytest.raises(SignalRangeError):
            signal.at(signal.last_ns)
    for share in (series.mix or {}).values():
        assert ((share.values >= 0.0) & (share.values <= 1.0)).all()


def water_is_not_below_zero(spec: Any) -> None:
    mix = {fuel: Signal.constant(0.5, "J/J") for fuel in ("gas", "hydro")}
    assert (ewif_signal(spec, GridSeries(mix=mix), catalog=CATALOG).values >= 0.0).all()


def weather_covers_the_run(spec: Any) -> None:
    start_ns = ORIGIN // DAY_NS * DAY_NS - 300 * DAY_NS
    made = (
        weather_series(spec, start_ns=start_ns, end_ns=start_ns + 6 * HOUR_NS)
        if spec.kind != "open-meteo"
        else (weather_series(spec, start_ns=OPEN_METEO_NS, end_ns=OPEN_METEO_NS + 6 * HOUR_NS))
    )
    assert made.edges_ns[0] <= 0
    assert made.edges_ns[-1] >= 6 * HOUR_NS
    assert np.isfinite(made.dry_bulb_c).all()
    assert ((made.relative_humidity >= 0.0) & (made.relative_humidity <= 1.0)).all()


OPEN_METEO_NS = 1_640_995_200 * 10**9 + 6 * HOUR_NS  # 2022-01-01, the only day there is


def units_balance(spec: Any) -> None:
    """A site with this unit gives and takes the same power in every bin."""
    around = Around(ORIGIN, clear(days=2), "USD", np.random.default_rng(1))
    plan = kinds.builder(spec)(spec, OnsitePlan(), around)
    for plant in plan.plants:
        assert ((plant.power_w(EDGES) >= 0.0) & (plant.power_w(EDGES) <= 1.2 * plant.capacity_w)).all()
    served = plan.dispatch(np.full(HOURS, 4e5), EDGES, SEEN["price"], SEEN["carbon"])
    assert np.abs(imbalance_w(served)).max() < 1e-3
    assert np.abs(storage_imbalance_j(served)).max() < 1.0
    assert np.isfinite(plan.fuel_l(served, EDGES)).all()


def dispatch_tells_the_battery(spec: Any) -> None:
    rule: Rule = kinds.builder(spec)(spec, 0.9, Around(ORIGIN, None, "USD", np.random.default_rng(1)))
    assert set(rule.told(SEEN["price"], SEEN["carbon"]).on_bins(EDGES)) <= {CHARGE, DISCHARGE, FOLLOW, REST}


def bounds_are_apart(spec: Any) -> None:
    bounds = kinds.builder(spec)(spec, Around(ORIGIN, None, "USD", np.random.default_rng(1)))
    low, high = bounds.of(SEEN["price"])
    assert (np.asarray(low) <= np.asarray(high)).all()


def changes_follow_one_another(changes: Any, watts: float) -> None:
    """Instants rise, and a cap is of the watts that it was asked for."""
    found = [change for _, change in zip(range(20), changes(), strict=False)]
    times = [at_ns for at_ns, _ in found]
    assert found
    assert times == sorted(set(times))
    assert {cap_w for _, cap_w in found} <= {None, watts}


def policies_cap(spec: Any) -> None:
    if isinstance(spec, Cap):
        watts = spec.watts(400.0)
        assert all(0.0 < one <= 400.0 for one in watts)
        made = kinds.builder(spec)(spec, watts, SEEN, ORIGIN)
        changes_follow_one_another(made, watts[0])
        assert content_hash(made), "the key of a run sees into it"
    elif isinstance(spec, PowerLimits):
        plan = kinds.builder(spec)(spec, sim.load(small()).answers, lambda _site: Signal.constant(5e5, "W"))
        assert [domain.nodes for domain in plan.domains] == [(("dgx-a100", i, i + 1),) for i in range(2)]
        assert content_hash(plan), "the key of a run sees into it"
    else:
        limit = kinds.builder(spec)(spec, lambda: Signal.constant(5e5, "W"))
        assert (limit.values >= 0.0).all()


def breakers_open_sooner_under_more(spec: Any) -> None:
    """It opens where it is said to, and sooner the more it carries; what it holds for ever warms it to no trip."""
    curve = kinds.builder(spec)(spec)
    assert content_hash(curve)
    assert curve.trips_in_s(0.0, float(spec.opens_at)) == pytest.approx(int(spec.after) / NS_PER_S)
    times = [curve.trips_in_s(0.0, multiple) for multiple in np.linspace(1.0, 20.0, 60).tolist()]
    assert times == sorted(times, reverse=True)
    assert (times[0], times[-1]) == (np.inf, 0.0)
    assert curve.settled(1.0) < 1.0


def conditions_come_and_go(spec: Any) -> None:
    changes_follow_one_another(kinds.builder(spec)(spec, 250.0, SEEN, ORIGIN), 250.0)


def schedules_let_a_job_be_done(spec: Any) -> None:
    """A job may work for as long as it takes, before its deadline."""
    truth = SEEN[spec.signal]
    made = kinds.builder(spec)(spec, Job(truth, 0, 2 * HOUR_NS, np.random.default_rng(1)))
    assert set(made.may_run.values) <= {0.0, 1.0}
    until_ns = made.deadline_ns if made.deadline_ns is not None else DAY
    end_ns = min(until_ns, made.may_run.last_ns)
    assert made.may_run.integral(0, end_ns) > 0.0
    assert made.deadline_ns is None or made.deadline_ns >= 2 * HOUR_NS


def forecasts_cover_their_window(spec: Any) -> None:
    made = forecaster(spec).made(SEEN["carbon"], 0, DAY, np.random.default_rng(1))
    assert (made.first_ns, made.last_ns, made.unit) == (0, DAY, "g/J")
    assert np.isfinite(made.values).all()


def requests_come_in_order(spec: Any) -> None:
    """Sorted, within the run, of a token at least; and the same when they are read again."""
    if isinstance(spec, RoutedArrivals):
        return  # its route's arrivals stand in its place
    lengths = None if spec.brings_lengths else example(kinds.kinds("lengths")[0].spec, "separate")
    asked = Asked("test", lengths, None, ORIGIN, HOUR_NS, Streams(1))  # type: ignore[arg-type]
    source = request_source(spec, asked)
    read = [[chunk for _, chunk in zip(range(3), source.chunks(), strict=False)] for _ in range(2)]
    arrival = np.concatenate([chunk.arrival_ns for chunk in read[0]])
    assert len(arrival)
    assert (np.diff(arrival) >= 0).all()
    assert arrival[0] >= 0
    assert arrival[-1] < HOUR_NS
    for one, two in zip(*read, strict=True):
        assert np.array_equal(one.arrival_ns, two.arrival_ns)
        assert np.array_equal(one.prompt_tokens, two.prompt_tokens)
        assert (one.prompt_tokens >= 1).all()
        assert (one.output_tokens >= 1).all()


def lengths_are_of_a_token_at_least(spec: Any) -> None:
    prompts, outputs = length_law("test", spec, Streams(1))()(1000)
    assert len(prompts) == len(outputs) == 1000
    assert min(prompts.min(), outputs.min()) >= 1


def laws_have_their_mean(spec: Any) -> None:
    drawn = kinds.builder(spec)(spec)(np.random.default_rng(1))(20_000)
    assert drawn.min() >= 1
    assert math.isclose(drawn.mean(), spec.mean_tokens, rel_tol=0.05)


def contracts_supply(spec: Any) -> None:
    made = kinds.builder(spec)(spec, ORIGIN)
    assert (made.supply.values >= 0.0).all()
    assert made.intensity_g_per_j >= 0.0
    assert made.by_the_hour or not made.hourly


def making_is_spread(spec: Any) -> None:
    """Under any rule a run is charged some of the making, and less than all of it."""
    data = small() | {"duration": "1 h"}
    data["accounting"] = data["accounting"] | {"embodied": {"amortization": spec.model_dump(mode="json")}}
    carbon = sim.run(data).summary["carbon_kg"]
    assert 0.0 < carbon["embodied"] < 1000.0


def plants_are_made_once(spec: Any) -> None:
    made = plant_carbon(spec)
    assert 0.0 <= made.made_g[0] <= made.made_g[1] <= made.made_g[2]
    assert made.lifetime_ns > 0


def second_lives_take_a_share(spec: Any) -> None:
    assert 0.0 <= first_life_g(100.0, kinds.builder(spec)(spec, 5 * 365 * DAY_NS)) <= 100.0


def work_is_paid_for(spec: Any) -> None:
    """Run by itself it draws energy, which with that of idle machines makes up the whole; and the same again."""
    data = small() | {"duration": "10 min", "workloads": {"mine": spec.model_dump(mode="json", exclude_none=True)}}
    if spec.kind in ("federated", "split"):
        outside = dict.fromkeys(spec.devices, "430 gCO2e/kWh")
        data["accounting"] = data["accounting"] | {"outside": {"mine": outside}}
    first, again = sim.run(data).summary, sim.run(data).summary
    assert first == again
    energy = first["energy_kwh"]
    assert energy["by_workload"]["mine"] > 0.0
    assert math.isclose(sum(energy["by_workload"].values()), energy["it"], rel_tol=1e-12)
    assert any(
        "mine" in first.get(part, {}) for part in ("jobs", "serving", "campaigns", "federated", "split", "batch")
    )
    assert all(wanted.gpus >= 1 for wanted in spec.wanted)


def more_slots_are_faster(spec: Any) -> None:
    """No slower on more, no faster than as many times, and as it is on those that were asked for."""
    speed = kinds.builder(spec)(spec)
    assert content_hash(speed), "the key of a run sees into it"
    assert speed(8, 8) == 1.0
    rates = [speed(slots, 4) for slots in range(1, 17)]
    assert all(low < high for low, high in pairwise(rates))
    assert all(rate <= slots / 4 or slots < 4 for slots, rate in enumerate(rates, 1))


def rules_stop_some_and_keep_one(spec: Any) -> None:
    """A rule trains at least one trial to the end, none twice up to one rung, and comes to an end."""
    rule = kinds.builder(spec)(spec)
    assert content_hash(rule), "the key of a run sees into it"
    assert rule.rungs[-1] == 1.0
    assert min(rule.rungs) > 0.0
    selector, seen = rule.begun(), set()
    rng = np.random.default_rng(1)
    while (turn := selector.next()) is not None:
        verdict = "on"
        while verdict == "on":
            assert turn not in seen
            seen.add(turn)
            verdict = selector.report(turn, float(rng.normal()))
            turn = turn._replace(rung=turn.rung + 1)
    assert max(turn.rung for turn in seen) == len(rule.rungs) - 1


def rounds_follow_one_another(spec: Any) -> None:
    """Each ends after it begins, with as many updates as make one, and what has been drawn only grows in it."""
    kind = DeviceClass("phone", 1.0, 4.0, 1.0, 20.0, 5e6, 1e6, 1e-7)
    fleet = Fleet((kind,), 400.0, 1e6, 1e6, Lognormal(0.3), 0.1)
    rule = kinds.builder(spec)(spec)
    assert content_hash(rule), "the key of a run sees into it"
    course, now_ns = rule.begun(fleet, np.random.default_rng(1)), 0
    for _ in range(20):
        one = course.next(now_ns)
        assert one.start_ns <= now_ns <= one.end_ns
        assert 0 <= one.updates <= spec.clients_per_round
        whole, half = one.until(one.end_ns), one.until((one.start_ns + one.end_ns) // 2)
        assert 0.0 < half.joules.sum() < whole.joules.sum()
        assert whole.counts.counted == (one.updates if one.counts else 0)
        now_ns = one.end_ns


def factors_have_their_mean(spec: Any) -> None:
    drawn = kinds.builder(spec)(spec)(np.random.default_rng(1), 20_000)
    assert drawn.min() > 0.0
    assert math.isclose(drawn.mean(), spec.mean, rel_tol=0.05)


def between() -> Between:
    there = {name: Destination(latency=f"{ms} ms") for name, ms in (("near", 5), ("far", 80))}
    return Between("test", there, {"near": SEEN, "far": SEEN}, Streams(1))


def rules_send_each_request_to_one_place(spec: Any) -> None:
    """To a place that there is, the same again each time, and conversations where they began unless they may move."""
    rule = kinds.builder(spec)(spec, between())
    if isinstance(rule, Told):
        difficulties_are_told_or_drawn(spec.of)  # of which the engine makes one place after the other
        return
    asked = Asked("test", None, None, ORIGIN, HOUR_NS, Streams(1))
    for chunk in request_source(example(kinds.kinds("arrivals")[5].spec, "clients"), asked).chunks():  # type: ignore[arg-type]
        talking = replace(chunk, session=np.arange(len(chunk)) // 3)
        places = rule.begun()(talking)
        assert places.shape == (len(chunk),)
        assert set(places) <= {0, 1}
        assert np.array_equal(rule.begun()(talking), places)
        if getattr(spec, "conversations", "stay") == "stay":
            assert np.array_equal(places, places[::3].repeat(3)[: len(places)])


def difficulties_are_told_or_drawn(spec: Any) -> None:
    told = kinds.builder(spec)(spec, between())
    assert (told.drawn is None) == (spec.of_trace is not None)
    if told.drawn is not None:
        drawn = told.drawn()(1000)
        assert ((drawn >= 0.0) & (drawn <= 1.0)).all()


def keys_are_the_same_however_a_stream_is_cut(spec: Any) -> None:
    """And some of them come again."""
    law = kinds.builder(spec)(spec, "test", Streams(1))
    zeros = np.zeros(200, dtype=np.int64)
    whole = replace(plain_chunk(zeros, zeros + 1, zeros + 1), key=np.arange(200) % 7)
    at_once, by_rows = law.begun(), law.begun()
    keys = at_once(whole)
    assert keys.tolist() == [key for i in range(200) for key in by_rows(whole.between(i, i + 1)).tolist()]
    assert 1 < len(set(keys.tolist())) < 200


def iterations_take_time(spec: Any) -> None:
    """An iteration with a token in it takes time and energy; contexts, sequences and chunks only add to both."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        install(Path(folder))
        patch.syspath_prepend(folder)
        written = {**EXAMPLES["workload"]["serving"], "kind": "serving", "step_time": spec.model_dump()}
        made = Serving.model_validate(written)
        gpu, node = CATALOG.gpu("nvidia-h100-sxm-80gb"), CATALOG.node("dgx-h100")
        assert made.replicas is not None
        deployment = Deployment.of(made, made.replicas, gpu, node, CATALOG)
        cost = deployment.cost(gpu.tdp.value, 1000)
    assert np.isfinite(cost.table).all()
    assert np.isfinite(cost.slope).all()
    assert (cost.slope >= 0.0).all()
    assert (cost.table[:, 1:, :2].max(axis=2) > 0.0).all()
    assert (cost.table[:, 1:, 3] > 0.0).all()


RECOVERY = {
    "detection": {"crash": "1 min", "hang": "10 min", "silent": "1 h", "slow": "1 h"},
    "schedule": "1 min",
    "load": "1 min",
    "warm_up": "1 min",
}


def failures_come_now_and_then(spec: Any) -> None:
    """At a rate above zero that grows with the nodes, and the same again; the key of a run sees into it."""
    plan = kinds.builder(spec)(spec, 8, CATALOG)
    assert 0.0 < plan.interruptions_per_ns(8) < plan.interruptions_per_ns(80)
    assert content_hash(plan)
    data = small() | {"duration": "10 d"}
    data["workloads"] = {"tune": data["workloads"]["tune"] | {"recovery": RECOVERY}}
    data["cluster"] = {"nodes": [{"profile": "dgx-h100", "count": 40, "failures": spec.model_dump(mode="json")}]}
    first, again = sim.run(data).summary, sim.run(data).summary
    assert first == again
    assert first["energy_kwh"]["by_state"]["failed"] > 0.0


def schedulers_place_what_there_is(spec: Any) -> None:
    made = scheduler(ClusterSpec.model_construct(nodes=[], scheduler=spec))
    assert content_hash(made), "the key of a run sees into it"
    _any_queue(made)


@st.composite
def _queues(draw: st.DrawFn) -> tuple[list[PoolShape], list[tuple[int, int, int | None]]]:
    pool = st.tuples(st.integers(1, 4), st.integers(1, 8), st.booleans())
    pools = [
        PoolShape(f"p{i}", count, slots, powered=powered)
        for i, (count, slots, powered) in enumerate(draw(st.lists(pool, min_size=1, max_size=2)))
    ]
    jobs = st.tuples(st.integers(0, len(pools) - 1), st.integers(1, 12), st.none() | st.integers(1, DAY_NS))
    return pools, draw(st.lists(jobs, min_size=1, max_size=6))


def _any_queue(made: Scheduler) -> None:
    @given(_queues())
    def check(queue: tuple[list[PoolShape], list[tuple[int, int, int | None]]]) -> None:
        """It never gives more than there is, names each request once, and comes to an end."""
        pools, jobs = queue
        env, held = Clock(), Held()
        fleet = MachineFleet(env, pools, made)
        for pool, slots, ns in jobs:
            fleet.submit(Request("j", fleet.number(), (pool,), slots, 0, ns), held)
        fleet.ask()  # which refuses what cannot be given
        for i, shape in enumerate(pools):
            places = [place for one in held.started for place in one.places if fleet.machines.pool_of[place.node] == i]
            given = sum(place.slots for place in places)
            assert given + fleet.machines.free_slots[i] == shape.count * shape.slots
        assert len({id(one) for one in held.started}) == len(held.started) == len(jobs) - len(fleet.waiting)

    check()
    held = Held()
    fleet = MachineFleet(Clock(), [PoolShape("a", 2, 8)], made)
    fleet.submit(Request("alone", fleet.number(), (0,), 8, 0, HOUR_NS), held)
    fleet.ask()
    assert [one.owner for one in held.started] == ["alone"], "who has all machines to itself starts"


def placements_find_room(spec: Any) -> None:
    """What is named can be given; whoever may be counted has room where so much is free; and more room harms nobody."""
    made: Placement = kinds.builder(spec)(spec)
    assert content_hash(made), "the key of a run sees into it"

    @given(fleets.pools(), fleets.asked(), fleets.asked())
    def check(pools: list[PoolShape], held: list[dict[str, Any]], asked: list[dict[str, Any]]) -> None:
        machines = Machines(pools)
        given_away = []
        for one in fleets.requests(held, len(pools)):
            places = made.places(one, machines)
            if places is not None:
                assert machines.has_room(one, places)
                machines.take(one, places)
                given_away.append((one, places))
        before = [made.places(one, machines) for one in fleets.requests(asked, len(pools))]
        for one, places in zip(fleets.requests(asked, len(pools)), before, strict=True):
            assert places is None or machines.has_room(one, places)
            for pool in one.pools:
                if made.by_count(one, machines, pool) and machines.free_slots[pool] >= one.slots:
                    assert places is not None
        for one, places in given_away:
            machines.give(one, places)
        for one, places in zip(fleets.requests(asked, len(pools)), before, strict=True):
            assert places is None or made.places(one, machines) is not None
        assert machines.free_slots == [pool.count * pool.slots for pool in pools]

    check()


class Held:
    """Notes who starts."""

    def __init__(self) -> None:
        self.started: list[Request] = []

    def start(self, request: Request, _places: Places) -> None:
        """Notes it."""
        self.started.append(request)

    def preempt(self, request: Request) -> None:
        """Nothing is preempted where all came at once."""
        raise AssertionError(request)

    def resize(self, request: Request, places: Places) -> None:
        """Nor is anything elastic."""
        raise AssertionError(request, places)


def fabrics_join_a_gang(spec: Any) -> None:
    """A gang of 16 reaches itself, at a rate and for energy; what is alone crosses nothing."""
    gang = Joined(16, 8, 8, Island(8, 4.5e11, 5e-11))
    made = kinds.builder(spec)(spec, gang)
    assert made.reach(1, 1).spans == ()
    assert made.joule_per_byte("link") == 5e-11
    reaches = [made.reach(2**i, 1) for i in range(1, 5)]
    for reach in reaches:
        assert sum(span.steps for span in reach.spans) >= reach.gpus.bit_length() - 1
        assert all(span.unit_byte_per_s > 0.0 and span.gpu_byte_per_s > 0.0 for span in reach.spans)
    taken = [cost("all-gather", 1e6, reach, Library(0.8, 0.8)).seconds for reach in reaches]
    assert all(second > 0.0 for second in taken)


def jobs_come_in_order(spec: Any) -> None:
    """Within the run, each of some work, and the same again; what is not known is not 0."""
    asked = JobsAsked("test", ORIGIN, DAY_NS, Streams(1))
    table, again = jobs_of(spec, asked), jobs_of(spec, asked)
    assert len(table)
    assert (np.diff(table.submit_ns) >= 0).all()
    assert ((table.submit_ns >= 0) & (table.submit_ns < DAY_NS)).all()
    assert (table.run_ns > 0).all()
    assert ((table.gpus >= 0) & (table.gpu_milli >= 0) & (table.gpu_milli < 1000)).all()
    assert all(len(table.names[label]) > getattr(table, label).max() for label in LABELS if label in table.names)
    for name in COLUMNS:
        assert np.array_equal(getattr(table, name), getattr(again, name), equal_nan=True)


def _jobs_with(**changes: Any) -> JobTable:
    written = example(kinds.kinds("job source")[1].spec, "generated").model_dump() | changes
    return jobs_of(GeneratedJobs.model_validate(written), JobsAsked("test", ORIGIN, 10 * DAY_NS, Streams(1)))


def jobs_are_submitted_as_often_as_asked(spec: Any) -> None:
    """20 an hour, by a rate or by the load of 20 GPUs with jobs of one GPU-hour: as many as that, within four standard
    deviations of so many gaps with the largest coefficient of variation here."""
    table = _jobs_with(arrivals=spec.model_dump())
    assert abs(len(table) - 4800) < 4 * 2 * 4800**0.5


def sizes_have_their_mean(spec: Any) -> None:
    sizes = job_size(spec)
    assert sum(sizes.shares) == pytest.approx(1.0)
    drawn = sizes(np.random.default_rng(1), 200_000) / 1000
    assert abs(drawn.mean() - sizes.mean_gpus) <= 4 * drawn.std() / 200_000**0.5
    kind = {**ONE_GPU_HOUR, "gpus": spec.model_dump()}
    table = _jobs_with(jobs=[kind])
    assert {*(table.gpus * 1000 + table.gpu_milli).tolist()} <= {*sizes.milli}


def runs_follow_their_law(spec: Any) -> None:
    """A share that does not fall and ends at 1, of which draws have the median, and a mean that grows with the cut."""
    law = run_time(spec)
    at = np.geomspace(1.0, 1e9, 50)
    assert (np.diff(law.cdf(at)) >= 0.0).all()
    assert float(law.cdf(np.array(np.inf))) == 1.0
    assert (np.diff(law.below(at)) >= -1e-9).all()
    runs = law.draw(np.full(20_000, np.inf), np.random.default_rng(1))
    assert (runs > 0.0).all()
    below, up_to = (float(law.cdf(np.array(np.median(runs) * f))) for f in (1 - 1e-9, 1 + 1e-9))
    assert below - 0.02 < 0.5 < up_to + 0.02


def limits_are_said_for_every_job(spec: Any) -> None:
    """None at all or one for each; no shorter than the run but for the share that is killed; the key sees into it."""
    law = time_limits(spec)
    assert content_hash(law)
    run_ns = np.random.default_rng(1).integers(1, DAY_NS, 5000)
    limit_ns = law(run_ns, np.random.default_rng(2))
    assert np.array_equal(limit_ns, law(run_ns, np.random.default_rng(2)))
    if spec.kind == "none":
        assert (limit_ns == UNKNOWN).all()
    else:
        assert (limit_ns > 0).all()
        assert np.mean(limit_ns < run_ns) <= getattr(spec, "killed", 0.0) + 1 / 5000


def sharing_slows_and_keeps_what_there_is(spec: Any) -> None:
    """A job alone has what it reserved; two together slow each other or do not fit; nothing is over-allocated."""
    gpu = CATALOG.gpu("nvidia-h100-sxm-80gb")
    made = sharing_of(spec, gpu, CATALOG)
    assert content_hash(made)
    small_one = Demand(0.02, 0.02, 0.2, 0.1, held=0.1, work_w=50.0)
    alone = shared(made, [small_one], rest_w=100.0, limit_w=700.0)
    assert alone.rates[0] == pytest.approx(1.0, abs=0.03)
    assert alone.gpu_w == pytest.approx(100.0 + 50.0 * alone.rates[0])
    assert not made.fits([small_one] * 200)
    if made.fits([small_one] * 2):
        both = shared(made, [small_one] * 2, rest_w=100.0, limit_w=700.0)
        assert all(rate <= alone.rates[0] + 1e-12 for rate in both.rates)
        assert both.gpu_w == pytest.approx(100.0 + 50.0 * sum(both.rates))


def units_draw_their_fleet_s_mean(spec: Any) -> None:
    """Factors above zero, the same for the same stream, of mean 1 over many units; the key sees into the law."""
    made = unit_effect(spec, CATALOG)
    assert made is not None
    assert content_hash(made)
    drawn = np.array(
        made.drawn(20_000, np.random.default_rng(1), 0)
        if made.of == "gpu"
        else [np.concatenate([made.drawn(1, np.random.default_rng([1, i]), i)[k] for i in range(3000)]) for k in (0, 1)]
    )
    assert (drawn > 0.0).all()
    assert np.abs(drawn.mean(axis=1) - 1.0) == pytest.approx(0.0, abs=4 * float(drawn.std()) / drawn.shape[1] ** 0.5)
    again = made.drawn(8, np.random.default_rng(7), 3)
    assert all(np.array_equal(a, b) for a, b in zip(again, made.drawn(8, np.random.default_rng(7), 3), strict=True))


def growth_is_one_where_it_begins(spec: Any) -> None:
    """And stays above zero and finite in every year that it tells of."""
    law = kinds.builder(spec)(spec)
    first, last = spec.years
    assert law.level(2024.0, 2024.0) == pytest.approx(1.0)
    for year in np.linspace(max(first, 2000.0), min(last, 2050.0), 7).tolist():
        assert 0.0 < law.level(2024.0, year) < math.inf


LAWS: dict[str, Callable[[Any], None]] = {
    "growth": growth_is_one_where_it_begins,
    "facility": facility_only_adds,
    "cooling": cooling_takes_the_heat_out,
    "grid intensity": partial(sources_give_signals, "intensity"),
    "grid price": partial(sources_give_signals, "price"),
    "grid water": water_is_not_below_zero,
    "weather": weather_covers_the_run,
    "on-site unit": units_balance,
    "battery dispatch": dispatch_tells_the_battery,
    "battery bounds": bounds_are_apart,
    "policy": policies_cap,
    "breaker curve": breakers_open_sooner_under_more,
    "condition": conditions_come_and_go,
    "unit effect": units_draw_their_fleet_s_mean,
    "schedule": schedules_let_a_job_be_done,
    "forecast": forecasts_cover_their_window,
    "arrivals": requests_come_in_order,
    "lengths": lengths_are_of_a_token_at_least,
    "token law": laws_have_their_mean,
    "contract": contracts_supply,
    "amortization": making_is_spread,
    "embodied plant": plants_are_made_once,
    "second life": second_lives_take_a_share,
    "workload": work_is_paid_for,
    "speed-up": more_slots_are_faster,
    "selection": rules_stop_some_and_keep_one,
    "factor law": factors_have_their_mean,
    "aggregation": rounds_follow_one_another,
    "route rule": rules_send_each_request_to_one_place,
    "difficulty": difficulties_are_told_or_drawn,
    "popularity": keys_are_the_same_however_a_stream_is_cut,
    "step time": iterations_take_time,
    "failures": failures_come_now_and_then,
    "scheduler": schedulers_place_what_there_is,
    "placement": placements_find_room,
    "fabric": fabrics_join_a_gang,
    "job source": jobs_come_in_order,
    "job arrivals": jobs_are_submitted_as_often_as_asked,
    "job size": sizes_have_their_mean,
    "run time": runs_follow_their_law,
    "time limits": limits_are_said_for_every_job,
    "sharing": sharing_slows_and_keeps_what_there_is,
}


def test_every_family_has_its_laws() -> None:
    assert set(LAWS) == set(SHIPPED)


@pytest.mark.parametrize(("kind", "word"), ALL, ids=IDS)
def test_a_kind_obeys_the_laws_of_its_family(kind: Kind, word: str) -> None:
    LAWS[kind.spec.family](example(kind.spec, word))


def test_formats_of_traces_and_recordings_are_told_apart() -> None:
    """Each is called what the registry calls it, and is told by columns or by a text; ours take no blank one."""
    for name, form in trace_formats().items():
        assert form.name == name
        assert form.columns
        assert len({(one.json, one.columns) for one in trace_formats().values()}) == len(trace_formats())
    for called, of_jobs in job_formats().items():
        assert of_jobs.name == called
        assert of_jobs.columns
        assert not of_jobs.fits("a,b,c")
    blank = Text("blank.csv", ("a,b,c",))
    for reader in formats():
        assert reader.NAME
        assert callable(reader.read)
        assert not reader.fits(blank)


def test_a_kind_without_an_example_is_told() -> None:
    with pytest.raises(AssertionError, match="forecast 'better' has no example"):
        example(kinds.kinds("forecast")[2].spec, "better")
