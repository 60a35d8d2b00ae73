"""The execution-apis specification as data: its methods, and checks of their results."""

from __future__ import annotations

import tarfile
from functools import cached_property
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

FOLDERS = ("eth", "debug", "txpool", "testing")


class Specification:
    """What the archive of ethereum/execution-apis holds, for the methods that a node's users call.

    Parameters
    ----------
    archive
        The repository's `src` folder as an archive.
    """

    def __init__(self, archive: Path) -> None:
        self._schemas: dict[str, Any] = {}
        self._results: dict[str, Any] = {}
        with tarfile.open(archive) as files:
            for member in files:
                folder = Path(member.name).parent.name
                if not member.name.endswith(".yaml") or "engine" in member.name:
                    continue
                content = yaml.safe_load(files.extractfile(member))
                if folder == "schemas":
                    self._schemas |= content
                elif folder in FOLDERS:
                    self._results |= {method["name"]: method["result"]["schema"] for method in content}

    @property
    def methods(self) -> frozenset[str]:
        """Names of all methods."""
        return frozenset(self._results)

    def faults(self, method: str, result: object) -> list[str]:
        """What is wrong with a result."""
        return [f"{error.instance_path}: {error.message}" for error in self._validators[method].iter_errors(result)]

    @cached_property
    def _validators(self) -> dict[str, jsonschema_rs.Draft202012Validator]:
        components = {"components": {"schemas": self._schemas}}
        return {
            name: jsonschema_rs.Draft202012Validator({**schema, **components})
            for name, schema in self._results.items()
            if not name.startswith("testing_")  # of the engine API, whose schemas lie elsewhere
        }
