"""How Ethereum's tests write numbers and bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gridbourse.crypto.keys import keccak256


def cases(file: Path) -> dict[str, Any]:
    """The tests of a file by name."""
    return json.loads(file.read_text())


def number(text: str) -> int:
    return int(text, 0)


def data(text: str) -> bytes:
    """Hexadecimal with `0x`, without a leading zero or with."""
    digits = text.removeprefix("0x")
    return bytes.fromhex(digits if len(digits) % 2 == 0 else "0" + digits)


def word(text: str) -> bytes:
    return number(text or "0x0").to_bytes(32, "big")


def hash_of_block(height: int) -> bytes:
    """What the tests take for the hash of an earlier block."""
    return keccak256(str(height).encode())
