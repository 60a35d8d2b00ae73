"""What a function node does: orders, deals, deposits, positions."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace

from gridbourse.api.schema import (
    Deal,
    DealStatus,
    Deposit,
    MeteredPeriod,
    Order,
    OrderStatus,
    Page,
    Position,
    SigningContext,
)
from gridbourse.contracts.wallet import GAS_LIMIT
from gridbourse.crypto.keys import Address
from gridbourse.errors import (
    Conflict,
    InvalidValue,
    KeyReused,
    KeysNotKept,
    NotFound,
)
from gridbourse.index.naming import order_text, side_name, side_of, type_names, types_of
from gridbourse.index.orders import OrderEntry
from gridbourse.index.reader import IndexReader
from gridbourse.index.trades import deal_place
from gridbourse.ledger.records import Cancellation, Confirmation, OrderDetails
from gridbourse.market.types import Offer, OrderId, Side
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.node.node import Region
from gridbourse.node.node_records import Answer, Cancel, NodeRecord, Place, SetLimits, Written
from gridbourse.service.accounts import ServiceStore
from gridbourse.service.node_client import RegionProcess
from gridbourse.service.paging import page_of, read_cursor
from gridbourse.service.rights import Kind, Principal, Right, require
from gridbourse.service.views import metered_views
from gridbourse.text import Message
from gridbourse.units import PERIODS_PER_DAY


class Trading:
    """Writes nodes' orders and answers, and reads what became of them.

    Parameters
    ----------
    index
        The index.
    region
        Writes records.
    store
        Remembers idempotency keys.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        index: IndexReader,
        region: RegionProcess,
        store: ServiceStore,
        clock: Callable[[], int],
    ) -> None:
        self._index = index
        self._region = region
        self._store = store
        self._clock = clock
        self._in_flight: dict[tuple[str, str], asyncio.Future[Written]] = {}

    # Orders

    async def place(
        self,
        principal: Principal,
        offer: Offer,
        *,
        energy_quota_wh: int | None = None,
        idempotency_key: str | None = None,
    ) -> Order:
        """Let the calling node record and place an order.

        Parameters
        ----------
        principal
            A node whose keys are kept.
        offer
            What it wants.
        energy_quota_wh
            What it may sell in that period in all; by default just enough for all its asks there.
        idempotency_key
            Asked twice under the same key, the order is placed once, whatever happens in between.

        Raises
        ------
        Forbidden, NotSignedIn, KeysNotKept
            The caller may not place orders, or has to sign them itself.
        KeyReused
            The key came with another order before.
        """
        require(principal, Right.TRADE)
        _require_keys(principal)
        asked = {
            "offer": [int(offer.side), int(offer.energy_types), offer.period, offer.energy_wh, offer.price_ticks],
            "energy_quota_wh": energy_quota_wh,
        }
        if energy_quota_wh is None and offer.side is Side.ASK:
            energy_quota_wh = self._offered_wh(principal.name, offer.period) + offer.energy_wh
        record = NodeRecord(principal.name, Place(offer, energy_quota_wh), principal.keys)
        written = await self._write_once(principal, record, idempotency_key, asked)
        return self._order_of(written)

    async def amend(
        self,
        principal: Principal,
        order_id: str,
        *,
        energy_wh: int,
        price_ticks: int,
        idempotency_key: str | None = None,
    ) -> Order:
        """Let the calling node replace what is open of an order by a new price and quantity, last in the new queue.

        Returns
        -------
        Order
            What takes its place; refused, if the market does not take it: then the old order stands.

        Raises
        ------
        NotFound
            The node has no such order.
        Conflict
            Nothing of it waits any more.
        """
        old = self._waiting(principal, order_id)
        replaced = _order_id(order_id)
        types = types_of(old.energy_types)
        offer = Offer(replaced.side, types, replaced.period, energy_wh, price_ticks)
        quota_wh = None
        if offer.side is Side.ASK:
            quota_wh = self._offered_wh(principal.name, offer.period) - old.open_wh + energy_wh
        asked = {"amend": order_id, "energy_wh": energy_wh, "price_ticks": price_ticks}
        record = NodeRecord(principal.name, Place(offer, quota_wh, replaced), principal.keys)
        return self._order_of(await self._write_once(principal, record, idempotency_key, asked))

    async def cancel(self, principal: Principal, order_id: str) -> Order:
        """Let the calling node take what is open of an order out of the market. Raises like `amend`."""
        self._waiting(principal, order_id)
        await self._write(NodeRecord(principal.name, Cancel(_order_id(order_id)), principal.keys))
        return self.order(principal, order_id)

    async def set_limits(self, principal: Principal, limits: AutoTradingLimits) -> None:
        """Let the calling node record what it may do by itself from now on."""
        require(principal, Right.TRADE)
        _require_keys(principal)
        await self._write(NodeRecord(principal.name, SetLimits(limits), principal.keys))

    def limits(self, principal: Principal, node_id: str) -> AutoTradingLimits:
        """What a node of the caller's may do by itself.

        Raises
        ------
        NotFound
            There is no such node, or its owner has never set limits.
        """
        require(principal, Right.READ_NODE)
        self.nodes(principal, node_id)
        limits = self._index.participants.limits(node_id)
        if limits is None:
            raise NotFound(Message("the owner of {name!r} has never set limits", name=node_id))
        return limits

    def _waiting(self, principal: Principal, order_id: str) -> Order:
        require(principal, Right.TRADE)
        _require_keys(principal)
        order = self._own_order(principal, order_id)
        if not order.open_wh:
            raise Conflict(Message("nothing of order {order} waits any more", order=order_id))
        return order

    async def relay(
        self, principal: Principal, raw: bytes, *, idempotency_key: str | None = None
    ) -> Order | Deal | None:
        """Write a record that the calling node signed itself: an order, a cancellation, an answer to a deal, or limits.

        Raises
        ------
        InvalidValue, TransactionRejected, EnvelopeError
            The transaction is not the node's next one that writes just that.
        """
        require(principal, Right.TRADE)
        record = NodeRecord(principal.name, raw)
        written = await self._write_once(principal, record, idempotency_key, {"raw": raw.hex()})
        if isinstance(written.details, OrderDetails):
            return self._order_of(written)
        if isinstance(written.details, Cancellation):
            return self.order(principal, order_text(written.details.order_id))
        if isinstance(written.details, Confirmation):
            return self.deal(principal, written.details.deal_id, written.details.side)
        return None

    async def signing_context(self, principal: Principal) -> SigningContext:
        """What the calling node needs to seal and sign its next record by itself."""
        require(principal, Right.TRADE)

        node = self._index.participants.node(principal.name)
        assert node is not None, "whoever has signed in for a node has one"
        return await self._region.run(_signing_context, node.node_id, node.location, Address(node.address))

    def orders(
        self,
        principal: Principal,
        *,
        node_id: str | None = None,
        period: int | None = None,
        status: OrderStatus | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Order]:
        """Orders of the caller's nodes, newest first."""
        require(principal, Right.READ_NODE)
        own = self._own(principal, node_id)
        before = read_cursor(cursor)
        found = self._index.orders.newest(**own, period=period, status=status, before=before, limit=limit + 1)
        return page_of(found, limit, place=lambda entry: entry.number, view=_shown)

    def order(self, principal: Principal, order_id: str) -> Order:
        """One order of the caller's nodes. Raises `NotFound`."""
        require(principal, Right.READ_NODE)
        return self._own_order(principal, order_id)

    def _own_order(self, principal: Principal, order_id: str) -> Order:
        entry = self._index.orders.with_id(_order_id(order_id))
        otherwise = Message("there is no order {order} of yours", order=order_id)
        if entry is None or entry.order is None:
            raise NotFound(otherwise)
        self._require_reach(principal, entry.order.node_id, otherwise)
        return entry.order

    # Deals

    def deals(
        self,
        principal: Principal,
        *,
        node_id: str | None = None,
        status: DealStatus | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Deal]:
        """Deals of the caller's nodes, newest first; one between two of them stands there twice."""
        require(principal, Right.READ_NODE)
        own, before = self._own(principal, node_id), read_cursor(cursor)
        found = self._index.trades.deals(**own, status=status, before=before, limit=limit + 1)
        return page_of(found, limit, place=deal_place, view=lambda deal: deal)

    def deal(self, principal: Principal, deal_id: int, side: Side | None = None) -> Deal:
        """One deal, as the caller's node on a side sees it; by default the first side that is the caller's."""
        require(principal, Right.READ_NODE)
        for master, deal in self._index.trades.deal(deal_id):
            if side in {None, side_of(deal.side)} and principal.reaches(deal.node_id, master):
                return deal
        raise NotFound(Message("there is no deal {deal} of yours", deal=deal_id))

    async def answer(self, principal: Principal, deal_id: int, *, confirmed: bool) -> Deal:
        """Let the calling node confirm or abandon a deal. Asking the same again changes nothing.

        Raises
        ------
        NotFound
            It has no such deal.
        Conflict
            It has answered otherwise, or the deal waits for no answer.
        """
        require(principal, Right.TRADE)
        _require_keys(principal)
        deal = self.deal(principal, deal_id)
        side, verb = Side[deal.side.upper()], Message("confirmed" if confirmed else "abandoned")
        if deal.answered is not None:
            if deal.answered is confirmed:
                return deal
            before = Message("confirmed" if deal.answered else "abandoned")
            raise Conflict(Message("deal {deal} was {verb} before", deal=deal_id, verb=before))
        if deal.status is not DealStatus.INTENT or self._clock() > deal.confirm_before:
            text = "deal {deal} can no longer be {verb}: it is {state}, its cooling-off time is over"
            raise Conflict(Message(text, deal=deal_id, verb=verb, state=Message(str(deal.status))))
        await self._write(NodeRecord(principal.name, Answer(deal_id, side, confirmed), principal.keys))
        return self.deal(principal, deal_id, side)

    # Money and energy

    def deposits(self, principal: Principal, *, node_id: str | None = None, day: int | None = None) -> list[Deposit]:
        """Money of the caller's nodes, day by day."""
        require(principal, Right.READ_NODE)
        accounts = self._index.accounts.of_nodes(self.nodes(principal, node_id), day)
        return [Deposit(own.node_id, own.day, own.free_money, own.held_money) for own in accounts]

    def positions(self, principal: Principal, day: int, *, node_id: str | None = None) -> list[Position]:
        """Energy claims of the caller's nodes in the periods of a day; periods without any are left out."""
        require(principal, Right.READ_NODE)
        periods = range(day * PERIODS_PER_DAY, (day + 1) * PERIODS_PER_DAY)
        found = []
        for own in self._index.accounts.claims(self.nodes(principal, node_id), periods):
            claims = own.position
            if claims.quota_wh or claims.bought_wh:
                energies = claims.quota_wh, claims.held_wh, claims.sold_wh, claims.bought_wh
                found.append(Position(own.node_id, own.period, *energies))
        return found

    def metered(self, principal: Principal, day: int, *, node_id: str | None = None) -> list[MeteredPeriod]:
        """What was metered and traded on a day, for the caller's nodes whose master has settled it."""
        require(principal, Right.READ_NODE)
        nodes = self.nodes(principal, node_id)
        return [view for settled in self._index.records.statements(nodes, day) for view in metered_views(settled)]

    def nodes(self, principal: Principal, node_id: str | None = None) -> list[str]:
        """Nodes that the caller reaches, or the one of them that is named. Raises `NotFound`."""
        if node_id is not None:
            self._require_reach(principal, node_id, Message("there is no node {name!r} of yours", name=node_id))
            return [node_id]
        nodes = self._index.participants.nodes()
        return [node.node_id for node in nodes if principal.reaches(node.node_id, node.master)]

    def _own(self, principal: Principal, node_id: str | None) -> dict[str, str]:
        """What of the index is the caller's: a node's, a master's, or all. Raises `NotFound`."""
        if node_id is not None:
            self.nodes(principal, node_id)
            return {"node_id": node_id}
        match principal.kind:
            case Kind.NODE:
                return {"node_id": principal.name}
            case Kind.MASTER:
                return {"master": principal.name}
            case _:
                return {}

    def _require_reach(self, principal: Principal, node_id: str, otherwise: str) -> None:
        master = self._index.participants.master_of(node_id)
        if master is None or not principal.reaches(node_id, master):
            raise NotFound(otherwise)

    def _order_of(self, written: Written) -> Order:
        assert isinstance(written.details, OrderDetails), "an order was written"
        master = self._index.participants.master_of(written.details.user_id)
        entry = self._index.orders.with_leaf(master, written.leaf) if master else None
        if entry is None or entry.order is None:  # the chains could not be read; it is on them
            return _recorded(written.leaf, written.details)
        return entry.order

    def _offered_wh(self, node_id: str, period: int) -> int:
        """What a node's asks in a period take up: what waits, what deals hold, and what is sold."""
        trader = self._index.participants.trader(node_id, period // PERIODS_PER_DAY)
        if trader is None:
            return 0
        claims = self._index.accounts.position(trader, period)
        return self._index.orders.open_asks_wh(trader, period) + claims.held_wh + claims.sold_wh

    # Writing

    async def _write_once(
        self, principal: Principal, record: NodeRecord, key: str | None, asked: Mapping[str, object]
    ) -> Written:
        """Write a record, unless it was written under the same key before."""
        if key is None:
            return await self._write(record)
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()
        place = principal.identity, key
        while (running := self._in_flight.get(place)) is not None:
            await asyncio.wait([running])
        row = self._store.row("SELECT digest, leaf FROM idempotency WHERE principal = ? AND key = ?", *place)
        if row is not None and row["digest"] != digest:
            text = "Idempotency-Key {key!r} came with another order before; give each order a key of its own"
            raise KeyReused(Message(text, key=key))
        written = self._index.orders.details(principal.master or "", row["leaf"]) if row is not None else None
        if row is not None and written is not None:
            return Written(row["leaf"], written)
        future = asyncio.get_running_loop().create_future()
        self._in_flight[place] = future
        try:
            return await self._write(replace(record, idempotency=(*place, digest)))
        finally:
            self._in_flight.pop(place, None)
            future.cancel()

    async def _write(self, record: NodeRecord) -> Written:
        return await self._region.write(record)


def _shown(entry: OrderEntry) -> Order:
    assert entry.order is not None, "it is listed by its record"
    return entry.order


def _recorded(leaf: bytes, details: OrderDetails) -> Order:
    """An order of which no more is known than that it is recorded."""
    return Order(
        order_id=None,
        node_id=details.user_id,
        side=side_name(details.side),
        energy_types=type_names(details.energy_types),
        period=details.period,
        energy_wh=details.energy_wh,
        price_ticks=details.price_ticks,
        open_wh=0,
        agreed_wh=0,
        status=OrderStatus.RECORDED,
        refusal=None,
        replaces=order_text(OrderId.unpack(details.replaces)) if details.replaces else None,
        record_leaf=f"0x{leaf.hex()}",
        placed_at=None,
        height=None,
    )


def _signing_context(region: Region, node_id: str, location: str, address: Address) -> SigningContext:
    master = region.master_of(node_id)
    ledger = master.slave.ledger
    return SigningContext(
        node_id=node_id,
        location=location,
        chain_id=ledger.chain.chain_id,
        ledger=f"0x{ledger.address.hex()}",
        nonce=ledger.chain.next_nonce(address),
        gas_limit=GAS_LIMIT,
        readers=[key.hex() for key in master.encryption_node.readers],
    )


def _require_keys(principal: Principal) -> None:
    if principal.keys is None:
        text = "the keys of {name!r} are not kept here; sign the record, then POST {path}"
        raise KeysNotKept(Message(text, name=principal.name, path="/api/v1/records"))


def _order_id(text: str) -> OrderId:
    try:
        return OrderId.unpack(int(text, 16))
    except ValueError as error:
        raise InvalidValue("order_id", text, "an order's id, 16 hexadecimal digits") from error
