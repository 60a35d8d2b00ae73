"""What a function node does: orders, deals, deposits, positions."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from heapq import merge
from operator import neg

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
from gridbourse.index.participants import ParticipantRegistry
from gridbourse.ledger.records import Cancellation, Confirmation, OrderDetails
from gridbourse.market.types import DealState, Offer, OrderId, Side
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.node.node import Region
from gridbourse.node.node_records import Answer, Cancel, NodeRecord, Place, SetLimits, Written
from gridbourse.service.accounts import ServiceStore
from gridbourse.service.market_state import MarketState
from gridbourse.service.node_client import RegionProcess
from gridbourse.service.orders import OrderEntry, PlacedOrder
from gridbourse.service.paging import cut, newest_first
from gridbourse.service.rights import Principal, Right, require
from gridbourse.service.views import deal_view, metered_views, order_text, order_view
from gridbourse.text import Message
from gridbourse.units import PERIODS_PER_DAY


class Trading:
    """Writes nodes' orders and answers, and reads what became of them.

    Parameters
    ----------
    state, directory
        The market and who is who.
    region
        Writes records.
    store
        Remembers idempotency keys.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        state: MarketState,
        directory: ParticipantRegistry,
        region: RegionProcess,
        store: ServiceStore,
        clock: Callable[[], int],
    ) -> None:
        self._state = state
        self._directory = directory
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
        offer = Offer(old.order_id.side, old.energy_types, old.order_id.period, energy_wh, price_ticks)
        quota_wh = None
        if offer.side is Side.ASK:
            quota_wh = self._state.offered_wh(old.trader, offer.period) - old.open_wh + energy_wh
        asked = {"amend": order_id, "energy_wh": energy_wh, "price_ticks": price_ticks}
        record = NodeRecord(principal.name, Place(offer, quota_wh, old.order_id), principal.keys)
        return self._order_of(await self._write_once(principal, record, idempotency_key, asked))

    async def cancel(self, principal: Principal, order_id: str) -> Order:
        """Let the calling node take what is open of an order out of the market. Raises like `amend`."""
        old = self._waiting(principal, order_id)
        await self._write(NodeRecord(principal.name, Cancel(old.order_id), principal.keys))
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
        mandate = self._state.mandates.get(node_id)
        if mandate is None:
            raise NotFound(Message("the owner of {name!r} has never set limits", name=node_id))
        return mandate.limits()

    def _waiting(self, principal: Principal, order_id: str) -> PlacedOrder:
        require(principal, Right.TRADE)
        _require_keys(principal)
        placed = self._own_order(principal, order_id).placed
        if placed is None or not placed.open_wh:
            raise Conflict(Message("nothing of order {order} waits any more", order=order_id))
        return placed

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

        node = self._directory.nodes[principal.name]
        address = Address(bytes.fromhex(node.address_hex))
        return await self._region.run(_signing_context, principal.name, node.location, address)

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
        orders = self._state.orders

        def fitting(node_id: str) -> Iterator[int]:
            return (
                number
                for number in newest_first(orders.of_node(node_id), cursor)
                if (period is None or orders.period(number) == period)
                and (status is None or orders.status(number) is status)
            )

        found = merge(*map(fitting, self.nodes(principal, node_id)), reverse=True)
        return cut(found, cursor, limit, key=neg, view=lambda number: order_view(orders[number]))

    def order(self, principal: Principal, order_id: str) -> Order:
        """One order of the caller's nodes. Raises `NotFound`."""
        require(principal, Right.READ_NODE)
        return order_view(self._own_order(principal, order_id))

    def _own_order(self, principal: Principal, order_id: str) -> OrderEntry:
        order = self._state.orders.with_id(_order_id(order_id))
        otherwise = Message("there is no order {order} of yours", order=order_id)
        if order is None or order.details is None:
            raise NotFound(otherwise)
        self._require_reach(principal, order.details.user_id, otherwise)
        return order

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
        deals, state = self._state.deals, DealState[status.upper()] if status else None

        def fitting(node_id: str) -> Iterator[tuple[int, str]]:
            return (
                (place, node_id)
                for place in newest_first(deals.of_node(node_id), cursor)
                if state is None or deals.state(place // 2) is state
            )

        found = merge(*map(fitting, self.nodes(principal, node_id)), reverse=True)
        return cut(found, cursor, limit, key=lambda deal: -deal[0], view=self._deal_at)

    def deal(self, principal: Principal, deal_id: int, side: Side | None = None) -> Deal:
        """One deal, as the caller's node on a side sees it; by default the first side that is the caller's."""
        require(principal, Right.READ_NODE)
        entry = self._state.deals.get(deal_id)
        for own in Side if side is None else (side,):
            owner = self._directory.owners.get(entry.trader(own)) if entry else None
            if owner and principal.reaches(owner.node_id, owner.master):
                return deal_view(self._state, owner.node_id, deal_id, own)
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
        found = []
        for own in self.nodes(principal, node_id):
            for number in self._directory.days() if day is None else [day]:
                trader = self._directory.trader(own, number)
                if trader is not None:
                    account = self._state.account(trader)
                    found.append(Deposit(own, number, account.free_money, account.held_money))
        return found

    def positions(self, principal: Principal, day: int, *, node_id: str | None = None) -> list[Position]:
        """Energy claims of the caller's nodes in the periods of a day; periods without any are left out."""
        require(principal, Right.READ_NODE)
        found = []
        for own in self.nodes(principal, node_id):
            trader = self._directory.trader(own, day)
            for period in range(day * PERIODS_PER_DAY, (day + 1) * PERIODS_PER_DAY) if trader is not None else ():
                claims = self._state.position(trader, period) if trader is not None else None
                if claims and (claims.quota_wh or claims.bought_wh):
                    found.append(
                        Position(own, period, claims.quota_wh, claims.held_wh, claims.sold_wh, claims.bought_wh)
                    )
        return found

    def metered(self, principal: Principal, day: int, *, node_id: str | None = None) -> list[MeteredPeriod]:
        """What was metered and traded on a day, for the caller's nodes whose master has settled it."""
        require(principal, Right.READ_NODE)
        statements = (self._state.statements.get((own, day)) for own in self.nodes(principal, node_id))
        return [view for statement in statements if statement for view in metered_views(statement)]

    def nodes(self, principal: Principal, node_id: str | None = None) -> list[str]:
        """Nodes that the caller reaches, or the one of them that is named. Raises `NotFound`."""
        if node_id is not None:
            self._require_reach(principal, node_id, Message("there is no node {name!r} of yours", name=node_id))
            return [node_id]
        return [own for own, master in self._directory.master_of.items() if principal.reaches(own, master)]

    def _require_reach(self, principal: Principal, node_id: str, otherwise: str) -> None:
        master = self._directory.master_of.get(node_id)
        if master is None or not principal.reaches(node_id, master):
            raise NotFound(otherwise)

    def _order_of(self, written: Written) -> Order:
        assert isinstance(written.details, OrderDetails), "an order was written"
        order = self._recorded(written.details.user_id, written.leaf)
        if order is None:  # the chains could not be read; it is on them
            order = OrderEntry(written.leaf, OrderStatus.RECORDED, written.details)
        return order_view(order)

    def _recorded(self, node_id: str, leaf: bytes) -> OrderEntry | None:
        return self._state.orders.with_leaf(self._directory.number_of(node_id), leaf)

    def _deal_at(self, found: tuple[int, str]) -> Deal:
        place, node_id = found
        deal_id, side = divmod(place, 2)
        return deal_view(self._state, node_id, deal_id, Side(side))

    def _offered_wh(self, node_id: str, period: int) -> int:
        trader = self._directory.trader(node_id, period // PERIODS_PER_DAY)
        return 0 if trader is None else self._state.offered_wh(trader, period)

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
        written = self._recorded(record.node_id, row["leaf"]) if row is not None else None
        if written is not None and written.details is not None:
            return Written(written.leaf, written.details)
        future = asyncio.get_running_loop().create_future()
        self._in_flight[place] = future
        try:
            return await self._write(replace(record, idempotency=(*place, digest)))
        finally:
            self._in_flight.pop(place, None)
            future.cancel()

    async def _write(self, record: NodeRecord) -> Written:
        return await self._region.write(record)


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
