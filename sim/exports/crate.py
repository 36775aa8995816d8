"""A run, or a study, as an RO-Crate 1.1: ``ro-crate-metadata.json`` beside its files, which says what each of them is.

A crate names the files with their sizes and hashes, the program that wrote them as the instrument of an action, and
what that action was given: the scenario, profiles and input files by their hashes. It states no licence, since whoever
made the run chooses one; overrides and versions are in the scenario and the manifest that it names (Soiland-Reyes et
al. 2022, doi 10.3233/DS-210053).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sim.errors import InputError
from sim.exports.run import Run, one_line
from sim.results.files import CRATE, JOBS, LEDGER, MANIFEST, NAMES, SCENARIO, SUMMARY, read, sha256, to_json
from sim.study.sweep.folder import SESSION, STUDY, manifest_of
from sim.study.sweep.parts import POINTS

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
VERSION = "https://w3id.org/ro/crate/1.1"
NO_LICENCE = "No licence is stated: whoever made this chooses one"
SOFTWARE, ACTION, LICENCE = "#coldaisle", "#made", "#licence"
FORMS = {".json": "application/json", ".yaml": "application/yaml", ".parquet": "application/vnd.apache.parquet"}
WORDS = {
    SUMMARY: "Energy, carbon, water, cost and their indicators",
    SCENARIO: "The resolved scenario: all that was assumed",
    MANIFEST: "Versions, seeds and hashes of what the run was made from and of what it wrote",
    LEDGER: "Joules by time bin, component, workload and state",
    JOBS: "Jobs, a row each",
    STUDY: "What was asked of the study, and what came of it",
    SESSION: "How the study went the last time",
}
Entity = dict[str, Any]


def as_json(folder: Path) -> str:
    """The metadata of a finished run or study in ``folder``. Raises ``InputError`` where it holds neither."""
    return to_json(_of_study(folder) if (folder / STUDY).is_file() else _of_run(folder))


def place(folder: Path, out: Path) -> None:
    """Raises ``InputError`` for another place than beside the files."""
    if out.name != CRATE or out.resolve().parent != folder.resolve():
        raise InputError.one("--out", f"a crate describes the files beside it: give --out {folder / CRATE}")


def _of_run(folder: Path) -> Entity:
    run = Run(folder, read(folder))  # which checks every file by its hash
    manifest = run.results.manifest
    names = sorted(path.name for path in folder.iterdir() if path.name in NAMES and path.name != CRATE)
    files = [
        _file(folder, name, WORDS.get(name, f"{name.partition('.')[0].replace('_', ' ')}, a row each"))
        for name in names
    ]
    given = [
        _given(f"#{kind}-{one_line(name)}", f"{kind} {Path(name).name}", digest)
        for kind, of in (("profile", "profiles_sha256"), ("input", "inputs_sha256"))
        for name, digest in manifest.get(of, {}).items()
    ]
    words = one_line(str(run.results.scenario.get("description") or f"A run of {run.name}"))
    total = run.summary["carbon_kg"]["total"]
    facts = [("energy of the facility", run.summary["energy_kwh"]["facility"], "kWh"), ("carbon", total, "kg CO2e")]
    measured = [
        {"@id": f"#{name.replace(' ', '-')}", "@type": "PropertyValue", "name": name, "value": value, "unitText": unit}
        for name, value, unit in facts
    ]
    return _crate(
        folder, run.name, words, run.generator, MANIFEST, files, given=given, inputs=[SCENARIO], facts=measured
    )


def _of_study(folder: Path) -> Entity:
    study = manifest_of(folder)
    parts = sorted(f"{POINTS}/{part}" for part in study["parts_sha256"])
    for part, digest in study["parts_sha256"].items():
        if sha256(folder / POINTS / part) != digest:
            raise InputError.one(str(folder / POINTS / part), "is not what this study wrote; run it again")
    files = [_file(folder, name, WORDS[name]) for name in (STUDY, SESSION) if (folder / name).is_file()]
    points = [_file(folder, name, "Points of the study, a row each") for name in parts]
    dataset = {
        "@id": f"{POINTS}/",
        "@type": "Dataset",
        "name": "Points",
        "description": f"{study['points']} points of {', '.join(study['axes']) or 'one scenario'}",
        "hasPart": _ids(points),
    }
    name = one_line(str(study["name"]))
    words = one_line(str(study.get("description") or f"A study: {name}"))
    generator = f"coldaisle {str(study['build']).partition('+')[0]}"
    given = [_given("#study", f"the study {name}", str(study["study_sha256"]))]
    return _crate(folder, name, words, generator, STUDY, [*files, dataset, *points], given=given, inside=points)


def _crate(
    folder: Path,
    name: str,
    words: str,
    generator: str,
    last: str,
    files: Sequence[Entity],
    *,
    given: Sequence[Entity],
    inputs: Sequence[str] = (),
    facts: Sequence[Entity] = (),
    inside: Sequence[Entity] = (),
) -> Entity:
    """``last`` is the file that was written last; files ``inside`` a part of the crate are not parts of its root."""
    when = datetime.fromtimestamp((folder / last).stat().st_mtime, UTC).isoformat(timespec="seconds")
    parts = [file for file in files if file not in inside]
    made = [file for file in files if file["@id"] not in inputs]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": name,
        "description": words,
        "datePublished": when,
        "license": {"@id": LICENCE},
        "hasPart": _ids(parts),
        "mentions": {"@id": ACTION},
        **({"variableMeasured": _ids(facts)} if facts else {}),
    }
    software = {
        "@id": SOFTWARE,
        "@type": "SoftwareApplication",
        "name": "coldaisle",
        "softwareVersion": generator.partition(" ")[2],
    }
    action = {
        "@id": ACTION,
        "@type": "CreateAction",
        "name": f"simulated by {generator}",
        "endTime": when,
        "instrument": {"@id": SOFTWARE},
        "object": [*({"@id": one} for one in inputs), *_ids(given)],
        "result": _ids(made),
    }
    licence = {"@id": LICENCE, "@type": "CreativeWork", "name": NO_LICENCE, "description": NO_LICENCE}
    about = {"@id": CRATE, "@type": "CreativeWork", "conformsTo": {"@id": VERSION}, "about": {"@id": "./"}}
    hashes = [_hash(entity) for entity in (*files, *given) if "identifier" in entity]
    return {"@context": CONTEXT, "@graph": [software, about, root, *files, action, licence, *given, *facts, *hashes]}


def _ids(entities: Sequence[Mapping[str, Any]]) -> list[Entity]:
    return [{"@id": entity["@id"]} for entity in entities]


def _file(folder: Path, name: str, words: str) -> Entity:
    path = folder / name
    return {
        "@id": name,
        "@type": "File",
        "name": name,
        "description": words,
        "encodingFormat": FORMS[path.suffix],
        "contentSize": str(path.stat().st_size),
        "identifier": {"@id": f"#sha256-{sha256(path)}"},
    }


def _given(at: str, words: str, digest: str) -> Entity:
    return {
        "@id": at.replace(" ", "-"),
        "@type": "CreativeWork",
        "name": words,
        "identifier": {"@id": f"#sha256-{digest}"},
    }


def _hash(entity: Entity) -> Entity:
    at = entity["identifier"]["@id"]
    return {"@id": at, "@type": "PropertyValue", "propertyID": "sha256", "value": at.partition("-")[2]}
