from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from probe import GENESIS, NOON, SEALER

from gridbourse.chain.embedded import EmbeddedChain


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chain.sqlite"


@pytest.fixture
def chain(path: Path) -> Iterator[EmbeddedChain]:
    with EmbeddedChain(path, GENESIS, SEALER, clock=lambda: NOON) as chain:
        yield chain
