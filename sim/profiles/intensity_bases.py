"""On which basis carbon intensities are, and where results on both would be combined or held against each other.

Life-cycle intensities hold the making of fuels and plants, direct ones what leaves the stack: a difference between the
two is of the method as much as of the grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.errors import InputError
from sim.plain import as_list, as_mapping
from sim.profiles.catalog import Catalog
from sim.profiles.grids import Basis


def mixed_bases(bases: Mapping[str, Basis | None]) -> str | None:
    """What is wrong where intensities by name (of a site, say) are of both bases; None where they may be combined.

    One whose basis nobody stated, such as a constant, is taken at the user's word.

    >>> mixed_bases({"dallas": "direct", "paris": "life-cycle", "oslo": None})
    'combines life-cycle (paris) with direct (dallas) intensities; give all on one basis'
    """
    by_basis = {
        basis: sorted(name for name, own in bases.items() if own == basis) for basis in ("life-cycle", "direct")
    }
    if not all(by_basis.values()):
        return None
    said = " with ".join(f"{basis} ({', '.join(names)})" for basis, names in by_basis.items())
    return f"combines {said} intensities; give all on one basis"


def basis_of(written: Any, catalog: Catalog) -> Basis | None:
    """The basis of an intensity as plain data of a scenario; None of a quantity, and of what says none.

    >>> basis_of({"kind": "average", "region": "US-IA"}, Catalog()), basis_of("57 gCO2e/kWh", Catalog())
    ('direct', None)
    """
    if not isinstance(written, Mapping):
        return None
    if written.get("kind") == "average" and "region" in written:
        try:
            return catalog.region(str(written["region"]))[0].basis
        except InputError:  # of averages that lie elsewhere
            return None
    factors = written.get("factors")
    own: Basis | None = catalog.fuels(factors).basis if isinstance(factors, str) else written.get("basis")
    return own


def mixed_among(scenarios: Mapping[str, Mapping[str, Any]], catalog: Catalog) -> str | None:
    """What is wrong where runs, by name, whose resolved scenarios these are, count carbon on both bases.

    >>> mixed_among({"a": {"site": {"grid": {"intensity": {"kind": "average", "region": "FRA"}}}}}, Catalog())
    """
    bases: dict[str, Basis | None] = {}
    for name, scenario in scenarios.items():
        sites = scenario.get("sites") or {"": scenario.get("site") or {}}
        for place, site in sites.items():
            bases[f"{name} {place}".strip()] = basis_of((site.get("grid") or {}).get("intensity"), catalog)
    return mixed_bases(bases)


def mixed_along(axes: Mapping[str, Any], catalog: Catalog) -> Iterator[str]:
    """What is wrong where the intensities along an axis of a study, as it is written, are on both bases.

    >>> list(mixed_along({"site.grid.intensity": ["57 gCO2e/kWh", "380 gCO2e/kWh"]}, Catalog()))
    []
    """
    for path, values in _written(axes):
        name = path.rpartition("grid.intensity")[2].removeprefix(".")
        if path.endswith("grid.intensity") or path.endswith(f"grid.intensity.{name}"):
            bases = {str(_short(value)): _basis_at(name, value, catalog) for value in values}
            mixed = mixed_bases(bases)
            if mixed is not None:
                yield f"{path} {mixed}"


def unlike_points(axes: Mapping[str, Any], catalog: Catalog) -> list[str]:
    """Sentences on an axis along which carbon cannot be compared; none where it can."""
    return [f"carbon of these points cannot be compared: {mixed}" for mixed in mixed_along(axes, catalog)]


def _written(axes: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """The values of every path that a study varies one by one; ranges are of numbers, which have no basis."""
    for name, axis in axes.items():
        spec = as_mapping(axis) or {}
        values = as_list(axis) or as_list(spec.get("values"))
        if values:
            yield name, list(values)
        for path, zipped in (as_mapping(spec.get("zip")) or {}).items():
            yield path, list(as_list(zipped) or ())


def _basis_at(name: str, value: Any, catalog: Catalog) -> Basis | None:
    """The basis of an intensity of which one field is ``value``, or of ``value`` itself; None of what says none."""
    if name == "region":
        return basis_of({"kind": "average", "region": value}, catalog)
    return basis_of({name: value} if name else value, catalog)


def _short(value: Any) -> Any:
    """What a person calls a source of intensity."""
    written = as_mapping(value) or {}
    return next((written[name] for name in ("region", "file", "factors", "basis") if name in written), value)
