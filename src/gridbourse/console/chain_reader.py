"""Reads what is new on the chains of a region, block by block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from gridbourse.chain.block import Log
from gridbourse.chain.interface import Chain
from gridbourse.console.news import Head, MainBlock, News, SlaveBlock, SlaveRecord
from gridbourse.contracts.abi import Contract, DecodedEvent
from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.contracts.slave_ledger import LedgerRecord, MasterChanged
from gridbourse.crypto.keys import Address
from gridbourse.errors import EnvelopeError
from gridbourse.network.main_chain import MainChain
from gridbourse.network.master import Master
from gridbourse.network.records import Details, MasterDetails, NodeRegistered
from gridbourse.network.region import Region


class ChainReader:
    """Keeps up with the main chain and with every slave chain.

    Parameters
    ----------
    region
        Whose chains.
    """

    def __init__(self, region: Region) -> None:
        self._main = MainReader(region.main)
        self._slaves = [SlaveReader(name, master) for name, master in region.masters.items()]

    def news(self) -> list[News]:
        """Blocks since the last time.

        Slave chains come first: whom a new number of the main chain stands for is recorded there before.
        """
        main = list(self._main.news())
        found: list[News] = [*(block for slave in self._slaves for block in slave.news()), *main]
        # Only now: where a chain cannot be read, nothing of the others has been taken off either.
        self._main.go_on()
        for slave in self._slaves:
            slave.go_on()
        return found


class MainReader:
    """Reads the main chain."""

    def __init__(self, main: MainChain) -> None:
        self._main = main
        self._height = self._read_height = 0

    def news(self) -> Iterator[MainBlock]:
        """Blocks since the last time, with the market's events and the anchors in them."""
        for head, logs in _blocks(self._main.chain, self._height):
            yield MainBlock(
                head,
                events=tuple(self._main.market.events_between(head.height, head.height)),
                anchors=tuple(
                    (event.values["masterId"], _anchor(event)) for event in _decoded(self._main.anchors, logs)
                ),
                governance=tuple(_decoded(self._main.consortium, logs)),
            )
            self._read_height = head.height

    def go_on(self) -> None:
        """Read on from where `news` ended."""
        self._height = self._read_height


class SlaveReader:
    """Reads a slave chain through its master's encryption node."""

    def __init__(self, name: str, master: Master) -> None:
        self._name = name
        self._slave = master.slave
        self._encryption_node = master.encryption_node
        self._height = self._read_height = 0
        self._author: Address | None = None
        self._addresses: dict[str, Address] = {}

    def news(self) -> Iterator[SlaveBlock]:
        """Blocks since the last time, with their records."""
        last = self._slave.chain.head().height
        records: dict[int, list[SlaveRecord]] = defaultdict(list)
        for entry in self._slave.ledger.entries(first_block=self._height + 1, last_block=last):
            if isinstance(entry, MasterChanged):
                self._author = entry.master
            else:
                records[entry.height].append(SlaveRecord(entry, self._read(entry)))
        for head, _ in _blocks(self._slave.chain, self._height, last):
            yield SlaveBlock(self._name, head, tuple(records[head.height]))
        self._read_height = last

    def go_on(self) -> None:
        """Read on from where `news` ended."""
        self._height = self._read_height

    def _read(self, record: LedgerRecord) -> Details | None:
        try:
            details = self._encryption_node.open(record)
        except EnvelopeError:
            return None
        if not self._may_say(record.author, details):
            return None
        if isinstance(details, NodeRegistered):
            self._addresses[details.node_id] = Address(bytes.fromhex(details.address_hex))
        return details

    def _may_say(self, author: Address, details: Details) -> bool:
        """Nodes speak for themselves only, with the key of their time; the master writes the rest."""
        if isinstance(details, NodeRegistered):
            return author == self._addresses.get(details.node_id, self._author)
        if isinstance(details, MasterDetails):
            return author == self._author
        return author == self._addresses.get(details.user_id)


def _anchor(event: DecodedEvent) -> Anchor:
    stated = event.values
    return Anchor(stated["firstBlock"], stated["lastBlock"], stated["leafCount"], stated["root"])


def _decoded(contract: Contract, logs: Sequence[Log]) -> list[DecodedEvent]:
    events = (contract.abi.event(log) for log in logs if log.address == contract.address)
    return [event for event in events if event is not None]


def _blocks(chain: Chain, after: int, last: int | None = None) -> Iterator[tuple[Head, list[Log]]]:
    for height in range(after + 1, (chain.head().height if last is None else last) + 1):
        block = chain.block(height)
        yield Head.of(block), [log for receipt in block.receipts for log in receipt.logs]
