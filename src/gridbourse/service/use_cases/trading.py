"""What a function node does: orders, deals, deposits, positions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping

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
from gridbourse.crypto.keys import Address
from gridbourse.crypto.node_keys import NodeKeys
from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import (
    Conflict,
    InvalidValue,
    KeysNotKept,
    NotFound,
)
from gridbourse.index.naming import order_text, side_name, side_of, type_names, types_of
from gridbourse.index.participants import Participant
from gridbourse.index.queries.orders import OrderEntry, as_of
from gridbourse.index.queries.reader import IndexReader
from gridbourse.index.queries.trades import deal_place
from gridbourse.ledger.records import Cancellation, Confirmation, LimitsSet, OrderDetails
from gridbourse.market.types import Offer, OrderId, Side
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.node.commands.client import NodeClient
from gridbourse.node.commands.requests import IdempotencyKey, Submit, SubmittedRecord
from gridbourse.service.rights import Kind, Principal, Right, require
from gridbourse.service.signing import RecordSigner
from gridbourse.service.use_cases.paging import page_of, read_cursor
from gridbourse.service.use_cases.views import metered_views
from gridbourse.text import Message


class Trading:
    """Signs and submits function nodes' orders and answers, and reads what became of them.

    Parameters
    ----------
    index
        The index.
    calendar
        The region's delivery days.
    node
        Writes what nodes signed themselves.
    signer
        Signs for those whose keys are kept.
    first_open_period
        The first delivery period whose gate takes orders.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        index: IndexReader,
        calendar: DeliveryCalendar,
        node: NodeClient,
        signer: RecordSigner,
        first_open_period: Callable[[], int],
        clock: Callable[[], int],
    ) -> None:
        self._index = index
        self._calendar = calendar
        self._node = node
        self._signer = signer
        self._first_open_period = first_open_period
        self._clock = clock

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
        keys = _kept_keys(principal)
        asked = {
            "offer": [int(offer.side), int(offer.energy_types), offer.period, offer.energy_wh, offer.price_ticks],
            "energy_quota_wh": energy_quota_wh,
        }
        if energy_quota_wh is None and offer.side is Side.ASK:
            energy_quota_wh = self._offered_wh(principal.name, offer.period) + offer.energy_wh
        details = self._order_details(principal, offer, energy_quota_wh)
        return self._order_of(await self._signer.submit(keys, details, _once(principal, idempotency_key, asked)))

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
        old, keys = self._waiting(principal, order_id), _kept_keys(principal)
        replaced = _order_id(order_id)
        offer = Offer(replaced.side, types_of(old.energy_types), replaced.period, energy_wh, price_ticks)
        quota_wh = None
        if offer.side is Side.ASK:
            quota_wh = self._offered_wh(principal.name, offer.period) - old.open_wh + energy_wh
        asked = {"amend": order_id, "energy_wh": energy_wh, "price_ticks": price_ticks}
        details = self._order_details(principal, offer, quota_wh, replaced)
        return self._order_of(await self._signer.submit(keys, details, _once(principal, idempotency_key, asked)))

    async def cancel(self, principal: Principal, order_id: str) -> Order:
        """Let the calling node take what is open of an order out of the market. Raises like `amend`."""
        self._waiting(principal, order_id)
        await self._signer.submit(_kept_keys(principal), Cancellation(principal.name, _order_id(order_id).pack()))
        return self.order(principal, order_id)

    async def set_limits(self, principal: Principal, limits: AutoTradingLimits) -> None:
        """Let the calling node record what it may do by itself from now on."""
        require(principal, Right.TRADE)
        await self._signer.submit(_kept_keys(principal), LimitsSet.of(principal.name, limits))

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
        _kept_keys(principal)
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
        once = _once(principal, idempotency_key, {"raw": raw.hex()})
        written: SubmittedRecord = await self._node.ask(Submit(principal.name, raw, once))
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
        return await self._signer.context(principal.name, Address(self._node_of(principal).address))

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
        open_from = self._first_open_period()
        found = self._index.orders.newest(
            **own, period=period, status=status, before=before, open_from=open_from, limit=limit + 1
        )
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
        return as_of(entry.order, self._first_open_period())

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
        keys = _kept_keys(principal)
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
        await self._signer.submit(keys, Confirmation(principal.name, deal_id, side, confirmed))
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
        periods = self._calendar.periods(day)
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

    def _order_of(self, written: SubmittedRecord) -> Order:
        assert isinstance(written.details, OrderDetails), "an order was written"
        master = self._index.participants.master_of(written.details.user_id)
        entry = self._index.orders.with_leaf(master, written.leaf) if master else None
        if entry is None or entry.order is None:  # the chains could not be read; it is on them
            return _recorded(written.leaf, written.details)
        return entry.order

    def _offered_wh(self, node_id: str, period: int) -> int:
        return self._index.offered_wh(node_id, self._calendar.day_of(period), period)

    def _node_of(self, principal: Principal) -> Participant:
        node = self._index.participants.node(principal.name)
        assert node is not None, "whoever has signed in for a node has one"
        return node

    def _order_details(
        self, principal: Principal, offer: Offer, quota_wh: int | None, replaces: OrderId | None = None
    ) -> OrderDetails:
        location = self._node_of(principal).location
        return OrderDetails.of(principal.name, location, offer, energy_quota_wh=quota_wh, replaces=replaces)


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


def _once(principal: Principal, key: str | None, asked: Mapping[str, object]) -> IdempotencyKey | None:
    """Under which the node remembers a request, if it came with a key."""
    if key is None:
        return None
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()
    return IdempotencyKey(principal.identity, key, digest)


def _kept_keys(principal: Principal) -> NodeKeys:
    if principal.keys is None:
        text = "the keys of {name!r} are not kept here; sign the record, then POST {path}"
        raise KeysNotKept(Message(text, name=principal.name, path="/api/v1/records"))
    return principal.keys


def _order_id(text: str) -> OrderId:
    try:
        return OrderId.unpack(int(text, 16))
    except ValueError as error:
        raise InvalidValue("order_id", text, "an order's id, 16 hexadecimal digits") from error
