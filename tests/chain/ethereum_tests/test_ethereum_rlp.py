from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ethereum_vectors import cases, data

from gridbourse.chain import rlp
from gridbourse.errors import InvalidValue


def item(given: Any) -> Any:
    if isinstance(given, list):
        return [item(member) for member in given]
    if isinstance(given, str):
        return int(given[1:]) if given.startswith("#") else given.encode("latin-1")
    return given


def decoded(encoded: bytes) -> Any:
    """None where it is no encoding."""
    try:
        return rlp.decode(encoded)
    except InvalidValue:
        return None


@pytest.mark.files_of("RLPTests")
def test_encodings(file: Path):
    for name, case in cases(file).items():
        encoded = data(case["out"])
        if case["in"] == "INVALID":
            assert decoded(encoded) is None, name
        elif case["in"] == "VALID":
            assert rlp.encode(rlp.decode(encoded)) == encoded, name
        else:
            assert rlp.encode(item(case["in"])) == encoded, name
            assert rlp.encode(rlp.decode(encoded)) == encoded, name
