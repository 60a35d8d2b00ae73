"""One organisation's node: its chain, CometBFT, and what joins them."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread
from typing import Self

from gridbourse.chain.cometbft.application import Application
from gridbourse.chain.cometbft.chain import CometChain
from gridbourse.chain.cometbft.client import CometClient
from gridbourse.chain.cometbft.config import Trust, configuration
from gridbourse.chain.cometbft.folder import NodeFolder
from gridbourse.chain.cometbft.genesis import read_genesis
from gridbourse.chain.cometbft.methods import consortium_methods
from gridbourse.chain.cometbft.process import CometProcess, find_cometbft
from gridbourse.chain.cometbft.server import Server
from gridbourse.chain.rpc.server import RpcServer
from gridbourse.errors import ChainError, GridbourseError

RESTART_SECONDS = 1.0
"""Pause before a CometBFT that ended is started again."""
LONELY_SECONDS = 20.0
"""CometBFT gives up peers that do not let it in; alone for so long, it is started again and asks them again."""
READY_SECONDS = 60.0
_POLL_SECONDS = 0.05


class Node:
    """A running node.

    CometBFT is started with it, and again whenever it ends by itself. What the node's own callers handed in and
    waits for a block is then handed in again, because CometBFT's mempool ends with its process.

    Parameters
    ----------
    path
        The organisation's folder.
    trust
        Where to begin if there is no block yet; None replays every block.

    Raises
    ------
    ChainCorrupted, ChainLocked
        The chain's file is damaged, or open elsewhere.
    InvalidValue
        The folder is none of a node.
    ChainError
        There is no program `cometbft`.
    """

    def __init__(self, path: Path, *, trust: Trust | None = None) -> None:
        self._folder = NodeFolder(path)
        self.settings = self._folder.settings()
        self._folder.public_keys()
        self._program = find_cometbft()
        genesis, membership = read_genesis(self._folder.genesis)
        self._trust = trust
        self._stopping = Event()
        self._failure: BaseException | None = None
        self._rpc: RpcServer | None = None
        with ExitStack() as opened:
            # A socket's path may have about 100 characters, a folder's more. Only the owner may enter this one.
            self._sockets = Path(tempfile.mkdtemp(prefix="gridbourse-"))
            opened.callback(shutil.rmtree, self._sockets, ignore_errors=True)
            self.comet = CometClient(self._sockets / "rpc")
            opened.callback(self.comet.close)
            self.chain = CometChain(self._folder.chain, genesis, membership, self.comet.broadcast)
            opened.callback(self.chain.close)
            server = Server(self._sockets / "abci", Application(self.chain, self._admits), self._fail)
            opened.callback(server.close)
            self._process = self._start_comet()
            self._opened = opened.pop_all()
        self._supervisor = Thread(target=self._supervise, name="supervisor", daemon=True)
        self._supervisor.start()

    @property
    def comet_pid(self) -> int:
        """Process id of CometBFT."""
        return self._process.pid

    def wait_ready(self, timeout_seconds: float = READY_SECONDS) -> None:
        """Wait until CometBFT answers.

        Raises
        ------
        ChainError
            It does not in time, or the node failed.
        """
        deadline = time.monotonic() + timeout_seconds
        while not self._answers():
            self._require_sound()
            if self._stopping.is_set():
                raise ChainError("the node is being stopped")
            if time.monotonic() > deadline:
                raise ChainError(f"CometBFT does not answer; {self._folder.comet_log} says why")
            time.sleep(_POLL_SECONDS)

    def run(self) -> None:
        """Wait until `stop` is called or the node fails.

        Raises
        ------
        ChainError
            The node failed.
        """
        self._stopping.wait()
        self._require_sound()

    def stop(self) -> None:
        """Let `run` return."""
        self._stopping.set()

    def close(self) -> None:
        """Stop CometBFT and close the chain; closing twice is the same as once."""
        self._stopping.set()
        self._supervisor.join()
        if self._rpc is not None:
            self._rpc.close()
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve_when_ready(self) -> None:
        """Serve the JSON-RPC from when CometBFT has caught up: before, nonces and state are those of the past."""
        if self._rpc is not None or self._catching_up():
            return
        host, _, port = self.settings.json_rpc.rpartition(":")
        try:
            self._rpc = RpcServer(
                self.chain,
                host=host.strip("[]"),
                port=int(port),
                token=self._folder.token(),
                further=consortium_methods(self.chain, self.comet),
            )
        except GridbourseError as error:
            self._fail(error)

    def _catching_up(self) -> bool:
        try:
            return bool(self.comet.ask("status")["sync_info"]["catching_up"])
        except ChainError:
            return True

    def _admits(self, node_id: bytes) -> bool:
        return node_id in self.settings.peer_ids or self.chain.membership.is_member(node_id)

    def _fail(self, error: BaseException) -> None:
        """Keep the first error; CometBFT is told, too, and must not be started again."""
        self._failure = self._failure or error
        self._stopping.set()

    def _require_sound(self) -> None:
        if self._failure:
            raise ChainError(f"the node stopped: {self._failure!r}") from self._failure

    def _start_comet(self) -> CometProcess:
        home = self._folder.comet_home
        (home / "config").mkdir(parents=True, exist_ok=True, mode=0o700)
        text = configuration(self.settings, self._sockets / "abci", self._sockets / "rpc", self._trust)
        (home / "config" / "config.toml").write_text(text, "utf-8")
        (self._sockets / "rpc").unlink(missing_ok=True)  # a CometBFT that was killed leaves it behind
        return CometProcess(self._program, home, self._folder.comet_log)

    def _supervise(self) -> None:
        while True:
            self._watch()
            self._process.stop()
            if self._stopping.wait(RESTART_SECONDS):
                return
            self._process = self._start_comet()
            Thread(target=self._hand_in_again, name="rebroadcast", daemon=True).start()

    def _watch(self) -> None:
        """Return when CometBFT has ended, or has been alone for too long, or the node is stopping."""
        company = time.monotonic()
        while self._process.running() and not self._stopping.wait(_POLL_SECONDS):
            self._serve_when_ready()
            if time.monotonic() - company > LONELY_SECONDS / 2 and not self._alone():
                company = time.monotonic()
            if time.monotonic() - company > LONELY_SECONDS:
                return

    def _alone(self) -> bool:
        """Whether no other node is connected; not while CometBFT is starting and does not tell."""
        if not self.settings.peers:
            return False
        try:
            return int(self.comet.ask("net_info")["n_peers"]) == 0
        except ChainError:
            return False

    def _hand_in_again(self) -> None:
        try:
            self.wait_ready()
            self.chain.broadcast_again()
        except ChainError:
            return  # CometBFT ended again: the supervisor comes back here

    def _answers(self) -> bool:
        try:
            self.comet.ask("health")
        except ChainError:
            return False
        return True
