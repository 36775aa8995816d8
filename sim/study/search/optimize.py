"""The search for the least of a result within limits, by Optuna's tree-structured Parzen estimator.

Constraints are handed to the sampler, which prefers what keeps to them (Watanabe, Hutter 2023, arXiv:2211.14411). The
sampler of each trial is seeded by the search's seed and the number of finished trials, so that a search that was
stopped and resumed from its journal goes on exactly as one that was not. Points met again are looked up, not run. The
result is the best found; no search can promise that there is no better.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.documents import KeyPath
from sim.errors import ColdaisleError, InputError, RunError
from sim.loading.scenario import Loaded, load_scenario
from sim.loading.variants import Variants
from sim.paths import keys_of
from sim.plain import as_mapping
from sim.reading import parse_json
from sim.results.atomic import refuse_unusable
from sim.results.explain.absent import why_absent
from sim.running.run import environmental, simulated
from sim.running.simulation import Simulated
from sim.spec.search import Limit, LoadedSearch, Search
from sim.study.points import Keys
from sim.study.sweep.plan import at_base
from sim.study.sweep.tasks import flat
from sim.study.uncertain.draws import value_at
from sim.validation import nearest

if TYPE_CHECKING:
    import optuna

Evaluate = Callable[[Mapping[str, Any]], Mapping[str, float]]
"""Values by path -> the results that the search asks for, by path. Raises ``ColdaisleError`` where there are none."""
Watch = Callable[[int, int], None]
"""Hears how many trials are done, of how many."""
FAR = 1e30
MOST_SENSELESS = 3
"""Trials that may run without the results asked for, before the question is taken to be misspelt."""
KEPT_RUNS = 16


@dataclass(frozen=True)
class Trial:
    """One point: its values, its results, how far beyond the limits it is; ``error`` where it could not be run."""

    number: int
    values: Mapping[str, Any]
    results: Mapping[str, float]
    excess: tuple[float, ...]
    error: str | None

    @property
    def feasible(self) -> bool:
        """Whether it ran and keeps to all limits."""
        return self.error is None and all(over <= 0.0 for over in self.excess)


@dataclass(frozen=True)
class Found:
    """Every trial in order, and the best of those that keep to all limits: None where none does."""

    minimised: str
    trials: tuple[Trial, ...]
    limits: tuple[Limit, ...]

    @property
    def best(self) -> Trial | None:
        """The first of the least."""
        fitting = [trial for trial in self.trials if trial.feasible]
        return min(fitting, key=lambda trial: trial.results[self.minimised]) if fitting else None

    @property
    def nearest(self) -> Trial | None:
        """The trial that is least beyond the limits, of those that ran: by its worst, each as a share of its limit."""
        ran = [trial for trial in self.trials if trial.error is None]
        return min(ran, key=self._worst) if ran else None

    def _worst(self, trial: Trial) -> float:
        return max((0.0, *(limit.beyond(trial.results[limit.path]) for limit in self.limits)))

    @property
    def missed(self) -> list[dict[str, Any]]:
        """Each limit that the nearest trial does not keep to, the worst first: by how much it misses it, and what came
        nearest to it of all trials, however far these are from other limits; none where something keeps to all."""
        near = self.nearest
        if self.best is not None or near is None:
            return []
        ran = [trial for trial in self.trials if trial.error is None]
        found = []
        for limit, over in zip(self.limits, near.excess, strict=True):
            if over > 0.0:
                least = min(ran, key=lambda trial, of=limit: of.excess(trial.results[of.path]))  # type: ignore[misc]
                found.append(
                    {
                        "path": limit.path,
                        "limit": str(limit),
                        "value": near.results[limit.path],
                        "excess": over,
                        "excess_share": limit.beyond(near.results[limit.path]),
                        "kept_by": sum(limit.excess(trial.results[limit.path]) <= 0.0 for trial in ran),
                        "nearest_value": least.results[limit.path],
                        "nearest_trial": least.number,
                    }
                )
        return sorted(found, key=lambda one: -one["excess_share"])

    def as_dict(self) -> dict[str, Any]:
        """The search as plain data."""

        def plain(trial: Trial | None) -> dict[str, Any] | None:
            if trial is None:
                return None
            return {"number": trial.number, "values": dict(trial.values), "results": dict(trial.results)} | (
                {"error": trial.error} if trial.error is not None else {"excess": list(trial.excess)}
            )

        return {
            "minimised": self.minimised,
            "feasible": self.best is not None,
            "best": plain(self.best),
            "nearest": plain(self.nearest),
            "missed": self.missed,
            "trials": [plain(trial) for trial in self.trials],
        }


STUDY_NAME = "coldaisle"
_BEGINS = b'{"op_code":0,"worker_id":"'
"""The first line of a journal: Optuna creates the study."""


class NoSuchResultError(InputError):
    """A trial ran, and its summary lacks what is minimised or limited."""


def search(
    spec: Search,
    evaluate: Evaluate,
    *,
    asked: str,
    journal: Path | None = None,
    resume: bool = False,
    watch: Watch | None = None,
) -> Found:
    """The trials of ``spec``. With a ``journal`` they outlive the process; ``resume`` goes on with what is there.

    ``asked`` identifies the question: a journal of another is refused with ``InputError``. So is a question that no
    trial could make sense of; it leaves no new journal.
    """
    fresh = journal is not None and not journal.exists()
    try:
        return _searched(spec, evaluate, asked, journal, watch, resume=resume)
    except InputError:
        if fresh and journal is not None:
            journal.unlink(missing_ok=True)
        raise
    except OSError as error:  # a write that fails names no file
        where = error.filename if error.filename is not None else journal
        raise RunError(f"cannot write {where}: {error.strerror or error}; what was done before is kept") from None


def _searched(
    spec: Search, evaluate: Evaluate, asked: str, journal: Path | None, watch: Watch | None, *, resume: bool
) -> Found:
    try:
        import optuna
    except ImportError:
        raise RunError("optimize needs Optuna: pip install 'coldaisle[optimize]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if journal is not None:
        ready_to_go_on(journal, resume=resume)
    study = _study(optuna, journal, asked)
    _end_what_was_stopped(optuna, study, spec)
    ours = [trial for trial in study.get_trials(deepcopy=False) if "values" in trial.user_attrs]
    done = [_trial(i, trial) for i, trial in enumerate(ours)]
    known = {_text(trial.values): trial for trial in done}
    refusals: list[InputError] = []
    for number in range(len(done), spec.trials):
        if watch is not None:
            watch(number, spec.trials)
        study.sampler = _sampler(optuna, spec.seed, number)
        asked_trial = study.ask()
        values = {path: _suggest(asked_trial, path, choice) for path, choice in spec.over.items()}
        before = known.get(_text(values))
        trial = _ran(number, spec, values, evaluate, refusals) if before is None else _again(number, before)
        senseless = [error for error in refusals if isinstance(error, NoSuchResultError)]
        if len(senseless) == MOST_SENSELESS == len(known) + (before is None):
            raise InputError(senseless[0].problems)
        known.setdefault(_text(values), trial)
        asked_trial.set_user_attr("results", dict(trial.results))
        asked_trial.set_user_attr("error", trial.error)
        asked_trial.set_user_attr("excess", list(trial.excess))
        asked_trial.set_constraint("runs", 0.0 if trial.error is None else 1.0)
        for i, over in enumerate(trial.excess):
            asked_trial.set_constraint(f"limit {i}", over)
        asked_trial.set_user_attr("values", dict(values))  # last: a trial without them was not finished
        study.tell(asked_trial, _told(trial.results, spec))
        done.append(trial)
    if refusals and len(refusals) == len(known):
        raise InputError([problem for error in refusals for problem in error.problems])
    return Found(spec.minimise, tuple(done[: spec.trials]), tuple(spec.subject_to))


def ready_to_go_on(journal: Path, *, resume: bool) -> None:
    """Takes away the last line where a kill has torn it. Raises ``InputError`` for a file that is no journal."""
    refuse_unusable(journal, folder=False)
    if not journal.exists():
        journal.parent.mkdir(parents=True, exist_ok=True)
        return
    if not resume:
        raise InputError.one(str(journal), "holds a search already; go on with --resume, or choose another")
    lock = journal.with_name(f"{journal.name}.lock")
    if lock.exists() and not lock.is_symlink():  # Optuna takes what stands there for its own, and deletes it in the end
        raise InputError.one(str(lock), "stands where the lock of the search goes; choose another --journal")
    no_line = "is no line of a search's journal; choose another --journal, or take the line away"
    if not _is_journal(journal):
        raise InputError.one(str(journal), no_line, line=1)
    with journal.open("r+b") as lines:
        good = 0
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                break
            if not _is_record(line):
                raise InputError.one(str(journal), no_line, line=number)
            good += len(line)
        lines.truncate(good)


def _is_journal(path: Path) -> bool:
    """Whether a file begins as the journal of a search does; it may have been torn in its first line."""
    with path.open("rb") as stream:
        head = stream.readline(1 << 20)
    if head.endswith(b"\n"):
        first = _record(head)
        return "op_code" in first and first.get("study_name") == STUDY_NAME
    return head.startswith(_BEGINS) or _BEGINS.startswith(head)


def _is_record(line: bytes) -> bool:
    return {"op_code", "worker_id"} <= _record(line).keys()


def _record(line: bytes) -> Mapping[str, Any]:
    """The JSON object that a line is; an empty one where it is none."""
    try:
        return as_mapping(parse_json(line.decode("utf-8"), "")) or {}
    except (InputError, UnicodeDecodeError):
        return {}


def _study(optuna: Any, journal: Path | None, asked: str) -> Any:
    from optuna.storages import InMemoryStorage, JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(journal))) if journal is not None else InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name=STUDY_NAME, load_if_exists=True)
    before = study.user_attrs.get("asked")
    if before is None:
        study.set_user_attr("asked", asked)
    elif before != asked:
        raise InputError.one(str(journal), "holds a search of another question, or of another scenario; choose another")
    return study


def _told(results: Mapping[str, float], spec: Search) -> float:
    """What the sampler hears of a trial: one that cannot be run counts as far off, so that the search keeps away."""
    return results.get(spec.minimise, FAR)


def _end_what_was_stopped(optuna: Any, study: optuna.Study, spec: Search) -> None:
    """A trial that was killed after its results were kept is told; one killed before is as if it had never been."""
    for left in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        if "values" in left.user_attrs:
            study.tell(left.number, _told(left.user_attrs["results"], spec))
        else:
            study.tell(left.number, state=optuna.trial.TrialState.FAIL)


def _sampler(optuna: Any, seed: int, number: int) -> Any:
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return optuna.samplers.TPESampler(seed=int.from_bytes(digest[:4], "little"))


def _suggest(trial: optuna.Trial, path: str, choice: Any) -> Any:
    if isinstance(choice, list):
        return choice[trial.suggest_categorical(path, list(range(len(choice))))]
    return choice.range().drawn(trial.suggest_float(path, 0.0, 1.0 - 2.0**-53))


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), sort_keys=True, default=str)


def _ran(number: int, spec: Search, values: Mapping[str, Any], evaluate: Evaluate, refusals: list[InputError]) -> Trial:
    try:
        results = evaluate(values)
    except InputError as error:
        refusals.append(error)
        return Trial(number, values, {}, (), str(error))
    except ColdaisleError as error:
        return Trial(number, values, {}, (), str(error))
    return Trial(number, values, results, tuple(limit.excess(results[limit.path]) for limit in spec.subject_to), None)


def _again(number: int, before: Trial) -> Trial:
    return Trial(number, before.values, before.results, before.excess, before.error)


def _trial(number: int, kept: Any) -> Trial:
    said = kept.user_attrs
    return Trial(number, said["values"], said["results"], tuple(said["excess"]), said["error"])


def loaded_base(asked: LoadedSearch) -> Loaded:
    """The scenario that is searched from. Raises ``InputError``, at the search's own line where there is none."""
    try:
        return load_scenario(asked.base)
    except InputError as error:
        raise at_base(error, asked.document, asked.base) from None


def optimize(
    asked: LoadedSearch, *, journal: Path | None = None, resume: bool = False, watch: Watch | None = None
) -> Found:
    """The search over variants of its base scenario. Raises ``InputError`` for a path that leads nowhere."""
    spec = asked.spec.optimize
    base = loaded_base(asked)
    question = {"search": spec.model_dump(mode="json", exclude={"trials"}), "scenario": base.resolved()}
    question |= {"set": asked.spec.set} if asked.spec.set else {}
    digest = hashlib.sha256(json.dumps(question, sort_keys=True, default=str).encode()).hexdigest()
    return search(spec, _Scenario(asked, base).results, asked=digest, journal=journal, resume=resume, watch=watch)


class _Scenario:
    """Variants of a base, run and priced; those that only price share a ledger."""

    def __init__(self, asked: LoadedSearch, base: Loaded) -> None:
        self._asked = asked
        self._variants = Variants(base.document, base.source, {})
        self._keys = Keys()
        self._runs: dict[str, Simulated] = {}

    def results(self, values: Mapping[str, Any]) -> dict[str, float]:
        """What the search asks for. Raises ``ColdaisleError``."""
        values = {**self._asked.spec.set, **values}
        loaded = self._variants.at(values, {path: self._asked.place(path) for path in values})
        key = self._keys.of(loaded)
        if key not in self._runs:
            if len(self._runs) >= KEPT_RUNS:
                del self._runs[next(iter(self._runs))]
            self._runs[key] = simulated(loaded)
        run = self._runs[key]
        summary = {**environmental(run, loaded), **run.activity}
        spec = self._asked.spec.optimize
        found = {}
        problems = []
        for place, path in (("minimise",), spec.minimise), *self._limits():
            value = value_at(summary, keys_of(path))
            if value is None:
                absent = why_absent(path, summary)
                message = f"'{path}' {absent}" if absent else f"'{path}' is no number of this scenario's summary"
                message += "" if absent else nearest(path, flat(summary))
                problems.append(self._asked.document.problem(("optimize", *place), message))
            else:
                found[path] = value
        if problems:
            raise NoSuchResultError(problems)
        return found

    def _limits(self) -> Iterator[tuple[KeyPath, str]]:
        for number, limit in enumerate(self._asked.spec.optimize.subject_to):
            yield ("subject_to", number, "path"), limit.path
