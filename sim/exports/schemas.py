"""JSON Schemas (draft 2020-12) of every file that this package writes about a run or a study, by name.

A schema of a JSON or YAML file is of the whole; that of a table (Parquet or CSV) is of one row as an object, a cell
without a value being null; that of OpenMetrics is of one sample: its name, labels and value. Units are in ``unit``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sim.errors import InputError
from sim.exports import codecarbon, ghg, sci, sci_ai
from sim.exports.tables import NEEDED, TABLES, Column
from sim.results.shape import summary_schema

Schema = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"
TEXT: Schema = {"type": "string"}
REAL: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
HASH: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
HASHES: Schema = {"type": "object", "additionalProperties": HASH}
TEXTS: Schema = {"type": "array", "items": TEXT}
INSTANT: Schema = {"type": "string", "format": "date-time"}
ANY: Schema = {"type": "object"}
GENERATOR: Schema = {"type": "string", "pattern": "^coldaisle "}


def _whole(title: str, properties: Schema, *, needed: tuple[str, ...] | None = None, open_to: Any = True) -> Schema:
    """An object; all of its properties are needed where none are named."""
    required = list(properties if needed is None else needed)
    return {
        "title": f"coldaisle {title}",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": open_to,
    }


def _column(column: Column) -> Schema:
    kinds: dict[str, Schema] = {"strings": TEXTS, "integers": {"type": "array", "items": WHOLE}}
    schema = dict(kinds.get(column.kind, {"type": [column.kind, "null"] if column.may_lack else column.kind}))
    return {**schema, "title": column.words, **({"unit": column.unit} if column.unit else {})}


def _table(name: str) -> Schema:
    words, columns = TABLES[name]
    needed = tuple(sorted(NEEDED.get(name, columns)))
    return _whole(
        f"{name}.parquet, a row: {words}",
        {column: _column(of) for column, of in columns.items()},
        needed=needed,
        open_to=False,
    )


def _draws() -> Schema:
    """Inputs are as drawn, and results under their paths in the summary."""
    columns: Schema = {"draw": WHOLE, "seed": WHOLE}
    return _whole("draws.parquet, a row: a draw and a seed", columns, open_to={"type": ["string", "number", "null"]})


def _points() -> Schema:
    columns: Schema = {
        "point": WHOLE,
        "replication": WHOLE,
        "seed": WHOLE,
        "status": TEXT,
        "error": {"type": ["string", "null"]},
        "scenario_sha256": {"type": ["string", "null"]},
    }
    more = {"type": ["string", "number", "boolean", "null"]}
    return _whole("points/*.parquet, a row: a point of a study", columns, open_to=more)


def _manifest() -> Schema:
    properties = {
        "scenario": TEXT,
        "seed": WHOLE,
        "scenario_sha256": HASH,
        "profiles_sha256": HASHES,
        "convention_sha256": HASHES,
        "factors_sha256": HASHES,
        "averages": {"type": "object", "additionalProperties": TEXT},
        "inputs_sha256": HASHES,
        "series": ANY,
        "versions": {"type": "object", "additionalProperties": TEXT},
        "kernels": {"type": "object", "additionalProperties": TEXT},
        "bin_chosen": TEXT,
        "repriced_from": HASH,
        "intervals_left_out": TEXT,
        "wall_s": {**REAL, "unit": "s"},
        "peak_memory_bytes": {**WHOLE, "unit": "bytes"},
        "files_sha256": HASHES,
    }
    optional = {"convention_sha256", "factors_sha256", "averages", "kernels", "bin_chosen", "repriced_from"}
    optional |= {"intervals_left_out"}
    return _whole("manifest.json", properties, needed=tuple(name for name in properties if name not in optional))


def _study() -> Schema:
    properties = {
        "name": TEXT,
        "description": TEXT,
        "study": ANY,
        "study_sha256": HASH,
        "build": TEXT,
        "points": WHOLE,
        "simulations": WHOLE,
        "statuses": {"type": "object", "additionalProperties": WHOLE},
        "axes": {"type": "object", "additionalProperties": TEXTS},
        "columns": {"type": "object", "additionalProperties": TEXT},
        "parts_sha256": HASHES,
    }
    return _whole("study.json", properties)


def _session() -> Schema:
    return _whole("session.json", {"seconds": REAL, "workers": WHOLE, "points": WHOLE, "simulated": WHOLE})


_ABOUT: Schema = {
    "generator": GENERATOR,
    "standard": TEXT,
    "scenario": TEXT,
    "start": INSTANT,
    "end": INSTANT,
}
_BOUNDARY = _whole(
    "boundary",
    {
        "sites": TEXTS,
        "workloads": TEXTS,
        "components": TEXTS,
        "building": TEXTS,
        "convention": TEXT,
        "not_modelled": TEXTS,
    },
)
_SOURCES = _whole(
    "sources",
    {
        "profiles_sha256": HASHES,
        "factors_sha256": HASHES,
        "averages": {"type": "object", "additionalProperties": TEXT},
        "inputs_sha256": HASHES,
        "scenario_sha256": HASH,
        "seed": WHOLE,
        "versions": ANY,
    },
)


def _sci() -> Schema:
    grams = {**REAL, "unit": "g"}
    terms = {
        "E_kwh": {**REAL, "unit": "kWh"},
        "I_g_per_kwh": {**REAL, "unit": "g/kWh"},
        "E_times_I_g": grams,
        "M_g": grams,
        "R_units": {**REAL, "exclusiveMinimum": 0},
    }
    properties = {
        **_ABOUT,
        "standard": {"const": sci.STANDARD},
        "sci_g_per_unit": grams,
        "functional_unit": TEXT,
        "terms": _whole("terms of the SCI", terms, open_to=False),
        "of_the_sci": _whole("parts", {"operational_g_per_unit": grams, "embodied_g_per_unit": grams}, open_to=False),
        "boundary": _BOUNDARY,
        "sources": _SOURCES,
    }
    return _whole("statement of SCI", properties)


def _sci_ai() -> Schema:
    grams = {**REAL, "unit": "g"}
    carbon = {"stage": TEXT, "workloads": TEXTS, "operational_g": grams, "embodied_g": grams, "carbon_g": grams}
    unit = _whole("functional unit", {"count": {**REAL, "exclusiveMinimum": 0}, "sci_g_per_unit": grams}, open_to=False)
    units = {"type": "object", "additionalProperties": unit}
    score = _whole("score", {**carbon, "functional_units": units, "not_covered": TEXTS}, open_to=False)
    properties = {
        **_ABOUT,
        "standard": {"const": sci_ai.STANDARD},
        sci_ai.CONSUMER: score,
        sci_ai.PROVIDER: score,
        sci_ai.APART: _whole("in neither score", carbon, open_to=False),
        "total_g": grams,
        "boundary": _BOUNDARY,
        "sources": _SOURCES,
    }
    needed = (*_ABOUT, "total_g", "boundary", "sources")
    schema = _whole("statement of SCI for AI", properties, needed=needed, open_to=False)
    return {**schema, "anyOf": [{"required": [persona]} for persona in (sci_ai.CONSUMER, sci_ai.PROVIDER)]}


def _codecarbon() -> Schema:
    needed = {"timestamp", "project_name", "run_id", "duration", "emissions", "energy_consumed", "pue"}
    numbers = {
        name: {"type": "number" if name in needed else ["number", "null"]}
        for name in codecarbon.COLUMNS
        if name.endswith(("_power", "_energy", "_consumed", "emissions", "_rate"))
        or name in ("duration", "pue", "wue", "gpu_count")
    }
    texts = {name: {"type": ["string", "null"]} for name in codecarbon.COLUMNS if name not in numbers}
    properties = {name: {**texts, **numbers}[name] for name in codecarbon.COLUMNS}
    properties |= {"timestamp": INSTANT, "pue": {"const": 1.0, "title": "the factor that the energies hold: none"}}
    return _whole("export to CodeCarbon, a row", properties, open_to=False)


def _ghg() -> Schema:
    properties = dict.fromkeys(ghg.Row._fields, TEXT)
    properties |= {name: {"type": ["number", "null"]} for name in ("value", "p05", "p95")}
    schema = _whole("table of the GHG Protocol, a row", properties, open_to=False)
    told = {"properties": {"note": {"minLength": 1}}}
    return {**schema, "if": {"properties": {"value": {"type": "null"}}}, "then": told}


def _impact() -> Schema:
    observation = _whole(
        "observation",
        {
            "timestamp": INSTANT,
            "duration": {**REAL, "unit": "s"},
            "energy-it": {**REAL, "unit": "kWh"},
            "carbon-embodied": {**REAL, "unit": "g"},
        },
        open_to=REAL,
    )
    pipeline = _whole("pipeline", {"compute": TEXTS}, open_to=False)
    inputs = {"type": "array", "items": observation, "minItems": 1}
    component = _whole("component", {"pipeline": pipeline, "inputs": inputs}, open_to=False)
    site = _whole("site", {"children": {"type": "object", "additionalProperties": component}}, open_to=False)
    properties = {
        "name": TEXT,
        "description": TEXT,
        "tags": ANY,
        "aggregation": _whole("aggregation", {"metrics": TEXTS, "type": {"const": "both"}}, open_to=False),
        "initialize": _whole("plugins", {"plugins": ANY}),
        "tree": _whole("tree", {"children": {"type": "object", "additionalProperties": site}}, open_to=False),
    }
    return _whole("manifest of the Impact Framework", properties, open_to=False)


def _openmetrics() -> Schema:
    properties = {
        "name": {"type": "string", "pattern": "^coldaisle_[a-zA-Z0-9_]+$"},
        "labels": {"type": "object", "additionalProperties": TEXT},
        "value": REAL,
        "timestamp": {"type": ["number", "null"], "unit": "s"},
    }
    return _whole("sample of OpenMetrics", properties, open_to=False)


def _perfetto() -> Schema:
    when = {**WHOLE, "minimum": 0, "unit": "us"}
    event = {
        "type": "object",
        "properties": {
            "ph": {"enum": ["M", "C", "X", "i"]},
            "name": TEXT,
            "pid": WHOLE,
            "tid": WHOLE,
            "ts": when,
            "dur": when,
        },
        "required": ["ph", "name", "pid"],
        "oneOf": [
            {"properties": {"ph": {"const": "M"}}, "required": ["tid", "args"]},
            {
                "properties": {"ph": {"const": "C"}, "args": {"type": "object", "additionalProperties": REAL}},
                "required": ["ts", "args"],
            },
            {"properties": {"ph": {"const": "X"}}, "required": ["tid", "ts", "dur"]},
            {"properties": {"ph": {"const": "i"}}, "required": ["tid", "ts", "s"]},
        ],
    }
    about = _whole(
        "run", {"generator": GENERATOR, "scenario": TEXT, "scenario_sha256": HASH, "start": INSTANT, "seed": WHOLE}
    )
    properties = {
        "otherData": about,
        "displayTimeUnit": {"enum": ["ms", "ns"]},
        "traceEvents": {"type": "array", "items": event},
    }
    return _whole("trace for Perfetto", properties, open_to=False)


def _crate() -> Schema:
    entity = {"type": "object", "properties": {"@id": TEXT}, "required": ["@id", "@type"]}
    return _whole("RO-Crate", {"@context": TEXT, "@graph": {"type": "array", "items": entity}}, open_to=False)


SCHEMAS: Mapping[str, Callable[[], Schema]] = {
    "summary": summary_schema,
    "manifest": _manifest,
    **{name: partial(_table, name) for name in TABLES},
    "draws": _draws,
    "study": _study,
    "session": _session,
    "points": _points,
    "codecarbon": _codecarbon,
    "impact-framework": _impact,
    "sci": _sci,
    "sci-ai": _sci_ai,
    "ghg": _ghg,
    "openmetrics": _openmetrics,
    "openmetrics-history": _openmetrics,
    "perfetto": _perfetto,
    "ro-crate": _crate,
}
"""What a run, a study and each export write; the scenario's own schema is in ``sim.spec.schema``."""


def schema_of(name: str) -> Schema:
    """The schema of a file by its name. Raises ``InputError`` that lists all of them."""
    if name not in SCHEMAS:
        raise InputError.one("schema", f"knows no '{name}'; there are scenario, {', '.join(SCHEMAS)}")
    return {"$schema": DRAFT, **SCHEMAS[name]()}
