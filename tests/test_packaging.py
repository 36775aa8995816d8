"""Installed as a wheel, far from the checkout, the package finds its own profiles and scenarios."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_a_wheel_brings_profiles_and_scenarios(tmp_path: Path) -> None:
    # without --wheel, the wheel is built from the source distribution: both have to be whole
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("coldaisle-*.whl")
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
    for scenario in sorted((ROOT / "scenarios").glob("*.yaml")):
        assert "no problems" in run("check", scenario.stem)
    run("run", "bloom-training", "--quiet", "--out", "out")
    assert (tmp_path / "out" / "summary.json").is_file()
