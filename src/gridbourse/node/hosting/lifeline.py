"""What ties a node to the program that started it: it says when it is ready, and ends when that program is gone."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self

from gridbourse.node.commands.codec import write_line
from gridbourse.node.commands.failures import encode_error


class Lifeline:
    """One end of a pair of sockets, of which the other program holds the other end.

    Parameters
    ----------
    descriptor
        Its file descriptor, which was inherited.
    """

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)

    def watch(self, ended: Callable[[], None]) -> Self:
        """Call a function, in a thread, once the other program is gone or lets go."""
        threading.Thread(target=self._wait, args=(ended,), name="lifeline", daemon=True).start()
        return self

    def report(self, error: Exception | None = None) -> None:
        """Say that the node takes commands, or why there is none."""
        with contextlib.suppress(OSError):  # nobody is there to be told
            self._socket.sendall(write_line({"error": None if error is None else encode_error(error)}))

    def _wait(self, ended: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):
            while self._socket.recv(1):
                pass
        ended()
