"""The optional package that holds the tables: where it is installed, which version it is, and which GPUs it knows.

Its code is never imported: the tables are files beside it. NVIDIA, "AIConfigurator", version 0.12.0, Apache-2.0,
https://github.com/ai-dynamo/aiconfigurator; measured latencies of kernels by GPU, framework and version.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from sim.errors import InputError

DISTRIBUTION = "aiconfigurator-core"
KNOWN = ("0.12.0",)
"""Versions whose tables were looked at: a column that changed its meaning would go unseen in another."""
NEEDED = f"measured kernels need {DISTRIBUTION}, which is not installed: pip install 'coldaisle[kernels]'"

SYSTEMS = {
    "nvidia-a100-sxm-40gb": "a100_sxm",
    "nvidia-a100-sxm-80gb": "a100_sxm",
    "nvidia-b200-sxm-180gb": "b200_sxm",
    "nvidia-b300-sxm-270gb": "b300_sxm",
    "nvidia-gb200-186gb": "gb200",
    "nvidia-gb300-279gb": "gb300",
    "nvidia-h100-sxm-80gb": "h100_sxm",
    "nvidia-h200-sxm-141gb": "h200_sxm",
    "nvidia-l40s": "l40s",
    "nvidia-rtx-pro-6000-server": "rtx_pro_6000_server",
}
"""GPU profiles by name, and the folder of their tables. The A100 of 40 GB has the same multiprocessors and less
bandwidth than the one of 80 GB that was measured."""


@dataclass(frozen=True)
class Installed:
    """The package as it is installed: ``record`` lists every file of it with its hash, ``systems`` holds the tables."""

    version: str
    record: Path
    systems: Path

    @property
    def folders(self) -> list[str]:
        """GPUs that have tables, as their folders are named."""
        return sorted(path.name for path in (self.systems / "data").glob("*") if path.is_dir())

    def folder(self, system: str) -> Path:
        """The tables of a GPU, by kind of kernel, framework and version."""
        return self.systems / "data" / system


def installed() -> Installed | None:
    """The package, whatever its version; None where it is not installed."""
    try:
        found = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return None
    module = DISTRIBUTION.replace("-", "_")
    record = Path(str(found.locate_file(f"{module}-{found.version}.dist-info/RECORD")))
    systems = Path(str(found.locate_file(f"{module}/systems")))
    return Installed(found.version, record, systems) if record.is_file() and systems.is_dir() else None


def required() -> Installed:
    """The package. Raises ``InputError`` where it is missing or of a version whose tables nobody looked at."""
    found = installed()
    if found is None:
        raise InputError.one("step_time", NEEDED)
    if found.version not in KNOWN:
        message = f"knows the tables of {DISTRIBUTION} {', '.join(KNOWN)}, and {found.version} is installed: "
        raise InputError.one("step_time", f"{message}pip install 'coldaisle[kernels]'")
    return found
