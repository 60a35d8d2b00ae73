"""The scenarios that come with the package, a folder each."""

from __future__ import annotations

import shutil
from pathlib import Path

from gridbourse.errors import InvalidValue
from gridbourse.simulation.scenario.description import FILE

FOLDER = Path(__file__).parents[1] / "scenarios"


def shipped_names() -> list[str]:
    """What there is."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{FILE}"))


def shipped(name: str) -> Path:
    """The folder of a scenario that comes with the package. Raises `InvalidValue`."""
    if name not in shipped_names():
        raise InvalidValue("scenario", name, f"one of {', '.join(shipped_names())}")
    return FOLDER / name


def copy_shipped(name: str, folder: Path) -> list[Path]:
    """Copy a scenario that comes with the package into a new folder, to change it there; returns the files.

    Raises
    ------
    InvalidValue
        There is no such scenario, or the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InvalidValue("folder", str(folder), "a new or empty folder: what is there is not overwritten")
    folder.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copy(path, folder / path.name)) for path in sorted(shipped(name).iterdir()) if path.is_file()]
