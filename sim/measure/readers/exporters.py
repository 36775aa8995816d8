"""Prometheus exporters that meter power: what each metric measures, of which device, and what lies within what.

- NVIDIA's dcgm-exporter (default counters; dcgm_fields.h of DCGM 3.x): power in W, ``..._INSTANT`` (field 157) at the
  moment, the other (155) as NVML averages it; energy in mJ since the driver was loaded. ``Hostname`` is the name of the
  exporter's pod, so it changes at a restart, and a GPU that two exporters see is told by its ``UUID``. Instances of a
  MIG GPU (``GPU_I_ID``) have their board's power, energy, clocks and temperature: those count once, for the board. The
  memory they use adds up; their utilization is of a part of the board, and is left out.
- node_exporter's RAPL collector, in J; the export does not tell where counters start over.
- Kepler. Since 0.10 (docs/user/metrics.md) ``kepler_node_cpu_joules_total`` and ``_watts`` with a ``zone``: ``package``
  and ``dram`` are read, sums over a node's sockets that do not wrap; ``core``, ``pp0``, ``uncore`` and ``pp1`` lie
  within the package, and ``psys`` spans packages and more. ``kepler_node_gpu_*`` has ``gpu`` and ``gpu_uuid``. Before
  (pkg/metrics/consts of 0.7 to 0.9), ``kepler_node_{package,dram,gpu,platform}_joules_total`` with a ``mode``:
  ``dynamic`` and ``idle`` add up to all. Containers, pods, processes and VMs share the node's energy out, so they are
  left out.
- Scaphandre 1.0 (docs_src/references/metrics.md): µW and µJ. A socket is RAPL's package; of its domains ``dram`` lies
  beside it and the others within it. ``scaph_host_*`` is RAPL's psys, or else the sum of packages and DRAM, so it is
  read only where there are no sockets. Processes share the host's out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from sim.measure.readers.nvidia_smi import BYTES_PER_MIB
from sim.measure.recording import Kind

MICRO = 1e-6

RAPL_RANGES_J = (2**32 * 15.258e-6, 2**32 * 61.035e-6)
"""Where Linux lets RAPL's counters start over (``max_energy_range_uj``): 2^32 units of 2^-16 or 2^-14 J, cut to nJ."""


class Metric(NamedTuple):
    """A metric: whose it is, the kind of device, what it measures, and one of its unit in ours.

    ``parts`` names a label whose values add up to the whole, unless a series without it gives that. ``spans`` marks
    what covers other meters of the same exporter: it is read only where they are not there.
    """

    exporter: str
    kind: Kind
    measured: str
    unit: float
    parts: str = ""
    spans: bool = False


MIG = "GPU_I_ID"
"""The label that tells instances of one board apart."""


def _dcgm(measured: str, unit: float = 1.0, parts: str = "") -> Metric:
    return Metric("DCGM", "gpu", measured, unit, parts)


METRICS: dict[str, Metric] = {
    "DCGM_FI_DEV_POWER_USAGE_INSTANT": _dcgm("power_w"),
    "DCGM_FI_DEV_POWER_USAGE": _dcgm("power_w"),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": _dcgm("energy_j", 1e-3),
    "DCGM_FI_DEV_SM_CLOCK": _dcgm("sm_clock_mhz"),
    "DCGM_FI_DEV_MEM_CLOCK": _dcgm("memory_clock_mhz"),
    "DCGM_FI_DEV_GPU_UTIL": _dcgm("gpu_utilization", 0.01),
    "DCGM_FI_DEV_MEM_COPY_UTIL": _dcgm("memory_utilization", 0.01),
    "DCGM_FI_DEV_FB_USED": _dcgm("memory_used_bytes", BYTES_PER_MIB, parts=MIG),
    "DCGM_FI_DEV_GPU_TEMP": _dcgm("temperature_c"),
    "DCGM_FI_DEV_POWER_MGMT_LIMIT": _dcgm("power_limit_w"),
    "kepler_node_gpu_watts": Metric("Kepler", "gpu", "power_w", 1.0),
    "kepler_node_gpu_joules_total": Metric("Kepler", "gpu", "energy_j", 1.0, parts="mode"),
    "node_rapl_package_joules_total": Metric("node_exporter", "cpu-package", "energy_j", 1.0),
    "node_rapl_dram_joules_total": Metric("node_exporter", "dram", "energy_j", 1.0),
    "kepler_node_cpu_watts": Metric("Kepler", "cpu-package", "power_w", 1.0),
    "kepler_node_cpu_joules_total": Metric("Kepler", "cpu-package", "energy_j", 1.0),
    "kepler_node_package_joules_total": Metric("Kepler", "cpu-package", "energy_j", 1.0, parts="mode"),
    "kepler_node_dram_joules_total": Metric("Kepler", "dram", "energy_j", 1.0, parts="mode"),
    "kepler_node_platform_joules_total": Metric("Kepler", "node", "energy_j", 1.0, parts="mode"),
    "scaph_socket_power_microwatts": Metric("Scaphandre", "cpu-package", "power_w", MICRO),
    "scaph_socket_energy_microjoules": Metric("Scaphandre", "cpu-package", "energy_j", MICRO),
    "scaph_domain_power_microwatts": Metric("Scaphandre", "dram", "power_w", MICRO),
    "scaph_domain_energy_microjoules": Metric("Scaphandre", "dram", "energy_j", MICRO),
    "scaph_host_power_microwatts": Metric("Scaphandre", "cpu-package", "power_w", MICRO, spans=True),
    "scaph_host_energy_microjoules": Metric("Scaphandre", "cpu-package", "energy_j", MICRO, spans=True),
}
"""Of one exporter and quantity, the metric that is preferred stands first."""

WITHIN = (
    (
        re.compile(r"kepler_(container|pod|process|vm)_\w*(joules_total|watts)"),
        "share out what the node's meter counts",
    ),
    (re.compile(r"kepler_node_(core|uncore)_joules_total"), "lie within the package"),
    (re.compile(r"kepler_node_other_joules_total"), "are what the platform has beside the package and DRAM"),
    (re.compile(r"kepler_node_[cg]pu_(active|idle)_(joules_total|watts)"), "are parts of the node's total"),
    (re.compile(r"kepler_platform_watts"), "may lie within each other: a BMC lists supplies and sub-systems alike"),
    (re.compile(r"scaph_process_power_consumption_microwatts"), "share out what the host's meter counts"),
    (re.compile(r"scaph_host_rapl_psys_microjoules"), "span the sockets and more"),
)
"""Metrics of power and energy that would count something twice, and why."""

_ZONES: dict[str, Kind] = {"package": "cpu-package", "dram": "dram"}
_HOSTS = ("node", "node_name", "kubernetes_node", "nodename", "Hostname", "hostname", "exported_instance", "instance")
"""Labels that name the machine, before those that name what looks at it; a pod's name and an address come and go."""
_UUIDS = ("UUID", "gpu_uuid", "uuid")
_OF_THE_BOARD = ("power_w", "energy_j", "sm_clock_mhz", "memory_clock_mhz", "temperature_c", "power_limit_w")


class Meter(NamedTuple):
    """Where a series belongs: the device's kind, number, machine and UUID, each '' where the labels do not say."""

    kind: Kind
    number: str
    host: str
    uuid: str = ""
    model: str = ""


def within(metric: str) -> str | None:
    """Why a metric is left out that would count something twice; None for any other."""
    return next((why for pattern, why in WITHIN if pattern.fullmatch(metric)), None)


def meter(name: str, labels: Mapping[str, str]) -> Meter | str:
    """The meter that a series of a metric in ``METRICS`` is of; a text that says why, if it is left out."""
    metric = METRICS[name]
    host = _first(_HOSTS, labels)
    if metric.kind == "gpu":
        if labels.get(MIG) and metric.measured not in _OF_THE_BOARD and metric.parts != MIG:
            return "are of MIG instances, not of the board"
        index = labels.get("gpu") or labels.get("package", "")
        uuid = _first(_UUIDS, labels)
        return Meter("gpu", index or uuid, host, uuid, labels.get("modelName", ""))
    if name.startswith("kepler_node_cpu_"):
        zone = re.sub(r"-\d+$", "", labels.get("zone", "package"))
        kind = _ZONES.get(zone)
        why = "span the packages and more" if zone == "psys" else "lie within the package"
        return Meter(kind, "", host) if kind is not None else f"of zone '{zone}' {why}"
    if name.startswith("scaph_domain_") and labels.get("domain_name") != "dram":
        return f"of domain '{labels.get('domain_name', '')}' lie within the socket"
    if metric.exporter == "Scaphandre":
        return Meter(metric.kind, labels.get("socket_id", ""), host)
    if metric.exporter == "Kepler":
        return Meter(metric.kind, labels.get("package", "") if metric.kind != "node" else "", host)
    return Meter(metric.kind, labels.get("index") or re.sub(r".*:", "", labels.get("path", "")), host)


def wraps_at(name: str) -> tuple[float, ...]:
    """The J at which a counter may start over; empty for one that does not wrap."""
    return RAPL_RANGES_J if name.startswith(("node_rapl_", "scaph_")) else ()


def _first(names: tuple[str, ...], labels: Mapping[str, str]) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")
