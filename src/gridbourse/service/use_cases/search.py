"""The search: whatever stands on the chains, by number, id, hash or name, as far as who asks may read it.

Nothing is scanned but the names of nodes: numbers, ids and hashes are looked up, in the index or in the chains'
own, however long ago it was.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from gridbourse.api.chain_schema import SearchHit
from gridbourse.delivery import date_text
from gridbourse.index.database import is_integer
from gridbourse.index.queries.reader import IndexReader
from gridbourse.index.schema import MAIN
from gridbourse.market.types import OrderId
from gridbourse.service.rights import Kind, Principal, Right, require
from gridbourse.service.use_cases.chains import ChainQueries
from gridbourse.text import Message

MAX_HITS = 100
SHORTEST_HASH = 8
"""Digits of the shortest beginning of a hash that is looked up, the beginning that pages show."""
_HASH = 64


class Search:
    """Finds things for those who may read them.

    Parameters
    ----------
    index
        The index.
    queries
        Reads the chains.
    """

    def __init__(self, index: IndexReader, queries: ChainQueries) -> None:
        self._index = index
        self._queries = queries

    async def search(self, principal: Principal, text: str) -> list[SearchHit]:
        """Find deals, traders, orders, nodes, records, blocks and transactions; at most a hundred."""
        require(principal, Right.READ_CHAINS)
        wanted = text.strip().lower().removeprefix("0x")
        found: list[SearchHit] = []
        if wanted:
            async for hit in self._hits(principal, wanted):
                found.append(hit)
                if len(found) == MAX_HITS:
                    break
        return found

    async def _hits(self, principal: Principal, wanted: str) -> AsyncIterator[SearchHit]:
        if wanted.isascii() and wanted.isdigit():
            for hit in self._by_number(principal, int(wanted)):
                yield hit
        for hit in self._by_name(principal, wanted):
            yield hit
        if len(wanted) >= SHORTEST_HASH and not set(wanted) - set("0123456789abcdef"):
            for hit in self._by_beginning(principal, wanted):
                yield hit
        if len(wanted) == _HASH and not set(wanted) - set("0123456789abcdef"):
            async for hit in self._by_hash(principal, bytes.fromhex(wanted)):
                yield hit

    def _by_number(self, principal: Principal, number: int) -> Iterator[SearchHit]:
        if not is_integer(number):
            return
        entry = self._index.trades.trade(number)
        if entry and (self._reaches(principal, entry.seller) or self._reaches(principal, entry.buyer)):
            seller, buyer = self._name(principal, entry.seller), self._name(principal, entry.buyer)
            state = Message(str(entry.trade.status))
            text = Message(
                "deal {deal}, {seller} to {buyer}, {state}", deal=number, seller=seller, buyer=buyer, state=state
            )
            yield SearchHit("deal", str(number), MAIN, text)
        owner = self._index.participants.owner(number)
        if owner and principal.reaches(owner.node_id, owner.master):
            text = Message(
                "trader {number} is {node} on {date}", number=number, node=owner.node_id, date=date_text(owner.day)
            )
            yield SearchHit("trader", owner.node_id, MAIN, text)
        heads = self._index.chains.heads()
        for name in self._queries.readable(principal):
            if name in heads and 1 <= number <= heads[name].head.height:
                yield _block(name, number)

    def _by_name(self, principal: Principal, wanted: str) -> Iterator[SearchHit]:
        for node in self._index.participants.nodes():
            is_meant = wanted in node.node_id.lower() or wanted in node.location.lower() or node.address.hex() == wanted
            if is_meant and principal.reaches(node.node_id, node.master):
                kind, place = Message(node.kind), node.location
                text = Message("{name}, {kind}, {place}", name=node.node_id, kind=kind, place=place)
                yield SearchHit("node", node.node_id, node.master, text)

    def _by_beginning(self, principal: Principal, wanted: str) -> Iterator[SearchHit]:
        """Orders by their ids, records and blocks by the beginning of their hashes."""
        if len(wanted) == 16:
            yield from self._order(principal, wanted)
        readable = self._queries.readable(principal)
        if len(wanted) <= _HASH:
            for record in self._index.records.beginning(wanted, readable):
                text = Message("record {index} of {chain}", index=record.index, chain=_chain(record.chain))
                yield SearchHit("record", str(record.index), record.chain, text)
            for name, height in self._index.chains.blocks_by_hash(wanted, readable):
                yield _block(name, height)

    def _order(self, principal: Principal, wanted: str) -> Iterator[SearchHit]:
        try:
            order_id = OrderId.unpack(int(wanted, 16))
        except ValueError:  # that is none of an order
            return
        entry = self._index.orders.with_id(order_id)
        if entry and entry.trader is not None and self._reaches(principal, entry.trader):
            side, trader = Message(order_id.side.name.lower()), self._name(principal, entry.trader)
            yield SearchHit("order", wanted, MAIN, Message("{side} of {trader}", side=side, trader=trader))

    async def _by_hash(self, principal: Principal, wanted: bytes) -> AsyncIterator[SearchHit]:
        for name in self._queries.readable(principal):
            if (height := await self._queries.height_of_transaction(principal, name, wanted)) is not None:
                text = Message("transaction in block {height} of {chain}", height=height, chain=_chain(name))
                yield SearchHit("transaction", f"0x{wanted.hex()}", name, text)

    def _reaches(self, principal: Principal, trader: int) -> bool:
        owner = self._index.participants.owner(trader)
        return principal.reaches(owner.node_id, owner.master) if owner else principal.kind is Kind.REGULATOR

    def _name(self, principal: Principal, trader: int) -> str:
        """Who a trader is, for those who may know it."""
        owner = self._index.participants.owner(trader)
        is_known = owner is not None and self._reaches(principal, trader)
        return owner.node_id if owner and is_known else Message("trader {number}", number=trader)


def _block(name: str, height: int) -> SearchHit:
    return SearchHit(
        "block", str(height), name, Message("block {height} of {chain}", height=height, chain=_chain(name))
    )


def _chain(name: str) -> str:
    return Message("the main chain") if name == MAIN else Message("slave chain {name}", name=name)
