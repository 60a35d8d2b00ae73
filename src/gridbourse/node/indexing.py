"""Reads what is new on the chains of a region, and writes it to the index."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain as chained
from itertools import islice

from gridbourse.chain.block import Log
from gridbourse.chain.interface import BlockView
from gridbourse.contracts.abi import Contract, DecodedEvent
from gridbourse.contracts.main_chain import MainChain
from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.crypto.keys import Address
from gridbourse.errors import IndexMismatch, InvalidValue
from gridbourse.index.blocks import Block, Head, MainBlock, SlaveBlock
from gridbourse.index.chains import Chains
from gridbourse.index.index import Index, Notice
from gridbourse.index.participants import ParticipantRegistry
from gridbourse.index.schema import MAIN
from gridbourse.node.master import Master

logger = logging.getLogger(__name__)

BLOCKS_AT_ONCE = 256
"""So many blocks are written together, so that a long chain is never in memory as a whole."""


class Indexing:
    """Keeps the index up with the main chain and with every slave chain of a folder.

    Parameters
    ----------
    index
        The index.
    main
        The main chain.
    masters
        The masters whose slave chains are read.
    """

    def __init__(self, index: Index, main: MainChain, masters: Mapping[str, Master]) -> None:
        self._index = index
        self._main = main
        self._masters = dict(masters)
        self._notice = Notice({}, 0)
        self._chains = {MAIN: main.chain, **{name: master.slave.chain for name, master in masters.items()}}
        if not self._fits():
            logger.warning("the index does not fit the chains, and is built again")
            index.clear()
        self._resume()

    def catch_up(self, report: Callable[[int], None] = lambda _: None) -> None:
        """Write the blocks since the last time.

        Parameters
        ----------
        report
            Is told how many blocks were written, now and then.

        Raises
        ------
        GridbourseError
            A chain or the index is not to be reached; the next call goes on.
        """
        try:
            self._apply(report)
        except IndexMismatch:
            logger.exception("the index does not fit the chains, and is built again")
            self.forget()
            self._apply(report)
        except BaseException:
            # The readers may be ahead of what stands in the index.
            self._resume()
            raise

    def forget(self) -> None:
        """Forget what the index holds, so that the next `catch_up` builds it again."""
        self._index.clear()
        self._resume()

    def unread(self) -> int:
        """How many blocks are not in the index yet."""
        return sum(chain.head().height - self._heights[name] for name, chain in self._chains.items())

    def take_notice(self) -> Notice:
        """What became new since this was asked the last time."""
        notice, self._notice = self._notice, Notice({}, self._notice.sequence)
        return notice

    @property
    def height(self) -> int:
        """The newest block of the main chain that the index has."""
        return self._heights[MAIN]

    def height_of(self, chain: str) -> int:
        """The newest block of a chain that the index has."""
        return self._heights[chain]

    @property
    def sequence(self) -> int:
        """Number of the newest change in the index."""
        return self._notice.sequence

    def _apply(self, report: Callable[[int], None]) -> None:
        blocks = self._new_blocks()
        while batch := list(islice(blocks, BLOCKS_AT_ONCE)):
            notice = self._index.apply(batch)
            self._heights |= notice.heights
            told = self._notice
            is_voted = told.is_voted or notice.is_voted
            self._notice = Notice({**told.heights, **notice.heights}, notice.sequence, is_voted)
            report(len(batch))

    def _fits(self) -> bool:
        """Whether the chains have the blocks up to which they stand in the index."""
        for name, (height, block_hash) in self._index.heads().items():
            chain = self._chains.get(name)
            try:
                if chain is None or chain.header(height).hash != block_hash:
                    return False
            except InvalidValue:  # the chain is shorter
                return False
        return True

    def _resume(self) -> None:
        """Go on from where the index stands."""
        heads, registry = Chains(self._index.database).heads(), ParticipantRegistry(self._index.database)
        self._notice = Notice(self._notice.heights, self._index.sequence(), self._notice.is_voted)
        self._heights = {name: heads[name].head.height if name in heads else 0 for name in self._chains}
        for name, master in self._masters.items():
            nodes = registry.nodes(name)
            master.records.resume(
                heads[name].author if name in heads else None,
                {node.node_id: Address(node.address) for node in nodes},
                {node.node_id for node in nodes if node.is_revoked},
            )

    def _new_blocks(self) -> Iterator[Block]:
        """Blocks that are not in the index: those of the main chain first.

        Where a slave chain ends is looked up before the main chain's end is: so all that it says of the main chain
        stands there, in the blocks before.
        """
        ends = {name: chain.head().height for name, chain in self._chains.items() if name != MAIN}
        main = self._main_blocks(self._heights[MAIN], self._main.chain.head().height)
        return chained(main, *(self._slave_blocks(name, self._heights[name], last) for name, last in ends.items()))

    def _main_blocks(self, after: int, last: int) -> Iterator[MainBlock]:
        for height in range(after + 1, last + 1):
            block = self._main.chain.block(height)
            logs = _logs(block)
            yield MainBlock(
                Head.of(block),
                events=tuple(self._main.market.events(logs)),
                anchors=tuple(
                    (event.values["masterId"], _anchor(event)) for event in _decoded(self._main.anchors, logs)
                ),
                governance=tuple(_decoded(self._main.consortium, logs)),
                balance=tuple(self._main.balancing.read(logs)),
            )

    def _slave_blocks(self, name: str, after: int, last: int) -> Iterator[SlaveBlock]:
        chain, reader = self._chains[name], self._masters[name].records
        for first in range(after + 1, last + 1, BLOCKS_AT_ONCE):
            stop = min(first + BLOCKS_AT_ONCE - 1, last)
            for height, records in zip(range(first, stop + 1), reader.read(first, stop), strict=True):
                yield SlaveBlock(name, Head.of(chain.block(height)), tuple(records), reader.author)


def _logs(block: BlockView) -> list[Log]:
    return [log for receipt in block.receipts for log in receipt.logs]


def _anchor(event: DecodedEvent) -> Anchor:
    stated = event.values
    return Anchor(stated["firstBlock"], stated["lastBlock"], stated["leafCount"], stated["root"])


def _decoded(contract: Contract, logs: Sequence[Log]) -> list[DecodedEvent]:
    events = (contract.abi.event(log) for log in logs if log.address == contract.address)
    return [event for event in events if event is not None]
