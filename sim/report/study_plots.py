"""``study.plot``: the charts of a study's page one by one, for a notebook, a script or a slide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from sim.report.chart import Chart
from sim.report.charts.points import effects, heat, parallel, pareto
from sim.report.points import Parameter, Points, Result
from sim.report.study import fewer, front_of, widest
from sim.validation import nearest

if TYPE_CHECKING:
    from sim.study.sweep.finished import StudyResults

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class StudyPlots:
    """Each method makes one ``Chart`` of the points that are done: a notebook shows it, ``save`` writes it as a page
    or as Vega-Lite, and its ``header`` and ``rows`` are the numbers in it.

    Results are named by their columns, such as ``"carbon_kg.total"``; those that are not named are the ones that the
    study's page begins with. Parameters are named as the study or its page names them. Raises ``KeyError`` with the
    nearest names where there is none of that name, and with the reason where there is nothing to draw.
    """

    study: StudyResults

    def pareto(self, x: str | None = None, y: str | None = None) -> Chart:
        """All points by two results, with those that no other beats marked.

        >>> import sim
        >>> axes = {"site.facility.pue": [1.1, 1.4], "site.grid.intensity": ["30 gCO2e/kWh", "57 gCO2e/kWh"]}
        >>> study = sim.sweep({"name": "halls", "base": "bloom-training", "axes": axes}, workers=1)
        >>> chart = study.plot.pareto("carbon_kg.total", "energy_kwh.facility")
        >>> chart.header
        ('point', 'parameters', 'total carbon, kg', 'facility energy, kWh', 'front')
        >>> [row[0] for row in chart.rows if row[-1]]
        ['0']
        """
        across, up = self._two(x, y)
        points, front = fewer(self._points, front_of([across, up]))
        across, up = (_result(points, one.path) for one in (across, up))
        return pareto(points, across, up, front)

    def effects(self, result: str | None = None) -> Chart:
        """A tornado: the means of a result at the levels of each parameter over all else, the widest first.

        >>> import sim
        >>> axes = {"site.facility.pue": [1.1, 1.4], "site.grid.intensity": ["30 gCO2e/kWh", "57 gCO2e/kWh"]}
        >>> study = sim.sweep({"name": "halls", "base": "bloom-training", "axes": axes}, workers=1)
        >>> [row[0] for row in study.plot.effects("carbon_kg.total").rows]
        ['intensity', 'intensity', 'pue', 'pue']
        """
        found = effects(self._points, self._one(result), 0)
        if found is None:
            raise KeyError("this study varies nothing that has more than one level among the points that are done")
        return found

    def heat(self, result: str | None = None, x: str | None = None, y: str | None = None) -> Chart:
        """The mean of a result at each pair of levels of two parameters: those that move it most, if none is named.

        >>> import sim
        >>> axes = {"site.facility.pue": [1.1, 1.4], "site.grid.intensity": ["30 gCO2e/kWh", "57 gCO2e/kWh"]}
        >>> study = sim.sweep({"name": "halls", "base": "bloom-training", "axes": axes}, workers=1)
        >>> study.plot.heat("carbon_kg.total", x="site.grid.intensity").rows[0][:2]
        ('30 gCO2e/kWh', '1.1')
        """
        points, drawn = self._points, self._one(result)
        named = [_parameter(points, name) for name in (x, y) if name is not None]
        others = [one for one in widest(points, drawn) if all(one is not other for other in named)]
        pair = [*named, *others][:2]
        if len(pair) < 2 or pair[0] is pair[1]:
            raise KeyError("a heat map needs two parameters that have more than one level")
        across, up = pair
        if x is None and y is not None:
            across, up = up, across
        if x is None and y is None and len(up.levels) > len(across.levels):
            across, up = up, across
        return heat(points, drawn, across, up, 0)

    def parallel(self, *results: str) -> Chart:
        """A line a point through all parameters and some results, each from its least to its most.

        >>> import sim
        >>> axes = {"site.facility.pue": [1.1, 1.4], "site.grid.intensity": ["30 gCO2e/kWh", "57 gCO2e/kWh"]}
        >>> study = sim.sweep({"name": "halls", "base": "bloom-training", "axes": axes}, workers=1)
        >>> study.plot.parallel("carbon_kg.total").name
        'parallel'
        """
        drawn = [_result(self._points, path) for path in results] or self._points.goals()
        if not drawn or not self._points.varying:
            raise KeyError("this study varies no parameter or no result among the points that are done")
        points, front = fewer(self._points, front_of(drawn))
        return parallel(points, [_result(points, one.path) for one in drawn], front)

    @cached_property
    def _points(self) -> Points:
        points = Points.of(self.study.study, self.study.table())
        if not len(points.numbers):
            raise KeyError("no point of this study is done; its table says why")
        return points

    def _one(self, path: str | None) -> Result:
        if path is not None:
            return _result(self._points, path)
        found = self._points.goals()
        if not found:
            raise KeyError("no result of this study varies")
        return found[0]

    def _two(self, x: str | None, y: str | None) -> tuple[Result, Result]:
        named = [_result(self._points, path) if path is not None else None for path in (x, y)]
        others = [one for one in self._points.goals() if all(one is not other for other in named)]
        missing = named.count(None)
        if missing > len(others):
            raise KeyError("fewer than two results of this study vary; name both")
        first, second = (one if one is not None else others.pop(0) for one in named)
        return first, second


def _result(points: Points, path: str) -> Result:
    return _named(path, {one.path: one for one in points.results}, "result")


def _parameter(points: Points, name: str) -> Parameter:
    by_path = {path: one for one in points.varying for path in one.paths if len(one.paths) == 1}
    return _named(name, {**by_path, **{one.name: one for one in points.varying}}, "parameter that varies")


def _named(name: str, known: dict[str, T], what: str) -> T:
    if name not in known:
        raise KeyError(f"there is no {what} '{name}'{nearest(name, known)}; there are {_listed(known)}")
    return known[name]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
