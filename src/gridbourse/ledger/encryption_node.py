"""The encryption node of a slave chain: all data that crosses between the two chains passes through it."""

from __future__ import annotations

from collections import OrderedDict

from gridbourse.contracts.balancing import Balancing
from gridbourse.contracts.consortium import RegulatorKeys
from gridbourse.contracts.slave_ledger import LedgerRecord, SlaveLedger
from gridbourse.crypto.keys import Address
from gridbourse.crypto.node_keys import NodeKeys
from gridbourse.ledger.balancing_records import Submitted
from gridbourse.ledger.records import Details
from gridbourse.ledger.sealing import open_record, seal_record

REMEMBERED_RECORDS = 500


class EncryptionNode:
    """Opens what function nodes write and seals what the master writes.

    Parameters
    ----------
    ledger
        The ledger of its slave chain.
    balancing
        Where the main chain carries what masters submit to each other.
    keys
        The keys in its file; every record of the chain is sealed to the newest there was.
    regulator
        The regulator as the main chain names it, who reads every record too.
    """

    def __init__(self, ledger: SlaveLedger, balancing: Balancing, keys: NodeKeys, regulator: RegulatorKeys) -> None:
        self._ledger = ledger
        self._balancing = balancing
        self._opening = keys.opening
        self._suite = keys.encryption.suite
        self._opened: OrderedDict[tuple[Address, int, bytes], Details] = OrderedDict()
        self.readers = (keys.encryption.public_bytes, regulator.encryption_public)

    def open(self, record: LedgerRecord) -> Details:
        """Decrypt a record of this slave chain. Raises like `open_submitted`."""
        # A record is looked at several times soon after it was written, and opening is what costs most.
        details = self._opened.get((record.author, record.kind, record.content))
        if details is None:
            details = open_record(self._ledger, record, *self._opening)
            self.remember(record.author, record.content, details)
        return details

    def open_submitted(self, record: LedgerRecord) -> Details:
        """Decrypt a record that a master submitted on the main chain.

        Raises
        ------
        EnvelopeError
            The record is not sealed to this node, was changed, or lies where it was not written for.
        """
        return open_record(self._balancing, record, *self._opening)

    def remember(self, author: Address, content: bytes, details: Details) -> None:
        """Spare opening a record of which is known what it says."""
        self._opened[author, details.KIND, content] = details
        if len(self._opened) > REMEMBERED_RECORDS:
            self._opened.popitem(last=False)

    def seal(self, author: Address, details: Details, *owner_public: bytes) -> tuple[int, bytes]:
        """Encrypt details that concern a function node, or nobody but the master; returns kind and content."""
        content = seal_record(self._ledger, author, details, (*owner_public, *self.readers), self._suite)
        self.remember(author, content, details)
        return details.KIND, content

    def seal_submission(self, author: Address, details: Submitted, *reader_publics: bytes) -> tuple[int, bytes]:
        """Encrypt details for other organisations; returns kind and content."""
        # Who submits to itself is one reader, not two.
        readers = list(dict.fromkeys((*reader_publics, *self.readers)))
        return details.KIND, seal_record(self._balancing, author, details, readers, self._suite)
