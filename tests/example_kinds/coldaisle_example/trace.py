"""A request trace of an office: CSV with the second of each request and its words, in and out."""

from __future__ import annotations

from sim.workload.trace_formats import TraceFormat, TraceRow, seconds, tokens


def _row(cell: dict[str, str], _seen: dict[str, str]) -> TraceRow:
    return TraceRow(
        seconds(cell["second"]), tokens(cell["words_in"], "words_in"), tokens(cell["words_out"], "words_out")
    )


OFFICE = TraceFormat("office", ("second", "words_in", "words_out"), _row)
