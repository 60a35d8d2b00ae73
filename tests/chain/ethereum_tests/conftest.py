"""Ethereum's own tests, from `ETHEREUM_TESTS` or `../shared/data/ethereum-tests.tar.xz` beside the checkout.

Source: https://github.com/ethereum/tests and the state tests of https://github.com/ethereum/execution-spec-tests. Any
folder that holds some of `TrieTests`, `RLPTests`, `TransactionTests` and `GeneralStateTests` (`state_tests`) will do.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
WHERE = Path(os.environ.get("ETHEREUM_TESTS", CHECKOUT.parent / "shared/data/ethereum-tests.tar.xz"))


@cache
def folder() -> Path | None:
    """Where the tests are; an archive is unpacked for as long as this process lives."""
    if not WHERE.exists():
        return None
    if WHERE.is_dir():
        return WHERE
    unpacked = Path(tempfile.mkdtemp(prefix="ethereum-tests-"))
    atexit.register(shutil.rmtree, unpacked, ignore_errors=True)
    with tarfile.open(WHERE) as archive:
        archive.extractall(unpacked, filter="data")
    return unpacked


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "files_of(*kinds): run for every file of these folders of Ethereum's tests")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that names kinds in `files_of` runs once for every file of these kinds."""
    marker = metafunc.definition.get_closest_marker("files_of")
    if marker is None:
        return
    root = folder()
    if root is None:
        reason = f"no tests of Ethereum at {WHERE}; name a folder or an archive in ETHEREUM_TESTS"
        metafunc.parametrize("file", [pytest.param(None, marks=pytest.mark.skip(reason))], ids=["absent"])
        return
    files = sorted(
        path for path in root.rglob("*.json") if set(marker.args) & {root.name, *path.relative_to(root).parts}
    )
    if files:
        metafunc.parametrize("file", files, ids=[str(path.relative_to(root)) for path in files])
    else:
        reason = f"no {' or '.join(marker.args)} in {WHERE}"
        metafunc.parametrize("file", [pytest.param(None, marks=pytest.mark.skip(reason))], ids=["absent"])
