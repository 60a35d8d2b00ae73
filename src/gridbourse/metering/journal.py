"""Accepted readings in a file, so that none is lost when the process, the power or a part of the file fails."""

from __future__ import annotations

import logging
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from gridbourse.metering.reading import READING_BYTES, SignedReading

logger = logging.getLogger(__name__)

_MARK = b"\xabR"
_FRAME = struct.Struct(f">2s{READING_BYTES}sI")
FRAME_BYTES = _FRAME.size


class Journal:
    """Readings one behind the other, each in a frame: a mark, its 117 bytes, and their CRC-32.

    So a byte that is changed, lost or added costs the reading that it is in, and no other. What is damaged is taken
    out when the file is opened, kept beside it under the name ``*.damaged``, and told; meters are asked again for what
    is missing then.

    Parameters
    ----------
    path
        The file; made, readable by its owner only, if there is none. What a power failure left of a half-written
        reading at its end is cut off.
    """

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        content = path.read_bytes()
        frames, damaged = _sound_frames(content)
        if damaged:
            _repair(path, content, frames, damaged)
        elif torn := len(content) % FRAME_BYTES:
            logger.warning("%s: an unfinished reading of %d bytes at the end is cut off", path, torn)
        self._file = path.open("a+b")
        self._file.truncate(len(frames) * FRAME_BYTES)

    def __iter__(self) -> Iterator[bytes]:
        """The readings, in the order of their acceptance."""
        self._file.seek(0)
        while frame := self._file.read(FRAME_BYTES):
            yield _FRAME.unpack(frame)[1]

    def append(self, signed: SignedReading) -> None:
        """Add a reading; it is safe after the next `sync`."""
        self._file.write(_frame(signed.to_bytes()))

    def sync(self) -> None:
        """Return when everything appended is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sync and let go of the file."""
        self.sync()
        self._file.close()


def _frame(data: bytes) -> bytes:
    return _FRAME.pack(_MARK, data, zlib.crc32(data))


def _sound_frames(content: bytes) -> tuple[list[bytes], list[int]]:
    """The frames that are as they were written, and where bytes stand between them that are not."""
    frames: list[bytes] = []
    damaged: list[int] = []
    place = 0
    while place + FRAME_BYTES <= len(content):
        mark, data, checksum = _FRAME.unpack_from(content, place)
        if mark == _MARK and zlib.crc32(data) == checksum:
            frames.append(content[place : place + FRAME_BYTES])
            place += FRAME_BYTES
            continue
        if not damaged or damaged[-1] < place:
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
    _, data, checksum = _FRAME.unpack_from(content, place)
    return bool(zlib.crc32(data) == checksum)


def _repair(path: Path, content: bytes, frames: list[bytes], damaged: list[int]) -> None:
    """Keep the damaged file under another name, and write what is sound in its place."""
    number = 1 + sum(1 for _ in path.parent.glob(f"{path.name}.*.damaged"))
    aside = path.with_name(f"{path.name}.{number}.damaged")
    places = ", ".join(map(str, damaged[:10]))
    text = "%s is damaged at byte %s: %d readings are sound; the file as it was is kept as %s, meters are asked again"
    logger.error(text, path, places, len(frames), aside.name)
    for target, data in ((aside, content), (path.with_suffix(".draft"), b"".join(frames))):
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    path.with_suffix(".draft").replace(path)
