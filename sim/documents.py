"""YAML files as plain data plus the place of every value, read without trusting the file.

Only mappings with text keys, sequences and plain scalars come through. Refused, with the line: any tag
(``!!python/...`` or a private one), duplicate keys, aliases that unfold into more than ``MOST_UNFOLDED`` values (the
"billion laughs"), nesting deeper than ``DEEPEST``, files of more than ``LARGEST_BYTES`` or ``MOST_VALUES`` values, and
numbers too long to be meant.

The limits of size are those of time and memory: reading takes about 0.1 ms and 1.5 kB a value, in proportion. A hundred
thousand jobs, of eleven to twenty values each, are minutes and some 2 GB.
"""

from __future__ import annotations

import math
import numbers
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim import common_yaml
from sim.common_yaml import DEEPEST, LONGEST_NUMBER, MOST_VALUES
from sim.errors import InputError, Problem
from sim.paths import KeyPath as KeyPath
from sim.paths import joined
from sim.paths import key_path as key_path
from sim.plain import as_list, as_mapping, as_text, inside
from sim.reading import decoded, open_regular, up_to

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

LARGEST_BYTES = 64 << 20
MOST_UNFOLDED = 100_000
"""Values that stand where an alias repeats what is written elsewhere."""
LARGEST_INT = 2**64

_STRINGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp")
_FLOAT = "tag:yaml.org,2002:float"
_INT = "tag:yaml.org,2002:int"
_BOOL = "tag:yaml.org,2002:bool"
_NULL = "tag:yaml.org,2002:null"
_PLAIN_KEYS = {*_STRINGS, _FLOAT, _INT, _BOOL, _NULL}


@dataclass(frozen=True)
class Place:
    """Where a value was written: the file as the user named it, and the line from 1 (None for a Python mapping)."""

    file: str
    line: int | None


@dataclass(frozen=True)
class Document:
    """Plain data (dict, list, str, int, float, bool, None) and the place of each value by its path from the root.

    ``problems`` holds what was refused while reading; None stands in the data where a refused value was, so that the
    rest can still be checked.
    """

    data: dict[str, Any]
    places: dict[KeyPath, Place]
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: KeyPath) -> Place:
        """Where ``path`` is written; if it is not, where the nearest thing around it is."""
        for length in range(len(path), -1, -1):
            found = self.places.get(path[:length])
            if found is not None:
                return found
        return Place("<document>", None)

    def at(self, *path: str | int) -> Any:
        """What is written at ``path``; None where nothing is."""
        value: Any = self.data
        for part in path:
            if type(value) is dict:
                value = value.get(str(part))
            else:
                value = value[part] if type(value) is list and type(part) is int and part < len(value) else None
        return value

    def mapping(self, *path: str | int) -> Mapping[str, Any]:
        """The mapping that is written at ``path``; empty where there is none."""
        return as_mapping(self.at(*path)) or {}

    def items(self, *path: str | int) -> list[Any]:
        """The list that is written at ``path``; empty where there is none."""
        return as_list(self.at(*path)) or []

    def text(self, *path: str | int) -> str | None:
        """The text that is written at ``path``, if there is one."""
        return as_text(self.at(*path))

    def without_nulls(self) -> Document:
        """The document in which a name that is given ``null`` is not there, as with ``extends`` and ``--set``.

        What was refused stays: it was written.
        """
        refused = {problem.path for problem in self.problems}
        if refused:
            return Document(_without_nulls(self.data, refused), self.places, self.problems)
        data = {name: _section_without_nulls(part) for name, part in self.data.items() if part is not None}
        return Document(data, self.places, self.problems)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A problem placed at ``path``."""
        place = self.place(path)
        return Problem(place.file, place.line, joined(path), message)


def named_files(data: Any, path: KeyPath = ()) -> Iterator[tuple[dict[str, Any], str, KeyPath]]:
    """Every ``file:`` in plain data, the tables beside that of a ``source:`` of jobs, ``embodied: {factors:}``, and the
    folder of ``profiles:`` at its root, if a text.

    Yields the mapping that holds it, its name in there, and its path.
    """
    for key, value in inside(data):
        named = key == "file" or (key == "profiles" and not path) or (key == "factors" and path[-1:] == ("embodied",))
        named |= key in ("tasks", "loads") and path[-1:] == ("source",)
        if named and as_text(value):
            yield data, key, (*path, key)
        elif type(value) in (dict, list):
            yield from named_files(value, (*path, key))


_SECTIONS: dict[int, tuple[Any, Any]] = {}
MOST_SECTIONS = 64


def _section_without_nulls(section: Any) -> Any:
    """As ``_without_nulls``, known at once of sections that stand unchanged in one document after another."""
    if not isinstance(section, dict | list):
        return section
    known = _SECTIONS.get(id(section))
    if known is None or known[0] is not section:
        if len(_SECTIONS) >= MOST_SECTIONS:
            _SECTIONS.clear()
        known = _SECTIONS[id(section)] = (section, _without_nulls(section, set()))
    return known[1]


def _without_nulls(value: Any, refused: set[str], path: KeyPath = ()) -> Any:
    if type(value) is dict:  # in a document all is plain: this is done for every point of a study
        return {
            key: _without_nulls(item, refused, (*path, key))
            for key, item in value.items()
            if item is not None or (refused and joined((*path, key)) in refused)
        }
    if type(value) is list:
        return [_without_nulls(item, refused, (*path, i)) for i, item in enumerate(value)]
    return value


class _Builder:
    """Turns a YAML node graph into plain data, collecting problems as it goes."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.places: dict[KeyPath, Place] = {}
        self._unfolded = 0
        self._repeating = 0
        self._anchored: set[int] = set()

    def problem(self, node: Node, path: KeyPath, message: str) -> None:
        self.problems.append(Problem(self.file, node.start_mark.line + 1, joined(path), message))

    def build(self, node: Any, path: KeyPath) -> Any:
        """The data of a node; what an alias repeats is built, and counted, anew."""
        repeated = id(node) in self._anchored
        if node.anchor is not None:
            self._anchored.add(id(node))
        self._repeating += repeated
        value = self._built(node, path)
        self._repeating -= repeated
        return value

    def _built(self, node: Any, path: KeyPath) -> Any:
        self._unfolded += self._repeating > 0
        self.places.setdefault(path, Place(self.file, node.start_mark.line + 1))
        if self._unfolded > MOST_UNFOLDED:
            message = f"has aliases that unfold into more than {MOST_UNFOLDED:,} values; write the values out"
            raise InputError.one(self.file, message, line=node.start_mark.line + 1)
        if len(path) > DEEPEST:
            message = f"nests deeper than {DEEPEST} levels"
            raise InputError.one(self.file, message, line=node.start_mark.line + 1)
        if (node.id, str(node.tag)) == ("mapping", "tag:yaml.org,2002:map"):
            return self._mapping(node, path)
        if (node.id, str(node.tag)) == ("sequence", "tag:yaml.org,2002:seq"):
            return [self.build(item, (*path, i)) for i, item in enumerate(node.value)]
        if node.id == "scalar":
            return self._scalar(node, path)
        self.problem(node, path, f"tag '{node.tag}' is refused: only plain YAML is read")
        return None

    def _mapping(self, node: Any, path: KeyPath) -> dict[str, Any]:
        built: dict[str, Any] = {}
        first_line: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if str(key_node.tag) == "tag:yaml.org,2002:merge":
                self.problem(key_node, path, "merge keys '<<' are not read; use 'extends:' or write the values out")
                continue
            if key_node.id != "scalar" or str(key_node.tag) not in _PLAIN_KEYS:
                self.problem(key_node, path, "keys must be plain text")
                continue
            key = key_node.value
            if key in built:
                self.problem(key_node, (*path, key), f"duplicate name; it already stands on line {first_line[key]}")
                continue
            first_line[key] = line
            self.places[(*path, key)] = Place(self.file, line)
            built[key] = self.build(value_node, (*path, key))
        return built

    def _scalar(self, node: Any, path: KeyPath) -> Any:
        text: str = node.value
        tag = str(node.tag)
        if tag in _STRINGS:
            return text
        if tag == _NULL:
            return None
        if tag == _BOOL:
            return text.lower() == "true"
        if tag in (_INT, _FLOAT):
            return self._number(node, path, text, tag)
        self.problem(node, path, f"tag '{tag}' is refused: only plain YAML is read")
        return None

    def _number(self, node: Any, path: KeyPath, text: str, tag: str) -> int | float | None:
        if len(text) > LONGEST_NUMBER:
            self.problem(node, path, f"a number of {len(text):,} characters is refused")
            return None
        digits = text.replace("_", "")
        try:
            number = (
                int(digits, 0 if digits.lower().lstrip("+-").startswith(("0x", "0o")) else 10)
                if tag == _INT
                else float(digits)
            )
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.problem(node, path, f"{text!r} is not a finite number")
            return None
        return number


def _read_text(path: Path, file: str) -> str:
    with open_regular(path, file) as stream:
        raw = up_to(stream, LARGEST_BYTES + 1)
    if len(raw) > LARGEST_BYTES:
        raise InputError.one(file, f"is larger than {LARGEST_BYTES >> 20} MiB; keep data in files of its own")
    return decoded(raw, file)


def parse_value(text: str, file: str) -> Any:
    """Any YAML value, such as one given to ``--set``. Raises ``InputError`` with every problem."""
    value, _, problems = _parse(text, file)
    if problems:
        raise InputError(problems)
    return value


def _parse(text: str, file: str) -> tuple[Any, dict[KeyPath, Place], list[Problem]]:
    """Any YAML value, the places of its parts, and what was refused in it. Raises ``InputError`` for no YAML at all."""
    common = common_yaml.read(text)
    if common is None:
        return _parse_whole(text, file)
    data, lines = common
    return data, {path: Place(file, line) for path, line in lines.items()}, []


def _parse_whole(text: str, file: str) -> tuple[Any, dict[KeyPath, Place], list[Problem]]:
    """As ``_parse``, of all that the language has."""
    from ruamel.yaml import YAML
    from ruamel.yaml.composer import Composer
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    values = 0

    class Counting(Composer):
        """Stops at what would not fit memory before it is there."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            nonlocal values
            values += index is not None  # neither a mapping's key nor the root
            if values > MOST_VALUES:
                line = self.parser.peek_event().start_mark.line + 1
                message = f"holds more than {MOST_VALUES:,} values; keep data in files of its own"
                raise InputError.one(file, message, line=line)
            return super().compose_node(parent, index)

    reader: Any = YAML(typ="safe", pure=True)
    reader.Composer = Counting
    try:
        root = reader.compose(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else None
        message = " ".join(part for part in (error.problem, error.context) if part)
        raise InputError.one(file, f"is not valid YAML: {message}", line=line) from None
    except YAMLError as error:
        raise InputError.one(file, f"is not valid YAML: {' '.join(str(error).split())[:200]}") from None
    except RecursionError:
        raise InputError.one(file, f"nests deeper than {DEEPEST} levels") from None
    if root is None:
        raise InputError.one(file, "is empty")
    builder = _Builder(file)
    value = builder.build(root, ())
    return value, builder.places, builder.problems


def read_document(path: Path, file: str | None = None) -> Document:
    """The YAML mapping in ``path``, called ``file`` in messages. Raises ``InputError`` where there is none."""
    name = str(path) if file is None else file
    data, places, problems = _parse(_read_text(path, name), name)
    if as_mapping(data) is None:
        what = f"must be a mapping of names to values, not {type(data).__name__}"
        raise InputError([*problems, Problem(name, 1, "", what)])
    return Document(data, places, problems)


def from_mapping(mapping: Mapping[str, Any], name: str = "<mapping>") -> Document:
    """A document from a Python mapping, copied, with numbers and texts checked like those of a file."""
    problems: list[Problem] = []
    count = 0

    def copy(value: Any, path: KeyPath) -> Any:
        nonlocal count
        count += 1
        if len(path) > DEEPEST or count > MOST_VALUES:
            raise InputError.one(name, f"nests deeper than {DEEPEST} levels or holds over {MOST_VALUES:,} values")
        mapping, text = as_mapping(value), as_text(value)
        if mapping is not None:
            keys = [str(key) for key in mapping]
            problems.extend(
                Problem(name, None, joined((*path, key)), "duplicate name")
                for key, count in sorted(Counter(keys).items())
                if count > 1
            )
            return {str(key): copy(item, (*path, str(key))) for key, item in mapping.items()}
        if isinstance(value, list | tuple):
            return [copy(item, (*path, i)) for i, item in enumerate(value)]
        if value is None or value is True or value is False:
            return value
        if text is not None:
            return str(text)
        if isinstance(value, numbers.Integral):  # NumPy's, too
            if abs(int(value)) <= LARGEST_INT:
                return int(value)
            problems.append(Problem(name, None, joined(path), "a number of more than 64 bits is refused"))
            return None
        if isinstance(value, numbers.Real):
            if math.isfinite(value):
                return float(value)
            problems.append(Problem(name, None, joined(path), f"{value} is not a finite number"))
            return None
        if hasattr(value, "isoformat"):
            return value.isoformat()
        if hasattr(value, "model_dump"):  # a part that was built as what it is read into
            return copy(value.model_dump(mode="json", exclude_none=True), path)
        problems.append(Problem(name, None, joined(path), f"a {type(value).__name__} cannot stand in a scenario"))
        return None

    data = copy(mapping, ())
    return Document(data, {(): Place(name, None)}, problems)
