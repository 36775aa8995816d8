"""A Grafana dashboard of the metrics in ``metrics``, as data: import the JSON, and choose the Prometheus it reads.

Form: Grafana's dashboard JSON model (schema version 39, Grafana 11), which later versions migrate when they load it.
"""

from __future__ import annotations

from typing import Any

from sim.exports.openmetrics import PREFIX

SCHEMA_VERSION = 39
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
NAME = f"{PREFIX}_follow"
CHOSEN = 'scenario="$scenario",pool=~"$pool"'
WHOLE = f'{CHOSEN},node=""'
COLUMNS = 24
DRIFT_WARNS, DRIFT_ALARMS = 0.05, 0.1
"""Where the colours of a drift begin to warn; tolerances of one's own are in the metric ``past_tolerance``."""


def dashboard() -> dict[str, Any]:
    """The dashboard as plain data."""
    panels = [
        _stat(
            "Drift of energy", f"{NAME}_drift_ratio{{{WHOLE}}}", "{{pool}}/{{component}}", "percentunit", (0, 0, 10, 5)
        ),
        _stat(
            "Past a tolerance", f'{NAME}_past_tolerance{{scenario="$scenario"}}', "{{scenario}}", "bool", (10, 0, 4, 5)
        ),
        _stat(
            "Since the last window ended",
            f'time() - {NAME}_window_end_timestamp_seconds{{scenario="$scenario"}}',
            "{{scenario}}",
            "s",
            (14, 0, 5, 5),
        ),
        _stat("Failed rounds", f'{NAME}_failed_rounds{{scenario="$scenario"}}', "{{scenario}}", "none", (19, 0, 5, 5)),
        _over_time(
            "Power, measured and of the twin",
            {
                "measured {{pool}}/{{component}}": f"{NAME}_measured_watts{{{WHOLE}}}",
                "twin {{pool}}/{{component}}": f"{NAME}_predicted_watts{{{WHOLE}}}",
            },
            "watt",
            (0, 5, COLUMNS, 9),
            "Means over each window, of the time and devices that meters know.",
        ),
        _over_time(
            "Drift of energy",
            {"{{pool}}/{{component}}": f"{NAME}_drift_ratio{{{WHOLE}}}"},
            "percentunit",
            (0, 14, 12, 8),
            "The twin's energy over the measured, less one: -16.7 % where a site draws a fifth more than its twin.",
        ),
        _over_time(
            "Known device-time",
            {"{{pool}}/{{component}}": f"{NAME}_known_ratio{{{WHOLE}}}"},
            "percentunit",
            (12, 14, 12, 8),
            "What is not known is left out of both sides, and is not 0 W.",
        ),
        _over_time(
            "Drift by node: the ten that drift most",
            {"{{node}}/{{component}}": f'topk(10, abs({NAME}_drift_ratio{{{CHOSEN},node!=""}}))'},
            "percentunit",
            (0, 22, COLUMNS, 8),
            "Against a pool's mean node: work need not be spread evenly.",
        ),
    ]
    return {
        "title": "coldaisle: a site and its twin",
        "uid": "coldaisle-follow",
        "description": "What coldaisle follow exports: power of a site and of its twin, and how far they are apart.",
        "tags": ["coldaisle", "energy"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "timezone": "browser",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {"list": _variables()},
        "annotations": {"list": []},
        "links": [],
        "panels": [{"id": number, **panel} for number, panel in enumerate(panels, 1)],
    }


def _variables() -> list[dict[str, Any]]:
    """What is chosen at the top: the Prometheus, the scenario, and its pools."""
    scenarios = f"label_values({NAME}_rounds, scenario)"
    pools = f'label_values({NAME}_known_ratio{{scenario="$scenario"}}, pool)'
    return [
        {
            "name": "datasource",
            "label": "Prometheus",
            "type": "datasource",
            "query": "prometheus",
            "hide": 0,
            "refresh": 1,
        },
        _variable("scenario", "Scenario", scenarios, several=False),
        _variable("pool", "Pool", pools, several=True),
    ]


def _variable(name: str, label: str, query: str, *, several: bool) -> dict[str, Any]:
    chosen = {"current": {"text": ["All"], "value": ["$__all"]}} if several else {}
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "multi": several,
        "includeAll": several,
        **chosen,
    }


def _targets(queries: dict[str, str], *, instant: bool) -> list[dict[str, Any]]:
    """Queries by their legends."""
    return [
        {
            "refId": chr(ord("A") + number),
            "datasource": SOURCE,
            "editorMode": "code",
            "expr": query,
            "legendFormat": legend,
            "instant": instant,
            "range": not instant,
        }
        for number, (legend, query) in enumerate(queries.items())
    ]


def _grid(place: tuple[int, int, int, int]) -> dict[str, int]:
    return dict(zip(("x", "y", "w", "h"), place, strict=True))


def _stat(title: str, query: str, legend: str, unit: str, place: tuple[int, int, int, int]) -> dict[str, Any]:
    """A number; of a drift with colours on both sides of 0, of what should be 0 with one above it."""
    drifts = unit == "percentunit"
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if drifts:
        steps = [
            {"color": "red", "value": None},
            {"color": "yellow", "value": -DRIFT_ALARMS},
            {"color": "green", "value": -DRIFT_WARNS},
            {"color": "yellow", "value": DRIFT_WARNS},
            {"color": "red", "value": DRIFT_ALARMS},
        ]
    elif unit in ("bool", "none"):
        steps.append({"color": "red", "value": 1})
    return {
        "type": "stat",
        "title": title,
        "datasource": SOURCE,
        "gridPos": _grid(place),
        "targets": _targets({legend: query}, instant=True),
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                **({"decimals": 1} if drifts else {}),
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": {
            "colorMode": "value",
            "graphMode": "none",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "auto",
        },
    }


def _over_time(
    title: str, queries: dict[str, str], unit: str, place: tuple[int, int, int, int], words: str
) -> dict[str, Any]:
    """Lines over time, which a gap interrupts."""
    return {
        "type": "timeseries",
        "title": title,
        "description": words,
        "datasource": SOURCE,
        "gridPos": _grid(place),
        "targets": _targets(queries, instant=False),
        "fieldConfig": {
            "defaults": {"unit": unit, "custom": {"drawStyle": "line", "lineWidth": 1, "spanNulls": False}},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }
