"""What a workload's watts and rate follow from in a run, so that two runs can be asked whether they did the same.

A model errs by one factor in two runs only where all is equal that it was asked about. Much of that stands in the
workload's own block; the rest stands around it: the nodes of its pools, how many they are, how they are cut and joined;
the caps that hold its boards; the route that its requests come by; what is in the profiles and files that all of these
name; and the release of the package, whose laws change. What merely prices a run (grid, building, lifetimes) is no part
of it, unless a policy or a route looks at it while the run goes on.

Nothing here lists what counts. What is not known to be without influence counts, so that a field which nobody thought
of makes two runs unlike, and the range of their difference wider than it need be, never narrower.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sim.plain import texts_in
from sim.results.results import Results

PLACE = ("name", "site", "pool")
"""Where it ran; what stands there is compared by itself."""
JUDGED = ("slo", "engine", "trace")
"""How a workload is judged, by which of two equal engines it is simulated, and what is kept of it."""
BEGINNING = ("start_after", "schedule", "place")
"""When a gang works, of which its steps know nothing."""
WHILE_IDLE = ("initially", "idle_timeout", "keep_warm")
"""What nodes do while nobody holds them: a gang begins later, where replicas would be fewer for a while."""
BY_REQUEST = ("shares", "prompt-tokens", "difficulty")
"""Rules of routes that look at the request alone."""
PACKAGES = ("coldaisle", "aiconfigurator-core")
"""Of whose releases laws and measured kernels are."""


def made_of(results: Results, name: str) -> dict[str, Any]:
    """All that watts and rate of the workload ``name`` follow from, as plain data to be compared with ``==``.

    Profiles and files are told by what is in them, as the manifest has it.
    """
    scenario, manifest = results.scenario, results.manifest
    job = scenario["workloads"][name]
    drew = [key for key in results.energy.keys if key.owner == name]
    labels, gang = {key.pool for key in drew}, job["kind"] == "training"
    pools = [pool for pool in scenario["cluster"]["nodes"] if pool.get("name", pool["profile"]) in labels]
    policies = [policy for policy in scenario.get("policies", ()) if policy.get("target", name) in {name, *labels}]
    arrivals = job.get("arrivals", {})
    route = scenario["routes"][arrivals["route"]] if arrivals.get("kind") == "routed" else None
    found: dict[str, Any] = {
        "job": _without(job, *PLACE, *JUDGED, *(BEGINNING if gang else ())),
        "pools": [_without(pool, *PLACE, *(WHILE_IDLE if gang else ())) for pool in pools],
        "boards": sorted({key.hardware for key in drew}),
        "policies": policies,
        "route": route,
        "versions": {package: manifest["versions"].get(package) for package in PACKAGES},
        "plugins": manifest.get("plugins"),
    }
    looking = any(not _by_clock(policy) for policy in policies) or (
        route is not None and route["by"]["kind"] not in BY_REQUEST
    )
    if policies or not gang:
        found["window"] = [scenario.get(part) for part in ("start", "end", "duration")]
    if looking:
        found["sites"] = scenario.get("sites", scenario.get("site"))
    if looking or route is not None or any("sharing" in pool for pool in pools):
        found["beside"] = scenario["workloads"]
    found["profiles"] = _profiles(results, found, [pool for pool in scenario["cluster"]["nodes"] if pool not in pools])
    return dict(_by_content(found, {str(Path(path)): sha for path, sha in manifest["inputs_sha256"].items()}))


def same_hardware(first: Results, other: Results) -> bool:
    """Whether the same boards, sockets and nodes drew power in both, by what their profiles say."""
    return _hardware(first) == _hardware(other)


def _hardware(run: Results) -> dict[str, str]:
    """What drew power, by the hash of its profile."""
    named = {key.hardware for key in run.energy.keys}
    return {name: sha for name, sha in run.manifest["profiles_sha256"].items() if name in named}


def _without(block: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    """A block without these fields, and without 'pool' in the blocks of its replicas."""
    kept = {name: value for name, value in block.items() if name not in fields}
    for group in ("replicas", "prefill", "decode"):
        if isinstance(kept.get(group), Mapping):
            kept[group] = {name: value for name, value in kept[group].items() if name != "pool"}
    return kept


def _by_clock(policy: Mapping[str, Any]) -> bool:
    """Whether a policy looks at nothing but the time."""
    return bool(policy["kind"] == "demand-response" or policy.get("when", {}).get("kind") == "daily")


def _profiles(results: Results, found: Mapping[str, Any], elsewhere: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Hashes of all profiles that a run rests on but those that only other workloads, or other pools, name."""
    own = {*texts_in(found)}
    others = {*texts_in([*results.scenario["workloads"].values(), *elsewhere])} - own
    return {name: sha for name, sha in results.manifest["profiles_sha256"].items() if name not in others}


def _by_content(part: Any, hashes: Mapping[str, str]) -> Any:
    """Plain data with the hash of a file in place of its path."""
    if isinstance(part, str):
        return hashes.get(part, part)
    if isinstance(part, Mapping):
        return {name: _by_content(value, hashes) for name, value in part.items()}
    if isinstance(part, list):
        return [_by_content(value, hashes) for value in part]
    return part
