"""What hatchling does besides: it builds the library of kernels, for wheels and for editable installs.

A wheel with the library is of this platform, and for every Python, since nothing in it knows of Python. Where the
library cannot be built, the wheel is as pure as before, and its kernels are compiled at first use.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LIBRARY = "sim/engine/kernels/kernels.so.1"


class KernelHook(BuildHookInterface):  # type: ignore[type-arg]  # of a configuration that hatchling's own hooks leave open
    """Builds the library if it does not fit the sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before files are gathered; ``version`` is ``standard`` or ``editable``."""
        if self.target_name != "wheel":
            return
        self.app.display_info("compiling the kernels, which takes about a minute")
        command = [sys.executable, "-m", "sim.engine.kernels"]
        env = os.environ | {"PYTHONPATH": os.pathsep.join([self.root, *sys.path])}
        done = subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip().rpartition("\n")[2]
            self.app.display_warning(f"{said}; they will be compiled by Numba at first use")
            return
        if version == "standard":
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{os.environ.get('COLDAISLE_WHEEL_PLATFORM', platform)}"
            build_data["artifacts"].append(f"/{LIBRARY}")
            assert Path(self.root, LIBRARY).is_file()
