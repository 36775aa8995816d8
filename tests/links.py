"""What the project's texts refer to elsewhere: addresses, DOIs and arXiv ids, and whether each can be one.

``python -m tests.links`` (``make links``) asks for each, which needs a network; the tests only look at their forms.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[1]
TEXTS: tuple[str, ...] = ("README.md", "docs/*.md", "docs/gallery/*.md")
TEXTS += ("hardware_profiles/**/*.yaml", "scenarios/**/*.yaml", "sim/**/*.py")
ADDRESS = re.compile(r"https?://[^\s\])>\"'`,;{}]+")
DOI = re.compile(r"\bdoi(?:\.org/|:\s?)(10\.[^\s,;\"'`>}]+)", re.IGNORECASE)
ARXIV = re.compile(r"\barXiv:(\S+)")
WELL_FORMED_DOI = re.compile(r"10\.\d{4,9}/\S+")
WELL_FORMED_ARXIV = re.compile(r"(?:\d{2}(?:0[1-9]|1[0-2])\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v\d+)?")
OWN = ("127.0.0.1", "localhost")
PATIENCE_S = 20.0
GONE = (404, 410)


def texts() -> Iterator[Path]:
    """Every file that is looked at."""
    return (path for pattern in TEXTS for path in sorted(ROOT.glob(pattern)) if "_build" not in path.parts)


def addresses(text: str) -> list[str]:
    """The addresses in a text, without the mark that ends a sentence."""
    found = (match.rstrip(".:") for match in ADDRESS.findall(text))
    return [one for one in found if (urlsplit(one).hostname or "") not in OWN]


def dois(text: str) -> list[str]:
    """The DOIs in a text; a bracket that closes what was opened before it is none of it."""
    return [_closed(match.rstrip(".")) for match in DOI.findall(text)]


def arxiv_ids(text: str) -> list[str]:
    """The arXiv ids in a text."""
    return [re.split(r"[^\w./-]", match)[0].rstrip(".") for match in ARXIV.findall(text) if match[0] not in "{\\"]


def ill_formed(text: str) -> list[str]:
    """What of a text can be no address, DOI or arXiv id."""
    bad = [one for one in addresses(text) if "." not in (urlsplit(one).hostname or "")]
    bad += [one for one in dois(text) if not WELL_FORMED_DOI.fullmatch(one)]
    return bad + [one for one in arxiv_ids(text) if not WELL_FORMED_ARXIV.fullmatch(one)]


def _closed(found: str) -> str:
    opened = {")": "(", "]": "["}
    while found and found[-1] in opened and found.count(found[-1]) > found.count(opened[found[-1]]):
        found = found[:-1]
    return found


def _gone(address: str) -> str | None:
    try:
        with urlopen(Request(address, headers={"User-Agent": "coldaisle-links"}), timeout=PATIENCE_S):
            return None
    except HTTPError as error:  # a site that shows robots the door still has the page
        return f"{error.code}" if error.code in GONE else None
    except (URLError, TimeoutError, OSError) as error:
        return str(getattr(error, "reason", error))


def main() -> int:
    """Asks for every address, DOI and arXiv id; 1 where one is gone."""
    asked: dict[str, Path] = {}
    for path in texts():
        text = path.read_text(encoding="utf-8")
        papers = [f"https://doi.org/{one}" for one in dois(text)]
        papers += [f"https://arxiv.org/abs/{one}" for one in arxiv_ids(text)]
        for one in (*addresses(text), *papers):
            asked.setdefault(one, path)
    gone = {address: why for address in asked if (why := _gone(address)) is not None}
    for address, why in gone.items():
        sys.stdout.write(f"{asked[address].relative_to(ROOT)}: {address}: {why}\n")
    sys.stdout.write(f"{len(asked)} asked, {len(gone)} not found\n")
    return 1 if gone else 0


if __name__ == "__main__":
    sys.exit(main())
