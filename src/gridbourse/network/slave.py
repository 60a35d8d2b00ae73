"""A slave chain as its master runs it: the ledger of records, and the Merkle log over them."""

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
from gridbourse.crypto.merkle import MerkleLog


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
        self._log = MerkleLog()
        self._logged_height = 0
        self._leaf_heights = array("Q")

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
        for _ in self.entries(self._logged_height, self.chain.head().height):
            pass
        first_block = last.last_block + 1 if last else 1
        last_block = self._logged_height if last_block is None else last_block
        if last_block < first_block:
            return None
        leaf_count = bisect_right(self._leaf_heights, last_block)
        return Anchor(first_block, last_block, leaf_count, self._log.root(leaf_count))

    def entries(self, after_block: int, last_block: int) -> Iterator[LedgerRecord | MasterChanged]:
        """What the blocks behind one hold, up to another; the Merkle log takes new records in on the way."""
        for entry in self.ledger.entries(first_block=after_block + 1, last_block=last_block):
            if isinstance(entry, LedgerRecord) and entry.index == len(self._log):
                self._log.append(entry.leaf)
                self._leaf_heights.append(entry.height)
            yield entry
        if after_block <= self._logged_height < last_block:
            self._logged_height = last_block

    def _written(self, receipt: Receipt) -> LedgerRecord:
        if not receipt.succeeded:
            raise self.ledger.abi.explain(contract_error(receipt.revert_data, receipt.halt))
        (log,) = receipt.logs
        return self.ledger.record(log)
