"""A slave chain as its master runs it: the ledger of records, and what the next anchor says of them."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from gridbourse.chain.block import Receipt
from gridbourse.chain.interface import Chain
from gridbourse.chain.revert import contract_error
from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.contracts.slave_ledger import LedgerRecord, MasterChanged, SlaveLedger
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import Address
from gridbourse.crypto.merkle import HASH_BYTES, MerkleFrontier


class Slave:
    """One master's slave chain.

    Parameters
    ----------
    chain
        The chain; in the single-chain model it is the main chain itself.
    ledger
        Address of its `SlaveLedger`.
    """

    def __init__(self, chain: Chain, ledger: Address) -> None:
        self.chain = chain
        self.ledger = SlaveLedger(chain, ledger)
        self._log = _Log()

    def resume(self, last_block: int, log: MerkleFrontier) -> None:
        """Go on behind a block up to which the chain is anchored, with the log that the anchor is of."""
        self._log = _Log(last_block, log)

    @classmethod
    def create(cls, chain: Chain, master: Wallet) -> Slave:
        """Set up the ledger of a master on a chain; on a new one it is the first block."""
        return cls(chain, master.deploy(SlaveLedger.NAME, master.address))

    def submit_records(self, raw_transactions: Sequence[bytes]) -> list[bytes]:
        """Hand in transactions that each write one record; returns the records' leaves when all are final.

        Raises
        ------
        ContractReverted
            The ledger refused one of them: its signer may not write. The others were written.
        """
        return [self._written(receipt).leaf for receipt in self.chain.submit(raw_transactions)]

    def records(self, *, after_block: int = 0) -> Iterator[LedgerRecord]:
        """Records of the blocks after `after_block`, in the order of the log."""
        return self.ledger.records(first_block=after_block + 1)

    def next_anchor(self, last: Anchor | None, last_block: int | None = None) -> Anchor | None:
        """What the master states about the blocks since its last anchor; None if there are none.

        Parameters
        ----------
        last
            The newest anchor on the main chain.
        last_block
            Where the anchored blocks end; at the newest by default.
        """
        first_block = last.last_block + 1 if last else 1
        if first_block <= self._log.anchored_height:  # the main chain took an anchor back with its block
            self._log = _Log()
        for _ in self.entries(self._log.height, self.chain.head().height):
            pass
        last_block = self._log.height if last_block is None else last_block
        if last_block < first_block:
            return None
        self._log.let_go(first_block - 1)
        return Anchor(first_block, last_block, *self._log.at(last_block))

    def entries(self, after_block: int, last_block: int) -> Iterator[LedgerRecord | MasterChanged]:
        """What the blocks behind one hold, up to another; new records are noted for the next anchor on the way."""
        for entry in self.ledger.entries(first_block=after_block + 1, last_block=last_block):
            if isinstance(entry, LedgerRecord) and entry.index == len(self._log):
                self._log.append(entry.leaf, entry.height)
            yield entry
        if after_block <= self._log.height < last_block:
            self._log.height = last_block

    def _written(self, receipt: Receipt) -> LedgerRecord:
        if not receipt.succeeded:
            raise self.ledger.abi.explain(contract_error(receipt.revert_data, receipt.halt))
        (log,) = receipt.logs
        return self.ledger.record(log)


class _Log:
    """The leaves of a chain's records: of those that are anchored the Merkle frontier, the others one by one.

    Attributes
    ----------
    height
        The newest block that was read.
    anchored_height
        The newest block of which no single leaf is kept.
    """

    def __init__(self, height: int = 0, anchored: MerkleFrontier | None = None) -> None:
        self.height = self.anchored_height = height
        self._anchored = anchored or MerkleFrontier()
        self._leaves = bytearray()
        self._heights = array("Q")

    def __len__(self) -> int:
        return len(self._anchored) + len(self._heights)

    def append(self, leaf: bytes, height: int) -> None:
        """Add the leaf of a record in a block."""
        self._leaves += leaf
        self._heights.append(height)

    def let_go(self, height: int) -> None:
        """Keep no single leaf up to a block: no anchor will end before it."""
        self._anchored = self._up_to(height)
        count = bisect_right(self._heights, height)
        del self._leaves[: count * HASH_BYTES], self._heights[:count]
        self.anchored_height = height

    def at(self, height: int) -> tuple[int, bytes]:
        """How many leaves there are up to a block, and their root."""
        log = self._up_to(height)
        return len(log), log.root()

    def _up_to(self, height: int) -> MerkleFrontier:
        log = self._anchored.copy()
        for turn in range(bisect_right(self._heights, height)):
            log.append(bytes(self._leaves[turn * HASH_BYTES : (turn + 1) * HASH_BYTES]))
        return log
