"""`gridbourse serve` as people start it, in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from service import until

COMMAND = [str(Path(sys.executable).with_name("gridbourse")), "serve"]


@dataclass(frozen=True)
class Serving:
    """A service that answers, and where it writes its log."""

    process: subprocess.Popen
    url: str
    log: Path
    port: int

    def is_ready(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/ready").status_code == 200
        except httpx.TransportError:
            return False

    @contextmanager
    def held(self):
        """Let none of its processes run: its files are those that a kill at this moment would leave."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)


@contextmanager
def serving(folder, *options, port=None):
    """A service of a folder; it is killed at the end."""
    if port is None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
    log = folder.with_suffix(f".{port}.log")
    command = [*COMMAND, folder, "--port", str(port), *options]
    with (
        log.open("ab") as output,
        subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True) as process,
    ):
        try:
            running = Serving(process, f"http://127.0.0.1:{port}", log, port)
            until(running.is_ready)
            yield running
        finally:
            process.kill()
