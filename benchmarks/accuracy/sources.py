"""Where the measured data stand. They are not part of the project; rows without their file are left out and said so."""

from __future__ import annotations

from pathlib import Path

MEASURED = Path(__file__).resolve().parents[3] / "shared" / "data" / "measured"
