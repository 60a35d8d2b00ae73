"""Facts and public test data that lie beside the checkout, not in it."""

from __future__ import annotations

from pathlib import Path

import pytest

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def shared_file(name: str) -> Path:
    """Path of a file of the data; the test is skipped where it is absent."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"../shared/data/{name} is not on this machine")
    return path
