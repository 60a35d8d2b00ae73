"""A function node on a device of its own: it signs with its own key and hands in over its master's slave chain.

The device knows its node's key, its master's public key and a token, and nobody's private keys beside. Its folder holds
what it needs of its organisation's: ``region.toml``, ``public.json``, its own key file and ``keys/tokens/NAME.nodes``.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Self

from gridbourse.chain.ethereum import EthereumChain
from gridbourse.chain.interface import DEFAULT_TIMEOUT_SECONDS
from gridbourse.contracts.main_chain import MainChain
from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import ChainError, InvalidValue
from gridbourse.ledger.function_node import FunctionNode
from gridbourse.ledger.merkle_log import Slave
from gridbourse.ledger.records import LimitsSet
from gridbourse.market.types import Offer, OrderId, Reason, Side
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.node.folder.chains import nodes_of, reach_main_chain, read_token
from gridbourse.node.folder.key_rotation import RegionKeys
from gridbourse.node.folder.setup import PublicKeys
from gridbourse.region.description import Engine
from gridbourse.region.description_file import read_region

_POLL_SECONDS = 0.2


class Device:
    """A function node that acts from afar.

    Parameters
    ----------
    folder
        The device's folder, or that of its organisation.
    node_id
        The node.
    slave_url
        Where its master serves the slave chain to function nodes (`gridbourse run --nodes-rpc`).

    Raises
    ------
    InvalidValue
        The folder lists no such node, or lacks its key, the public keys or the token.
    ChainError
        A chain is not to be reached, or the master has no slave chain yet.

    Attributes
    ----------
    calendar
        The region's delivery days.
    """

    def __init__(self, folder: Path, node_id: str, slave_url: str) -> None:
        spec = read_region(folder / "region.toml")
        numbered = enumerate(spec.masters, start=1)
        found = [
            (number, master, node) for number, master in numbered for node in master.nodes if node.node_id == node_id
        ]
        if not found:
            raise InvalidValue("node", node_id, "the name of a function node in the folder's region.toml")
        if spec.main_chain.engine is Engine.EMBEDDED:
            raise InvalidValue("main_chain.engine", "embedded", "ethereum: a device asks a node for the main chain")
        ((master_id, master, node),) = found
        self.calendar = DeliveryCalendar(spec.time_zone)
        keys = RegionKeys(folder).nodes.load_node(node_id)
        encryption_node = PublicKeys.read(folder / "public.json").encryption_public
        token = read_token(folder, nodes_of(master.name))
        self._main = reach_main_chain(spec)
        self._slave_chain = EthereumChain(slave_url, chain_id=spec.chain_id + master_id, token=token)
        main = MainChain.at(self._main, *given) if (given := spec.main_chain.contracts) else MainChain.open(self._main)
        registered = main.consortium.slave_chain(master_id)
        if registered is None:
            raise ChainError(f"master {master.name} has registered no slave chain yet")
        self._market, self._master_id = main.market, master_id
        self._slave = Slave(self._slave_chain, registered.ledger)
        readers = (encryption_node, main.consortium.regulator().encryption_public)
        self._node = FunctionNode(node, keys, self._slave, readers)

    def offer(self, offer: Offer, *, replaces: OrderId | None = None, automatic: bool = False) -> bytes:
        """Sign an order, or one that takes another's place; returns its record's leaf when the record is final.

        What comes of an automatic one is confirmed by what the node was allowed (`allow`); others wait for an answer.
        """
        return self._write(self._node.offer(offer, replaces=replaces, automatic=automatic))

    def cancel(self, order_id: OrderId) -> None:
        """Sign that an order is to leave the market."""
        self._write(self._node.cancel(order_id))

    def answer(self, deal_id: int, side: Side, *, confirmed: bool) -> None:
        """Sign the answer to a deal."""
        self._write(self._node.decide(deal_id, side, confirmed=confirmed))

    def allow(self, limits: AutoTradingLimits) -> None:
        """Sign what the node may do by itself from now on."""
        self._write(self._node.sign(LimitsSet.of(self._node.spec.node_id, limits)))

    def wait_for(self, leaf: bytes, *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> OrderId | Reason:
        """Wait until the master has taken an order up; returns the order, or why the market refused it.

        Raises
        ------
        ChainError
            It has not in time.
        """
        deadline = time.monotonic() + timeout_seconds
        while (fate := self._market.fate_of_record(self._master_id, leaf)) is None:
            if time.monotonic() > deadline:
                raise ChainError(
                    f"the order is recorded, and not taken up within {timeout_seconds:g} s; it still will be"
                )
            time.sleep(_POLL_SECONDS)
        return fate

    def close(self) -> None:
        """Let go of the chains."""
        self._main.close()
        self._slave_chain.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, raw: bytes) -> bytes:
        (leaf,) = self._slave.submit_records([raw])
        return leaf
