"""The encryption node of a slave chain: all data that crosses between the two chains passes through it."""

from __future__ import annotations

from collections import OrderedDict

from gridbourse.contracts.consortium import RegulatorKeys
from gridbourse.contracts.slave_ledger import LedgerRecord, SlaveLedger
from gridbourse.crypto.keys import Address
from gridbourse.network.keys import NodeKeys
from gridbourse.network.records import Details
from gridbourse.network.sealing import open_record, seal_record

REMEMBERED_RECORDS = 500


class EncryptionNode:
    """Opens what function nodes write and seals what the master writes.

    Parameters
    ----------
    ledger
        The ledger of its slave chain.
    keys
        The keys in its file; every record of the chain is sealed to the newest there was.
    regulator
        The regulator as the main chain names it, who reads every record too.
    """

    def __init__(self, ledger: SlaveLedger, keys: NodeKeys, regulator: RegulatorKeys) -> None:
        self._ledger = ledger
        self._opening = keys.opening
        self._suite = keys.encryption.suite
        self._opened: OrderedDict[tuple[Address, int, bytes], Details] = OrderedDict()
        self.readers = (keys.encryption.public_bytes, regulator.encryption_public)

    def open(self, record: LedgerRecord) -> Details:
        """Decrypt a record of this slave chain.

        Raises
        ------
        EnvelopeError
            The record is not sealed to this node, was changed, or lies where it was not written for.
        """
        # A record is looked at several times soon after it was written, and opening is what costs most.
        details = self._opened.get((record.author, record.kind, record.content))
        if details is None:
            details = open_record(self._ledger, record, *self._opening)
            self.remember(record.author, record.content, details)
        return details

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
