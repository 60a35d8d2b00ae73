"""Accepted readings in a file, so that none is lost when the process or the power fails."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridbourse.metering.reading import READING_BYTES, SignedReading

READ_TOGETHER = 4_096


class Journal:
    """Readings of 117 bytes each, one behind the other; several processes may add to one file, each in its turn.

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
        self._read_bytes = 0
        with self.held():
            pass

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no other process add anything meanwhile; what one that was killed left half-written is cut off."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            if torn := self._size % READING_BYTES:
                self._file.truncate(self._size - torn)
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def unread(self) -> Iterator[bytes]:
        """The readings behind those that were read or appended here, in the order of their acceptance."""
        while (count := (self._size - self._read_bytes) // READING_BYTES) > 0:
            self._file.seek(self._read_bytes)
            read = self._file.read(min(count, READ_TOGETHER) * READING_BYTES)
            self._read_bytes += len(read)
            yield from (read[start : start + READING_BYTES] for start in range(0, len(read), READING_BYTES))

    def append(self, signed: SignedReading) -> None:
        """Add a reading; it is safe after the next `sync`. To be done while held, and after all of `unread`."""
        self._file.write(signed.to_bytes())
        self._read_bytes += READING_BYTES

    def sync(self) -> None:
        """Return when everything appended is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    @property
    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Sync and let go of the file."""
        self.sync()
        self._file.close()
