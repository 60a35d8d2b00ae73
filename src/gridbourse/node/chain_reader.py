"""Reads what is new on the chains of a region, block by block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from gridbourse.chain.block import Log
from gridbourse.chain.interface import Chain
from gridbourse.contracts.abi import Contract, DecodedEvent
from gridbourse.contracts.main_chain import MainChain
from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.index.news import Head, MainBlock, News, SlaveBlock
from gridbourse.ledger.reader import SlaveRecord
from gridbourse.node.node import Region


class ChainReader:
    """Keeps up with the main chain and with every slave chain.

    Parameters
    ----------
    region
        Whose chains; opened to be watched.
    """

    def __init__(self, region: Region) -> None:
        self._main = MainReader(region.main)
        self._slaves = [SlaveReader(name, region) for name in region.masters]

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
    """Reads a slave chain of a watched region through its master's encryption node."""

    def __init__(self, name: str, region: Region) -> None:
        self._name = name
        self._region = region
        self._height = self._read_height = self._read_count = 0

    def news(self) -> Iterator[SlaveBlock]:
        """Blocks since the last time, with their records."""
        master, unread = self._region.masters[self._name], self._region.unread[self._name]
        master.records.catch_up()
        last = master.records.height
        records: dict[int, list[SlaveRecord]] = defaultdict(list)
        for found in unread:
            # Where keys have changed, the chain is read from its first block again.
            if found.record.height > self._height:
                records[found.record.height].append(found)
        for head, _ in _blocks(master.slave.chain, self._height, last):
            yield SlaveBlock(self._name, head, tuple(records[head.height]))
        self._read_height, self._read_count = last, len(unread)

    def go_on(self) -> None:
        """Read on from where `news` ended."""
        self._height = self._read_height
        for _ in range(self._read_count):
            self._region.unread[self._name].popleft()
        self._read_count = 0


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
