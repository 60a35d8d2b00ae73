"""Networks of real nodes: each a `Node` of this process with a CometBFT process of its own."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from gridbourse.chain.cometbft.config import Trust
from gridbourse.chain.cometbft.description import NetworkSpec, Organisation
from gridbourse.chain.cometbft.folder import NodeFolder, NodeSettings, found_network, read_account_key
from gridbourse.chain.cometbft.node import Node
from gridbourse.chain.cometbft.process import find_cometbft
from gridbourse.errors import ChainError

NAMES = ("hydro", "grid", "retailer", "industry")
CHAIN_ID = 2021
PATIENCE_SECONDS = 60.0


def require_cometbft() -> None:
    try:
        find_cometbft()
    except ChainError as error:
        pytest.skip(str(error))


def free_endpoints(count: int) -> list[str]:
    """So many addresses on which nobody listens, all of them different."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [f"127.0.0.1:{one.getsockname()[1]}" for one in held]
    for one in held:
        one.close()
    return found


def eventually(what: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


class Network:
    """Nodes by their names, below one folder."""

    def __init__(self, folder: Path, names: tuple[str, ...] = NAMES, observers: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.names = names
        endpoints = iter(free_endpoints(3 * len(names + observers)))
        organisations = [
            Organisation(name, next(endpoints), next(endpoints), next(endpoints), None, None, name in names)
            for name in names + observers
        ]
        found_network(NetworkSpec(CHAIN_ID, 2_000_000_000, None, tuple(organisations)), folder)
        self.deployer = read_account_key(folder / "deployer.key")
        self.accounts = {name: read_account_key(folder / name / "account.key") for name in names}
        self.nodes: dict[str, Node] = {}

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def start(self, *names: str, trust: Trust | None = None) -> None:
        for name in names or self.names:
            self.nodes[name] = Node(self.folder / name, trust=trust)
        for name in names or self.names:
            self.nodes[name].wait_ready()

    def stop(self, *names: str) -> None:
        for name in names or tuple(self.nodes):
            self.nodes.pop(name).close()

    def add_folder(self, name: str) -> NodeFolder:
        """The folder of a node that was not there at the founding; it knows all others."""
        made = NodeFolder(self.folder / name)
        made.make_keys()
        shutil.copy(self.folder / "genesis.json", made.genesis)
        peers = [NodeFolder(self.folder / other) for other in self.names]
        addresses = tuple(f"{peer.public_keys().node_id.hex()}@{peer.settings().p2p}" for peer in peers)
        made.write_settings(NodeSettings(name, *free_endpoints(2), "", addresses))
        return made

    def wait_equal(self, *names: str) -> None:
        """Wait until these nodes have the same newest block, and so the same chain."""
        chains = [self.nodes[name].chain for name in names or tuple(self.nodes)]
        eventually(lambda: len({chain.head().hash for chain in chains}) == 1)


def validators(node: Node) -> set[str]:
    """Public keys, base64, of those that vote on the next block."""
    return {entry["pub_key"]["value"] for entry in node.comet.ask("validators")["validators"]}


def peer_names(node: Node) -> set[str]:
    """Names of the nodes that one is connected to; none while its CometBFT is starting."""
    with suppress(ChainError):
        return {peer["node_info"]["moniker"] for peer in node.comet.ask("net_info")["peers"]}
    return set()
