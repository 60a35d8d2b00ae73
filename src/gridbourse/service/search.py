"""The search: whatever stands on the chains, by number, id, hash or name, as far as who asks may read it.

Nothing is scanned but the names of nodes: numbers, ids and hashes are looked up, in the states or in the chains'
own indexes, however long ago it was.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from gridbourse.api.chain_schema import SearchHit
from gridbourse.index.chain_state import MAIN, ChainState
from gridbourse.index.participants import ParticipantRegistry
from gridbourse.market.types import OrderId
from gridbourse.service.chains import ChainQueries
from gridbourse.service.local_time import date_text
from gridbourse.service.market_state import MarketState
from gridbourse.service.rights import Kind, Principal, Right, require
from gridbourse.service.views import order_text
from gridbourse.text import Message

MAX_HITS = 100
SHORTEST_HASH = 8
"""Digits of the shortest beginning of a hash that is looked up, the beginning that pages show."""
_HASH = 64


class Search:
    """Finds things for those who may read them.

    Parameters
    ----------
    market, chains, directory
        The states.
    queries
        Reads the chains.
    """

    def __init__(
        self, market: MarketState, chains: ChainState, directory: ParticipantRegistry, queries: ChainQueries
    ) -> None:
        self._market = market
        self._chains = chains
        self._directory = directory
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
        deal = self._market.deals.get(number)
        if deal and (self._reaches(principal, deal.seller) or self._reaches(principal, deal.buyer)):
            seller, buyer = self._name(principal, deal.seller), self._name(principal, deal.buyer)
            state = Message(deal.state.name.lower())
            text = Message(
                "deal {deal}, {seller} to {buyer}, {state}", deal=number, seller=seller, buyer=buyer, state=state
            )
            yield SearchHit("deal", str(number), MAIN, text)
        owner = self._directory.owners.get(number)
        if owner and principal.reaches(owner.node_id, owner.master):
            text = Message(
                "trader {number} is {node} on {date}", number=number, node=owner.node_id, date=date_text(owner.day)
            )
            yield SearchHit("trader", owner.node_id, MAIN, text)
        for name in self._readable(principal):
            head = self._chains.chains[name].head
            if head and 1 <= number <= head.height:
                yield _block(name, number)

    def _by_name(self, principal: Principal, wanted: str) -> Iterator[SearchHit]:
        for node_id, node in self._directory.nodes.items():
            master = self._directory.master_of[node_id]
            is_meant = wanted in node_id.lower() or wanted in node.location.lower() or node.address_hex == wanted
            if is_meant and principal.reaches(node_id, master):
                text = Message("{name}, {kind}, {place}", name=node_id, kind=Message(node.kind), place=node.location)
                yield SearchHit("node", node_id, master, text)

    def _by_beginning(self, principal: Principal, wanted: str) -> Iterator[SearchHit]:
        """Orders by their ids, records and the newest blocks by the beginning of their hashes."""
        order = self._market.orders.with_id(OrderId.unpack(int(wanted, 16))) if len(wanted) == 16 else None
        if order and order.placed and self._reaches(principal, order.placed.trader):
            placed = order.placed
            side, trader = Message(placed.order_id.side.name.lower()), self._name(principal, placed.trader)
            key = order_text(placed.order_id)
            yield SearchHit("order", key, MAIN, Message("{side} of {trader}", side=side, trader=trader))
        for name in self._readable(principal):
            for record in self._chains.chains[name].records.beginning(wanted):
                text = Message("record {index} of {chain}", index=record.index, chain=_chain(name))
                yield SearchHit("record", str(record.index), name, text)
            if len(wanted) < _HASH:
                heads = self._chains.chains[name].heads
                yield from (_block(name, head.height) for head in heads if head.hash.hex().startswith(wanted))

    async def _by_hash(self, principal: Principal, wanted: bytes) -> AsyncIterator[SearchHit]:
        for name in self._readable(principal):
            if (height := await self._queries.height_of(principal, name, wanted)) is not None:
                yield _block(name, height)
            if (height := await self._queries.height_of_transaction(principal, name, wanted)) is not None:
                text = Message("transaction in block {height} of {chain}", height=height, chain=_chain(name))
                yield SearchHit("transaction", f"0x{wanted.hex()}", name, text)

    def _readable(self, principal: Principal) -> list[str]:
        """Chains whose blocks the caller may open."""
        return [name for name in self._chains.chains if name == MAIN or self._queries.is_member(principal, name)]

    def _reaches(self, principal: Principal, trader: int) -> bool:
        owner = self._directory.owners.get(trader)
        return principal.reaches(owner.node_id, owner.master) if owner else principal.kind is Kind.REGULATOR

    def _name(self, principal: Principal, trader: int) -> str:
        """Who a trader is, for those who may know it."""
        owner = self._directory.owners.get(trader)
        is_known = owner is not None and self._reaches(principal, trader)
        return owner.node_id if owner and is_known else Message("trader {number}", number=trader)


def _block(name: str, height: int) -> SearchHit:
    return SearchHit(
        "block", str(height), name, Message("block {height} of {chain}", height=height, chain=_chain(name))
    )


def _chain(name: str) -> str:
    return Message("the main chain") if name == MAIN else Message("slave chain {name}", name=name)
