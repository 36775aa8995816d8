"""Makes ``report.png``, the picture of a real report in these pages: ``python docs/picture.py``, from the project.

It needs Chromium; the picture is kept, so that a build of the pages does not.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import sim  # noqa: E402 (found only now, as are the two below)
from sim.report.run import report  # noqa: E402
from tests.browser import browser  # noqa: E402

SCENARIO = "dallas-on-ercot"
SIZE = (1100, 1500)
"""CSS pixels: the headline and the flow of energy."""


def main() -> None:
    """Runs the scenario, opens its report and keeps what is seen first."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        page.write_text(report(sim.run(SCENARIO)), encoding="utf-8")
        with browser() as chrome, chrome.open(page.as_uri(), size=SIZE) as tab:
            tab.wait_for("document.documentElement.dataset.drawn")
            tab.screenshot(HERE / "report.png", whole=False)


if __name__ == "__main__":
    main()
