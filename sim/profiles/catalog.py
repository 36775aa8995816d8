"""Finds profiles by name: the user's own folders first, then those shipped with the package."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args

from pydantic import Field

from sim.documents import Document, read_document
from sim.errors import InputError, Problem
from sim.later import later, meant
from sim.memo import kept_while_unchanged
from sim.profiles.machines.gpu import GPUProfile
from sim.profiles.machines.node import CPUProfile, NodeProfile
from sim.profiles.sourced import Profile
from sim.validation import nearest, validate

with later():
    from sim.profiles.conventions import ConventionProfile
    from sim.profiles.denoisers.network import DenoiserProfile
    from sim.profiles.grids import FuelsProfile, GridsProfile
    from sim.profiles.language_models.model import ModelProfile
    from sim.profiles.machines.device import DeviceProfile
    from sim.profiles.machines.failures import FailuresProfile
    from sim.profiles.machines.unit_factors import UnitsProfile
    from sim.profiles.methods import MethodProfile
    from sim.profiles.shared_gpu.slices import SlicesProfile
    from sim.profiles.stacks.denoising import DenoisingStackProfile
    from sim.profiles.stacks.serving import StackProfile
    from sim.profiles.stacks.training import TrainingStackProfile

if TYPE_CHECKING:
    from sim.profiles.grids import Region

_CLASSES: Mapping[str, type[Profile]] = {
    "gpu": GPUProfile,
    "cpu": CPUProfile,
    "node": NodeProfile,
    "device": DeviceProfile,
    "model": ModelProfile,
    "stack": StackProfile,
    "training-stack": TrainingStackProfile,
    "denoiser": DenoiserProfile,
    "denoising-stack": DenoisingStackProfile,
    "fuels": FuelsProfile,
    "grids": GridsProfile,
    "failures": FailuresProfile,
    "slices": SlicesProfile,
    "units": UnitsProfile,
    "method": MethodProfile,
    "convention": ConventionProfile,
}
"""The class of each kind of profiles, whose module is imported when one of them is read."""
Kind = TypeVar("Kind", bound=Profile)


MOST_LISTED = 60
"""Names that a message holds; of more, it says where they are."""


def shipped_folder(name: str) -> Path:
    """``hardware_profiles`` or ``scenarios``: beside ``sim`` in a checkout, inside it in an installed wheel."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "_shipped" / name
    return inside if inside.is_dir() else package.parent / name


@cache
def any_profile() -> Any:
    """What reads a profile of any kind, and says which there are."""
    return Annotated[Union[tuple(map(meant, _CLASSES.values()))], Field(discriminator="kind")]  # noqa: UP007 (of as many as there are)


@lru_cache(maxsize=256)
def _read(path: Path, _modified_ns: int) -> tuple[Profile | None, tuple[Problem, ...]]:
    document: Document = read_document(path)
    problems: list[Problem] = list(document.problems)
    # by the class of its kind: the checks of the others need not be made ready
    kind = _CLASSES.get(document.text("kind") or "")
    profile = validate(meant(kind) if kind is not None else any_profile(), document, problems=problems)
    if profile is not None and profile.name != path.stem:
        problems.append(document.problem(("name",), f"must be '{path.stem}', like the file"))
    return profile, tuple(problems)


def read_profile(path: Path) -> Profile:
    """One profile file. Raises ``InputError`` with every problem in it."""
    try:
        modified_ns = path.stat().st_mtime_ns
    except OSError as error:
        raise InputError.one(str(path), error.strerror or "cannot be read") from None
    profile, problems = _read(path, modified_ns)
    if problems or profile is None:
        raise InputError(problems)
    return profile


@kept_while_unchanged(most=64)
def listed(folder: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The YAML files that lie directly in a folder, and the folders, by name. Raises ``OSError``.

    A name that comes or goes changes the folder.
    """
    with os.scandir(folder) as scanned:
        entries = sorted(scanned, key=lambda entry: entry.name)
    files = tuple(folder / entry.name for entry in entries if entry.name.endswith(".yaml"))
    return files, tuple(folder / entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


def _yaml_files(folder: Path) -> Iterator[Path]:
    """Those at any depth; each run looks for them, and what nobody touched need not be read again."""
    with suppress(OSError):  # what cannot be looked into has none
        files, folders = listed(folder)
        yield from files
        for inner in folders:
            yield from _yaml_files(inner)


@dataclass(frozen=True)
class Catalog:
    """Profiles by name. ``folders`` are searched first to last; each holds YAML files, at any depth."""

    folders: tuple[Path, ...] = field(default_factory=lambda: (shipped_folder("hardware_profiles"),))

    def paths(self) -> Mapping[str, Path]:
        """File of every profile by name, in alphabetical order, as first looked for."""
        return self._found

    @cached_property
    def _found(self) -> Mapping[str, Path]:
        found: dict[str, Path] = {}
        for folder in self.folders:
            for path in sorted(_yaml_files(folder)):
                found.setdefault(path.stem, path)
        return dict(sorted(found.items()))

    @cached_property
    def _known(self) -> dict[tuple[str, type[Profile]], Any]:
        """Profiles already read: a catalog sees its files as they were when first asked for them."""
        return {}

    def with_profiles(self, *profiles: Profile) -> Catalog:
        """The same catalog with these in place of the profiles of their names and kinds."""
        other = Catalog(self.folders)
        other.__dict__["_found"] = self._found  # the same folders hold the same files
        other._known.update(self._known)
        other._known.update({(profile.name, type(profile)): profile for profile in profiles})
        other.__dict__["as_read"] = False
        return other

    @cached_property
    def as_read(self) -> bool:
        """Whether all of it stands in its folders, where another process can read it."""
        return True

    def path(self, name: str, kind: str | None = None) -> Path:
        """The file of one profile. Raises ``InputError`` with the nearest name (of that ``kind``, if one is given)."""
        paths = self.paths()
        if name not in paths:
            fitting = self._fitting(kind)
            listed = ", ".join(fitting) if len(fitting) <= MOST_LISTED else "coldaisle profiles lists them all"
            hint = f"{nearest(name, fitting)}  ({listed})"
            raise InputError.one("<profiles>", f"unknown profile '{name}'{hint}")
        return paths[name]

    def _fitting(self, kind: str | None) -> list[str]:
        """Names of a kind by the folder they lie in; all kinds of stacks lie in one, and are read to be told apart."""
        folder = kind.rpartition("-")[2] if kind is not None else None
        names = [name for name, path in self.paths().items() if folder in (None, *_folders(path))]
        return names if folder != "stack" else [name for name in names if self._says(name) == kind]

    def _says(self, name: str) -> str | None:
        """The kind that a profile says it is of; None if it cannot be read."""
        try:
            return self.read(name).kind
        except InputError:
            return None

    def read(self, name: str) -> Profile:
        """Any profile by name. Raises ``InputError``."""
        return read_profile(self.path(name))

    def _of_kind(self, name: str, kind: type[Kind]) -> Kind:
        kind = meant(kind)
        if (name, kind) not in self._known:
            (wanted,) = get_args(kind.model_fields["kind"].annotation)
            path = self.path(name, wanted)
            profile = read_profile(path)
            if not isinstance(profile, kind):
                allowed = ", ".join(self._fitting(wanted))
                raise InputError.one(str(path), f"is a {profile.kind} profile where a {wanted} is needed  ({allowed})")
            self._known[name, kind] = profile
        known: Kind = self._known[name, kind]
        return known

    def gpu(self, name: str) -> GPUProfile:
        """A GPU by name. Raises ``InputError``."""
        return self._of_kind(name, GPUProfile)

    def cpu(self, name: str) -> CPUProfile:
        """A CPU by name. Raises ``InputError``."""
        return self._of_kind(name, CPUProfile)

    def node(self, name: str) -> NodeProfile:
        """A node by name. Raises ``InputError``."""
        return self._of_kind(name, NodeProfile)

    def device(self, name: str) -> DeviceProfile:
        """A user's device by name. Raises ``InputError``."""
        return self._of_kind(name, DeviceProfile)

    def model(self, name: str) -> ModelProfile:
        """A language model by name. Raises ``InputError``."""
        return self._of_kind(name, ModelProfile)

    def stack(self, name: str) -> StackProfile:
        """A serving stack by name. Raises ``InputError``."""
        return self._of_kind(name, StackProfile)

    def training_stack(self, name: str) -> TrainingStackProfile:
        """A training stack by name. Raises ``InputError``."""
        return self._of_kind(name, TrainingStackProfile)

    def denoiser(self, name: str) -> DenoiserProfile:
        """A network that denoises, by name. Raises ``InputError``."""
        return self._of_kind(name, DenoiserProfile)

    def denoising_stack(self, name: str) -> DenoisingStackProfile:
        """A stack that runs such networks, by name. Raises ``InputError``."""
        return self._of_kind(name, DenoisingStackProfile)

    def failures(self, name: str) -> FailuresProfile:
        """A set of parts that fail by name. Raises ``InputError``."""
        return self._of_kind(name, FailuresProfile)

    def convention(self, name: str) -> ConventionProfile:
        """An accounting convention by name. Raises ``InputError``."""
        return self._of_kind(name, ConventionProfile)

    def slices(self, name: str) -> SlicesProfile:
        """The ways to cut a GPU by name. Raises ``InputError``."""
        return self._of_kind(name, SlicesProfile)

    def units(self, name: str) -> UnitsProfile:
        """How units of a model differ, by name. Raises ``InputError``."""
        return self._of_kind(name, UnitsProfile)

    def method(self, name: str) -> MethodProfile:
        """What a method was measured to change, by name. Raises ``InputError``."""
        return self._of_kind(name, MethodProfile)

    def fuels(self, name: str) -> FuelsProfile:
        """A set of factors of fuels by name. Raises ``InputError``."""
        return self._of_kind(name, FuelsProfile)

    def region(self, code: str) -> tuple[GridsProfile, Region]:
        """The averages that hold the region called ``code``, such as FRA or US-TX, and the region in them.

        Raises ``InputError`` with the nearest code, or the code of the region that is called so.
        """
        tables = [
            self._of_kind(name, GridsProfile) for name, path in self.paths().items() if path.parent.name == "grids"
        ]
        for table in tables:
            if code in table.regions:
                return table, table.regions[code]
        regions = {known: region.title for table in tables for known, region in table.regions.items()}
        meant = [
            known for known, title in regions.items() if code.casefold() in (title.casefold(), known[3:].casefold())
        ]
        near = f"; did you mean '{meant[0]}' ({regions[meant[0]]})?" if meant else nearest(code, regions)
        hint = f"{near}  (countries by ISO 3166-1 alpha-3, states of the US as US-TX)"
        raise InputError.one("<profiles>", f"unknown region '{code}'{hint}")


def read_gpu(name: str) -> GPUProfile:
    """A GPU profile by name, or by the path of its YAML file. Raises ``InputError``."""
    return _read_kind(name, GPUProfile)


def read_cpu(name: str) -> CPUProfile:
    """A CPU profile, likewise."""
    return _read_kind(name, CPUProfile)


def read_units(name: str) -> UnitsProfile:
    """A profile of how units differ, likewise."""
    return _read_kind(name, UnitsProfile)


def _read_kind(name: str, kind: type[Kind]) -> Kind:
    path, wanted = Path(name), kind.__name__.removesuffix("Profile")
    profile = read_profile(path if path.suffix == ".yaml" else Catalog().path(name, wanted.lower()))
    if not isinstance(profile, kind):
        raise InputError.one(name, f"is the profile of a {profile.kind}, not of a {wanted}")
    return profile


def _folders(path: Path) -> tuple[str, str]:
    """What a folder is called, and one thing in it."""
    return path.parent.name, path.parent.name.removesuffix("s")
