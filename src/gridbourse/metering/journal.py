"""Accepted readings in a file, so that none is lost when the process, the power or a part of the file fails."""

from __future__ import annotations

import fcntl
import logging
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridbourse.metering.reading import READING_BYTES, SignedReading

logger = logging.getLogger(__name__)

READ_TOGETHER = 4_096
_MARK = b"\xabR"
_FRAME = struct.Struct(f">2s{READING_BYTES}sI")
FRAME_BYTES = _FRAME.size


class Journal:
    """Readings one behind the other, each in a frame: a mark, its 117 bytes, and their CRC-32.

    So a byte that is changed, lost or added costs the reading that it is in, and no other. What is damaged is taken
    out when the file is opened, kept beside it under the name ``*.damaged``, and told; meters are asked again for what
    is missing then. Several processes may add to one file, each in its turn.

    Parameters
    ----------
    path
        The file; made, readable by its owner only, if there is none. What a power failure left of a half-written
        reading at its end is cut off.
    """

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._path = path
        self._file = path.open("r+b")
        self._read_bytes = 0
        with self._locked():
            self._repair()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no other process add anything meanwhile; what one that was killed left half-written is cut off."""
        with self._locked():
            self._cut_off()
            yield

    def unread(self) -> Iterator[bytes]:
        """The readings behind those that were read or appended here, in the order of their acceptance."""
        while (count := (self._size - self._read_bytes) // FRAME_BYTES) > 0:
            self._file.seek(self._read_bytes)
            read = self._file.read(min(count, READ_TOGETHER) * FRAME_BYTES)
            self._read_bytes += len(read)
            starts = range(0, len(read), FRAME_BYTES)
            yield from (read[start + len(_MARK) : start + len(_MARK) + READING_BYTES] for start in starts)

    def append(self, signed: SignedReading) -> None:
        """Add a reading; it is safe after the next `sync`. To be done while held, and after all of `unread`."""
        data = signed.to_bytes()
        self._file.seek(0, os.SEEK_END)
        self._file.write(_FRAME.pack(_MARK, data, zlib.crc32(data)))
        self._read_bytes += FRAME_BYTES

    def sync(self) -> None:
        """Return when everything appended is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sync and let go of the file."""
        self.sync()
        self._file.close()

    @property
    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _cut_off(self) -> None:
        if torn := self._size % FRAME_BYTES:
            logger.warning("%s: an unfinished reading of %d bytes at the end is cut off", self._path, torn)
            self._file.truncate(self._size - torn)

    def _repair(self) -> None:
        """Keep a damaged file under another name, and write what is sound over it.

        Frames only move towards the beginning: whenever this is cut short, each stands at its old or its new place.
        """
        content = self._file.read()
        frames, damaged = _sound_frames(content)
        if damaged:
            number = 1 + sum(1 for _ in self._path.parent.glob(f"{self._path.name}.*.damaged"))
            aside = self._path.with_name(f"{self._path.name}.{number}.damaged")
            places = ", ".join(map(str, damaged[:10]))
            text = "%s is damaged at byte %s: %d readings are sound; as it was it is kept as %s, meters are asked again"
            logger.error(text, self._path, places, len(frames), aside.name)
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
                copy.write(content)
                copy.flush()
                os.fsync(copy.fileno())
            self._file.seek(0)
            self._file.write(b"".join(frames))
            self.sync()
            self._file.truncate(len(frames) * FRAME_BYTES)
        self._cut_off()


def _sound_frames(content: bytes) -> tuple[list[bytes], list[int]]:
    """The frames that are as they were written, and where bytes stand between them that are not."""
    frames: list[bytes] = []
    damaged: list[int] = []
    place = 0
    while place + FRAME_BYTES <= len(content):
        if _is_sound(content, place):
            frames.append(content[place : place + FRAME_BYTES])
            place += FRAME_BYTES
            continue
        damaged.append(place)
        # The next frame begins at a mark; that a mark stands inside a reading by chance, its checksum tells.
        found = content.find(_MARK, place + 1)
        while found >= 0 and not _is_sound(content, found):
            found = content.find(_MARK, found + 1)
        if found < 0:
            break
        place = found
    return frames, damaged


def _is_sound(content: bytes, place: int) -> bool:
    if place + FRAME_BYTES > len(content):
        return False
    mark, data, checksum = _FRAME.unpack_from(content, place)
    return bool(mark == _MARK and zlib.crc32(data) == checksum)
