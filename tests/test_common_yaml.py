"""The quick reader of common YAML gives what the whole reader gives, line by line, or leaves the text to it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import common_yaml, documents
from sim.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = sorted([*(ROOT / "scenarios").rglob("*.yaml"), *(ROOT / "hardware_profiles").rglob("*.yaml")])
ANCHORED = 10
"""Shipped files of which a part stands again where an alias names it, and seven with numbers for names, in quotes."""
QUOTED_NAMES = 7

WORDS = """
a b c key: a: b: name: 'it''s' "q" 1 -2 1.5 2e3 0x1f 0o7 007 1_000 .5 1. +1 .inf 2024-01-01 12:30 true False null ~
<< = - -- -a ? ?a : :a # a#b { } [ ] , | > |- >- |2 >+ & * ! % @ ` &a *a !t ... --- .. \u00e9 \u00b0 a:b http://x/y (x)
5%kW [] {} {a:1} \\ \\n " '
"""
BETWEEN = ["\n", "\n", "\n  ", "\n  ", "\n    ", "\n- ", "\n  - ", "\n\n", "  ", ": ", ", ", " #", "\t", "\xa0", "\r\n"]
BETWEEN += ["\u2028", "\ufeff", "key: ", "b: ", "c: |\n  ", "d: >\n  ", 'e: "', "f: {g: ", "h: ["]
PIECES = st.sampled_from([*WORDS.split(), *(f"{word} " for word in WORDS.split()), *BETWEEN])


def _whole(text: str) -> tuple[str, list[tuple[documents.KeyPath, int | None]]] | str:
    """What the whole reader makes of a text: data (with the types of its numbers) and lines, or that it complains."""
    try:
        data, places, problems = documents._parse_whole(text, "f.yaml")
    except InputError as error:
        return str(error)
    return str(problems) if problems else (repr(data), [(path, place.line) for path, place in places.items()])


def _same(text: str) -> bool:
    """Whether the text was read; it is an error where it was read as something else."""
    common = common_yaml.read(text)
    if common is None:
        return False
    assert (repr(common[0]), list(common[1].items())) == _whole(text), text
    return True


@settings(max_examples=400)
@given(st.lists(PIECES, max_size=24).map("".join))
def test_what_is_read_is_what_the_whole_reader_reads(text: str) -> None:
    _same(text)


PLAIN = st.sampled_from(["x", "5 kW", "-1", "1.50", "null", "true", "a-b", "2024-01-01", "'it''s'", '"a: b # c"', "é"])
FLOWS = st.recursive(
    PLAIN,
    lambda below: (
        st.lists(below, max_size=3).map(lambda found: f"[{', '.join(found)}]")
        | st.lists(below, max_size=3).map(
            lambda found: f"{{{', '.join(f'k{i}: {one}' for i, one in enumerate(found))}}}"
        )
    ),
    max_leaves=6,
)


def _blocks(depth: int) -> st.SearchStrategy[list[str]]:
    """The lines of a block, of which the first may follow a dash."""
    ends = st.sampled_from(["", "  # said", " "])
    one = st.builds(lambda flow, end: [flow + end], FLOWS, ends)
    if depth == 0:
        return one
    below = _blocks(depth - 1)

    def mapping(parts: list[list[str]]) -> list[str]:
        lines = []
        for i, part in enumerate(parts):
            nested = len(part) > 1 or part[0].startswith(("k", "- "))
            lines += [f"k{i}:", *(f"  {line}" for line in part)] if nested else [f"k{i}: {part[0]}"]
        return lines

    def sequence(parts: list[list[str]]) -> list[str]:
        return [("- " if not i else "  ") + line for part in parts for i, line in enumerate(part)]

    some = st.lists(below, min_size=1, max_size=3)
    return one | some.map(mapping) | some.map(sequence)


@given(_blocks(3).map("\n".join))
def test_what_people_write_is_read_at_once(text: str) -> None:
    assert _same(f"# a comment\n\nroot:\n  {text.replace(chr(10), chr(10) + '  ')}\nlast: 1\n")


@pytest.mark.parametrize("style", ["|", "|-", ">", ">-"])
@given(lines=st.lists(st.sampled_from(["a b", "c", "", "  d", "# e", "- f", "g: h", " "]), min_size=1, max_size=6))
def test_blocks_of_text_are_folded_alike(style: str, lines: list[str]) -> None:
    text = f"a: {style}\n" + "".join(f"  {line}\n" for line in lines)
    _same(text)
    _same(f"{text}b: 1\n")
    _same(f"- {style}\n" + "".join(f"   {line}\n" for line in lines) + "- x\n")


def test_shipped_files_are_read_at_once_and_alike() -> None:
    """All are read, and a tenth, another every time the files change, is held against the whole reader."""
    texts = {path: path.read_text(encoding="utf-8") for path in SHIPPED}
    left = [path.name for path, text in texts.items() if common_yaml.read(text) is None]
    assert len(left) <= ANCHORED + QUOTED_NAMES, left
    chosen = random.Random(sum(map(len, texts.values()))).sample(SHIPPED, len(SHIPPED) // 10)
    for path in chosen:
        _same(texts[path])


def test_what_is_too_much_is_left_to_the_whole_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = "a: " + "[" * 60 + "]" * 60
    assert common_yaml.read(deep) is None
    assert common_yaml.read(f"a: {'9' * 41}") is None
    assert common_yaml.read("a: 1e999") is None
    assert common_yaml.read("a: 1\na: 2") is None
    monkeypatch.setattr(common_yaml, "MOST_VALUES", 3)
    assert common_yaml.read("[1, 2, 3, 4, 5]") is None
