"""The serving engine where its settings reduce to queues with known answers, and laws that hold for any of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.engine.serving import plan
from sim.engine.serving.plan import Settings, StepCost
from sim.workload.serving_records import ROW_COLUMNS, SKETCHES, sketch_bucket, sketch_quantile, sketch_values
from tests.serving_worlds import MS, Ints, Pool, World, build, chunk, linear_cost, observe, worlds

Floats = npt.NDArray[np.float64]
NS = 10**9
COLUMN = {name: i for i, name in enumerate(ROW_COLUMNS)}
END = 10**17


def poisson(rng: np.random.Generator, rate_per_s: float, n: int) -> Ints:
    return np.cumsum(np.rint(rng.exponential(NS / rate_per_s, n))).astype(np.int64)


def run(
    settings: Settings, arrival_ns: Ints, prompt: Ints, output: Ints, cost: StepCost, blocks: int = 10**6
) -> tuple[Ints, Pool]:
    """One replica to the end; its rows in order of arrival."""
    pool = build("fast", settings, [chunk(arrival_ns, prompt, output)], costs=[cost], blocks=blocks)
    pool.start(0)
    pool.advance(END)
    rows = pool.take_rows()
    return rows[np.argsort(rows[:, 0])], pool


def standard_error(values: Floats, batches: int = 40) -> float:
    """Of the mean of correlated values, by the means of ``batches`` stretches."""
    means = [part.mean() for part in np.array_split(values, batches)]
    return float(np.std(means, ddof=1) / np.sqrt(batches))


def test_one_request_takes_its_iterations_and_no_more() -> None:
    settings = Settings(max_num_seqs=4, max_num_batched_tokens=100, rows=True)
    cost = linear_cost(fixed_ms=10.0, per_token_ms=0.1)
    rows, _ = run(settings, np.array([5_000_000]), np.array([250]), np.array([3]), cost)
    # three chunks of 100, 100 and 50 tokens, then two decodes of one token
    first_ns = 5_000_000 + 20_000_000 + 20_000_000 + 15_000_000
    assert rows[0, COLUMN["first_token_ns"]] == first_ns
    assert rows[0, COLUMN["done_ns"]] == first_ns + 2 * 10_100_000


def test_one_seat_is_the_queue_of_pollaczek_and_khinchine() -> None:
    """One sequence at a time, iterations of constant length: M/G/1, with a mean wait of lambda E[S^2] / 2 (1 - rho)."""
    rng = np.random.default_rng(1)
    n, step_s = 60_000, 0.01
    output = rng.integers(1, 40, n)
    service_s = output * step_s  # one iteration a token: the first comes from the prompt's
    rate = 0.7 / service_s.mean()
    settings = Settings(max_num_seqs=1, max_num_batched_tokens=64, rows=True)
    cost = linear_cost(fixed_ms=10.0, per_token_ms=0.0)
    rows, _ = run(settings, poisson(rng, rate, n), np.ones(n, dtype=np.int64), output, cost)
    wait_s = (rows[:, COLUMN["scheduled_ns"]] - rows[:, COLUMN["arrival_ns"]]) / NS
    expected = rate * (service_s**2).mean() / (2 * (1 - rate * service_s.mean()))
    assert wait_s.mean() == pytest.approx(expected, abs=4 * standard_error(wait_s))


@pytest.mark.parametrize("shape", ["constant", "geometric", "two sizes"])
def test_time_in_proportion_to_the_batch_is_processor_sharing(shape: str) -> None:
    """An iteration that takes as long as it has sequences gives each the same share: M/G/1-PS, whose mean response
    E[S] / (1 - rho) knows nothing of the law of S (Kleinrock, Queueing Systems 2, section 4.4)."""
    rng = np.random.default_rng(2)
    n = 30_000
    output = {
        "constant": np.full(n, 60),
        "geometric": rng.geometric(1 / 60, n),
        "two sizes": rng.choice([10, 310], n, p=[5 / 6, 1 / 6]),
    }[shape]
    cost = linear_cost(fixed_ms=0.0, per_token_ms=0.0, tokens=5000)
    cost.slope[plan.MEMORY, plan.SEQUENCE] = MS  # 1 ms a sequence and iteration
    cost.table[:, :, plan.COMPUTE] = 1 << plan.FRACTION_BITS
    settings = Settings(max_num_seqs=2000, max_num_batched_tokens=4000, rows=True)
    service_s = output * 1e-3
    rate = 0.6 / service_s.mean()
    rows, _ = run(settings, poisson(rng, rate, n), np.ones(n, dtype=np.int64), output, cost)
    response_s = (rows[:, COLUMN["done_ns"]] - rows[:, COLUMN["arrival_ns"]]) / NS
    expected = service_s.mean() / (1 - rate * service_s.mean())
    # Newcomers wait for the iteration under way, of the mean residual length: part of a percent of the response here.
    assert response_s.mean() == pytest.approx(expected, abs=4 * standard_error(response_s) + 0.01 * expected)


@given(worlds())
def test_laws_of_any_world(world: World) -> None:
    *_, written, counts, _ = observe(world, "fast")
    assert isinstance(counts, dict)
    rows = np.array(written, dtype=np.int64)
    assert counts["peak_blocks"] <= max(world.blocks)
    assert counts["good"] <= counts["completed"]
    assert counts["arrived"] == counts["completed"] + counts["rejected"] + counts["timed_out"]
    # every token emitted was wanted, or is counted as wasted
    assert counts["first_tokens"] + counts["decoded_tokens"] == counts["output_tokens"] + counts["wasted_tokens"]
    if len(rows):
        done = rows[rows[:, COLUMN["status"]] == plan.COMPLETED]
        order = ("arrival_ns", "scheduled_ns", "first_token_ns", "done_ns")
        times = done[:, [COLUMN[name] for name in order]]
        assert (np.diff(times, axis=1) >= 0).all()  # so TTFT <= E2E
        assert (done[:, COLUMN["cached_tokens"]] >= 0).all()


@pytest.mark.parametrize("engine", ["fast", "reference"])
@given(world=worlds())
def test_gaps_between_tokens_fill_the_time_from_first_to_last(engine: str, world: World) -> None:
    """Gaps of a request add up to its last token less its first, to the nanosecond, whatever lay between: iterations,
    prompts that went first, a preemption by recompute or swap, a hand-over. What begins anew has its first token anew.
    """
    *_, written, counts, sketches = observe(world, engine)
    assert isinstance(counts, dict)
    rows = np.array(written, dtype=np.int64).reshape(-1, len(ROW_COLUMNS))
    done = rows[rows[:, COLUMN["status"]] == plan.COMPLETED]
    assert counts["itl_ns"] == (done[:, COLUMN["done_ns"]] - done[:, COLUMN["first_token_ns"]]).sum()
    if world.settings.prefill != plan.STATIC:  # which pads
        assert counts["itl_count"] == (done[:, COLUMN["output_tokens"]] - 1).sum()
    assert counts["step_gap_count"] <= counts["itl_count"]
    if counts["completed"] < counts["arrived"] or counts["killed"] or counts["retries"]:
        return  # the sketches know the gaps of attempts that came to nothing too
    for name in ("itl", "step_gap"):
        sketch = np.array(sketches, dtype=np.int64)[SKETCHES.index(name)]
        assert sketch.sum() == counts[f"{name}_count"]
        # A bucket's middle is within 0.4 %, and a gap within 1 ns of that of the clock.
        assert abs(sketch @ sketch_values() - counts["itl_ns"]) <= counts["itl_ns"] / 250 + 2 * sketch.sum()


@pytest.mark.parametrize("swap", [False, True], ids=["recompute", "swap"])
@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_the_wait_after_a_preemption_is_a_gap(engine: str, swap: bool) -> None:
    """Two sequences outgrow a cache of eight blocks; the second waits for the end of the first. Its longest gap is
    that wait, as vLLM's benchmark sees it, which subtracts time stamps."""
    settings = Settings(
        max_num_seqs=2, max_num_batched_tokens=64, block_tokens=16, swap=swap, rows=True,
    )  # fmt: skip
    pool = build(engine, settings, [chunk([0, 0], [16, 16], [80, 80])], costs=[linear_cost()], blocks=8)
    pool.start(0)
    pool.advance(END)
    assert pool.counts["preemptions"] == 1
    first, second = sorted(pool.take_rows(), key=lambda row: int(row[COLUMN["done_ns"]]))
    sketch = pool.sketches[SKETCHES.index("itl")]
    longest_ns = sketch_values()[np.flatnonzero(sketch)[-1]]
    assert sketch[np.flatnonzero(sketch)[-1]] == 1
    # Waiting from the preemption, after about half of its tokens, until the first is done
    steps_ns = (second[COLUMN["done_ns"]] - second[COLUMN["first_token_ns"]]) - longest_ns
    assert steps_ns == pytest.approx((first[COLUMN["done_ns"]] - first[COLUMN["first_token_ns"]]), rel=0.02)
    assert longest_ns > 10 * sketch_values()[np.flatnonzero(sketch)[-2]]


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_tokens_of_one_step_come_together(engine: str) -> None:
    """Drafts of three that are always accepted: a step brings four tokens, three of them 0 after another."""
    settings = Settings(
        max_num_seqs=1, max_num_batched_tokens=64, draft_tokens=3, accept=(1 << 53, 1 << 53, 1 << 53), rows=True,
    )  # fmt: skip
    pool = build(engine, settings, [chunk([0], [8], [41])], costs=[linear_cost()])
    pool.start(0)
    pool.advance(END)
    tokens, steps = (pool.sketches[SKETCHES.index(name)] for name in ("itl", "step_gap"))
    assert (tokens.sum(), tokens[0], steps.sum()) == (40, 30, 10)
    assert (pool.counts["itl_count"], pool.counts["step_gap_count"]) == (40, 10)
    (row,) = pool.take_rows()
    assert pool.counts["itl_ns"] == row[COLUMN["done_ns"]] - row[COLUMN["first_token_ns"]]


@given(worlds())
def test_littles_law_is_exact(world: World) -> None:
    """The integrals of requests waiting and running over time are the sum of times in the system, to the nanosecond,
    where nobody gives up: L = lambda W needs no averages here."""
    settings = world.settings
    patient = Settings(**{**settings.__dict__, "timeout_ns": -1, "queue_limit": -1})
    pool = build("fast", patient, world.chunks, costs=world.costs, roles=world.roles, blocks=world.blocks)
    for i in range(len(world.roles)):
        pool.start(i)
    pool.advance(END)
    rows = pool.take_rows()
    in_system_ns = int((rows[:, COLUMN["done_ns"]] - rows[:, COLUMN["arrival_ns"]]).sum())
    assert pool.counts["waiting_area_ns"] + pool.counts["running_area_ns"] == in_system_ns


@given(worlds(), st.lists(st.integers(0, 3 * NS), max_size=30))
def test_looking_changes_nothing(world: World, looks: list[int]) -> None:
    """Cutting a run wherever one likes gives the same requests, counts and joules."""
    seen = []
    for instants in ([], sorted(looks)):
        pool = build("fast", world.settings, world.chunks, costs=world.costs, roles=world.roles, blocks=world.blocks)
        for i in range(len(world.roles)):
            pool.start(i)
        energy = np.zeros((len(world.roles), 3), dtype=np.int64)
        for at in [*instants, END]:
            pool.advance(at)
            energy += np.array([pool.take_energy(i) for i in range(len(world.roles))])
        seen.append((pool.take_rows().tolist(), pool.counts, energy.tolist()))
    assert seen[0] == seen[1]


@given(worlds())
def test_shares_add_up_to_the_meter(world: World) -> None:
    """ns and nJ that finished requests answer for, and the few that did not divide, are what the replicas drew."""
    patient = Settings(**{**world.settings.__dict__, "timeout_ns": -1, "queue_limit": -1})
    pool = build("fast", patient, world.chunks, costs=world.costs, roles=world.roles, blocks=world.blocks)
    for i in range(len(world.roles)):
        pool.start(i)
    pool.advance(END)
    drawn = np.array([pool.take_energy(i) for i in range(len(world.roles))]).sum(axis=0)
    counts = pool.counts
    undivided_ns = int(drawn[0]) - counts["prefill_share_ns"] - counts["decode_share_ns"]
    undivided_nj = int(drawn[1] + drawn[2]) - counts["prefill_share_nj"] - counts["decode_share_nj"]
    most = patient.max_num_seqs * len(world.roles)
    assert 0 <= undivided_ns < most
    assert 0 <= undivided_nj < most


def test_a_sketch_is_within_half_a_percent() -> None:
    rng = np.random.default_rng(3)
    values = np.exp(rng.uniform(0, 40, 4000)).astype(np.int64) + 1
    sketch = np.bincount([sketch_bucket(int(v)) for v in values], minlength=len(sketch_values()))
    middles = sketch_values()[[sketch_bucket(int(v)) for v in values]]
    assert np.abs(middles / values - 1)[values > 1000].max() <= 1 / 256
    exact = np.quantile(values, 0.9, method="inverted_cdf")
    assert sketch_quantile(sketch, 0.9) == pytest.approx(exact, rel=1 / 256)


def test_who_did_not_wait_waited_for_nothing() -> None:
    """Tokens that a draft brought along come 0 ns after the one before, and are half of all where most are kept."""
    sketch = np.bincount([sketch_bucket(ns) for ns in (0, 0, 0, 2_000_000)], minlength=len(sketch_values()))
    assert sketch_quantile(sketch, 0.5) == 0.0
    assert sketch_quantile(sketch, 0.99) == pytest.approx(2e6, rel=1 / 256)


def test_sketched_quantiles_are_those_of_the_rows() -> None:
    rng = np.random.default_rng(4)
    n = 5000
    settings = Settings(max_num_seqs=32, max_num_batched_tokens=512, rows=True)
    pool = build(
        "fast", settings, [chunk(poisson(rng, 30.0, n), rng.integers(1, 300, n), rng.integers(1, 60, n))],
        costs=[linear_cost()], blocks=10**5,
    )  # fmt: skip
    pool.start(0)
    pool.advance(END)
    rows = pool.take_rows()
    for name, later in (("ttft", "first_token_ns"), ("e2e", "done_ns"), ("queueing", "scheduled_ns")):
        exact = np.quantile(rows[:, COLUMN[later]] - rows[:, COLUMN["arrival_ns"]], 0.9, method="inverted_cdf")
        found = sketch_quantile(pool.sketches[SKETCHES.index(name)], 0.9)
        assert found == pytest.approx(exact, rel=1 / 256, abs=1)


def test_drafts_give_the_expected_tokens_an_iteration() -> None:
    """With acceptance a and g drafted tokens, an iteration emits (1 - a**(g + 1)) / (1 - a) tokens on average
    (Leviathan, Kalman, Matias, ICML 2023, arXiv:2211.17192, eq. 1)."""
    rng = np.random.default_rng(5)
    accept, drafted, n = 0.8, 4, 300
    settings = Settings(
        max_num_seqs=8, max_num_batched_tokens=4096, draft_tokens=drafted,
        accept=tuple(int(accept ** (i + 1) * 2**53) for i in range(drafted)), seed=7,
    )  # fmt: skip
    _, pool = run(settings, poisson(rng, 1.0, n), np.full(n, 10), np.full(n, 400), linear_cost())
    sequences = int(pool.sketches[SKETCHES.index("step_gap")].sum())  # over all iterations
    # The last iteration of a request cuts off what lies beyond its 400 tokens: less than two of 399.
    expected = (1 - accept ** (drafted + 1)) / (1 - accept)
    assert pool.counts["decoded_tokens"] / sequences == pytest.approx(expected, rel=0.01)
