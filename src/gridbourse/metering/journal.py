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

_MARK = b"\xabR"
_FRAME = struct.Struct(f">2s{READING_BYTES}sI")
FRAME_BYTES = _FRAME.size
READ_TOGETHER = 4_096


class JournalReader:
    """Reads a journal from its beginning on, as it grows: whoever writes it may be another process.

    Parameters
    ----------
    path
        The file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file_number = path.stat().st_ino if path.exists() else -1
        self._place = 0

    def unread(self) -> Iterator[bytes]:
        """The readings behind those that were read or skipped, in the order of their acceptance."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            number = os.fstat(file.fileno()).st_ino
            if number != self._file_number:  # one that was repaired is read from its beginning
                self._file_number, self._place = number, 0
            file.seek(self._place)
            while whole := (read := file.read(READ_TOGETHER * FRAME_BYTES))[: len(read) // FRAME_BYTES * FRAME_BYTES]:
                self._place += len(whole)
                for mark, data, checksum in _FRAME.iter_unpack(whole):
                    if mark == _MARK and zlib.crc32(data) == checksum:
                        yield data

    def skip(self) -> None:
        """Do not read the next reading: it is known."""
        self._place += FRAME_BYTES


class Journal:
    """Readings one behind the other, each in a frame: a mark, its 117 bytes, and their CRC-32.

    So a byte that is changed, lost or added costs the reading that it is in, and no other. What is damaged is taken
    out when the file is opened, kept beside it under the name ``*.damaged``, and told; meters are asked again for what
    is missing then. Several processes may add to one file, each in its turn; it is repaired by who is alone.

    Parameters
    ----------
    path
        The file; made, readable by its owner only, if there is none. What a power failure left of a half-written
        reading at its end is cut off.
    """

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._presence = path.with_name(f"{path.name}.lock").open("ab")
        try:
            fcntl.flock(self._presence, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # others have it open
        else:
            _require_sound(path)
        fcntl.flock(self._presence, fcntl.LOCK_SH)
        self._reader = JournalReader(path)
        self._file = path.open("ab")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no other process add anything meanwhile; what one that was killed left half-written is cut off."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            size = os.fstat(self._file.fileno()).st_size
            if torn := size % FRAME_BYTES:
                self._file.truncate(size - torn)
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def unread(self) -> Iterator[bytes]:
        """The readings behind those that were read or appended here, in the order of their acceptance."""
        return self._reader.unread()

    def append(self, signed: SignedReading) -> None:
        """Add a reading; it is safe after the next `sync`. To be done while held, and after all of `unread`."""
        self._file.write(_frame(signed.to_bytes()))
        self._reader.skip()

    def sync(self) -> None:
        """Return when everything appended is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sync and let go of the file."""
        self.sync()
        self._file.close()
        self._presence.close()


def _require_sound(path: Path) -> None:
    """Take out what is damaged, and what is unfinished."""
    content = path.read_bytes()
    frames, damaged = _sound_frames(content)
    if damaged:
        _repair(path, content, frames, damaged)
    elif torn := len(content) % FRAME_BYTES:
        logger.warning("%s: an unfinished reading of %d bytes at the end is cut off", path, torn)
        os.truncate(path, len(content) - torn)


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
