"""The guarded way to read files: what is no file, too large, cut, too deep or no number is an input error."""

from __future__ import annotations

import contextlib
import gzip
import os
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from sim.errors import InputError
from sim.reading import DEEPEST, MOST_BYTES, exists, is_file, open_text, read_bytes, read_json, read_text


def refused(path: Path, most: int = MOST_BYTES) -> str:
    with pytest.raises(InputError) as caught:
        read_json(path, most=most)
    return str(caught.value)


def test_what_is_packed_is_unpacked_up_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(b"[" + b" " * 1_000_000 + b"1]"))
    assert read_json(path) == [1]
    assert "unpacks to more than 1,000 bytes" in refused(path, most=1_000)


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"1" * 1_000)
    assert read_bytes(path, most=1_000) == b"1" * 1_000
    with pytest.raises(InputError, match="holds more than 999 bytes"):
        read_bytes(path, most=999)


def test_a_limit_is_not_set_aside_beforehand(tmp_path: Path) -> None:
    """A gibibyte may be read, and a file of three bytes takes three."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")
    tracemalloc.start()
    try:
        assert read_bytes(path, most=1 << 40) == b"abc"
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_pipe_and_a_folder_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "a pipe or a device" in refused(tmp_path / "pipe")
    assert "a folder" in refused(tmp_path)
    assert "no such file" in refused(tmp_path / "absent")


def test_a_file_that_is_not_there_is_answered_with_the_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").write_text("1\n")
    assert f"did you mean {tmp_path / 'prompts.csv'}?" in refused(tmp_path / "promts.csv")
    assert f"there is no folder {tmp_path / 'traces'}" in refused(tmp_path / "traces" / "prompts.csv")


def test_gzip_that_is_cut_or_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    packed = gzip.compress(os.urandom(5_000))
    path.write_bytes(packed[:2_000])
    assert "ends too early" in refused(path)
    path.write_bytes(packed[:100] + b"\xff" * 50 + packed[150:])
    assert "cannot be read" in refused(path)


def zipped(path: Path, **members: bytes) -> Path:
    """A zip file of members by name."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return path


def test_zip_of_one_file_is_unpacked(tmp_path: Path) -> None:
    one = zipped(tmp_path / "one.zip", **{"folder/": b"", "folder/a.json": b"[1]", "__MACOSX/._a.json": b"x"})
    assert read_json(one) == [1]
    with open_text(one) as text:
        assert text.read() == "[1]"
    with pytest.raises(InputError, match="is zip of 2 files"):
        read_bytes(zipped(tmp_path / "two.zip", a=b"1", b=b"2"))


def test_zip_is_bounded_as_gzip_is(tmp_path: Path) -> None:
    bomb = zipped(tmp_path / "bomb.zip", a=b" " * 1_000_000)
    with pytest.raises(InputError, match="unpacks to more than 100,000 bytes"):
        read_bytes(bomb, most=100_000)
    with pytest.raises(InputError, match="unpacks to more than 100,000 bytes"), open_text(bomb, most=100_000) as text:
        text.read()
    many = zipped(tmp_path / "many.zip", **{f"{i:0200}": b"" for i in range(5_000)})
    with pytest.raises(InputError, match="more than can be read"):
        read_bytes(many)


def test_zip_that_is_cut_damaged_or_locked_is_refused(tmp_path: Path) -> None:
    content = os.urandom(500)
    path = zipped(tmp_path / "a.zip", a=content)
    whole = path.read_bytes()
    for length in (10, 300, len(whole) - 10):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="cut off"):
            read_bytes(path)
    for byte in range(len(b"PK\x03\x04"), len(whole)):
        path.write_bytes(whole[:byte] + bytes([whole[byte] ^ 0xFF]) + whole[byte + 1 :])
        with contextlib.suppress(InputError):  # what is damaged is refused, or it was of no matter
            assert read_bytes(path) == content
    locked = bytearray(whole)
    locked[6] |= 1
    locked[whole.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(locked))
    with pytest.raises(InputError, match="cannot be unpacked"):
        read_bytes(path)


@pytest.mark.parametrize("depth", [DEEPEST + 1, 5_000, 200_000])
def test_json_nested_too_deep_is_refused(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "deep.json"
    path.write_text("[" * depth + "]" * depth)
    assert "nested deeper" in refused(path)
    path.write_text("[" * DEEPEST + "]" * DEEPEST)
    read_json(path)


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "9" * 5_000])
def test_numbers_that_are_none_are_refused(tmp_path: Path, number: str) -> None:
    path = tmp_path / "n.json"
    path.write_text(f'{{"a": [1, {number}]}}')
    assert "is JSON with a value that is none" in refused(path)


def test_text_that_is_none_is_refused_and_a_mark_at_its_start_is_taken_off(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes(b"\xef\xbb\xbfab")
    assert read_text(path) == "ab"
    path.write_bytes(b"ab\xff")
    with pytest.raises(InputError, match="not UTF-8 text"):
        read_text(path)


@pytest.mark.parametrize(
    ("begins", "said"),
    [
        (b"PAR1\x15\x04\xff", "is Parquet where text is read: write it as CSV"),
        ("\ufefft,x".encode("utf-16"), "is UTF-16 text: save it as UTF-8"),
    ],
)
def test_a_file_that_is_no_text_is_called_what_it_is(tmp_path: Path, begins: bytes, said: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(begins)
    with pytest.raises(InputError, match=said):
        read_text(path)
    with pytest.raises(InputError, match=said), open_text(path) as text:
        text.read()


@pytest.mark.parametrize("name", ["n" * 400, "a\0b", "circle"])
def test_a_path_that_can_hold_nothing_holds_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "circle").symlink_to("circle")
    assert not exists(tmp_path / name)
    assert not is_file(tmp_path / name)
