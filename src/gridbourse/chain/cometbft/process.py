"""The `cometbft` process beside a node."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from gridbourse.errors import ChainError

VERSION = "0.38.26"
"""The line whose ABCI is 2.0; the makefile installs this version."""
STOP_SECONDS = 20.0
_POLL_SECONDS = 0.01


def find_cometbft() -> str:
    """Path of the program: beside this Python, or on the path.

    Raises
    ------
    ChainError
        There is none.
    """
    beside = Path(sys.prefix, "bin", "cometbft")
    found = str(beside) if beside.exists() else shutil.which("cometbft")
    if found is None:
        raise ChainError(
            f"no program `cometbft`: run `make cometbft`, which needs Go, or put the release binary of v{VERSION} from "
            "https://github.com/cometbft/cometbft/releases on the path"
        )
    return found


class CometProcess:
    """A running CometBFT.

    Parameters
    ----------
    program
        Path of `cometbft`.
    home
        Its folder.
    log
        File that its output is added to.
    """

    def __init__(self, program: str, home: Path, log: Path) -> None:
        (home / "data").mkdir(parents=True, exist_ok=True, mode=0o700)
        remembered = home / "pid"
        _end_leftover(remembered, home)
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the program is the one that was found
                [program, "start", "--home", str(home)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        remembered.write_text(str(self._process.pid), "ascii")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End it, by force if it does not listen."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _end_leftover(remembered: Path, home: Path) -> None:
    """End the CometBFT of a node that was killed: mostly it ends by itself, but while it starts it may not notice.

    Its files are locked until then. Where there is no ``/proc`` to recognise it by, it is left alone.
    """
    try:
        pid = int(remembered.read_text("ascii"))
        command = Path("/proc", str(pid), "cmdline").read_bytes()
    except (OSError, ValueError):
        return
    if str(home).encode() in command.split(b"\0"):
        os.kill(pid, signal.SIGKILL)
        with suppress(OSError):  # it is gone
            while Path("/proc", str(pid), "cmdline").read_bytes():
                time.sleep(_POLL_SECONDS)
