"""The table of training power: its law, and nothing fitted to what is judged."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from benchmarks.accuracy import training_power
from benchmarks.accuracy.training_power import WORK, Nodes, gpu_w, held_out_w, several_nodes_w, share_in_kernels

# As if all but the GPUs drew 1,800 W and a twentieth of the GPUs' own.
NODES = Nodes(np.array([0.0, 1000.0]), np.array([1800.0, 1800.0 + 8 * 1.05 * 1000.0]))


def means(shares: Mapping[str, float]) -> pd.Series:
    """W of nodes whose GPUs are in kernels for such shares."""
    return pd.Series({name: NODES.of(WORK[name], share) for name, share in shares.items()})


def test_the_share_that_made_the_watts_is_found() -> None:
    made = means(dict.fromkeys(WORK, 0.9))
    assert share_in_kernels(NODES, list(WORK.values()), made.to_numpy()) == pytest.approx(0.9)
    watts, shares = held_out_w(NODES, made, WORK)
    assert watts == pytest.approx(made.to_numpy())
    assert shares == pytest.approx(np.full(len(WORK), 0.9))


def test_a_benchmark_is_predicted_without_its_own_watts() -> None:
    base = dict.fromkeys(WORK, 0.9)
    for i, name in enumerate(WORK):
        one, other = (held_out_w(NODES, means({**base, name: share}), WORK)[0][i] for share in (0.3, 0.9))
        assert one == other


def test_gpus_out_of_kernels_wait() -> None:
    work = WORK["bert"]
    assert gpu_w(work, 0.5) == pytest.approx(0.5 * (gpu_w(work, 1.0) + gpu_w(work, 0.0)))
    assert 140.0 < gpu_w(work, 0.0) < 175.0


def test_runs_on_several_nodes_draw_less_by_as_much_as_their_samples_come_slower() -> None:
    columns = ["benchmark", "n_nodes", "train_samples", "run_s", "mean_w_run"]
    one_node = pd.DataFrame(
        [[name, 1, 1000, 100.0, NODES.of(WORK[name], 0.9)] for name in WORK],
        columns=columns,
    )
    runs = pd.DataFrame([["bert", 8, 1000, 12.5, 0.0], ["bert", 8, 1000, 25.0, 0.0]], columns=columns)
    perfect, half = several_nodes_w(NODES, runs, one_node)
    assert perfect == pytest.approx(NODES.of(WORK["bert"], 0.9))
    assert half == pytest.approx(NODES.of(WORK["bert"], 0.45))


@pytest.mark.shared_data
def test_one_node_power_is_predicted_as_well_as_asked() -> None:
    found = {row.case: row for row in training_power.mlperf_rows()}
    assert found
    assert all(row.ok for row in found.values() if row.reach is not None)
