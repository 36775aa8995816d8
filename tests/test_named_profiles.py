"""A scenario that names a profile with faults: each is told with its file and line, wherever it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

import sim
from sim.errors import InputError
from sim.profiles.catalog import Catalog

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"
BROKEN = [
    ("lora-one-node", "stack", "megatron-2026", {"latency": "-1", "passes": "0"}),
    ("lora-one-node", "stack", "deepspeed-2021", {"  matrices": "0", "  rank": "-1 us"}),
    ("starters/chat", "stack", "vllm-2026", {"memory_efficiency": "2", "launch": "-1 us"}),
]
"""Who names a profile and as what; which one; what is made wrong in it."""


@pytest.mark.parametrize(("scenario", "key", "profile", "wrong"), BROKEN)
def test_every_fault_of_a_named_profile_is_told_with_its_file_and_line(
    scenario: str, key: str, profile: str, wrong: dict[str, str], tmp_path: Path
) -> None:
    lines = Catalog().path(profile).read_text(encoding="utf-8").splitlines()
    at = {}
    for field, value in wrong.items():
        (i,) = (i for i, line in enumerate(lines) if line.startswith(f"{field}: {{value:"))
        head, rest = lines[i].split("{value: ", 1)
        lines[i] = f"{head}{{value: {value},{rest.split(',', 1)[1]}"
        at[field.strip()] = i + 1
    lines = ["name: broken" if line == f"name: {profile}" else line for line in lines]
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "broken.yaml").write_text("\n".join(lines), encoding="utf-8")
    text = (SCENARIOS / f"{scenario}.yaml").read_text(encoding="utf-8")
    written = [
        f"{line.split(key + ':')[0]}{key}: broken" if f" {key}: " in line else line for line in text.splitlines()
    ]
    assert written != text.splitlines()
    (tmp_path / "scenario.yaml").write_text("\n".join([*written, "profiles: profiles"]), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        sim.run(tmp_path / "scenario.yaml")
    told = str(refused.value)
    for field, line in at.items():
        assert f"broken.yaml:{line}: " in told
        assert f"{field}.value: " in told
