"""The `cometbft` process beside a node."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from gridbourse.errors import ChainError

VERSION = "0.38.26"
"""The line whose ABCI is 2.0; the makefile installs this version."""
STOP_SECONDS = 20.0


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
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the program is the one that was found
                [program, "start", "--home", str(home)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

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
