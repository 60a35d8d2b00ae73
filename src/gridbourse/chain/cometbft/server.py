"""ABCI's socket protocol: CometBFT connects four times, and asks over each connection in its order."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from gridbourse.chain.cometbft.application import Application
from gridbourse.chain.cometbft.wire import read_varint, varint
from gridbourse.errors import ChainError

MAX_REQUEST_BYTES = 128_000_000
"""Above every block that the genesis allows."""

_RECEIVE_BYTES = 1 << 18
_LONGEST_LENGTH = 10


class Server:
    """Listens on a Unix socket until it is closed.

    Parameters
    ----------
    path
        The socket's file, which only its owner may open; replaced if it exists.
    application
        Answers the requests.
    failed
        Told of an error that no request explains; CometBFT is told, too, and stops.
    """

    def __init__(self, path: Path, application: Application, failed: Callable[[BaseException], None]) -> None:
        self._application = application
        self._failed = failed
        self._path = path
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen()
        Thread(target=self._accept, name="abci", daemon=True).start()

    def close(self) -> None:
        """Stop listening; connections end with CometBFT's process."""
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._serve, args=(connection,), name="abci connection", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(ConnectionError):
            reader = _Reader(connection)
            while (request := reader.next()) is not None:
                try:
                    response = self._application.answer(request)
                except Exception as error:  # noqa: BLE001 - CometBFT has to stop, whatever it was
                    self._failed(error)
                    response = Application.failure(error)
                connection.sendall(varint(len(response)) + response)


class _Reader:
    """Takes requests out of a stream."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()

    def next(self) -> bytes | None:
        """Next request; None at the end of the stream."""
        size, start = self._length()
        if size is None:
            return None
        if size > MAX_REQUEST_BYTES:
            raise ChainError(f"ABCI request of {size} bytes: at most {MAX_REQUEST_BYTES}")
        while len(self._buffer) < start + size:
            if not self._receive():
                return None
        request = bytes(self._buffer[start : start + size])
        del self._buffer[: start + size]
        return request

    def _length(self) -> tuple[int | None, int]:
        while True:
            prefix = bytes(self._buffer[:_LONGEST_LENGTH])
            if any(byte < 0x80 for byte in prefix):
                return read_varint(prefix, 0)
            if not self._receive():
                return None, 0

    def _receive(self) -> bool:
        received = self._connection.recv(_RECEIVE_BYTES)
        self._buffer += received
        return bool(received)
