"""Checks a document against a pydantic model and turns every complaint into a placed, mendable Problem."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Discriminator, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from sim.documents import Document, KeyPath
from sim.errors import Problem
from sim.later import meant
from sim.plain import as_list, as_mapping, as_number, as_text, as_whole, has, nested, under

LONGEST_NAME = 200
"""Characters of a name that somebody chose: it stands in tables, titles and file names."""

_INNER = {"schema", "fields", "choices", "items_schema", "keys_schema", "values_schema", "definitions"}
"""Where the schema of pydantic's core keeps those of what is inside."""


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("truth", "must be a number")
    return value


def _without_truth(schema: Any, *, in_union: bool) -> Any:
    """A schema whose numbers take no ``true``. In a union they take nothing but numbers, so that the right one is
    chosen."""
    if isinstance(schema, list | tuple):
        return type(schema)(_without_truth(item, in_union=in_union) for item in schema)
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") in ("float", "int"):
        if schema.get("strict"):
            return schema
        if in_union:
            return {**schema, "strict": True}
        return core_schema.no_info_before_validator_function(_no_truth, cast("CoreSchema", schema))
    here = schema.get("type") == "union"
    changed = dict(schema)
    for key in _INNER & schema.keys():
        inner = schema[key]
        named = as_mapping(inner) if key in ("fields", "choices") else None
        if named is not None:
            changed[key] = {name: _without_truth(item, in_union=False) for name, item in named.items()}
        else:
            changed[key] = _without_truth(inner, in_union=here)
    return changed


class Spec(BaseModel):
    """Base of everything read from a file: frozen, no field that is not known, and ``true`` is no number.

    The checks are made ready at first use: which kinds there are is not known while modules are being imported.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    @classmethod
    def alternatives(cls) -> tuple[type[Spec], ...]:
        """The models one of which is read where this one is asked for."""
        return (cls,)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic reads ``true`` as 1 where a number may stand: every number below this model refuses it."""
        schema: CoreSchema = _without_truth(handler(source), in_union=False)
        return schema


def mapping_or(other: str) -> Discriminator:
    """Tells a mapping (the tag ``@mapping``) from what may stand in its place, whose tag is ``other``."""
    return Discriminator(lambda value: "@mapping" if isinstance(value, dict | Spec) else other)


VERY_CLOSE, CLOSE = 0.8, 0.6
MOST_HOLDING, LEAST_PART = 3, 3


def nearest(word: object, allowed: Iterable[str]) -> str:
    """``"; did you mean 'chiller'?"``: the closest allowed word, or those that hold this one; nothing where none does.

    >>> nearest("chiler", ["chiller", "tower"]), nearest("h100", ["dgx-h100", "h100-pcie", "p40"]), nearest("x", ["y"])
    ("; did you mean 'chiller'?", "; did you mean 'h100-pcie' or 'dgx-h100'?", '')
    """
    written, names = str(word), list(allowed)
    close = difflib.get_close_matches(written, names, n=1, cutoff=VERY_CLOSE)
    if not close and len(written) >= LEAST_PART:
        holding = sorted((name for name in names if written in name), key=lambda name: name.index(written) > 0)
        close = holding[:MOST_HOLDING]
    close = close or difflib.get_close_matches(written, names, n=1, cutoff=CLOSE)
    meant = " or ".join(f"'{name}'" for name in close)
    return f"; did you mean {meant}?" if close else ""


def _unwrap(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _members(annotation: Any) -> list[Any]:
    """The alternatives of a union (or the type itself), without None."""
    plain = _unwrap(meant(_unwrap(annotation)))
    if get_origin(plain) in (Union, types.UnionType):
        return [member for part in get_args(plain) for member in _members(part) if member is not type(None)]
    return list(plain.alternatives()) if isinstance(plain, type) and issubclass(plain, Spec) else [plain]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _words(model: type[BaseModel]) -> tuple[str, ...]:
    """What is written as its ``kind``, where it has one."""
    field = model.model_fields.get("kind")
    return get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()


def _kind(model: type[BaseModel]) -> str | None:
    return next(iter(_words(model)), None)


def _laws(model: type[BaseModel]) -> tuple[str, ...]:
    """The laws that a model without a kind is told by, as times of service are."""
    field = model.model_fields.get("law")
    return get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()


_MEMBER = re.compile(r"str|int|float|bool|(?:dict|list|tuple|literal|constrained|function|lax)\b.*[\[-].*")
"""What pydantic's core calls a member of a union that has no tag, in the place of a name."""


def _resolve(annotation: Any, loc: tuple[str | int, ...], data: Any) -> tuple[KeyPath, list[type[BaseModel]]]:
    """Pydantic's location -> (the path as written in the file, the models that stand there)."""
    path: list[str | int] = []
    here = _members(annotation)
    for i, part in enumerate(loc):
        tagged = [m for m in here if _is_model(m) and (_kind(m) == part or part in _laws(m))]
        if i and part == loc[i - 1] and any(part in m.model_fields for m in tagged):
            tagged = []  # the field 'model' of the kind 'model', after its tag
        if tagged and not (has(data, [str(part)]) and _kind(tagged[0]) is None and not _laws(tagged[0])):
            here = list(tagged)  # the tag of a union member: pydantic's word, not the user's
            continue
        if part in ("@kinds", "@plain"):  # of models that have a kind, or one that has none
            here = [m for m in here if _is_model(m) and (part == "@kinds") == (_kind(m) is not None)]
            continue
        if str(part).startswith("@"):  # the tag of a quantity-or-mapping union
            here = [m for m in here if (part == "@mapping") == _is_model(m)]
            continue
        if part == "[key]" or (_MEMBER.fullmatch(str(part)) and not _has(data, part)):
            continue
        path.append(part)
        data = data[part] if _has(data, part) else None
        following: list[Any] = []
        for member in here:
            origin = get_origin(member)
            if _is_model(member):
                if part in member.model_fields:
                    following += _members(member.model_fields[str(part)].annotation)
            elif origin in (list, tuple, dict, Mapping):
                following += _members(get_args(member)[-1 if origin in (dict, Mapping) else 0])
        here = following
    return tuple(path), [m for m in here if _is_model(m)]


def _has(data: Any, part: str | int) -> bool:
    mapping, items, number = as_mapping(data), as_list(data), as_whole(part)
    if mapping is not None:
        return part in mapping
    return items is not None and number is not None and number < len(items)


def _remedy(models: list[type[BaseModel]], field: str) -> str:
    """What its spec says of a field that is missing, and which words, mapping or quantity may stand there."""
    info = next((model.model_fields[field] for model in models if field in model.model_fields), None)
    if info is None:
        return ""
    text = as_text(under(info.json_schema_extra, "remedy")) or info.description
    members = _members(info.annotation)
    if all(get_origin(member) is Literal for member in members):
        words = [str(word) for member in members for word in get_args(member)]
        return f"{f'. {text}' if text else ''}  ({', '.join(words)})"
    if text:
        return f". {text}"
    example = next((example for one in info.metadata for example in _examples(one)), None)
    if example is not None:
        return f", e.g. '{example}'"
    plain = [word for kind, word in _PLAIN.items() if kind in members]
    held = [member for member in members if _is_model(member)]
    return f", {' or '.join([*plain, *([f'a mapping{_holds(held)}'] if held else [])])}" if plain or held else ""


MOST_DEEP, MOST_PLACES = 4, 2


@cache
def _places(annotation: Any, first: str | int | None, word: str | int) -> tuple[KeyPath, ...]:
    """The shallowest fields of a name, all of them below the key ``first`` if there is one. Lists and names of one's
    own are not looked into."""
    level: list[tuple[KeyPath, list[Any]]] = [((), _members(annotation))]
    for _ in range(MOST_DEEP):
        deeper: dict[KeyPath, list[Any]] = {}
        for at, members in level:
            for name, info in ((n, i) for model in members if _is_model(model) for n, i in model.model_fields.items()):
                if at or first in (None, name):
                    deeper.setdefault((*at, name), []).extend(_members(info.annotation))
        found = tuple(path for path in deeper if path[-1] == word)
        if found:
            return found
        level = list(deeper.items())
    return ()


def _elsewhere(annotation: Any, root: KeyPath, path: KeyPath) -> str:
    """``"; that is 'site.water.wue'"``: where a name that is not known here stands under the same key, or anywhere if
    it was written at the top; nothing where it stands nowhere else."""
    of_name = _places(annotation, path[0] if len(path) > 1 else None, path[-1])
    found = [one for one in of_name if one != path][:MOST_PLACES]  # another kind may have it at this very place
    places = " or ".join(f"'{'.'.join(map(str, (*root, *one)))}'" for one in found)
    return f"; that is {places}" if places else ""


_PLAIN = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def _examples(metadata: object) -> list[Any]:
    """How people write a quantity, as its schema says it."""
    return list(as_list(under(getattr(metadata, "json_schema", None), "examples")) or ())


def _holds(models: list[type[BaseModel]]) -> str:
    """What a mapping that is one of ``models`` must have: ``" with a 'kind'  (a, b)"``, or its fields."""
    kinds = sorted({word for model in models for word in _words(model)})
    if kinds:
        return f" with a 'kind'  ({', '.join(kinds)})"
    fields = {name: info for model in models[:1] for name, info in model.model_fields.items()}
    asked = [name for name, info in fields.items() if info.is_required()] or list(fields)
    return f" with {', '.join(asked)}" if asked else ""


_BOUNDS = {
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "list_type": "must be a list",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
}
"""What pydantic calls a fault -> how it is said."""


_NAME = re.compile(r"\^\[A-Za-z0-9\]\[A-Za-z0-9([ ._+-]*)\]\*\$")
"""How patterns of names are written; what is in the group may stand in one, but not begin it."""
_ANY_TEXT = r"^[^\x00-\x1f"
"""Begins the pattern of names that may be any text."""
_SIGNS = {" ": "spaces", ".": "dots", "_": "underscores", "+": "plus signs", "-": "hyphens"}


def _in_plain_words(error: ErrorDetails) -> str:
    if str(error.get("ctx", {}).get("pattern", "")).startswith(_ANY_TEXT):
        return "must be text on one line, without control characters"
    name = _NAME.fullmatch(str(error.get("ctx", {}).get("pattern", "")))
    if name is not None:
        *some, last = ["letters from A to Z", "digits", *(_SIGNS[sign] for sign in name[1])]
        return f"must be made of {', '.join(some)} and {last} alone, and begin with a letter or digit"
    said = _BOUNDS.get(error["type"])
    found = {name: one for name, one in error.get("ctx", {}).items() if as_number(one) is not None}
    bounds = {name: f"{one:g}" if as_whole(one) is None else f"{one:,}" for name, one in found.items()}
    return error["msg"] if said is None else said.format(**bounds)


def first_in_plain_words(error: ValidationError) -> str:
    """What is wrong first of all, of a value that stands alone, such as an option's."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    said = _in_plain_words(first)
    return f"{said}, and is {first['input']}" if first["type"] in _BOUNDS else said


def _told_by(error: ErrorDetails) -> str:
    """The field that tells the members of a union apart: ``kind``, or ``law``."""
    named = str(error.get("ctx", {}).get("discriminator", "")).strip("'")
    return named if named.isidentifier() else "kind"


def _message(
    error: ErrorDetails, path: KeyPath, outer: list[type[BaseModel]], here: list[type[BaseModel]], elsewhere: str
) -> str:
    given = error["input"]
    kind = error["type"]
    context = error.get("ctx", {})
    if kind == "missing":
        return f"required{_remedy(outer, str(path[-1]))}"
    if kind == "extra_forbidden":
        fields = sorted({name for model in outer for name in model.model_fields})
        return f"unknown name '{path[-1]}'{elsewhere or nearest(path[-1], fields)}  (allowed: {', '.join(fields)})"
    if kind == "union_tag_invalid":
        allowed = [tag.strip().strip("'") for tag in str(context["expected_tags"]).split(",")]
        return f"unknown '{context['tag']}'{nearest(context['tag'], allowed)}  ({', '.join(allowed)})"
    if kind == "union_tag_not_found":
        told_by = _told_by(error)
        words = sorted({word for model in here for word in (_words(model) if told_by == "kind" else _laws(model))})
        listed = f"  ({', '.join(words)})" if words else ""
        if as_mapping(given) is not None:
            return f"needs a '{told_by}'{listed}"
        return f"must be a mapping with a '{told_by}', not {given!r}{listed}"
    if kind == "literal_error":
        allowed = [word.strip().strip("'") for word in str(context["expected"]).replace(" or ", ", ").split(",")]
        return f"unknown {given!r}{nearest(given, allowed)}  ({', '.join(allowed)})"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"must be a mapping{_holds(here)}, not {'null' if given is None else type(given).__name__}"
    if kind == "too_short" and not given:
        return "must not be empty"
    message = _in_plain_words(error)
    if kind == "quantity":
        said, write, _ = message.partition("; write ")
        own = _remedy(outer, str(path[-1])) if path else ""
        if not write or "e.g. '" not in own:
            return message
        example = own.removeprefix(", e.g. ")  # its own beats that of its dimension
        if example == own:
            return f"{said}{own}"
        return message if example in message else f"{said}; write it like {example}"
    shown = repr(given)
    if nested(given) or len(shown) > 60:
        return message
    return f"{message[0].lower()}{message[1:]}, and is {shown}"


BELOW = "below"
"""In the context of an error that a whole model raises: the keys from there to what is wrong, as a tuple."""


def _problems(annotation: Any, document: Document, root: KeyPath, error: ValidationError) -> list[Problem]:
    data: Any = document.data
    for part in root:
        data = data[part]
    problems: dict[tuple[KeyPath, str], Problem] = {}
    for detail in error.errors(include_url=False):
        loc = tuple(detail["loc"])
        path, here = _resolve(annotation, loc, data)
        _, outer = _resolve(annotation, loc[:-1], data)
        if detail["type"] == "union_tag_invalid":
            path, place = (*path, _told_by(detail)), (*path, _told_by(detail))
        else:
            below = detail.get("ctx", {}).get(BELOW)
            place = path = (*path, *below) if below is not None else path
        elsewhere = _elsewhere(annotation, root, path) if detail["type"] == "extra_forbidden" else ""
        message = _message(detail, path, outer or here, here, elsewhere)
        problems.setdefault((path, message), document.problem((*root, *place), message))
    return list(problems.values())


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Made once: that takes longer than to check with it."""
    return TypeAdapter(kind)


def validate(kind: Any, document: Document, root: KeyPath = (), *, problems: list[Problem]) -> Any | None:
    """The part of ``document`` at ``root`` as a ``kind``, or None with every complaint added to ``problems``.

    ``kind`` is a model or any type pydantic can check (a union, a ``dict[str, Model]``).
    """
    data: Any = document.data
    for part in root:
        data = data[part]
    try:
        return _adapter(kind).validate_python(data)
    except ValidationError as error:
        problems += _problems(kind, document, root, error)
        return None
