"""An uncertain scenario as a function of its inputs: from draws to checked variants, and from these to results.

A draw that a scenario cannot have (a power below zero, a PUE below 1) is refused by the scenario's own checks and drawn
again, so that distributions are truncated to what is possible; ``refused`` counts them. A draw that only prices is
never simulated again: variants with one simulation key share a ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sim.documents import Document, Place
from sim.errors import InputError, Problem, RunError
from sim.loading.scenario import Loaded
from sim.loading.variants import Variants
from sim.plain import as_whole, nested
from sim.profiles.catalog import Catalog
from sim.profiles.machines.gpu import GPUPower, GPUProfile
from sim.profiles.machines.node import NodeProfile
from sim.profiles.sourced import Embodied
from sim.quantities import Quantity
from sim.rng import Streams
from sim.running.run import environmental, simulated
from sim.running.simulation import Simulated
from sim.spec.scenario import Scenario
from sim.spec.uncertainty import (
    EMBODIED,
    PROFILES,
    Distribution,
    Uncertainty,
    number_and_unit,
)
from sim.study.points import Keys
from sim.study.uncertain import distributions as laws
from sim.study.uncertain.inputs import Changes, Input, with_value
from sim.study.uncertain.methods import factors_of
from sim.study.uncertain.profile_ranges import ranges_used
from sim.study.uncertain.spec_distributions import quantile_of

Floats = npt.NDArray[np.float64]
DIGITS = 12
PLACE = Place("uncertainty", None)


@dataclass(frozen=True)
class ByPath(Input):
    """A number of the scenario, written in ``unit``."""

    path: str
    unit: str
    whole: bool
    quantile: laws.Quantile

    def draw(self, scores: Floats, into: Changes) -> None:
        """As one writes it."""
        into.values[self.path] = self.written(float(scores[0]))

    def shown(self, scores: Floats) -> list[Any]:
        """As written at each of ``scores``."""
        return [str(self.written(score)) for score in scores.tolist()]

    def written(self, score: float) -> Any:
        """The value as one writes it in a scenario."""
        value = float(self.quantile(laws.shares(np.array([score])))[0])
        if self.whole and value.is_integer():
            return int(value)
        return f"{value:.{DIGITS}g} {self.unit}" if self.unit else float(f"{value:.{DIGITS}g}")


@dataclass(frozen=True)
class FromRanges(Input):
    """Embodied carbon of every profile, at one place of their ranges."""

    nodes: tuple[NodeProfile, ...]
    gpus: tuple[GPUProfile, ...]

    path = EMBODIED

    def draw(self, scores: Floats, into: Changes) -> None:
        """The central value of every profile."""
        hardware: tuple[NodeProfile | GPUProfile, ...] = (*self.nodes, *self.gpus)
        for profile in hardware:
            into.profile(profile, "embodied", _embodied(profile.embodied, laws.shares(scores)))


def _embodied(known: Embodied, share: Floats) -> Embodied:
    low, central, high = (float(known.low.value), float(known.central.value), float(known.high.value))
    grams = float(laws.triangular(low, central, high)(share)[0])
    grams = min(max(grams, low), high)
    drawn = known.central.model_copy(update={"value": Quantity.of(grams, f"{grams!r} g"), "low": None, "high": None})
    return known.model_copy(update={"central": drawn})


@dataclass(frozen=True)
class Calibrated(Input):
    """The constants of one calibration, jointly normal about what was fitted."""

    path: str
    gpu: GPUProfile
    constants: tuple[str, ...]
    mean: Floats
    root: Floats

    @property
    def columns(self) -> tuple[str, ...]:
        """One score a constant: independent, and mixed by the root of the covariance."""
        return tuple(f"{self.path}.{name}" for name in self.constants)

    def draw(self, scores: Floats, into: Changes) -> None:
        """The power of the profile. Raises ``InputError`` where no GPU could be so."""
        values = dict(zip(self.constants, (self.mean + self.root @ scores).tolist(), strict=True))
        power = self.gpu.power
        if any(value < 0.0 for value in values.values()):
            raise InputError.one(PLACE.file, "a constant below zero", path=self.path)
        drawn = power.model_copy(
            update={n: _sourced(power, n, v) for n, v in values.items() if "/" not in n and n != "byte"}
        )
        flops = dict(power.energy_per_flop)
        for name, value in values.items():
            if name.startswith("flop/"):
                precision: Any = name.removeprefix("flop/")
                flops[precision] = with_value(flops[precision], value)
        changed: dict[str, Any] = {"energy_per_flop": flops}
        if "byte" in values:
            changed["energy_per_byte"] = with_value(power.energy_per_byte, values["byte"])
        drawn = drawn.model_copy(update=changed)
        if not drawn.idle.value <= drawn.loaded.value < self.gpu.tdp.value:
            raise InputError.one(PLACE.file, "needs idle <= loaded < tdp", path=self.path)
        into.profile(self.gpu, "power", drawn)


def _sourced(power: GPUPower, name: str, value: float) -> Any:
    return with_value(getattr(power, name), value)


Group = tuple[tuple[str, ...], float | Literal["comonotone"]]


class UncertainScenario:
    """A scenario with its uncertain inputs. Raises ``InputError`` for a distribution that does not fit it."""

    def __init__(self, loaded: Loaded) -> None:
        spec = loaded.scenario.uncertainty
        if spec is None:
            message = "required: which numbers are uncertain, by what distribution"
            raise InputError([loaded.document.problem(("uncertainty",), message)])
        data = {name: value for name, value in loaded.document.data.items() if name != "uncertainty"}
        self.spec: Uncertainty = spec
        self.seed = loaded.scenario.seed
        self._loaded = loaded
        self._variants = Variants(Document(data, loaded.document.places), loaded.source, {})
        self._keys = Keys()
        self._runs: dict[str, Simulated] = {}
        problems: list[Problem] = []
        inputs = [self._input(path, law, problems) for path, law in spec.over.items()]
        if problems:
            raise InputError(problems)
        self.inputs: tuple[Input, ...] = tuple(one for one in inputs if one is not None)
        self.columns = tuple(column for one in self.inputs for column in one.columns)
        self.groups: tuple[Group, ...] = tuple((tuple(group.paths), group.correlation) for group in spec.groups)

    def _input(self, path: str, law: Distribution, problems: list[Problem]) -> Input | None:
        def problem(message: str) -> None:
            problems.append(self._loaded.document.problem(("uncertainty", "over", path), message))

        if law.kind == "from-profiles" and path.startswith(PROFILES):
            return ranges_used(path, self._loaded.answers, problem)
        if law.kind == "from-profiles" and path != EMBODIED:
            return factors_of(path, self._loaded.answers, problem)
        if law.kind == "from-profiles":
            return _from_ranges(self._loaded.scenario, self._loaded.catalog, problem)
        if law.kind == "calibration":
            return _calibrated(path, self._loaded.scenario, self._loaded.catalog, problem)
        growth = self._loaded.scenario.growth
        grown = {number.path: name for name, number in growth.numbers.items()} if growth is not None else {}
        if path in grown:
            problem(f"is decided by growth: give growth.numbers.{grown[path]}.now, or its laws, a distribution")
            return None
        written, unit, centre = self._variants.base(path), law.unit, law.centre
        lost = self._leads_nowhere(path) if written is None else None
        if lost is not None:
            problem(lost)
            return None
        try:
            own = number_and_unit(written)
        except ValueError:  # a word, such as a kind
            own = None
        if nested(written):
            problem("is no single number in this scenario")
            return None
        if own is None and centre is None:
            problem("the scenario has no number there to lie around; give the distribution its own")
            return None
        if own is not None and centre is None and unit is not None and unit != own[1]:
            problem(f"must be in the scenario's own unit '{own[1]}', or give its own mean, median or mode")
            return None
        own = own or (0.0, "")
        try:
            quantile = quantile_of(law, own[0] if centre is None else number_and_unit(centre)[0])
        except ValueError as error:
            problem(str(error))
            return None
        return ByPath(path, own[1] if unit is None else unit, as_whole(written) is not None, quantile)

    def _leads_nowhere(self, path: str) -> str | None:
        """What a scenario says of a name that it does not know."""
        try:
            self._variants.at({path: 1}, {path: PLACE})
        except InputError as error:
            said = [one.message for one in error.problems if one.path == path]
            return next((text for text in said if text.startswith(("unknown name", "nothing has a"))), None)
        return None

    def scores(self) -> Mapping[str, Floats]:
        """Normal scores of every column, shape (draws,): the same for every scenario of this seed that shares it."""
        names, spec = self.columns, self.spec
        return laws.joint(Streams(self.seed), names, spec.draws, spec.design, self.groups)

    def drawn(self) -> tuple[Floats, int]:
        """Scores that the scenario accepts, shape (draws, columns), and how many draws of an input it refused.

        An input is judged with the others as the scenario has them; what only two together make impossible ends a run.
        """
        found = self.scores()
        scores = np.stack([found[name] for name in self.columns], axis=1)
        impossible = [i for i, row in enumerate(scores) if not self.possible(row)]
        refused = 0
        for members, correlation in (*self.groups, *self._alone()) if impossible else ():
            held = [self.columns.index(name) for name in members]

            def valid(row: Floats, held: list[int] = held) -> bool:
                whole = np.zeros(len(self.columns))
                whole[held] = row
                return self.possible(whole, {self.columns[i] for i in held})

            def again(rng: np.random.Generator, held: list[int] = held, rho: Any = correlation) -> Floats:
                fresh = rng.standard_normal((1, len(held)))
                return np.asarray((laws.correlate(fresh, rho) if rho is not None else fresh)[0])

            rng = Streams(self.seed)(f"uncertainty/{members[0]}/again")
            try:
                kept, more = laws.redrawn(scores[np.ix_(impossible, held)], valid, again, rng)
            except ValueError as error:
                raise RunError(f"{', '.join(members)}: {error}; is the distribution in the right unit?") from None
            scores[np.ix_(impossible, held)] = kept
            refused += more
        return scores, refused

    def possible(self, scores: Floats, only: set[str] | None = None) -> bool:
        """Whether the scenario can be so; ``only`` as in ``at``."""
        try:
            self.at(scores, only=only)
        except InputError:
            return False
        return True

    def _alone(self) -> list[tuple[tuple[str, ...], None]]:
        together = {path for members, _ in self.groups for path in members}
        return [(one.columns, None) for one in self.inputs if one.path not in together]

    def at(self, scores: Floats, seed: int | None = None, only: set[str] | None = None) -> Loaded:
        """The scenario with its inputs at ``scores`` (columns,). Raises ``InputError`` where it cannot be so.

        With ``only``, the other inputs stay as the scenario has them.
        """
        drawn = Changes()
        where = 0
        for one in self.inputs:
            own = scores[where : where + len(one.columns)]
            where += len(one.columns)
            if only is not None and not set(one.columns) & only:
                continue
            one.draw(own, drawn)
        if seed is not None:
            drawn.values["seed"] = seed
        loaded = self._variants.at(drawn.values, dict.fromkeys(drawn.values, PLACE))
        if not drawn.profiles:
            return loaded
        return loaded.with_catalog(loaded.catalog.with_profiles(*drawn.profiles.values()))

    def summary(self, scores: Floats, seed: int | None = None) -> dict[str, Any]:
        """What a draw comes to: simulated only where no draw before has made its ledger."""
        loaded = self.at(scores, seed)
        run = self._run(loaded)
        return {**environmental(run, loaded), **run.activity}

    def know(self, run: Simulated, loaded: Loaded) -> None:
        """A run already made, of the scenario as it stands."""
        plain = self._variants.at({}, {})
        if plain.scenario.seed == loaded.scenario.seed:
            self._runs[self._keys.of(plain)] = run

    def to_simulate(self, scores: Floats, seeds: list[int]) -> int:
        """How many simulations all draws under all seeds need beyond those already made."""
        needed = {self._keys.of(self.at(score, seed)) for seed in seeds for score in scores}
        return len(needed - self._runs.keys())

    def key(self, scores: Floats) -> str:
        """Key of the simulation that a draw needs, under the scenario's own seed: draws of one key share it."""
        return self._keys.of(self.at(scores))

    @property
    def can_travel(self) -> bool:
        """Whether another process would read the same scenario and profiles from the same files."""
        catalog = self._loaded.catalog
        return catalog.as_read and catalog.folders == self._variants.catalog.folders

    def seeds(self) -> list[int]:
        """Seeds of the simulation: the scenario's own, and further ones from a stream of it."""
        more = Streams(self.seed)("uncertainty/seeds").integers(2**62, size=self.spec.seeds - 1)
        return [self.seed, *map(int, more)]

    def _run(self, loaded: Loaded) -> Simulated:
        key = self._keys.of(loaded)
        run = self._runs.pop(key, None)
        if run is None:
            run = simulated(loaded)
        self._runs[key] = run  # last in, first to stay
        while len(self._runs) > 2:
            del self._runs[next(iter(self._runs))]
        return run


def _from_ranges(scenario: Scenario, catalog: Catalog, problem: Any) -> FromRanges | None:
    spec = scenario.accounting.embodied
    if spec.nodes == "bill-of-materials" or spec.gpu is not None or spec.server is not None:
        problem("the scenario does not take embodied carbon from profiles; give accounting.embodied.* distributions")
        return None
    nodes = {pool.profile: catalog.node(pool.profile) for pool in scenario.cluster.nodes}
    gpus = {node.gpus.profile: catalog.gpu(node.gpus.profile) for node in nodes.values() if node.gpus is not None}
    return FromRanges(tuple(nodes.values()), tuple(gpus.values()))


def _calibrated(path: str, scenario: Scenario, catalog: Catalog, problem: Any) -> Calibrated | None:
    name = path.removeprefix(PROFILES)
    nodes = [catalog.node(pool.profile) for pool in scenario.cluster.nodes]
    used = sorted({node.gpus.profile for node in nodes if node.gpus is not None})
    if name not in used:
        problem(f"no pool has a GPU '{name}'  ({', '.join(used)})")
        return None
    gpu = catalog.gpu(name)
    if gpu.calibration is None:
        problem(f"the profile '{name}' is not calibrated, and has no covariance; see coldaisle calibrate")
        return None
    power, constants = gpu.power, gpu.calibration.constants
    known: dict[str, float] = {f"flop/{n}": float(energy.value) for n, energy in power.energy_per_flop.items()}
    known |= {"idle": float(power.idle.value), "loaded": float(power.loaded.value)}
    known["byte"] = float(power.energy_per_byte.value)
    foreign = [constant for constant in constants if constant not in known]
    if foreign:
        problem(f"the calibration of '{name}' has constants that no draw can be made of: {', '.join(foreign)}")
        return None
    root = laws.semidefinite_root(np.array(gpu.calibration.covariance, dtype=np.float64))
    return Calibrated(path, gpu, tuple(constants), np.array([known[c] for c in constants]), root)
