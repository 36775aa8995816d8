"""Installed as a wheel, far from the checkout, the package finds its own profiles and scenarios."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = "sim/engine/kernels/kernels.so.1"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source distribution and a wheel, each from the checkout, whose library of kernels does for the wheel."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--sdist", "--wheel", "--outdir", str(out), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (sdist,), (wheel,) = out.glob("coldaisle-*.tar.gz"), out.glob("coldaisle-*.whl")
    return sdist, wheel


@pytest.mark.slow
def test_the_source_distribution_has_all_that_the_wheel_is_made_of(built: tuple[Path, Path]) -> None:
    """To the byte, but for the library of kernels, which is compiled anew: so a wheel from it is as whole."""
    sdist, wheel = built
    with tarfile.open(sdist) as archive:
        given = {
            member.name.partition("/")[2]: archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in archive.getmembers()
            if member.isfile()
        }
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith("sim/") and name != LIBRARY]
        packed = {name.removeprefix("sim/_shipped/"): archive.read(name) for name in names}
    assert packed == {name: given.get(name) for name in packed}
    assert {"hatch_build.py", "pyproject.toml", "README.md", "LICENSE"} <= set(given)
    assert LIBRARY not in given


@pytest.mark.slow
def test_a_wheel_brings_profiles_and_scenarios(tmp_path: Path, built: tuple[Path, Path]) -> None:
    _, wheel = built
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    python = venv / "bin" / "python"
    quiet = ["--quiet", "--disable-pip-version-check"]
    install = [str(python), "-m", "pip", "install", *quiet, "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True)
    # the dependencies come from the test environment, behind the wheel's own folder; the checkout does not
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    command = venv / "bin" / "coldaisle"

    def run(*words: str) -> str:
        shown = subprocess.run([str(command), *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert shown.returncode == 0, shown.stderr
        return shown.stdout

    ask = (
        "from sim.profiles.catalog import shipped_folder as of; print(of('scenarios')); print(of('hardware_profiles'))"
    )
    where = subprocess.run([str(python), "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    for folder in where.splitlines():
        assert Path(folder).is_relative_to(site.resolve() / "sim" / "_shipped")
    assert (site / "sim" / "py.typed").is_file()  # a type checker reads the annotations of what is installed
    assert "nvidia-a100-sxm-80gb" in run("profiles")
    assert "bloom-training" in run("scenarios")
    scenarios = sorted(file.stem for file in (ROOT / "scenarios").glob("*.yaml"))
    assert run("check", *scenarios).count("no problems") == len(scenarios)
    run("run", "bloom-training", "--quiet", "--out", "out")
    assert (tmp_path / "out" / "summary.json").is_file()
