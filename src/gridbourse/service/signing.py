"""Signing for who has signed in: their keys are unlocked in this process, and do not leave it.

Nonces are the node's affair. It tells an author's next one when asked, and what is signed for the same author before
that was answered takes those that follow; whoever was told a nonce that somebody else has used signs anew.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace

from gridbourse.api.schema import SigningContext
from gridbourse.crypto.keys import Address
from gridbourse.crypto.node_keys import NodeKeys
from gridbourse.errors import Rejection, TransactionRejected
from gridbourse.ledger.signing import sign_record
from gridbourse.node.commands.client import NodeClient
from gridbourse.node.commands.requests import (
    IdempotencyKey,
    ReadSigningContext,
    Submit,
    SubmittedDetails,
    SubmittedRecord,
)

ATTEMPTS = 8
KEPT_CONTEXTS = 10_000
_NONCES = {Rejection.NONCE_TOO_LOW, Rejection.NONCE_TOO_HIGH}


@dataclass(slots=True)
class _Author:
    """What is known of one who signs here: the context of the next record."""

    next: SigningContext


class RecordSigner:
    """Signs records and submits them.

    Parameters
    ----------
    node
        The region's node.
    """

    def __init__(self, node: NodeClient) -> None:
        self._node = node
        self._authors: OrderedDict[Address, _Author] = OrderedDict()
        self._asking: dict[Address, asyncio.Task[SigningContext]] = {}

    async def submit(
        self, keys: NodeKeys, details: SubmittedDetails, idempotency: IdempotencyKey | None = None
    ) -> SubmittedRecord:
        """Sign a record of the node that it names, and have it written and relayed.

        Raises
        ------
        GridbourseError
            What the node says.
        """
        attempt = 0
        while True:
            attempt += 1
            author = await self._author(details.user_id, keys.address)
            context, author.next = author.next, replace(author.next, nonce=author.next.nonce + 1)
            signed = sign_record(keys, context, details)
            try:
                written: SubmittedRecord = await self._node.ask(Submit(details.user_id, signed.raw, idempotency))
            except TransactionRejected as error:
                self._forget(keys.address, author)
                if error.reason not in _NONCES or attempt == ATTEMPTS:
                    raise
            except BaseException:
                self._forget(keys.address, author)  # whether the nonce was used is not known
                raise
            else:
                if written.is_repeated:
                    self._forget(keys.address, author)
                return written

    async def context(self, node_id: str, address: Address) -> SigningContext:
        """What an author needs to sign a record elsewhere."""
        context: SigningContext = await self._node.ask(ReadSigningContext(node_id, address))
        return context

    def forget(self) -> None:
        """Ask anew about everybody: the node is another one, or has new keys."""
        self._authors.clear()

    async def _author(self, node_id: str, address: Address) -> _Author:
        while (author := self._authors.get(address)) is None:
            asking = self._asking.get(address)
            if asking is None:
                asking = self._asking[address] = asyncio.create_task(self.context(node_id, address))
                asking.add_done_callback(lambda _: self._asking.pop(address, None))
            context = await asyncio.shield(asking)
            self._authors.setdefault(address, _Author(context))
            if len(self._authors) > KEPT_CONTEXTS:
                self._authors.popitem(last=False)
        return author

    def _forget(self, address: Address, author: _Author) -> None:
        """Ask anew about an author, unless that has been done since."""
        if self._authors.get(address) is author:
            del self._authors[address]
