"""Form EIA-930 as the EIA itself publishes it: the Grid Monitor's half-yearly tables, and its API's answers.

Both label an hour by its *end*: "the data for the hour ending 1:00 a.m. on August 1, 2019, is reported with a timestamp
of August 1, 2019, 1:00 a.m." (https://www.eia.gov/electricity/gridmonitor/about, Time Reporting; gridstatus 0.37.0,
``eia._handle_time``, reads the API's ``period`` so too). Where an authority was known to report the start instead, as
CAISO was until 16 June 2022 (singularity-energy/open-grid-emissions #300), ``stamps: start`` says so.

``EIA930_BALANCE_<year>_<half>.csv``: all authorities in one file, ``UTC Time at End of Hour`` beside a local one, and
``Net Generation (MW) from <fuel>``, each also ``(Imputed)`` and ``(Adjusted)``. The adjusted column, which is EIA's
after its own screening, is read where it is filled, else the reported one; hours in which something was imputed count
as estimated. From July 2024 pumped storage, batteries and hybrids have columns of their own (some with a double blank,
and one spelt "Solar witho Integrated Battery Storage (Adjusted)"); before, pumped storage is within hydropower.

API v2, ``electricity/rto/fuel-type-data``: ``response.data`` with ``period`` ("2024-01-01T05" is UTC;
"2024-01-01T00-05" local time with its offset), ``respondent``, ``fueltype``, ``value`` (a number or text) and
``value-units``, in any order. What storage gives back is not read as a fuel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from sim.errors import InputError
from sim.instants import epoch_ns, parse_moment
from sim.signals.csv_table import Table, Times
from sim.signals.gaps import Rows
from sim.signals.grid.cells import Collected, Selection, cell, number
from sim.signals.grid.generation import Generation
from sim.signals.grid.json_file import Answer, json_number
from sim.signals.grid.series import Terms
from sim.units import HOUR_NS

UTC_END, LOCAL_END = "UTC Time at End of Hour", "Local Time at End of Hour"
AUTHORITY = "Balancing Authority"
FUELS = {
    "coal": "coal",
    "natural gas": "gas",
    "nuclear": "nuclear",
    "all petroleum products": "oil",
    "petroleum": "oil",
    "hydropower and pumped storage": "hydro",
    "hydropower excluding pumped storage": "hydro",
    "solar": "solar",
    "solar without integrated battery storage": "solar",
    "solar witho integrated battery storage": "solar",
    "solar with integrated battery storage": "solar",
    "wind": "wind",
    "wind without integrated battery storage": "wind",
    "wind with integrated battery storage": "wind",
    "geothermal": "geothermal",
    "other fuel sources": "other",
    "unknown fuel sources": "other",
}
STORAGE = {"pumped storage", "battery storage", "other energy storage", "unknown energy storage"}
CODES = {
    "COL": "coal",
    "NG": "gas",
    "NUC": "nuclear",
    "OIL": "oil",
    "WAT": "hydro",
    "SUN": "solar",
    "SNB": "solar",
    "WND": "wind",
    "WNB": "wind",
    "GEO": "geothermal",
    "OTH": "other",
    "UNK": "other",
}
STORAGE_CODES = {"PS", "BAT", "OES", "UES"}
_COLUMN = re.compile(r"Net Generation \(MW\) from (.+?)(?: \((Imputed|Adjusted)\))?", re.IGNORECASE)
_US_TIME = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d\d)(?::(\d\d))?(?: ([AP])M)?", re.IGNORECASE)
_UTC_PERIOD = re.compile(r"\d{4}-\d\d-\d\dT\d\d(?::\d\d)?")


def is_own_table(table: Table) -> bool:
    """Whether a table is one of the Grid Monitor's, by its header."""
    return UTC_END in table.names or LOCAL_END in table.names


def own_rows(table: Table, terms: Terms) -> Generation:
    """The generation in a table of the Grid Monitor. Raises ``InputError`` with every fault."""
    columns = _columns(table)
    known = UTC_END in table.names
    name = UTC_END if known else LOCAL_END
    times = table.times(table.names.index(name), terms.labels)
    selection = Selection(table, terms.only, (AUTHORITY,))
    collected = Collected(table)
    back = 0 if terms.labels.stamps == "start" else HOUR_NS
    at_time = table.names.index(name)
    for line, row in table.rows():
        if not selection.takes(line, row):
            continue
        stamp = _instant(table, times, line, cell(row, at_time))
        read = {key: number(table, line, row, index) for key, index in columns.items()}
        values = {key: value for key, value in read.items() if key[1] != "imputed"}
        start = stamp - back if stamp is not None else None
        collected.add(line, start, list(values.values()), end=start + HOUR_NS if start is not None else None)
        collected.estimated += any(not np.isnan(value) for key, value in read.items() if key[1] == "imputed")
    table.raise_if_any()
    selection.raise_if_none()
    keys = [key for key in columns if key[1] != "imputed"]
    return _chosen(collected.rows(), keys)


def _columns(table: Table) -> dict[tuple[str, str], int]:
    """The columns of generation, by what EIA calls a source and which version of it they hold."""
    matches = {i: _COLUMN.fullmatch(" ".join(name.split())) for i, name in enumerate(table.names)}
    found = {(match[1].lower(), (match[2] or "reported").lower()): i for i, match in matches.items() if match}
    unknown = sorted({name for name, _ in found if name not in FUELS and name not in STORAGE})
    if unknown or not any(name in FUELS for name, _ in found):
        columns = ", ".join(table.names)
        what = (
            f"has unknown sources: {', '.join(unknown)}"
            if unknown
            else f"has no column 'Net Generation (MW) from ...' beside its hours; its columns are: {columns}"
        )
        raise InputError.one(table.file, what, line=1)
    return found


def _instant(table: Table, times: Times, line: int, text: str) -> int | None:
    match = _US_TIME.fullmatch(text)
    try:
        moment = _us_moment(match) if match else parse_moment(text)
    except (ValueError, OverflowError):
        table.complain(line, f"is no time like '01/31/2023 9:00:00 AM': {text[:60]!r}")
        return None
    return times.of(line, moment)


def _us_moment(match: re.Match[str]) -> datetime:
    month, day, year, hour, minute = (int(match[i]) for i in range(1, 6))
    if match[7]:
        if not 1 <= hour <= 12:
            raise ValueError
        hour = hour % 12 + (12 if match[7].upper() == "P" else 0)
    return parse_moment(datetime(year, month, day, hour, minute, int(match[6] or 0)).isoformat())


def _chosen(rows: Rows, keys: Sequence[tuple[str, str]]) -> Generation:
    """Of each source the adjusted column where any row fills it, else the reported one; storage apart."""
    values = dict(zip(keys, rows.values.T, strict=True))
    fuels, names, chosen = [], [], []
    stored = np.zeros(len(rows.starts_ns))
    for source in dict.fromkeys(name for name, _ in keys):
        versions = [values[source, version] for version in ("adjusted", "reported") if (source, version) in values]
        column = next((version for version in versions if not np.isnan(version).all()), versions[0])
        if source in STORAGE:
            stored += np.maximum(np.nan_to_num(column), 0.0)
        else:
            fuels.append(FUELS[source])
            names.append(source)
            chosen.append(column)
    kept = Rows(rows.file, rows.starts_ns, np.stack(chosen, axis=1), rows.lines, rows.ends_ns, estimated=rows.estimated)
    return Generation(kept, fuels, stored).named(names).of_reported()


def answer_rows(path: Path, terms: Terms) -> Generation:
    """The generation in an answer of API v2, in order of time. Raises ``InputError`` with every fault."""
    answer = Answer(path)
    answer.entries(("response.data", "data"), "period")
    if any(name not in ("respondent",) for name in terms.only):
        raise answer.refuse(f"is told apart by 'respondent' alone, and 'only' names {', '.join(terms.only)}")
    back = 0 if terms.labels.stamps == "start" else HOUR_NS
    found: dict[tuple[int, str], tuple[float, int]] = {}
    respondent = terms.only.get("respondent")
    names = ("period", "respondent", "fueltype", "value")
    for i, entry in answer.with_names(names, "'period', 'respondent', 'fueltype' and 'value'"):
        if "respondent" in terms.only and entry["respondent"] != respondent:
            continue
        respondent = str(entry["respondent"]) if respondent is None else respondent
        if entry["respondent"] != respondent:
            answer.complain(i, _other_respondent(str(entry["respondent"]), respondent))
            continue
        try:
            key, value = _entry(entry)
        except (ValueError, OverflowError) as error:
            answer.complain(i, str(error))
            continue
        if key in found and key[1] not in STORAGE_CODES and found[key][0] != value:
            answer.complain(i, f"gives {key[1]} of {entry['period']} again, and otherwise than entry {found[key][1]}")
        elif key in found and key[1] in STORAGE_CODES:
            found[key] = (np.nansum([found[key][0], value]), i)
        else:
            found.setdefault(key, (value, i))
    answer.raise_if_any()
    if not found:
        raise answer.refuse(f"has no row of respondent {respondent!r}")
    return _pivoted(answer, found, back)


def _other_respondent(other: str, first: str) -> str:
    return f"is of {other!r}, and the first of {first!r}: say which, with only: {{respondent: {first}}}"


def _entry(entry: Mapping[str, object]) -> tuple[tuple[int, str], float]:
    """The instant, code and value of an entry. Raises ``ValueError``."""
    units = entry.get("value-units", "megawatthours")
    if units != "megawatthours":
        raise ValueError(f"is in {units!r}, not in megawatthours")
    code = str(entry["fueltype"])
    if code not in CODES and code not in STORAGE_CODES:
        raise ValueError(f"is of an unknown fueltype {code!r}  (known: {', '.join(CODES)})")
    period = str(entry["period"])
    try:
        moment = parse_moment(period)
    except ValueError:
        raise ValueError(f"has a 'period' that is no hour such as '2024-01-01T05': {period[:60]!r}") from None
    if moment.tzinfo is None and not _UTC_PERIOD.fullmatch(period):
        raise ValueError(f"has a 'period' that is no hour such as '2024-01-01T05': {period[:60]!r}")
    instant = epoch_ns(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
    return (instant, code), json_number(entry["value"])


def _pivoted(answer: Answer, found: Mapping[tuple[int, str], tuple[float, int]], back: int) -> Generation:
    """One row an hour, one column a code, NaN where an hour lacks one."""
    hours = {instant: row for row, instant in enumerate(sorted({instant for instant, _ in found}))}
    codes = [code for code in CODES if any(code == own for _, own in found)]
    if not codes:
        raise answer.refuse("has storage alone, and no fuel")
    values = np.full((len(hours), len(codes)), np.nan)
    stored = np.zeros(len(hours))
    first = [0] * len(hours)
    for (instant, code), (value, i) in found.items():
        row = hours[instant]
        first[row] = i
        if code in STORAGE_CODES:
            stored[row] += max(value, 0.0) if not np.isnan(value) else 0.0
        else:
            values[row, codes.index(code)] = value
    starts = np.array(list(hours), dtype=np.int64) - back
    rows = Rows(
        file=answer.file,
        starts_ns=starts,
        values=values,
        lines=[answer.lines[i] for i in first],
        ends_ns=starts + HOUR_NS,
        paths=[answer.path(i) for i in first],
    )
    fuels = [CODES[code] for code in codes]
    return Generation(rows, fuels, stored).named(codes).of_reported()
