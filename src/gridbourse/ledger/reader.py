"""The records of a slave chain as its master reads them: each is opened once, and what it says goes into the index."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gridbourse.contracts.slave_ledger import LedgerRecord, MasterChanged, RecordHead
from gridbourse.crypto.keys import Address
from gridbourse.errors import EnvelopeError
from gridbourse.ledger.encryption_node import EncryptionNode
from gridbourse.ledger.merkle_log import Slave
from gridbourse.ledger.records import Details, MasterDetails, NodeRegistered, NodeRevoked


@dataclass(frozen=True, slots=True)
class SlaveRecord:
    """A record, and what it says; None where it does not open, or somebody signed it who may not say so."""

    record: RecordHead
    details: Details | None


class RecordReader:
    """Reads one slave chain, block after block.

    Parameters
    ----------
    slave
        The chain.
    encryption_node
        Opens its records.

    Attributes
    ----------
    author
        Who speaks for the master; None before the first block.
    addresses
        Who speaks for each node, as its newest registration says.
    revoked
        Function nodes that act no more; what they wrote stays.
    """

    def __init__(self, slave: Slave, encryption_node: EncryptionNode) -> None:
        self._slave = slave
        self._encryption_node = encryption_node
        self.author: Address | None = None
        self.addresses: dict[str, Address] = {}
        self.revoked: set[str] = set()

    def resume(self, author: Address | None, addresses: Mapping[str, Address], revoked: Iterable[str]) -> None:
        """Go on behind blocks that were read before, as what they said is known."""
        self.author, self.addresses, self.revoked = author, dict(addresses), set(revoked)

    def read(self, first_block: int, last_block: int) -> Iterator[list[SlaveRecord]]:
        """The records of each of the next blocks; what is known between two of them is as of the first."""
        entries: dict[int, list[LedgerRecord | MasterChanged]] = defaultdict(list)
        for entry in self._slave.entries(first_block - 1, last_block):
            entries[entry.height].append(entry)
        for height in range(first_block, last_block + 1):
            records = []
            for entry in entries.pop(height, ()):
                if isinstance(entry, MasterChanged):
                    self.author = entry.master
                else:
                    records.append(SlaveRecord(entry.head, self._open(entry)))
            yield records

    def _open(self, record: LedgerRecord) -> Details | None:
        try:
            details = self._encryption_node.open(record)
        except EnvelopeError:
            return None
        if not self._may_say(record.author, details):
            return None
        if isinstance(details, NodeRegistered):
            self.addresses[details.node_id] = Address(bytes.fromhex(details.address_hex))
        elif isinstance(details, NodeRevoked):
            self.revoked.add(details.node_id)
        return details

    def _may_say(self, author: Address, details: Details) -> bool:
        """Function nodes speak for themselves only, with the key of their time; the master writes the rest."""
        if isinstance(details, NodeRegistered):
            return author == self.addresses.get(details.node_id, self.author)
        if isinstance(details, MasterDetails):
            return author == self.author
        return details.user_id not in self.revoked and author == self.addresses.get(details.user_id)
