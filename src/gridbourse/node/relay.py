"""The relay between a slave chain and the main chain.

Orders and answers lie on the slave chain, where users signed them, and are taken up to the main chain; deals
are brought down and written to the slave chain of each party; the slave chain's blocks are anchored. All that
the relay knows follows from the two chains, and every step first looks at what is there already: a step that
was interrupted is simply taken again, and nothing enters either chain twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TypeVar

from gridbourse.chain.block import Receipt
from gridbourse.contracts.abi import Call
from gridbourse.contracts.wallet import Wallet, send_together
from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import ContractReverted, InvalidValue, TransactionRejected
from gridbourse.index.newest_records import NewestRecords
from gridbourse.index.queries.reader import IndexReader
from gridbourse.index.records import RecordEntry
from gridbourse.index.relaying import MarketReader
from gridbourse.ledger.function_node import FunctionNode
from gridbourse.ledger.records import Cancellation, Confirmation, OrderDetails, keeps_priority
from gridbourse.market.events import Event, OrderPlaced, OrderRefused
from gridbourse.market.types import Offer, OrderId, Side
from gridbourse.node.indexing import Indexing
from gridbourse.node.master import Master
from gridbourse.node.rematch import ReopenedOrders

ORDERS_PER_TRANSACTION = 250
QUOTAS_PER_TRANSACTION = 250
DEALS_PER_TRANSACTION = 250
RECORDS_PER_TRANSACTION = 50

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class PendingConfirmation:
    """A deal that waits for a function node's answer."""

    node: FunctionNode
    side: Side
    deal_id: int
    energy_wh: int
    price_ticks: int
    automatic: bool
    """Whether the node placed the order by itself."""


class Relay(NewestRecords):
    """Connects one master's slave chain with the main chain.

    Parameters
    ----------
    master
        The master that runs it.
    indexing
        Keeps the index up with both chains.
    index
        The index, which tells what both chains hold.
    market
        What it tells of the market; all masters of a folder share it.
    calendar
        The region's delivery days.
    """

    def __init__(
        self,
        master: Master,
        indexing: Indexing,
        index: IndexReader,
        market: MarketReader,
        calendar: DeliveryCalendar,
    ) -> None:
        super().__init__(index, master.membership.name, lambda: indexing.sequence)
        self._master = master
        self._name = master.membership.name
        self._indexing = indexing
        self._market = market
        self._calendar = calendar
        self._reopened = ReopenedOrders(master, self._market)
        self._in_vain: set[bytes | tuple[int, Side]] = set()
        """Changes of orders, and answers, of which nothing can come: they stand in the index as they are."""
        self._recall()

    @property
    def slave_height(self) -> int:
        """The newest block of the slave chain that was read: what it holds is known here."""
        return self._indexing.height_of(self._name)

    @property
    def record_count(self) -> int:
        """How many records of the slave chain were read."""
        head = self._index.chains.head(self._name)
        return head.record_count if head else 0

    @property
    def rejected_records(self) -> list[RecordEntry]:
        """Records that the encryption node could not open, or that another than the named node signed."""
        return self._index.records.invalid(self._name)

    @property
    def market(self) -> MarketReader:
        """The market of the main chain."""
        return self._market

    def catch_up(self) -> None:
        """Read what both chains hold since the last time. Every other step does this first."""
        self._indexing.catch_up()

    def _recall(self) -> None:
        """Let the master know which days it opened, who its nodes are on the main chain, and what is anchored."""
        registry = self._index.participants
        self._master.recall(registry.days(self._name), registry.traders(self._name))
        for newest in self._index.chains.anchors(self._name):
            anchor = newest.anchor
            if anchor.leaf_count <= self.record_count:
                frontier = self._index.records.frontier(self._name, anchor.leaf_count)
                if frontier.root() == anchor.root:
                    self._master.slave.resume(anchor.last_block, frontier)

    def open_day(self, day: int) -> None:
        """Name the function nodes on the main chain for a delivery day; those that are named already stay."""
        self._recall_days()
        self._master.open_day(day)

    def finish_days(self) -> None:
        """Go on with every opening of a day that was interrupted."""
        self._recall_days()
        self._master.finish_days()

    def submit(self) -> list[Event]:
        """Take new orders, their amendments and cancellations, and answers from the slave chain up to the main chain.

        Orders for a day that is not open yet wait until it is. What a node ordered before it was revoked is taken up
        like any other order, so that the main chain shows it was not dropped, and what is open of it is withdrawn.

        Returns
        -------
        list of Event
            What the market made of them.
        """
        return submit([self])

    def ready_orders(self) -> dict[bytes, OrderDetails]:
        """Orders of open days that the main chain does not know, by leaf."""
        self.catch_up()
        unsubmitted = self._market.unsubmitted(self._name)
        return {leaf: order for leaf, order in unsubmitted.items() if self._is_named(order)}

    def offered(self, orders: Iterable[OrderDetails]) -> dict[tuple[int, int], int]:
        """What sellers are to be allowed to sell, in Wh by trader and period, as their orders state."""
        offered: dict[tuple[int, int], int] = {}
        for order in orders:
            if order.side is Side.ASK:
                place = self._trader(order), order.period
                offered[place] = max(order.energy_quota_wh, offered.get(place, 0))
        return offered

    def calls_for(
        self, orders: Mapping[bytes, OrderDetails], quotas_wh: Mapping[tuple[int, int], int]
    ) -> list[tuple[Wallet, Call]]:
        """What raises sellers' quotas from what they are, and then places orders."""
        batches = _batches(list(orders.items()), ORDERS_PER_TRANSACTION)
        calls = [*self._quota_calls(orders.values(), quotas_wh), *map(self._place_call, batches)]
        return [(self._master.main_wallet, call) for call in calls]

    def read(self, receipt: Receipt) -> list[Event]:
        """What a transaction did on the market."""
        return self._master.main.market.events(receipt.logs)

    def finish(self, orders: Mapping[bytes, OrderDetails], met: Collection[bytes]) -> list[Event]:
        """Place those orders of which the market has not met the records, then take changes and answers up."""
        missing = {leaf: order for leaf, order in orders.items() if leaf not in met}
        if missing:
            self.catch_up()
            unsubmitted = self._market.unsubmitted(self._name)
            missing = {leaf: order for leaf, order in missing.items() if leaf in unsubmitted}
        self._raise_quotas(missing.values())
        placed = self._send_batches(list(missing.items()), ORDERS_PER_TRANSACTION, self._place_call)
        changes = self._changes()
        events = [*placed, *self._change(changes), *self._answer()]
        if any(wanted.user_id in self._master.revoked for wanted in (*orders.values(), *dict(changes).values())):
            self.withdraw_revoked()
        return events

    def has_offered(self, node_id: str, period: int) -> bool:
        """Whether a node has signed any order for a delivery period, by itself or by hand."""
        return self._index.orders.has_ordered(node_id, period)

    def quotas_wh(self, offers: Sequence[tuple[str, Offer]]) -> list[int]:
        """What nodes must be allowed to sell for each of their new offers in turn, with what they offered before."""
        self.catch_up()
        needed_wh: dict[tuple[str, int], int] = {}
        quotas_wh = []
        for node_id, offer in offers:
            place = node_id, offer.period
            if place not in needed_wh:
                needed_wh[place] = self._index.offered_wh(node_id, self._calendar.day_of(offer.period), offer.period)
            if offer.side is Side.ASK:
                needed_wh[place] += offer.energy_wh
            quotas_wh.append(needed_wh[place])
        return quotas_wh

    def rematch(self) -> list[Event]:
        """Match the nodes' own orders again that a deal which ended left crossed (`gridbourse.node.rematch`)."""
        self.catch_up()
        return self._reopened.rematch()

    def order_of(self, leaf: bytes) -> OrderId | None:
        """The order that a record became on the main chain; None if it was refused or is not there yet."""
        self.catch_up()
        return self._market.order_of(self._name, leaf)

    def placed(self, order_id: OrderId) -> OrderPlaced | None:
        """An order as it entered the market, whosever it is; None if it never did."""
        self.catch_up()
        return self._market.placed(order_id)

    def deliver(self) -> None:
        """Write what happened to the nodes' deals to the slave chain."""
        self.catch_up()
        told = [details for details in self._market.undelivered(self._name) if details.user_id in self._master.nodes]
        if told:
            nodes = self._master.nodes
            self._master.write([(details, (nodes[details.user_id].encryption_public,)) for details in told])
            self.catch_up()

    def pending_confirmations(self, node_ids: Collection[str] | None = None) -> list[PendingConfirmation]:
        """The deals that wait for an answer, of some nodes or of all, in the order of their numbers."""
        asked = (self._master.nodes.keys() if node_ids is None else set(node_ids)) - self._master.revoked
        if not asked:
            return []
        return [
            PendingConfirmation(
                *(self._master.nodes[own.node_id], own.side, own.deal_id),
                *(own.energy_wh, own.price_ticks, own.automatic),
            )
            for own in self._market.unanswered(self._name)
            if own.node_id in asked and own.node_id in self._master.nodes
        ]

    def withdraw_revoked(self) -> None:
        """Cancel what orders of revoked nodes still wait, or would again if a deal of theirs ended.

        The revocations are anchored first: that is what tells a withdrawal from one that is excused afterwards.
        """
        self.catch_up()
        waiting = self._market.bound_or_waiting(self._name, self._master.revoked)
        if waiting:
            self.anchor()
        self._send_batches(waiting, ORDERS_PER_TRANSACTION, self._master.main.market.cancel_orders)

    def credit(self, moneys: Mapping[int, int], payment_reference: bytes) -> None:
        """As settlement agent: credit deposits against payments received, once for each payment reference.

        Parameters
        ----------
        moneys
            1e-7 yuan by trader.
        payment_reference
            32 bytes, the same whenever the same payments are credited again.

        Raises
        ------
        InvalidValue
            Under this reference other deposits were credited, or there is no such trader.
        """
        self.catch_up()
        for trader in moneys.keys() - self._market.has_traders(moneys):
            raise InvalidValue("trader", trader, "a trader's number that a master has registered")
        credited = self._market.credited(payment_reference)
        if not credited:
            self._master.deposit(moneys, payment_reference)
        elif credited != moneys:
            remedy = "another reference: under this one other deposits were credited"
            raise InvalidValue("payment_reference", payment_reference.hex(), remedy)

    def settle(self) -> list[Event]:
        """Settle every confirmed deal of the market; any master may, the settlement agent does."""
        self.catch_up()
        return self._send_batches(self._market.confirmed(), DEALS_PER_TRANSACTION, self._master.main.market.settle)

    def expire(self, now: int) -> list[Event]:
        """End every deal of the market whose cooling-off time is over without both answers; any master may.

        Parameters
        ----------
        now
            Seconds since the epoch.
        """
        self.catch_up()
        return self._send_batches(self._market.overdue(now), DEALS_PER_TRANSACTION, self._master.main.market.expire)

    def anchor(self, last_block: int | None = None) -> None:
        """Anchor the slave chain's new blocks on the main chain, up to `last_block` or the newest."""
        anchors = self._master.main.anchors
        anchor = self._master.slave.next_anchor(anchors.last_anchor(self._master.membership.master_id), last_block)
        if anchor is not None:
            self._master.main_wallet.send(anchors.anchor(anchor))

    # From the slave chain to the main chain

    def _quota_calls(self, orders: Iterable[OrderDetails], quotas_wh: Mapping[tuple[int, int], int]) -> list[Call]:
        """Raise what sellers may sell to what their records state."""
        offered = self.offered(orders)
        raised = [(place, energy_wh) for place, energy_wh in offered.items() if energy_wh > quotas_wh.get(place, 0)]
        return [self._master.main.market.set_quotas(dict(batch)) for batch in _batches(raised, QUOTAS_PER_TRANSACTION)]

    def _raise_quotas(self, orders: Collection[OrderDetails]) -> None:
        if calls := self._quota_calls(orders, self._market.quotas_wh(self.offered(orders))):
            self._master.main_wallet.send_many(calls)

    def _place_call(self, batch: Sequence[tuple[bytes, OrderDetails]]) -> Call:
        requests = [order.request(self._trader(order)) for _, order in batch]
        return self._master.main.market.place_orders(requests, [leaf for leaf, _ in batch])

    def _changes(self) -> list[tuple[bytes, OrderDetails | Cancellation]]:
        """Amendments and cancellations of which something may come, in the sequence in which users signed them."""
        return [(leaf, wanted) for leaf, wanted in self._market.changes(self._name) if leaf not in self._in_vain]

    def _change(self, changes: Sequence[tuple[bytes, OrderDetails | Cancellation]]) -> list[Event]:
        """Amend and cancel orders."""
        market, events = self._master.main.market, list[Event]()
        if changes:  # what was placed just now can be changed
            self.catch_up()
        for leaf, wanted in changes:
            order_id = OrderId.unpack(wanted.order if isinstance(wanted, Cancellation) else wanted.replaces)
            if not self._is_changeable(order_id, wanted):
                self._in_vain.add(leaf)
                continue
            if isinstance(wanted, Cancellation):
                call = market.cancel_orders([order_id])
            else:
                self._raise_quotas([wanted])
                call = market.amend_order(order_id, wanted.energy_wh, wanted.price_ticks, leaf)
            events += self.read(self._master.main_wallet.send(call))
            self.catch_up()
        return events

    def _is_changeable(self, order_id: OrderId, wanted: OrderDetails | Cancellation) -> bool:
        """Whether an order stands and is that of the user who wants it changed; what it trades cannot change."""
        placed = self._market.placed(order_id)
        if placed is None or self._market.is_withdrawn(order_id):
            return False
        node = self._master.node_of(placed.trader)
        return node is not None and node.spec.node_id == wanted.user_id and keeps_priority(placed, wanted)

    def _answer(self) -> list[Event]:
        market = self._master.main.market
        pending = [
            answer
            for answer in self._market.unsubmitted_answers(self._name)
            if (answer.deal_id, answer.side) not in self._in_vain and answer.user_id in self._master.nodes
        ]
        events: list[Event] = []
        for (side, confirmed), group in groupby(sorted(pending, key=_kind_of_decision), _kind_of_decision):
            answer = partial(market.confirm if confirmed else market.abandon, side=Side(side))
            deal_ids = [decision.deal_id for decision in group]
            events += self._send_batches(deal_ids, DEALS_PER_TRANSACTION, answer)
        # What the market did not take now it never will: time or somebody else was faster.
        self._in_vain.update((answer.deal_id, answer.side) for answer in pending)
        return events

    def _send_batches(self, items: Sequence[_Item], size: int, call: Callable[[Sequence[_Item]], Call]) -> list[Event]:
        return [event for batch in _batches(items, size) for event in self._send(batch, call)]

    def _send(self, batch: Sequence[_Item], call: Callable[[Sequence[_Item]], Call]) -> list[Event]:
        """Send a batch. One that needs too much gas is halved; the market itself lets no item stop another."""
        try:
            receipt = self._master.main_wallet.send(call(batch))
        except ContractReverted:
            if len(batch) > 1:
                middle = len(batch) // 2
                return self._send(batch[:middle], call) + self._send(batch[middle:], call)
            raise
        return self.read(receipt)

    def _recall_days(self) -> None:
        """Let the master know of every day that is recorded, also where it could not take note of that itself."""
        self.catch_up()
        for day in self._index.participants.days(self._name):
            if day not in self._master.recorded_days:
                self._master.recall_day(day)

    def _is_named(self, order: OrderDetails) -> bool:
        return self._master.is_named(order.user_id, self._calendar.day_of(order.period))

    def _trader(self, order: OrderDetails) -> int:
        return self._master.trader(order.user_id, self._calendar.day_of(order.period))


def submit(relays: Sequence[Relay]) -> list[Event]:
    """Submit what lies on several slave chains, as `Relay.submit`, the new orders of all of them together.

    They enter the main chain in the sequence of the relays.
    """
    ready = [(relay, relay.ready_orders()) for relay in relays]
    offered = [place for relay, orders in ready for place in relay.offered(orders.values())]
    quotas_wh = ready[0][0].market.quotas_wh(offered) if ready else {}
    calls = [call for relay, orders in ready for call in relay.calls_for(orders, quotas_wh)]
    receipts: list[Receipt] = []
    # What is refused because of one, or because it is too much at once, each sends again by itself.
    with suppress(TransactionRejected):
        receipts = send_together(calls)
    events = [event for relay in relays[:1] for receipt in receipts for event in relay.read(receipt)]
    met = {event.record_hash for event in events if isinstance(event, OrderPlaced | OrderRefused)}
    return [*events, *(event for relay, orders in ready for event in relay.finish(orders, met))]


def _kind_of_decision(decision: Confirmation) -> tuple[int, bool]:
    return decision.side, decision.confirmed


def _batches(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))
