"""Drift: how far the twin's power is from what meters said, by pool and by node, over the time in which both are known.

Shares are of what was measured, as in ``validate``: where a site draws a fifth more than its twin the drift is -16.7 %.
Time without a reading is no 0 W: it is left out of both sides, and its share is told. Where some devices of a pool are
not known, or have no meter, the twin's power counts in proportion to those that are: it is taken to be spread evenly
over a pool's devices. Devices beyond the twin's are drift, and count in full.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt

from sim.checks.above_tdp import MOST_SAMPLE
from sim.errors import InputError, Problem, RunError
from sim.follow.twin import Pool, Twin, Window
from sim.measure.accuracy import Errors, errors
from sim.measure.alike_faults import lines
from sim.measure.judge.recordings import COMPONENTS, FEWEST_BINS, bin_watts
from sim.measure.missing import of_each, usual_by_kind
from sim.measure.recording import Device, Recording
from sim.units import SECONDS_PER_NS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

NAMES = {"gpu": "gpu", "cpu-package": "cpu", "dram": "dram", "node": "node"}
"""What a series is called, by the kind of its meters."""
_PORT = re.compile(r":\d+$")
_OF_A_SOCKET = re.compile(r"(?:cpu-package|dram)\d+$")
MOST_NAMED = 4
ROUNDING = 1e-9


@dataclass(frozen=True)
class Rule:
    """Machines whose names fit a pattern, as shells have them, stand in a pool."""

    pool: str
    pattern: str


@dataclass(frozen=True, eq=False)
class Series:
    """A pool's devices of a kind, or those of one of its nodes: W predicted and measured in each bin.

    ``measured_w`` (bins,) is NaN where no device is known, and else of those that are: ``known`` (bins,) is their share
    of the twin's, and ``predicted_w`` (bins,) the twin's power times that, at most once. ``metered`` are their number,
    and ``expected`` that of the twin. ``errors`` is None where less than four bins are known.
    """

    pool: str
    node: str
    component: str
    predicted_w: Floats
    measured_w: Floats
    known: Floats
    metered: int
    expected: int
    errors: Errors | None
    predicted_j: float
    measured_j: float

    @property
    def name(self) -> str:
        """Pool and component, with the node between them."""
        return "/".join(filter(None, (self.pool, self.node, self.component)))

    @property
    def drift(self) -> float:
        """Energy predicted, over energy measured, less one; NaN where nothing is known."""
        return self.predicted_j / self.measured_j - 1.0 if self.measured_j > 0.0 else float("nan")


@dataclass(frozen=True, eq=False)
class Drift:
    """All series over the bins between ``edges_ns`` (bins + 1,), since 1970; those of pools first.

    ``remarks`` tell what is missing.
    """

    scenario: str
    edges_ns: Ints
    series: tuple[Series, ...]
    remarks: tuple[str, ...] = ()

    @property
    def pools(self) -> tuple[Series, ...]:
        """The series of whole pools."""
        return tuple(one for one in self.series if not one.node)

    @property
    def energy(self) -> float:
        """Energy predicted over energy measured, less one, of all pools where they are known; NaN where none is."""
        measured_j = sum(one.measured_j for one in self.pools)
        return sum(one.predicted_j for one in self.pools) / measured_j - 1.0 if measured_j > 0.0 else float("nan")

    def past(self, tolerances: Mapping[str, float]) -> list[str]:
        """Each series of a pool, and all together, that is past a tolerance, in words.

        Raises ``RunError`` where a series is not known well enough to say, so that no meter passes by being silent.
        """
        silent = [one.name for one in self.pools if one.errors is None]
        if tolerances and silent:
            raise RunError(f"less than {FEWEST_BINS} bins are known of {_named(silent)}: no drift can be told")
        past = [
            f"{one.name}: {name} is {100 * value:+.1f} %, and {100 * most:g} % was allowed"
            for one in self.pools
            for name, most in tolerances.items()
            if abs(value := one.drift if name == "energy" else getattr(one.errors, name)) > most
        ]
        most = tolerances.get("energy")
        if most is not None and len(self.pools) > 1 and abs(self.energy) > most:
            past.append(f"all: energy is {100 * self.energy:+.1f} %, and {100 * most:g} % was allowed")
        return past


def pool_of(machine: str, pools: Mapping[str, Pool], rules: Sequence[Rule]) -> str | None:
    """The pool in which a machine stands; by the first rule that fits, or the only one that there is."""
    for rule in rules:
        if fnmatchcase(machine, rule.pattern) or fnmatchcase(_PORT.sub("", machine), rule.pattern):
            return rule.pool
    return next(iter(pools)) if len(pools) == 1 and not rules else None


def refuse_rules(pools: Mapping[str, Pool], rules: Sequence[Rule], file: str) -> None:
    """Raises ``InputError`` for rules about pools that are not there, and where several pools have none."""
    unknown = [rule.pool for rule in rules if rule.pool not in pools]
    problems = [
        Problem("--pool", None, name, f"is no pool of the scenario; there are {', '.join(pools)}") for name in unknown
    ]
    if len(pools) > 1 and not rules:
        message = f"has several pools ({', '.join(pools)}); say by --pool POOL=PATTERN which machines stand in which"
        problems.append(Problem(file, None, "cluster.nodes", message))
    if problems:
        raise InputError(problems)


def drift(recording: Recording, twin: Twin, window: Window, rules: Sequence[Rule]) -> Drift:
    """Holds the twin against the recording over a window. Raises ``InputError`` where they have nothing in common."""
    edges, bins = twin.bins(window)
    if len(edges) < 2:
        raise InputError.one("--window", "is shorter than a bin of the run; give a shorter --bin")
    remarks: list[str] = []
    if edges[-1] < window.end_ns:
        remarks.append(f"The twin ends {(window.end_ns - edges[-1]) * SECONDS_PER_NS:g} s before the window does.")
    watts, unread = _device_watts(recording, edges)
    placed: dict[tuple[str, str], list[Device]] = {}
    outside: dict[str, None] = {}
    for device in recording.devices:
        pool = pool_of(device.machine, twin.pools, rules)
        if pool is None:
            outside[device.machine or device.name] = None
        elif device.name in watts:
            placed.setdefault((pool, device.kind), []).append(device)
    if not placed:
        raise InputError.one("--pool", f"puts no metered machine into a pool; there are {_named(outside)}")
    if outside:
        remarks.append(f"In no pool, and left out: {_named(outside)}.")
    found: list[Series] = []
    of_nodes: list[Series] = []
    for (pool, kind), devices in placed.items():
        predicted = _predicted(twin, pool, kind, bins, edges)
        if predicted is None:
            remarks.append(f"The twin has no {NAMES[kind]} in {pool}: its meters are left out.")
            continue
        stands = twin.pools[pool]
        own = {device.name: watts[device.name] for device in devices}
        nodes: dict[str, list[Device]] = {}
        for device in devices:
            nodes.setdefault(_PORT.sub("", device.machine), []).append(device)
        weights = {device.name: _weight(device, stands) for device in devices}
        found.append(_series((pool, "", kind), own, weights, predicted, edges))
        if found[-1].metered > found[-1].expected:
            more = f"{found[-1].metered} devices are metered, and the twin has {found[-1].expected}"
            remarks.append(f"{found[-1].name}: {more}.")
        for node, there in sorted(nodes.items()) if max(len(nodes), stands.nodes) > 1 else ():
            shares = {device.name: weights[device.name] * stands.nodes for device in there}
            mine = {device.name: watts[device.name] for device in there}
            of_nodes.append(_series((pool, node, kind), mine, shares, predicted / stands.nodes, edges))
        remarks += _above_tdp(found[-1].name, own, stands.tdp_w if kind == "gpu" else 0.0)
    remarks += _not_metered(twin, found)
    remarks += _gaps(found, edges)
    if of_nodes:
        remarks.append("Of a node the twin's power is its pool's over its nodes, wherever either has placed work.")
    complete = [] if recording.complete else ["The recording is not complete."]
    remarks += [*complete, *unread, *lines(recording.faults)]
    series = (*sorted(found, key=lambda one: one.name), *sorted(of_nodes, key=lambda one: one.name))
    return Drift(twin.name, edges, series, tuple(remarks))


def _above_tdp(name: str, watts: Mapping[str, Floats], tdp_w: float) -> list[str]:
    """GPUs whose mean in some bin no board of the twin's can have: they are counted as they were read, and told."""
    if not tdp_w:
        return []
    most = {device: float(np.nanmax(power, initial=0.0)) for device, power in watts.items()}
    above = [device for device, most_w in most.items() if most_w > MOST_SAMPLE * tdp_w]
    if not above:
        return []
    most_w = max(most.values())
    return [
        f"{name}: {_named(above)} read up to {most_w:,.0f} W in a bin, where a GPU of the twin may draw {tdp_w:,.0f} "
        "W: another device, or a meter that is wrong; all of it counts as measured."
    ]


def _device_watts(recording: Recording, edges: Ints) -> tuple[dict[str, Floats], list[str]]:
    """Mean W of each device in each bin, NaN where it is not known; and those of which nothing is."""
    each = {device.name: samples for device, samples in of_each(recording)}
    others = usual_by_kind(recording.devices, each)
    watts: dict[str, Floats] = {}
    without: list[str] = []
    for device in recording.devices:
        try:
            meter = recording.metered(device.name, others.get(device.name, np.nan))
        except ValueError:
            without.append(device.name)
            continue
        watts[device.name] = bin_watts([meter], int(edges[0]), edges - edges[0])
    return watts, [f"Fewer than two samples, and left out: {_named(without)}."] if without else []


def _predicted(twin: Twin, pool: str, kind: str, bins: slice, edges: Ints) -> Floats | None:
    """The twin's W (bins,) of what a kind of meter sees in a pool; None where there is nothing of it."""
    wanted = COMPONENTS[kind]
    own = twin.ledger.where(lambda key: key.pool == pool and (wanted is None or key.component in wanted))
    if not own.keys:
        return None
    return np.asarray(own.energy_j[:, bins].sum(axis=0) / (np.diff(edges) * SECONDS_PER_NS), dtype=np.float64)


def _weight(device: Device, pool: Pool) -> float:
    """What share of a pool's devices of a kind a meter sees: a board, a socket, or all sockets of a node."""
    if device.kind == "gpu":
        return 1.0 / (pool.nodes * pool.gpus) if pool.gpus else 1.0
    return 1.0 / (pool.nodes * (pool.sockets if _OF_A_SOCKET.search(device.name) else 1))


def _series(
    place: tuple[str, str, str],
    watts: Mapping[str, Floats],
    weights: Mapping[str, float],
    whole_w: Floats,
    edges: Ints,
) -> Series:
    there = np.array(list(watts.values()))
    known = np.asarray((~np.isnan(there) * np.array([weights[name] for name in watts])[:, None]).sum(axis=0))
    known = np.where(np.abs(known - 1.0) < ROUNDING, 1.0, known)
    measured = np.where(known > 0.0, np.nansum(there, axis=0), np.nan)
    predicted = whole_w * np.minimum(known, 1.0)
    judged = ~np.isnan(measured)
    seconds = np.diff(edges)[judged] * SECONDS_PER_NS
    found = None
    if judged.sum() >= FEWEST_BINS and (measured[judged] > 0.0).all():
        found = errors(predicted, measured)
    pool_name, node, kind = place
    return Series(
        pool=pool_name,
        node=node,
        component=NAMES[kind],
        predicted_w=np.where(judged, predicted, np.nan),
        measured_w=measured,
        known=np.minimum(known, 1.0),
        metered=len(watts),
        expected=round(1.0 / min(weights[name] for name in watts)),
        errors=found,
        predicted_j=float(predicted[judged] @ seconds),
        measured_j=float(measured[judged] @ seconds),
    )


def _not_metered(twin: Twin, series: Sequence[Series]) -> list[str]:
    """Pools of the twin without any meter, and those whose GPUs have none."""
    told = []
    for pool, stands in twin.pools.items():
        seen = {one.component for one in series if one.pool == pool}
        if not seen:
            told.append(f"No machine of {pool} is metered: nothing of it is compared.")
        elif stands.gpus and not seen & {"gpu", "node"}:
            told.append(f"No GPU of {pool} is metered: only {', '.join(sorted(seen))} is compared.")
    return told


def _gaps(series: Iterable[Series], edges: Ints) -> list[str]:
    """What of the window is not known, of each series of a pool, and when."""
    told = []
    lengths = np.diff(edges).astype(np.float64)
    for one in series:
        share = float(one.known @ lengths / lengths.sum())
        if share < 1.0 - ROUNDING:
            when = _stretches(one.known < 1.0 - ROUNDING, edges)
            told.append(f"{one.name}: {100 * share:.1f} % of its device-time is known; some or all is missing {when}.")
    return told


def _stretches(flags: Flags, edges: Ints) -> str:
    since = (edges - edges[0]) * SECONDS_PER_NS
    bounds = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    found = [f"{since[a]:g} to {since[b]:g} s" for a, b in zip(bounds[::2], bounds[1::2], strict=True)]
    more = f" and {len(found) - MOST_NAMED} times more" if len(found) > MOST_NAMED else ""
    return "from " + ", ".join(found[:MOST_NAMED]) + more


def _named(names: Iterable[str]) -> str:
    every = list(names)
    more = len(every) - MOST_NAMED
    return ", ".join(every[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
