"""Accepted readings in a file, so that none is lost when the process or the power fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from gridbourse.metering.reading import READING_BYTES, SignedReading


class Journal:
    """Readings of 117 bytes each, one behind the other.

    Each one carries its meter's signature, so the file needs no checksum: whoever reads it judges every reading as if
    it had just come in.

    Parameters
    ----------
    path
        The file; made, readable by its owner only, if there is none. What a power failure left of a half-written
        reading at its end is cut off.
    """

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._file = path.open("a+b")
        size = path.stat().st_size
        self._file.truncate(size - size % READING_BYTES)

    def __iter__(self) -> Iterator[bytes]:
        """The readings, in the order of their acceptance."""
        self._file.seek(0)
        while data := self._file.read(READING_BYTES):
            yield data

    def append(self, signed: SignedReading) -> None:
        """Add a reading; it is safe after the next `sync`."""
        self._file.write(signed.to_bytes())

    def sync(self) -> None:
        """Return when everything appended is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sync and let go of the file."""
        self.sync()
        self._file.close()
