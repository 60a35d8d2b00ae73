"""Addresses of Unix sockets: the system takes 107 bytes, and folders may lie deeper than that."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MAX_BYTES = 100


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """The address of a socket; of one that lies deep, by way of its open folder."""
    if len(os.fsencode(path)) <= _MAX_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
