"""The records of a slave chain as its master reads them: each is opened once, for all who follow."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from gridbourse.contracts.slave_ledger import LedgerRecord, MasterChanged, RecordHead
from gridbourse.crypto.keys import Address
from gridbourse.errors import EnvelopeError
from gridbourse.ledger.encryption_node import EncryptionNode
from gridbourse.ledger.merkle_log import Slave
from gridbourse.ledger.records import Details, MasterDetails, NodeRegistered, NodeRevoked

BLOCKS_AT_ONCE = 256
"""So many blocks are read together."""


@dataclass(frozen=True, slots=True)
class SlaveRecord:
    """A record, and what it says; None where it does not open, or somebody signed it who may not say so."""

    record: RecordHead
    details: Details | None


class SlaveRecords:
    """Reads one slave chain.

    Parameters
    ----------
    slave
        The chain.
    encryption_node
        Opens its records.
    """

    def __init__(self, slave: Slave, encryption_node: EncryptionNode) -> None:
        self._slave = slave
        self._encryption_node = encryption_node
        self._followers: list[deque[SlaveRecord]] = []
        self._height = 0
        self._author: Address | None = None
        self.revoked: set[str] = set()
        """Function nodes that act no more; what they wrote stays."""
        self.addresses: dict[str, Address] = {}
        """Who speaks for each node, as its newest registration says."""

    @property
    def height(self) -> int:
        """The newest block that was read."""
        return self._height

    def follow(self) -> deque[SlaveRecord]:
        """A queue of the records in the blocks to come; each waits there until the follower has taken it off."""
        queue: deque[SlaveRecord] = deque()
        self._followers.append(queue)
        return queue

    def catch_up(self) -> None:
        """Read the blocks since the last time."""
        while self.read_on():
            pass

    def read_on(self) -> bool:
        """Read some blocks more; returns whether there were any."""
        last = min(self._height + BLOCKS_AT_ONCE, self._slave.chain.head().height)
        if last <= self._height:
            return False
        entries = list(self._slave.entries(self._height, last))
        self._height = last
        for entry in entries:
            if isinstance(entry, MasterChanged):
                self._author = entry.master
            else:
                self._tell(SlaveRecord(entry.head, self._read(entry)))
        return True

    def _tell(self, found: SlaveRecord) -> None:
        for queue in self._followers:
            queue.append(found)

    def _read(self, record: LedgerRecord) -> Details | None:
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
            return author == self.addresses.get(details.node_id, self._author)
        if isinstance(details, MasterDetails):
            return author == self._author
        return details.user_id not in self.revoked and author == self.addresses.get(details.user_id)
