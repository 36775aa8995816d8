"""Reference pages made from the code: the scenario's fields, the command's options, and every module's docstrings.

Nothing here knows the name of a field, an option or a file: what is added to the package is in the next build.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import typer

import sim
from sim.cli.command import app
from sim.kinds import Kind, kinds, named
from sim.later import Described
from sim.results.catalogue import TABLES, Quantity
from sim.shipped_kinds import SHIPPED, SHIPPED_NAMES
from sim.spec.schema import scenario_schema
from sim.spec.search import SearchFile
from sim.spec.study import StudySpec

Schema = Mapping[str, Any]
DEFINED = "#/$defs/"
TOLD_ELSEWHERE = ("sim.spec", "sim.cli", "sim.engine.serving.kernel")
"""Packages of which the modules' own words are enough: fields and options have pages, the kernel has its reference."""
MOST_ON_A_PAGE = 20
"""Kinds told on one page: a part of the scenario that has more is split by its fields, where these have enough."""
FEWEST_ON_A_PAGE = 6


def write(folder: Path) -> None:
    """Brings the pages beneath ``folder`` up to date; one that says the same keeps its age, and is not built anew."""
    made = (*scenario_pages(), *study_pages(), *kind_pages(), *summary_pages(), *command_pages(), *module_pages())
    pages = {folder / name: text for name, text in made}
    for path in set(folder.rglob("*.rst")) - pages.keys():
        path.unlink()
    for path, text in pages.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def titled(title: str, mark: str, text: str = "") -> str:
    """A heading of reStructuredText with what stands beneath it."""
    return f"{title}\n{mark * len(title)}\n\n{text}\n"


# The modules: a page for each package, with all modules directly in it.


def module_pages() -> Iterator[tuple[str, str]]:
    """A page for every package, found by walking the tree; the docstrings are read when the page is built."""
    root = Path(sim.__path__[0])
    packages: dict[str, list[str]] = {}
    for path in sorted(root.rglob("*.py"), key=lambda path: (path.parent, path.stem != "__init__", path.stem)):
        package = ".".join(("sim", *path.parent.relative_to(root).parts))
        name = package if path.stem == "__init__" else f"{package}.{path.stem}"
        packages.setdefault(package, []).append(name)
    for package, modules in packages.items():
        yield f"modules/{package}.rst", titled(package, "=", "\n".join(_module(name, package) for name in modules))


def _module(name: str, package: str) -> str:
    members = "" if package in TOLD_ELSEWHERE else "   :members:\n   :ignore-module-all:\n"
    own = f".. automodule:: {name}\n{members}"
    return f"{own}\n" if name == package else titled(name, "-", own)


# The registry: every family with its kinds.


def kind_pages() -> Iterator[tuple[str, str]]:
    """One page with every kind that a scenario may choose, by family, and where it is made."""
    parts = [titled(family, "-", "\n".join(_row(kind) for kind in kinds(family))) for family in SHIPPED]
    parts += [titled(family, "-", "\n".join(_name(*row) for row in named(family).items())) for family in SHIPPED_NAMES]
    text = "What ``kind:`` may say, by what is chosen with it: the spec class that reads it, and what builds from it."
    yield "kinds.rst", titled("Kinds", "=", f"{text}\n\n" + "\n".join(parts))


def _row(kind: Kind) -> str:
    spec = kind.spec
    _, made = SHIPPED[spec.family].get(f"{spec.__module__}:{spec.__qualname__}", ("", kind.builder.__qualname__))
    says = (spec.__doc__ or "").partition("\n\n")[0].replace("\n    ", " ")
    words = ", ".join(f"``{word}``" for word in kind.names)
    return f"{words}\n   {says} ``{spec.__module__}.{spec.__qualname__}`` -> ``{made.replace(':', '.')}``\n"


def _name(name: str, stands_for: Any) -> str:
    """A kind without fields: a module by its first paragraph, or a value of one."""
    if not isinstance(stands_for, ModuleType):
        return f"``{name}``\n"
    says = (stands_for.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    return f"``{name}``\n   {says} ``{stands_for.__name__}``\n"


# What a run says: every quantity of its summary.


def summary_pages() -> Iterator[tuple[str, str]]:
    """One page with every quantity of ``summary.json``, from the catalogue."""
    parts = [
        titled(f"``{table.path or '(top)'}``", "-", "\n".join(map(_quantity, table.quantities))) for table in TABLES
    ]
    yield "summary.rst", titled("The summary, quantity by quantity", "=", f"{_SUMMARY}\n" + "\n".join(parts))


_SUMMARY = """\
What ``summary.json`` holds. In a path ``*`` stands for any name and ``[]`` for each item of a list. What was not
modelled is absent, never zero. ``coldaisle schema --of summary`` prints the same as JSON Schema.
"""


def _quantity(one: Quantity) -> str:
    label = f"{one.label} ``*``" if one.path.endswith(".*") else one.label
    unit = f", {one.unit}" if one.unit else ""
    return f"``{one.path}``\n   {label}{unit}{': ' + _escaped(one.meaning) if one.meaning else ''}.\n"


# The command: what `--help` says, as pages.


def command_pages() -> Iterator[tuple[str, str]]:
    """One page with every command and its options, in the order of ``coldaisle --help``."""
    group = typer.main.get_command(app)
    parts = [_command(name, command) for name, command in group.commands.items()]  # type: ignore[attr-defined]  # it is a group
    yield "command.rst", titled("The command", "=", f"{group.help}\n\n" + "\n".join(parts))


def _command(name: str, command: Any) -> str:
    context = command.make_context(name, [], resilient_parsing=True)
    usage = " ".join(["coldaisle", name, *command.collect_usage_pieces(context)])
    rows = [record for part in command.params if (record := part.get_help_record(context)) is not None]
    lines = [f"``{words}``\n   {_escaped(says) or '-'}\n" for words, says in rows]
    return titled(name, "-", f"{_escaped(command.help or '')}\n\n::\n\n   {usage}\n\n" + "\n".join(lines))


def _escaped(text: str) -> str:
    """Text of the terminal as reStructuredText that shows it letter by letter."""
    return "".join(f"\\{letter}" if letter in "*`|_\\" else letter for letter in text)


# The scenario: a page for every part of it, with every kind of that part.


def scenario_pages() -> Iterator[tuple[str, str]]:
    """Pages of a scenario's fields: its top, and every part with all the kinds that it may be of."""
    schema = scenario_schema()
    whole, defined = schema["else"], schema["$defs"]
    told: set[str] = set()
    top = _fields(whole, defined)
    for part, value in whole["properties"].items():
        found = [name for name in _reached(value, defined) if name not in told]
        for page, names in _split(part, value, found, defined):
            told |= set(names)
            sections = "\n".join(_kind(name, defined) for name in names)
            yield f"scenario/{page}.rst", titled(f"``{page}``", "=", f"{_line(value)}\n\n{sections}")
    yield "scenario/index.rst", titled("The scenario, field by field", "=", f"{_INTRODUCTION}\n{top}")


def study_pages() -> Iterator[tuple[str, str]]:
    """A page for a study's file and one for a search's, with everything in them."""
    for name, title, spec in (("study", "A study", StudySpec), ("search", "A search", SearchFile)):
        whole = spec.model_json_schema(schema_generator=Described)
        defined = {f"{name}-{inner}": value for inner, value in _renamed(whole.pop("$defs", {}), name).items()}
        sections = "\n".join(_kind(inner, defined) for inner in defined)
        text = f"{_line(whole)}\n\n{_fields(_renamed(whole, name), defined)}\n\n{sections}"
        yield f"{name}.rst", titled(f"{title}, field by field", "=", text)


def _renamed(value: Any, name: str) -> Any:
    """A schema whose references say of which file their definitions are."""
    if isinstance(value, Mapping):
        new = {key: _renamed(inner, name) for key, inner in value.items()}
        return new | {"$ref": value["$ref"].replace(DEFINED, f"{DEFINED}{name}-")} if "$ref" in value else new
    return [_renamed(inner, name) for inner in value] if isinstance(value, list) else value


_INTRODUCTION = """\
A scenario is a mapping of these fields; no others are allowed. A quantity is written with its unit (``700 W``), an
instant with its offset. A field without a default has to be given. ``coldaisle schema`` prints the same as JSON Schema,
for editors.

.. toctree::
   :glob:
   :maxdepth: 1

   *

The whole
---------
"""


def _split(page: str, value: Schema, found: list[str], defined: Schema) -> Iterator[tuple[str, list[str]]]:
    """``found`` on one page, or on several that follow the fields or the alternatives of ``value`` if it is long."""
    heads = [name for name in dict.fromkeys(_references(value)) if name in found]
    if len(found) <= MOST_ON_A_PAGE or not heads:
        if found:
            yield page, found
        return
    parts: Mapping[str, Any] = {_tag(name, defined): {"$ref": f"{DEFINED}{name}"} for name in heads}
    here: list[str] = []
    if len(heads) == 1:
        here, parts = heads, defined[heads[0]].get("properties", {})
    left = [name for name in found if name not in here]
    further: list[tuple[str, list[str]]] = []
    for part, inner in parts.items():
        beneath = set(_reached(inner, defined))
        names = [name for name in left if name in beneath]
        left = [name for name in left if name not in beneath]
        if len(names) < FEWEST_ON_A_PAGE:
            here += names
        else:
            further += _split(f"{page}.{part}", inner, names, defined)
    if here:
        yield page, here
    yield from further


def _reached(value: Any, defined: Schema) -> list[str]:
    """Names of all definitions that ``value`` leads to, the nearest first."""
    found: dict[str, None] = {}
    waiting = [value]
    while waiting:
        names = [name for name in _references(waiting.pop(0)) if name not in found]
        found |= dict.fromkeys(names)
        waiting += [defined[name].get("properties", defined[name]) for name in names]
    return list(found)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].removeprefix(DEFINED)
        for key, inner in value.items():
            if key != "discriminator":
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _kind(name: str, defined: Schema) -> str:
    own = defined[name]
    return f".. _{_label(name)}:\n\n" + titled(_title(name, defined), "-", f"{_line(own)}\n\n{_fields(own, defined)}")


def _title(name: str, defined: Schema) -> str:
    """The ``kind`` that a file says for a class, or else the name of the class in words."""
    tag = _tag(name, defined)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", tag.removesuffix("Spec")) if tag[:1].isupper() else f"kind: {tag}"


def _tag(name: str, defined: Schema) -> str:
    """The ``kind`` of a class in a file; its own name if it is the only one in its place."""
    kind = defined[name].get("properties", {}).get("kind", {})
    tags = [kind["const"]] if "const" in kind else kind.get("enum", [])
    return " / ".join(tags) or name.rpartition("__")[2].rpartition("-")[2]


def _label(name: str) -> str:
    return f"scenario-{name.lower().strip('_').replace('_', '-')}"


def _fields(own: Schema, defined: Schema) -> str:
    needed = own.get("required", ())
    lines = []
    for field, value in own.get("properties", {}).items():
        if field == "kind":
            continue
        says = " ".join(filter(None, [f"{_type(value, defined)}{_default(field, value, needed)}.", _line(value)]))
        lines.append(f"``{field}``\n   {says}\n")
    return "\n".join(lines)


def _default(field: str, value: Schema, needed: Any) -> str:
    if field in needed:
        return ", required"
    default = value.get("default")
    return "" if default in (None, [], {}, "") else f", by default ``{_plain(default)}``"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _line(value: Schema) -> str:
    """A description; docstrings are reStructuredText already."""
    return str(value.get("description", ""))


def _type(value: Schema, defined: Schema) -> str:
    """What may stand in a field, in words, with links to the kinds."""
    if "$ref" in value:
        name = value["$ref"].removeprefix(DEFINED)
        return f":ref:`{_title(name, defined)} <{_label(name)}>`"
    if "const" in value:
        return f"``{_plain(value['const'])}``"
    if "enum" in value:
        return " or ".join(f"``{_plain(one)}``" for one in value["enum"])
    for several in ("oneOf", "anyOf"):
        if several in value:
            kept = [one for one in value[several] if one.get("type") != "null"]
            return " or ".join(dict.fromkeys(_type(one, defined) for one in kept))
    if "examples" in value:
        return f"e.g. ``{_plain(value['examples'][0])}``"
    if "items" in value:
        return f"list of {_type(value['items'], defined)}"
    if "patternProperties" in value:
        (inner,) = value["patternProperties"].values()
        return f"mapping of names to {_type(inner, defined)}"
    if isinstance(value.get("additionalProperties"), Mapping):
        return f"mapping to {_type(value['additionalProperties'], defined)}"
    types = value.get("type", "anything")
    return " or ".join(types) if isinstance(types, list) else _words(types, value)


def _words(kind: str, value: Schema) -> str:
    marks = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    names = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "mapping"}
    bounds = [f"{words} {value[mark]:g}" for mark, words in marks.items() if mark in value]
    return " ".join([names.get(kind, kind), *bounds])
