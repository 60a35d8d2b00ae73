"""An MQTT broker of one's own, for a machine that has none: aMQTT in a process of its own, on the loopback address."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridbourse.errors import InvalidValue
from gridbourse.metering.mqtt import Broker

_LOOPBACK = "127.0.0.1"
_START_SECONDS = 60
_LOOK_SECONDS = 0.05


@contextmanager
def local_broker(port: int | None = None) -> Iterator[Broker]:
    """Run a broker on the loopback address; it ends with the block, and with this process if that is killed.

    It keeps nothing on disk and serves this machine only; meters are let in by their keys, and to their own topics
    (`gridbourse.metering.access`). For real meters, give the address of a broker that stays.

    Parameters
    ----------
    port
        Where it listens; a free port by default.

    Raises
    ------
    InvalidValue
        The port is taken, or the broker does not start; the error holds what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        password = secrets.token_urlsafe(24)
        broker = Broker(_LOOPBACK, port or _free_port(), head_end_password=password)
        if _answers(broker):
            raise InvalidValue("broker", f"{broker.host}:{broker.port}", "a port on which nobody listens")
        log = Path(folder) / "broker.log"
        command = [sys.executable, "-m", "gridbourse.metering.broker_main", broker.host, str(broker.port)]
        with (
            log.open("wb") as output,
            # Leaving the block closes its standard input, which ends it, and waits until it has ended.
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output) as process,  # noqa: S603
        ):
            assert process.stdin is not None, "it was asked for"
            process.stdin.write(f"{password}\n".encode())
            process.stdin.flush()
            _await(process, broker, log)
            yield broker


def _await(process: subprocess.Popen[bytes], broker: Broker, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(broker):
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text("utf-8", errors="replace").strip().splitlines()[-1:] or ["nothing"]
            raise InvalidValue("broker", f"its own, which said {said[0]!r}", "the address of a running one: --broker")
        time.sleep(_LOOK_SECONDS)


def _answers(broker: Broker) -> bool:
    try:
        socket.create_connection((broker.host, broker.port), timeout=1).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])
