from __future__ import annotations

from pathlib import Path

import pytest
from ethereum_vectors import cases, data

from gridbourse import _native
from gridbourse.crypto.keys import keccak256


def content(text: str) -> bytes:
    return data(text) if text.startswith("0x") else text.encode()


@pytest.mark.files_of("TrieTests")
def test_roots(file: Path):
    for name, case in cases(file).items():
        if "root" not in case:
            continue  # of the order of keys (trietestnextprev), which a trie of ours is not asked for
        given = case["in"]
        leaves: dict[bytes, bytes | None] = {}
        for key, value in given.items() if isinstance(given, dict) else given:
            path = content(key)
            path = keccak256(path) if "secure" in file.stem.lower() else path
            leaves[path] = None if value is None else content(value)
        present = {key: value for key, value in leaves.items() if value}
        root = _native.trie_root(list(present.items()))
        assert root.hex() == case["root"].removeprefix("0x"), name
        for key in leaves:
            proof = _native.trie_proof(list(present.items()), key)
            assert _native.verify_proof(root, key, proof) == present.get(key), name
