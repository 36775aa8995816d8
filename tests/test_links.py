"""References to elsewhere have a form that can be one; whether they are still there is asked by ``make links``."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.links import ROOT, addresses, arxiv_ids, dois, ill_formed, texts


def test_every_reference_can_be_one() -> None:
    found = {path: ill_formed(path.read_text(encoding="utf-8")) for path in texts()}
    assert {str(path.relative_to(ROOT)): bad for path, bad in found.items() if bad} == {}


def test_one_address_has_one_spelling() -> None:
    """None differs from another by http or https, a letter's case, www or a last slash alone."""
    spelled = defaultdict(set)
    for path in texts():
        for one in addresses(path.read_text(encoding="utf-8")):
            spelled[one.partition("://")[2].removeprefix("www.").rstrip("/").lower()].add(one)
    assert [sorted(ways) for ways in spelled.values() if len(ways) > 1] == []


def test_one_doi_has_one_spelling() -> None:
    spelled = defaultdict(set)
    for path in texts():
        for one in dois(path.read_text(encoding="utf-8")):
            spelled[one.lower()].add(one)
    assert [sorted(ways) for ways in spelled.values() if len(ways) > 1] == []


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("see doi: 10.1145/1250662.1250665), and", []),
        ("doi:10.1016/S0140-6736(05)71146-6.", []),
        ("doi:10.1/x", ["10.1/x"]),
        ("arXiv:2211.02001v1.", []),
        ("arXiv:hep-th/9901001", []),
        ("arXiv:2213.02001", ["2213.02001"]),
        ("https://example.org/a.", []),
        ("https://example/a", ["https://example/a"]),
    ],
)
def test_what_is_none_is_found(text: str, bad: list[str]) -> None:
    assert ill_formed(text) == bad


def test_ids_are_read_whole() -> None:
    assert arxiv_ids("(arXiv:2104.10350, table 4)") == ["2104.10350"]
    assert dois("(doi:10.1016/S0140-6736(05)71146-6)") == ["10.1016/S0140-6736(05)71146-6"]
