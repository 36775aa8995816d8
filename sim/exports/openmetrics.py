"""A run as OpenMetrics text: every number of its summary by name, unit and labels; or its power over time, to backfill.

What is totalled per site, component, workload or state has that as a label, and not in its name. Names end in their
unit. The text holds to what OpenMetrics 1.0 and the older text format of Prometheus share, so that scrapers of either
read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from sim.exports.run import Run
from sim.results.catalogue import QUANTITIES
from sim.results.catalogue.quantity import Quantity
from sim.units import NS_PER_S, SECONDS_PER_NS

PREFIX = "coldaisle"
MARK = f"# HELP {PREFIX}_"
SUFFIXES = {
    "kWh": "kwh", "kg": "kg", "L": "litres", "s": "seconds", "W": "watts", "J": "joules", "kW": "kw",
    "kg/kWh": "kg_per_kwh", "L/kWh": "litres_per_kwh", "g": "grams",
}  # fmt: skip
"""The end of a name, by the unit of the catalogue; other units stand in the names already."""
WORDS = {
    r"_per_s(?=_|$)": "_per_second",
    r"gpu_hours(?=_|$)": "gpuhours",
    r"_gb(?=_|$)": "_gbytes",
    r"_count$": "_number",
    r"_total$": "_of_all",
}
"""What the rules of Prometheus for names take for a short form, for a counter, or for a part of a histogram."""
LABELS = {
    "serving": "service", "jobs": "workload", "batch": "workload", "split": "workload", "sites": "site",
    "by_component": "component", "overhead_by_component": "component", "by_workload": "workload",
    "embodied_by_workload": "workload", "by_state": "state", "operational_by_state": "state", "intervals": "quantity",
    "known_in_part": "quantity", "carbon_by_scope": "scope",
    "federated": "workload", "campaigns": "workload", "methods": "method", "onsite_by_use": "use", "routes": "route",
    "policies": "policy", "requests": "workload", "ttft_s": "workload", "e2e_s": "workload", "egress_cost": "currency",
}  # fmt: skip
"""What names of parts are called, by what holds them; those of others are called after it."""
MEASURED, PART = r"_(s|kwh|kg|l|w|gb|hours)$", "part"
"""What is called after a measure holds parts of it."""

BEFORE = {"of": "each", "to": "each", "for": "each", "by": "each", "while": "in each"}
"""What goes between the last word of a quantity that a name follows, and what is named."""

Labels = tuple[tuple[str, str], ...]


@dataclass
class Family:
    """A metric: its words, its unit as the name has it, and a value for each set of labels."""

    help: str
    unit: str = ""
    samples: list[tuple[Labels, float, int | None]] = field(default_factory=list)


@dataclass
class _Node:
    """A place in the catalogue: the quantity that stands there, and the places under it."""

    quantity: Quantity | None = None
    inner: dict[str, _Node] = field(default_factory=dict)


@cache
def _catalogue() -> _Node:
    root = _Node()
    for quantity in QUANTITIES:
        here = root
        for word in quantity.path.replace("[]", "*").split("."):
            here = here.inner.setdefault(word, _Node())
        here.quantity = quantity
    return root


def families(summary: Mapping[str, Any]) -> dict[str, Family]:
    """Every number of a summary, by metric; of a site's account under names with ``site``."""
    found: dict[str, Family] = {}
    for words, labels, quantity, value in _leaves(summary, _catalogue(), (), ()):
        _put(found, words, labels, quantity, value)
    for site, account in summary.get("sites", {}).items():
        for words, labels, quantity, value in _leaves(account, _catalogue(), (), (("site", site),)):
            _put(found, ("site", *words), labels, quantity, value)
    return found


def _leaves(
    tree: Any, node: _Node, words: tuple[str, ...], labels: Labels, by: str = ""
) -> Iterator[tuple[tuple[str, ...], Labels, Quantity, float]]:
    """Numbers of a tree that the catalogue knows, with the words and the labels on the way to them."""
    if isinstance(tree, Mapping | list):
        named = enumerate(tree) if isinstance(tree, list) else tree.items()
        for key, inner in named:
            known = node.inner.get(str(key))
            if known is not None and isinstance(tree, Mapping):
                yield from _leaves(inner, known, (*words, str(key)), (*labels, *_unit_of(known, tree)), str(key))
            elif "*" in node.inner:
                name = (
                    str(inner.get("name", key)) if isinstance(tree, list) and isinstance(inner, Mapping) else str(key)
                )
                label = (_label(by, labels), name)
                yield from _leaves(inner, node.inner["*"], words, (*labels, label), by)
    elif isinstance(tree, int | float) and node.quantity is not None:
        yield words, labels, node.quantity, float(tree)


def _unit_of(node: _Node, beside: Mapping[str, Any]) -> Labels:
    """The unit that a neighbour says, as a label."""
    quantity = node.quantity
    if quantity is None or not quantity.unit_in or quantity.unit_in not in beside:
        return ()
    return ((quantity.unit_in, str(beside[quantity.unit_in])),)


def _label(by: str, labels: Labels) -> str:
    name = LABELS.get(by, _name(by.removeprefix("by_").removesuffix("_gpu_hours")))
    name = PART if re.search(MEASURED, name) else name
    taken = {taken for taken, _ in labels}
    return name if name not in taken else f"{name}_{len(taken)}"


def _put(found: dict[str, Family], words: tuple[str, ...], labels: Labels, quantity: Quantity, value: float) -> None:
    suffix = SUFFIXES.get(quantity.unit, "")
    said = re.escape(quantity.unit.lower().replace("/", "_per_"))
    plain = [re.sub(rf"_{said}(?=_|$)", "", word) for word in words] if suffix else words
    name = _name("_".join([PREFIX, *plain, *filter(None, [suffix])]))
    for pattern, word in WORDS.items():
        name = re.sub(pattern, word, name)
    help_text = f"{_whole(quantity, labels)}{f', {quantity.unit}' if quantity.unit else ''}"
    family = found.setdefault(name, Family(help_text, suffix))
    family.samples.append((labels, value, None))


def _whole(quantity: Quantity, labels: Labels) -> str:
    """The words of a quantity; where a name would follow them, what the label is that has it: "of each workload"."""
    label = quantity.label
    if not quantity.path.endswith(".*") or not labels or label.endswith(labels[-1][0]):
        return label
    return f"{label} {BEFORE.get(label.rpartition(' ')[2], 'of each')} {labels[-1][0]}"


def _name(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", text)


def text_of(found: Mapping[str, Family]) -> str:
    """The families as text, each once, with its samples after its words; ends with the mark of the end."""
    lines: list[str] = []
    for name, family in found.items():
        lines += [f"# HELP {name} {_escaped(family.help)}", f"# TYPE {name} gauge"]
        lines += [f"# UNIT {name} {family.unit}"] if family.unit else []
        lines += [_sample(name, *sample) for sample in family.samples]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _sample(name: str, labels: Labels, value: float, second: int | None) -> str:
    shown = ",".join(f'{label}="{_escaped(word)}"' for label, word in labels)
    when = f" {second}" if second is not None else ""
    return f"{name}{f'{{{shown}}}' if shown else ''} {value!r}{when}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _info(run: Run) -> dict[str, Family]:
    labels = (
        ("scenario", run.name),
        ("scenario_sha256", str(run.results.manifest["scenario_sha256"])),
        ("seed", str(run.results.manifest["seed"])),
        ("generator", run.generator),
        ("start", run.start),
        ("end", run.end),
    )
    return {f"{PREFIX}_run": Family("A finished run, and what it was.", "", [(labels, 1.0, None)])}


def snapshot(run: Run) -> str:
    """Every number of the summary."""
    return text_of({**_info(run), **families(run.summary)})


def history(run: Run) -> str:
    """Mean power by time bin, at its beginning: W by site, pool, component, workload and state.

    ``promtool tsdb create-blocks-from openmetrics`` makes blocks of Prometheus from it. Bins that begin within a second
    are one sample, their mean, since Prometheus' stamps would else come twice. Only what drew anything is there.
    """
    ledger = run.results.energy
    starts_s, energy_j, seconds = _by_second(run.results.start_ns, ledger.edges_ns, ledger.energy_j)
    watts = energy_j / seconds
    family = Family("Mean power over a time bin from its beginning on.", "watts")
    for key, row in zip(ledger.keys, watts, strict=True):
        labels: Sequence[tuple[str, str]] = [
            ("scenario", run.name), ("site", key.site), ("pool", key.pool), ("hardware", key.hardware),
            ("component", key.component), ("workload", key.owner), ("state", key.state),
        ]  # fmt: skip
        if row.any():
            family.samples += [
                (tuple(labels), float(value), int(start)) for start, value in zip(starts_s, row, strict=True)
            ]
    return text_of({f"{PREFIX}_power_watts": family})


def _by_second(start_ns: int, edges_ns: Any, energy_j: Any) -> tuple[Any, Any, Any]:
    """Bins that begin in the same second as one: their beginnings in s since 1970, energies in J, lengths in s."""
    second = (edges_ns[:-1] + start_ns) // NS_PER_S
    first = np.flatnonzero(np.r_[True, np.diff(second) > 0])
    lengths_s = np.add.reduceat(np.diff(edges_ns), first) * SECONDS_PER_NS
    return second[first], np.add.reduceat(energy_j, first, axis=1), lengths_s
