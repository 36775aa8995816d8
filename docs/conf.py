"""How the pages of ``docs/`` are built: ``make docs``, without network, warnings as errors.

What can be read off the code is not written a second time: ``pages.py`` makes the reference of the scenario from its
schema, that of the command from its options, and that of the modules from their docstrings, anew in every build.
"""

from __future__ import annotations

import os
import re
import sys
from functools import lru_cache
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
# the gallery's notebooks run the command beside this Python
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

import pages  # noqa: E402 (found only now)
from sphinx.application import Sphinx  # noqa: E402 (after it)
from sphinx.domains.python import ObjectEntry, PythonDomain  # noqa: E402 (after it)
from sphinx.environment import BuildEnvironment  # noqa: E402 (after it)

pages.write(HERE / "_generated")

project = "coldaisle"
version = release = version_of("coldaisle")
author = project_copyright = "the coldaisle authors"

extensions = ["myst_nb", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
# notebooks run once, here, each in a folder of its own; one that fails fails the build
nb_execution_mode = "auto"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_show_tb = True
nb_merge_streams = True
nb_mime_priority_overrides = [("html", "text/html", 0)]
# a type of a signature is linked by its short name, which two modules may have given; a chart comes as Vega-Lite, too,
# which pages do not draw; and a terminal's colours may be cut in two where its output is read in pieces
suppress_warnings = ["ref.python", "mystnb.unknown_mime_type", "misc.highlighting_failure"]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_use_type_comments = False
add_module_names = False
python_use_unqualified_type_names = True
python_display_short_literal_types = True
python_maximum_signature_line_length = 90


class ByLastName(PythonDomain):
    """Python's names, looked through for one that ends alike only where one does: most types are not of ours."""

    def find_obj(
        self, env: BuildEnvironment, modname: str, classname: str, name: str, type: str | None, searchmode: int = 0
    ) -> list[tuple[str, ObjectEntry]]:
        if name.removesuffix("()").rpartition(".")[2] not in _last_names(self.env, len(self.objects)):
            return []
        return super().find_obj(env, modname, classname, name, type, searchmode)


@lru_cache(maxsize=1)
def _last_names(env: BuildEnvironment, _known: int) -> frozenset[str]:
    """The last part of every name that has been read so far."""
    return frozenset(name.rpartition(".")[2] for name in env.domains.python_domain.objects)


def setup(app: Sphinx) -> None:
    """What Sphinx calls first."""
    app.add_domain(ByLastName, override=True)
    app.connect("autodoc-skip-member", _made_by_machine)
    app.connect("autodoc-process-signature", _shortened)


def _made_by_machine(_app: Sphinx, _what: str, name: str, _item: object, skip: bool, _options: object) -> bool:
    """Leaves out what pydantic puts into classes and modules, as it has no docstring of ours."""
    return skip or name.startswith("model_") or "[" in name


def _shortened(
    _app: Sphinx, what: str, _name: str, _item: object, _options: object, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """Arrays by what they hold, and a default that a factory makes as an ellipsis: a signature is to be read."""
    if what == "class" and signature == "(*args, **kwargs)":  # a protocol, which nobody calls
        return "", None
    return _readable(signature), _readable(returned)


def _readable(text: str | None) -> str | None:
    if text is None:
        return None
    arrays = re.sub(r"~?numpy\.ndarray\[.*?~?numpy\.dtype\[~?(?:numpy\.)?(\w+)\]\]", r"NDArray[\1]", text)
    return arrays.replace("<factory>", "...")


html_theme = "pydata_sphinx_theme"
html_title = "coldaisle"
html_static_path: list[str] = []
html_copy_source = False
html_show_sourcelink = False
html_sidebars: dict[str, list[str]] = {
    page.stem: [] for page in HERE.glob("*.md") if "{toctree}" not in page.read_text(encoding="utf-8")
}  # of those with no pages beneath
html_theme_options = {
    "show_nav_level": 1,
    "show_toc_level": 2,
    "navigation_depth": 3,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": False,
    "navigation_with_keys": False,
}
