"""Records of compiled code: the compiler knows them by their names, whichever kernel they are of."""

from __future__ import annotations

from collections import Counter
from importlib import import_module

from sim.engine.serving.compiled import type_of
from sim.engine.serving.layout import Record

KERNELS = ("sim.engine.serving.records", "sim.engine.fleet.records", "sim.engine.fleet.metering_records")


def test_no_two_records_are_taken_for_each_other() -> None:
    for module in KERNELS:
        import_module(module)
    names = Counter(str(type_of(one)) for one in Record.__subclasses__())  # type: ignore[arg-type]
    assert [name for name, count in names.items() if count > 1] == []
    assert len({one.__name__ for one in Record.__subclasses__()}) < len(names), "two kernels have one of the same name"
