"""Shared settings: Hypothesis profiles, one temporary folder, and the folder of real data where there is one."""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import sim
from sim.cli import GARBAGE_AFTER

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

# No deadlines: machines are noisy, and a slow example is not a wrong one. CI draws the same examples every time.
settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("nightly", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure(config: pytest.Config) -> None:
    """Whatever is killed or kept to the end leaves its temporary files in one folder, which goes with the session.

    The folders of tests that failed stay where pytest keeps them.
    """
    if hasattr(config, "workerinput"):
        return  # its controller has made the folder
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    folder = tempfile.TemporaryDirectory(prefix="tests-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    os.environ["TMPDIR"] = tempfile.tempdir = folder.name


def pytest_sessionstart(session: pytest.Session) -> None:
    """Loads all of ``sim``: Hypothesis tries the constants of loaded modules, so its examples depend on what is."""
    if session.config.getoption("dist", "no") != "no" and not hasattr(session.config, "workerinput"):
        return  # its workers run the tests
    for module in pkgutil.walk_packages(sim.__path__, "sim."):
        importlib.import_module(module.name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests come first: what is left at the end is short, and no worker waits for another."""
    long = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("proof")}
    items.sort(key=lambda item: item.path not in long)


def pytest_collection_finish() -> None:
    """What was loaded and collected, a million objects, stays to the end: the collector need not look through it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)


def _skip_without_shared_data() -> None:
    if not SHARED.is_dir():
        pytest.skip("needs the real data that is kept beside the project, in ../shared/data")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked ``shared_data`` is skipped where the folder is absent, whether or not it takes the fixture."""
    if item.get_closest_marker("shared_data"):
        _skip_without_shared_data()


@pytest.fixture
def shared_data() -> Path:
    """The folder of real traces and measurements; a test that needs it is skipped where it is absent."""
    _skip_without_shared_data()
    return SHARED
