"""Scaphandre's JSON export: a report a step, one behind the other, with powers in µW.

A report is ``{"host": {"consumption", "timestamp", ...}, "consumers": [...], "sockets": [{"id", "consumption",
"domains": [{"name", "consumption"}], "timestamp"}]}`` (src/exporters/json.rs of 1.0), with times in s since 1970. A
socket is RAPL's package; of its domains, ``dram`` lies beside it and the others within it. The host is RAPL's psys
where the machine has it, else the sum of sockets and DRAM (docs_src/explanations/host_metrics.md), so it is read only
where there are no sockets. The export lists only the first socket of a machine with several: a host that draws more
than the sockets and DRAM listed is said. Consumers share the host out and are left out. Its Prometheus metrics are read
with those of other exporters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from sim.measure.readers.gathering import Gathering
from sim.measure.readers.json_stream import opening, values
from sim.measure.readers.text import Text
from sim.measure.recording import Kind, Recording
from sim.plain import as_list, as_mapping, as_number, one_or_more, under
from sim.units import NS_PER_S

NAME = "Scaphandre JSON"

MICRO = 1e-6
LARGEST = 1e18
"""Of a number that is meant."""
MORE = 0.02
"""A host that draws more than its sockets by this share has what they do not."""

_REPORT = re.compile(r'\s*\[?\s*\{\s*"(host|consumers|sockets)"\s*:')


class _Sample(NamedTuple):
    line: int
    time_ns: int
    device: str
    kind: Kind
    watts: float


def fits(text: Text) -> bool:
    """Whether the file begins with a report of Scaphandre."""
    return _REPORT.match(opening(text)) is not None


def read(text: Text) -> Recording:
    """The recording in Scaphandre's reports. Raises ``InputError``."""
    cut = None if text.tail else text.cut  # no newline ends the last report: whether it is whole, its brackets say
    gathering = Gathering(Text(text.file, text.lines, cut=cut, damaged=text.damaged, zone=text.zone))
    hosts: list[_Sample] = []
    parts: list[_Sample] = []
    for line, value in values(text, gathering):
        for report in one_or_more(value):
            host, own = _report(line, report, gathering)
            hosts += host
            parts += own
    listed = sum(sample.watts for sample in parts)
    total = sum(sample.watts for sample in hosts)
    if parts and total > (1 + MORE) * listed:
        share = 100 * listed / total
        gathering.fault(
            f"the sockets and DRAM listed are {share:.0f} % of the host: the rest is RAPL's psys, or sockets that"
            " Scaphandre does not list (it lists the first only)"
        )
    if hosts and not parts:
        gathering.fault("has no sockets: the host, which is RAPL's psys or packages and DRAM, is read as the package's")
    for sample in parts or hosts:
        device = gathering.device(sample.device, sample.kind)
        gathering.add(sample.line, sample.time_ns, device, {"power_w": sample.watts})
    return gathering.recording({"format": "Scaphandre", "clock": "since 1970"})


def _report(line: int, found: Any, gathering: Gathering) -> tuple[list[_Sample], list[_Sample]]:
    """The host of a report; and its sockets with their DRAM."""
    report = as_mapping(found)
    if report is None:
        gathering.fault("is no report: it is no object", line=line)
        return [], []
    hosts = list(_samples(line, report.get("host"), "cpu-package", "cpu-package", gathering))
    parts: list[_Sample] = []
    for socket in as_list(report.get("sockets")) or ():
        name = str((as_mapping(socket) or {}).get("id", ""))[:20]
        parts += _samples(line, socket, f"cpu-package{name}", "cpu-package", gathering)
        for domain in as_list(under(socket, "domains")) or ():
            if under(domain, "name") == "dram":
                parts += _samples(line, domain, f"dram{name}", "dram", gathering)
    return hosts, parts


def _samples(line: int, found: Any, device: str, kind: Kind, gathering: Gathering) -> Iterator[_Sample]:
    """The sample that an object with a consumption is; a fault where it is none."""
    if found is None:
        return
    consumption, moment = as_number(under(found, "consumption")), as_number(under(found, "timestamp"))
    if consumption is None or moment is None or max(abs(consumption), abs(moment)) >= LARGEST:
        gathering.fault(f"has no consumption in µW at a time in s: {str(found)[:80]}", line=line, device=device)
        return
    yield _Sample(line, round(moment * 1e6) * (NS_PER_S // 1_000_000), device, kind, consumption * MICRO)
