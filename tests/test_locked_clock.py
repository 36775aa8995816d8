"""Cores locked at a clock: what slows and what does not, watts, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.errors import InputError
from tests.small import small


def _served(clock: str | None, *, output: int = 64, prompt: int = 256, **other: Any) -> tuple[float, float]:
    """Seconds of 64 requests, and mean W of a GPU that serves them."""
    data = _world(output=output, prompt=prompt, **other)
    if clock is not None:
        data["workloads"]["chat"]["replicas"]["clock"] = clock
    summary = sim.run(data).summary
    seconds = summary["simulated_s"]
    idle_w = 15 * 60.0
    return seconds, summary["energy_kwh"]["by_component"]["gpu"] * 3.6e6 / seconds - idle_w


def test_the_highest_clock_changes_nothing() -> None:
    """An A100's peaks are stated at 1,410 MHz."""
    assert _served("1410 MHz") == pytest.approx(_served(None), rel=1e-9)


def test_prompts_slow_in_proportion_and_decoding_hardly() -> None:
    """A fifth less clock: 1,128 of 1,410 MHz."""
    prompts = _served("1128 MHz", output=1, prompt=4096)[0] / _served(None, output=1, prompt=4096)[0]
    decoding = _served("1128 MHz", output=256, prompt=16)[0] / _served(None, output=256, prompt=16)[0]
    assert 1.15 < prompts < 1.25
    assert 1.0 < decoding < 1.1


def test_a_lower_clock_is_never_faster_and_never_draws_more() -> None:
    found = [_served(f"{clock} MHz") for clock in (1410, 1300, 1100, 900, 600, 300)]
    seconds, watts = zip(*found, strict=True)
    assert list(seconds) == sorted(seconds)
    assert list(watts) == sorted(watts, reverse=True)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"replicas.clock": "2000 MHz"}, "clock: 2000 MHz is not between the 212 and 1410 MHz"),
        ({"replicas.clock": "100 MHz"}, "is not between"),
        ({"replicas.clock": "1 GHz", "replicas.power_cap": "300 W"}, "either 'power_cap' or 'clock'"),
        ({"replicas.clock": "1 GHz", "node": "mi300x-8-gpu"}, "does not say in its profile how its clock acts"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], says: str) -> None:
    data = _world()
    for path, value in changes.items():
        if path == "node":
            data["cluster"]["nodes"][0]["profile"] = value
        else:
            data["workloads"]["chat"]["replicas"][path.split(".")[1]] = value
    with pytest.raises(InputError, match=says):
        sim.run(data)


def _world(*, output: int = 64, prompt: int = 256) -> dict[str, Any]:
    data = small()
    del data["duration"]
    data["workloads"] = {
        "chat": {
            "kind": "serving",
            "model": "llama-3.1-8b",
            "stack": "generic-2025",
            "precision": {"weights": "bf16"},
            "replicas": {"count": 1},
            "batching": {"max_num_seqs": 16, "max_num_batched_tokens": 8192},
            "routing": "round-robin",
            "arrivals": {"kind": "closed-loop", "concurrency": 16, "requests": 64},
            "lengths": {
                "kind": "separate",
                "prompt": {"kind": "constant", "tokens": prompt},
                "output": {"kind": "constant", "tokens": output},
            },
            "cpu_load": 0.1,
        }
    }
    return data
