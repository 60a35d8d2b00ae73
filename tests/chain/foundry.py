"""The programs of Foundry that npm installed, without npm's launchers, which need Node."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

MODULES = Path(__file__).parents[2] / "contracts" / "node_modules" / "@foundry-rs"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def program(name: str) -> Path:
    architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
    return MODULES / f"{name}-{sys.platform}-{architecture}" / "bin" / name
