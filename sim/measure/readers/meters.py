"""Readings of exporters, put in order: which device each is of, and one series of each device and quantity.

A GPU is its UUID; without one it is its machine and its number. Whatever other labels change or differ, its series are
one (``series``). Where two metrics say the same of a device, one is read, by the order in ``exporters.METRICS``; where
two exporters meter the same kind of device, only the first is, since their names for machines need not agree.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sim.measure.readers.choosing import best_answered, named
from sim.measure.readers.exporters import METRICS, MIG, Meter, meter, wraps_at
from sim.measure.readers.gathering import Gathering, hashed
from sim.measure.readers.renamed import renamed
from sim.measure.readers.series import MEANS_APART, Series, put_together, series
from sim.units import MAX_NS

Labels = tuple[tuple[str, str], ...]

BLANK = 2.0**47
"""DCGM's value for what a GPU does not give (``DCGM_FP64_BLANK``); its other blanks are larger still."""

Device = tuple[str, ...]
"""What a device is told by: its kind and UUID, or its kind, machine and number."""


class Reading(NamedTuple):
    """A value of a metric at a moment, with the labels of its series; the line it stands in, 0 if none."""

    line: int
    time_ns: int
    metric: str
    labels: Labels
    value: float


class Row(NamedTuple):
    """What a device measured at a moment."""

    line: int
    time_ns: int
    device: str
    measured: dict[str, float]


class _Place(NamedTuple):
    device: Device
    metric: str
    part: str


def gather_meters(readings: Sequence[Reading], gathering: Gathering) -> list[Row]:
    """The rows of every device; what was left out or did not agree is told to ``gathering``."""
    by_series: dict[tuple[str, Labels], list[tuple[int, float, int]]] = {}
    by_labels: dict[tuple[str, int], list[tuple[int, float, int]]] = {}  # by the object: hashing them each time is slow
    for reading in readings:
        if not 0 <= reading.time_ns < MAX_NS:
            gathering.fault("its time lies before 1970 or after 2116", line=reading.line or None)
            continue
        value = math.nan if reading.value >= BLANK else reading.value * METRICS[reading.metric].unit
        samples = by_labels.get((reading.metric, id(reading.labels)))
        if samples is None:
            samples = by_series.setdefault((reading.metric, reading.labels), [])
            by_labels[reading.metric, id(reading.labels)] = samples
        samples.append((reading.time_ns, value, reading.line))
    meters = _renamed(_meters(by_series, gathering), by_series, gathering)
    devices = _devices(meters.values())
    names = _names(devices, meters.values())
    places: dict[_Place, list[tuple[Labels, Series]]] = {}
    for (metric, labels), own in meters.items():
        parts = METRICS[metric].parts
        place = _Place(devices[own], metric, dict(labels).get(parts, "") if parts else "")
        found, twice = series(by_series[metric, labels])
        if twice:
            gathering.fault(
                f"{metric} has two values at one time, {twice:,} times; the first was kept", device=names[place.device]
            )
        places.setdefault(place, []).append((labels, found))
        _make_known(names[place.device], own, metric, gathering)
    _tell_instances(meters, devices, gathering)
    together = {place: _together(place, names[place.device], own, gathering) for place, own in places.items()}
    whole = _with_parts(together, names, gathering)
    return _rows(_preferred(whole, names, gathering), names)


def _meters(
    by_series: Mapping[tuple[str, Labels], Sequence[object]], gathering: Gathering
) -> dict[tuple[str, Labels], Meter]:
    """The meter of each series that is read."""
    found: dict[tuple[str, Labels], Meter] = {}
    left_out: Counter[tuple[str, str]] = Counter()
    for metric, labels in by_series:
        own = meter(metric, dict(labels))
        if isinstance(own, str):
            left_out[metric, own] += 1
        else:
            found[metric, labels] = own
    for kind in dict.fromkeys(own.kind for own in found.values()):
        here = [key for key, own in found.items() if own.kind == kind]
        exporters = list(dict.fromkeys(name.exporter for key, name in METRICS.items() if key in {k for k, _ in here}))
        spans = all(METRICS[metric].spans for metric, _ in here)
        for metric, labels in here:
            if METRICS[metric].exporter != exporters[0]:
                left_out[metric, f"meter what {exporters[0]} meters too"] += 1
                del found[metric, labels]
            elif METRICS[metric].spans and not spans:
                left_out[metric, "span the sockets"] += 1
                del found[metric, labels]
            elif METRICS[metric].spans:
                gathering.fault(f"{metric} spans the sockets and DRAM, or RAPL's psys; it is read as the package's")
    for (metric, why), count in left_out.items():
        gathering.fault(f"left out: {count:,} series of {metric}, which {why}")
    return found


def _renamed(
    meters: dict[tuple[str, Labels], Meter],
    by_series: Mapping[tuple[str, Labels], Sequence[tuple[int, float, int]]],
    gathering: Gathering,
) -> dict[tuple[str, Labels], Meter]:
    """The meters with machines under the name that they had first; which are taken for one is told."""
    first = renamed(meters, by_series)
    for host, before in first.items():
        if any(own.host == host and not own.uuid for own in meters.values()):
            reason = f"goes on where '{before}' stops, with the same meters: taken for one machine under a new name"
            gathering.fault(f"'{host}' {reason}")
    return {key: own._replace(host=first.get(own.host, own.host)) for key, own in meters.items()}


def _devices(meters: Iterable[Meter]) -> dict[Meter, Device]:
    """What each meter's device is told by. One without a UUID is the only one with a UUID at its place, if any is."""
    distinct = set(meters)
    at_place: dict[Device, set[str]] = {}
    for own in distinct:
        if own.uuid:
            at_place.setdefault((own.kind, own.host, own.number), set()).add(own.uuid)
    found: dict[Meter, Device] = {}
    for own in distinct:
        place = (own.kind, own.host, own.number)
        uuids = {own.uuid} if own.uuid else at_place.get(place, set())
        found[own] = (own.kind, next(iter(uuids))) if len(uuids) == 1 else place
    return found


def _names(devices: Mapping[Meter, Device], meters: Iterable[Meter]) -> dict[Device, str]:
    """Kind and number; with the machine before it where there are several, and more where that is not enough."""
    first: dict[Device, Meter] = {}
    hosts: dict[Device, set[str]] = {}
    for own in meters:
        first.setdefault(devices[own], own)
        hosts.setdefault(devices[own], set()).add(own.host)
    one_machine = bool(set.intersection(*hosts.values())) if hosts else True
    short = {
        device: f"{own.kind}{own.number}" if one_machine else f"{own.host}/{own.kind}{own.number}"
        for device, own in first.items()
    }
    seen = Counter(short.values())
    return {
        device: name if seen[name] == 1 or not first[device].uuid else f"{name}-{hashed(first[device].uuid)[:6]}"
        for device, name in short.items()
    }


def _make_known(name: str, own: Meter, metric: str, gathering: Gathering) -> None:
    gathering.device(name, own.kind, model=own.model, serial=own.uuid, machine=own.host)
    if METRICS[metric].measured == "energy_j" and wraps_at(metric):
        gathering.counter_ranges_j[name] = wraps_at(metric)


def _tell_instances(
    meters: Mapping[tuple[str, Labels], Meter], devices: Mapping[Meter, Device], gathering: Gathering
) -> None:
    """By which rule MIG instances are read, in one line for all boards."""
    found = {(devices[own], dict(labels).get(MIG)) for (_, labels), own in meters.items() if dict(labels).get(MIG)}
    if found:
        boards = len({device for device, _ in found})
        where = f" on {boards:,} boards" if boards > 1 else ""
        reason = f"{len(found):,} MIG instances{where} share the board's meter: its power and energy count once"
        gathering.fault(reason)


def _together(place: _Place, device: str, sources: Sequence[tuple[Labels, Series]], gathering: Gathering) -> Series:
    """One series of a device and metric; where overlapping ones differ, that is told."""
    if len(sources) == 1:
        return sources[0][1]
    known = [own for _, own in sources if own.answered]
    if not known:
        return sources[0][1]
    found, apart = put_together(known, counts=METRICS[place.metric].measured == "energy_j")
    labels = [dict(labels) for labels, _ in sources]
    instances = len({one.get(MIG) for one in labels}) > 1  # they read their board's meter one after the other
    if apart is not None and not (instances and apart.means_apart <= MEANS_APART):
        differ = sorted({key for one in labels for key in one if any(other.get(key) != one[key] for other in labels)})
        times = f"has two values at one time, {apart.at_one_time:,} times," if apart.at_one_time else "disagrees"
        reason = (
            f"{place.metric} {times} between series that differ in {', '.join(differ)}; where they overlap their means"
            f" are {100 * apart.means_apart:.2g} % apart. The one with the most samples counts"
        )
        gathering.fault(reason, line=apart.line or None, device=device, time_ns=apart.time_ns)
    return found


def _with_parts(
    together: Mapping[_Place, Series], names: Mapping[Device, str], gathering: Gathering
) -> dict[tuple[Device, str], Series]:
    """Sums of metrics whose parts add up, at the moments that have all of them."""
    found: dict[tuple[Device, str], list[_Place]] = {}
    for place in together:
        found.setdefault((place.device, place.metric), []).append(place)
    result: dict[tuple[Device, str], Series] = {}
    for (device, metric), places in found.items():
        whole = next((place for place in places if not place.part), None)
        if whole is not None:
            result[device, metric] = together[whole]
            continue
        if len(places) == 1:
            reason = f"{metric} has only {METRICS[metric].parts} '{places[0].part}': the rest is not counted"
            gathering.fault(reason, device=names[device])
            result[device, metric] = together[places[0]]
            continue
        parts = [together[place] for place in places]
        times = parts[0].times
        for part in parts[1:]:
            times = np.intersect1d(times, part.times)
        at = [np.searchsorted(part.times, times) for part in parts]
        values = np.sum([part.values[here] for part, here in zip(parts, at, strict=True)], axis=0)
        result[device, metric] = Series(times, np.asarray(values, dtype=np.float64), parts[0].lines[at[0]])
    return result


def _preferred(
    whole: Mapping[tuple[Device, str], Series], names: Mapping[Device, str], gathering: Gathering
) -> dict[tuple[Device, str], Series]:
    """Series of each device and quantity: that of the preferred metric of those that answer it."""
    quantities: dict[tuple[Device, str], dict[str, Series]] = {}
    for (device, metric), own in whole.items():
        quantities.setdefault((device, METRICS[metric].measured), {})[metric] = own
    result: dict[tuple[Device, str], Series] = {}
    chosen: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for (device, quantity), metrics in quantities.items():
        order = [metric for metric in METRICS if metric in metrics]
        best = best_answered(order, {metric: own.answered for metric, own in metrics.items()})
        if best is None:
            gathering.fault(f"{' and '.join(order)} never gave a value", device=names[device])
            result[device, quantity] = metrics[order[0]]
            continue
        result[device, quantity] = metrics[best]
        if len(order) > 1:
            chosen.setdefault(tuple(order), {metric: [] for metric in order})[best].append(names[device])
    for by_metric in chosen.values():
        told = ", ".join(f"{metric} ({named(own) or 'none'})" for metric, own in by_metric.items())
        gathering.fault(f"each device is read from the first of these that it answers: {told}")
    return result


def _rows(found: Mapping[tuple[Device, str], Series], names: Mapping[Device, str]) -> list[Row]:
    rows: dict[tuple[Device, int], Row] = {}
    for (device, quantity), own in found.items():
        for time_ns, value, line in zip(own.times.tolist(), own.values.tolist(), own.lines.tolist(), strict=True):
            row = rows.setdefault((device, time_ns), Row(line, time_ns, names[device], {}))
            row.measured[quantity] = value
    return list(rows.values())
