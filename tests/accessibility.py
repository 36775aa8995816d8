"""axe-core, the checker of accessibility, from npm: its text as a fixture, and what it finds that matters."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from typing import Any

import pytest

from tests.browser import Tab


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The accessibility checker axe-core, from npm."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm, for axe-core")
    folder = tmp_path_factory.mktemp("axe")
    done = subprocess.run(
        [npm, "pack", "axe-core@4", "--silent"], cwd=folder, capture_output=True, timeout=120, check=False
    )
    packed = next(iter(folder.glob("*.tgz")), None)
    if done.returncode or packed is None:
        pytest.skip("needs axe-core, and npm could not fetch it here")
    with tarfile.open(fileobj=io.BytesIO(packed.read_bytes())) as archive:
        inside = archive.extractfile("package/axe.min.js")
        assert inside is not None
        return inside.read().decode()


def serious(tab: Tab, checker: str) -> list[Any]:
    """What axe-core finds that is serious or worse, with all that is folded open."""
    tab.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    tab.evaluate(f"{checker}; undefined")
    found = tab.evaluate(
        "axe.run().then(r => r.violations.map(v => [v.id, v.impact, v.nodes.slice(0, 3).map(n => n.html)]))"
    )
    return [one for one in found if one[1] in ("serious", "critical")]
