"""``results.plot``: the charts of a run's page one by one, for a notebook, a script or a slide."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from sim.report.chart import Chart
from sim.report.charts import cluster, gantt, parts, power, sankey, site
from sim.report.charts.distributions import latency
from sim.results.results import Results
from sim.validation import nearest

CARBON = {
    "component": "Carbon by component",
    "workload": "Carbon by workload",
}
ENERGY = {
    "component": "IT energy by component",
    "state": "IT energy by state",
}


@dataclass(frozen=True, eq=False)
class Plots:
    """Each method makes one ``Chart``: a notebook shows it, ``save`` writes it as a page or as Vega-Lite, and its
    ``header`` and ``rows`` are the numbers in it. Raises ``KeyError`` where the run has nothing of the kind, with what
    would give it.
    """

    results: Results

    def power(self) -> Chart:
        """Metered IT power over time by workload and state, kW, with its least and its peak.

        >>> import sim
        >>> sim.run("bloom-training").plot.power().title
        'IT power by workload'
        """
        return _there(power.power(self.results), "power over time: it used no energy, or took no time")

    def sankey(self) -> Chart:
        """Energy from its sources, by losses, cooling and idling, to what it was useful for, kWh.

        >>> import sim
        >>> sim.run("bloom-training").plot.sankey().header
        ('from', 'to', 'kWh', 'of all')
        """
        return _there(sankey.sankey(self.results), "flows: it used no energy")

    def latency(self, workload: str | None = None, *, of: str | None = None) -> Chart:
        """Latencies of a service against its objectives, s: its percentiles, or all of one of them (``of="ttft"``,
        ``"tpot"``, ``"e2e"``) where the run kept its requests (``outputs.requests: all``).

        ``workload`` may be left out where a run has one service.
        """
        names = [*(self.results.summary.get("serving") or {})]
        name = workload if workload is not None or len(names) != 1 else names[0]
        if name not in names:
            if not names:
                raise KeyError("this run has no services; give it a workload of the kind 'serving' or 'inference'")
            asked = f"; not '{name}'{nearest(name, names)}" if name is not None else "; name one"
            raise KeyError(f"its services are {', '.join(map(repr, names))}{asked}")
        found = {chart.name: chart for chart in latency(self.results)}
        kept = f"{'latency' if of is None else of.replace('_', '-')}-{names.index(name)}"
        remedy = "ask for requests with outputs.requests: all" if of else "no request was answered in it"
        return _there(found.get(kept), f"such latencies; {remedy}")

    def queue(self) -> Chart:
        """Jobs that wait and jobs that run, over time."""
        return _there(cluster.queue(self.results), "queue of jobs; give it a workload of the kind 'jobs'")

    def waits(self) -> Chart:
        """How long jobs waited, as a distribution, s."""
        return _there(cluster.waits(self.results), "queue of jobs; give it a workload of the kind 'jobs'")

    def slots(self) -> Chart:
        """Accelerator slots that jobs held over time, by pool, against all there are."""
        found = {chart.name: chart for chart in cluster.cluster_charts(self.results)}
        return _there(found.get("slots-held"), "slots held; give it a workload of the kind 'jobs'")

    def jobs(self) -> Chart:
        """Jobs on nodes over time (Gantt)."""
        return _there(
            gantt.gantt(self.results), "jobs with a beginning and an end; give it a workload of the kind 'jobs'"
        )

    def pue(self) -> Chart:
        """Facility over IT energy over time, by site."""
        return _there(site.pue(self._sites), "PUE that changes over time; kpi.pue of the summary is all there is")

    def intensity(self) -> Chart:
        """Carbon intensity of each site's grid over time, gCO2e/kWh."""
        return _there(site.intensity(self._sites), "intensity that changes over time; give site.grid.intensity a file")

    def water(self) -> Chart:
        """Water on site and where electricity is made, over time, L/h."""
        return _there(site.water(self._sites), "water; give site.water.wue or a plant, and site.water.ewif")

    def supply(self) -> Chart:
        """What the grid, and plant on the site, gave over time, kW."""
        return _there(site.supply(self._sites), "plant on its site; give it site.on_site")

    def carbon(self, by: str = "component") -> Chart:
        """Operational and embodied carbon by ``component`` or ``workload``, kg or t CO2e.

        >>> import sim
        >>> [row[0] for row in sim.run("bloom-training").plot.carbon().rows][:2]
        ['gpu', 'idle nodes']
        """
        return self._part(CARBON, by)

    def energy(self, by: str = "component") -> Chart:
        """IT energy by ``component`` or ``state``, kWh."""
        return self._part(ENERGY, by)

    def _part(self, titles: dict[str, str], by: str) -> Chart:
        if by not in titles:
            raise KeyError(f"by is one of {', '.join(map(repr, titles))}, and not '{by}'{nearest(by, titles)}")
        return _there(parts.carbon_parts(self.results.summary).get(titles[by]), "such parts above zero")

    @cached_property
    def _sites(self) -> site.Sites:
        found = site.sites_of(self.results)
        if isinstance(found, str):
            raise KeyError(found)
        return found


def _there(chart: Chart | None, what: str) -> Chart:
    if chart is None:
        raise KeyError(f"this run has no {what}")
    return chart
