"""Puts the blocks of a trace together to one table of jobs, in the order of their submission."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sim.workload.jobs.cells import ABSENT, Floats, Ints
from sim.workload.jobs.columns import Columns
from sim.workload.jobs.table import COLUMNS, UNKNOWN, JobTable

REAL = ("gpu_w", "cpu_load", "recorded_j")


@dataclass
class Gathering:
    """Jobs of one file so far: parts of each column, and the names that stand behind the codes of its labels."""

    parts: list[Columns] = field(default_factory=list)
    codes: dict[str, dict[str, int]] = field(default_factory=dict)
    labels: list[dict[str, Ints]] = field(default_factory=list)
    ids: list[list[str]] = field(default_factory=list)

    def add(self, columns: Columns) -> None:
        """The jobs of one more block, all of which can be used."""
        said = {name: self._coded(name, texts, columns.nobody) for name, texts in columns.labels.items()}
        self.labels.append(said)
        self.ids.append(columns.job_id.to_pylist())
        self.parts.append(columns.without_texts())

    def _coded(self, name: str, texts: pa.Array, nobody: tuple[str, ...]) -> Ints:
        known = self.codes.setdefault(name, {})
        encoded = texts if pa.types.is_dictionary(texts.type) else pc.dictionary_encode(texts)
        words = encoded.dictionary.to_pylist()
        codes = [UNKNOWN if word is None or word in nobody else known.setdefault(word, len(known)) for word in words]
        indices = pc.fill_null(encoded.indices, len(words)).to_numpy(zero_copy_only=False)
        return np.asarray(np.array([*codes, UNKNOWN], dtype=np.int64)[indices])

    def table(self) -> tuple[JobTable, int, int]:
        """All jobs, times since the first was submitted; that instant in ns, and the last instant that there is."""
        submit = self._joined(part.submit for part in self.parts)
        order = np.argsort(submit, kind="stable")
        first = int(submit[order[0]])
        start, end, run = (
            self._joined(getattr(part, name) for part in self.parts)[order] for name in ("start", "end", "run")
        )
        last = max(int(values.max()) for values in (submit, start, end))
        present = {name for part in self.parts for name in part.numbers}
        numbers: dict[str, Any] = {name: self._number(name)[order] for name in COLUMNS if name in present}
        if "deadline_ns" in numbers:
            deadline = numbers["deadline_ns"]
            numbers["deadline_ns"] = np.where(deadline == ABSENT, UNKNOWN, deadline - first)
        labels: dict[str, Any] = {
            name: np.concatenate(
                [one.get(name, np.full(len(part), UNKNOWN)) for one, part in zip(self.labels, self.parts, strict=True)]
            )[order]
            for name in self.codes
        }
        ids = list(chain.from_iterable(self.ids))
        table = JobTable(
            submit_ns=submit[order] - first,
            run_ns=np.where(run == ABSENT, UNKNOWN, run),
            recorded_start_ns=np.where(start == ABSENT, UNKNOWN, start - first),
            recorded_end_ns=np.where(end == ABSENT, UNKNOWN, end - first),
            line=self._joined(part.line for part in self.parts)[order],
            job_id=[ids[row] for row in order.tolist()],
            names={name: tuple(codes) for name, codes in self.codes.items()},
            **numbers,
            **labels,
        )
        return table, first, last

    def _joined(self, parts: Iterable[Ints]) -> Ints:
        return np.concatenate(list(parts))

    def _number(self, name: str) -> Ints | Floats:
        fill = np.nan if name in REAL else UNKNOWN
        return np.concatenate([part.numbers.get(name, np.full(len(part), fill)) for part in self.parts])
