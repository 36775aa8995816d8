"""What can stand in the place of a part of a site: an average or a file for its grid, a fixed PUE for its plant."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from sim.documents import read_document
from sim.explore.control import Control
from sim.loading.scenario import shipped_scenarios
from sim.profiles.catalog import Catalog
from sim.profiles.grids import GridsProfile
from sim.spec.building import FixedPUE
from sim.spec.site import Place
from sim.validation import Spec

AS_IT_IS = ("", "as the scenario says")
PUE_STEP, LEAST_PUE, MOST_PUE = 0.01, 1.0, 3.0
EXAMPLE_PUE = 1.2
EWIF_STEP, MOST_EWIF = 0.02, 9.0
EXAMPLE_EWIF = 1.8
OF_NO_MIX = "The scenario takes it from its fuel mix; a grid without a mix needs a fixed one."
PUT_A_FILE = (
    "They come with the platform. A CSV file with the columns 'datetime_utc' and 'carbon_intensity' in this folder "
    "could be chosen, too."
)
FILE_READ = (
    "Files of this folder are read as the column 'carbon_intensity' in gCO2e/kWh by 'datetime_utc', laid by the "
    "calendar on the run."
)
SHIPPED_HOURS = {"dallas-on-ercot": "Texas (ERCOT), hours of each month of 2022"}
"""Shipped scenarios whose grid is one of hours that were recorded, and what those are."""


def instead(places: Mapping[str, Place], catalog: Catalog, files: Sequence[str]) -> Iterator[Control]:
    """Controls of what is taken as a whole, for each place by its path; ``files`` are series of a grid's intensity."""
    for path, place in places.items():
        _, _, name = path.partition(".")
        of = f" of {name}" if name else ""
        yield from _of_grid(f"{path}.grid.intensity", of, catalog, files)
        if not isinstance(place.facility, FixedPUE):
            yield Control(
                f"{path}.facility", f"PUE in place of the plant{of}", "number", "", usual=True, prices=True,
                number=EXAMPLE_PUE, low=LEAST_PUE, high=MOST_PUE, step=PUE_STEP, example=f"{EXAMPLE_PUE}",
                written="{kind: fixed-pue, pue: @}",
            )  # fmt: skip
        if isinstance(place.water.ewif, Spec):
            yield Control(
                f"{path}.water.ewif", f"Water at the power stations (EWIF), a fixed one{of}", "number", "", usual=True,
                prices=True, number=EXAMPLE_EWIF, unit="L/kWh", low=0.0, high=MOST_EWIF, step=EWIF_STEP,
                example=f"{EXAMPLE_EWIF} L/kWh", says=OF_NO_MIX,
            )  # fmt: skip


def _of_grid(path: str, of: str, catalog: Catalog, files: Sequence[str]) -> Iterator[Control]:
    about: dict[str, Any] = {"path": path, "kind": "choice", "value": "", "usual": True, "prices": True}
    averages = [(f"{{kind: average, region: {code}}}", words) for code, words in regions(catalog)]
    yield Control(label=f"Grid: average of a region{of}", choices=(AS_IT_IS, *averages), **about)
    series = [
        (f"{{kind: series, file: {json.dumps(file)}, unit: 1 gCO2e/kWh, repeat: calendar}}", file) for file in files
    ]
    said = FILE_READ if files else PUT_A_FILE
    yield Control(
        label=f"Grid: hours of a file{of}", says=said, choices=(AS_IT_IS, *_shipped_hours(), *series), **about
    )


@cache
def _shipped_hours() -> tuple[tuple[str, str], ...]:
    """Grids of hours that ship, as a scenario elsewhere would name them, with words for each."""
    shipped = shipped_scenarios()
    grids = [(read_document(shipped[name]), shipped[name].parent, words) for name, words in SHIPPED_HOURS.items()]
    return tuple(
        (json.dumps({**intensity, "file": str(folder / intensity["file"])}), words)
        for document, folder, words in grids
        for intensity in [document.mapping("site", "grid", "intensity")]
    )


def profiles(catalog: Catalog, folder: str) -> list[str]:
    """The names of the profiles of a folder."""
    return [name for name, path in catalog.paths().items() if path.parent.name == folder]


def regions(catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Codes of regions of which an average is known, with their names and years."""
    for name in profiles(catalog, "grids"):
        table = catalog.read(name)
        if isinstance(table, GridsProfile):
            yield from ((code, f"{region.title} ({code}, {region.year})") for code, region in table.regions.items())
