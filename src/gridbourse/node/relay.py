"""The relay between a slave chain and the main chain.

Orders and answers lie on the slave chain, where users signed them, and are taken up to the main chain; deals
are brought down and written to the slave chain of each party; the slave chain's blocks are anchored. All that
the relay knows follows from the two chains, and every step first looks at what is there already: a step that
was interrupted is simply taken again, and nothing enters either chain twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby
from typing import TypeVar

from gridbourse.chain.block import Receipt
from gridbourse.contracts.abi import Call
from gridbourse.contracts.slave_ledger import RecordHead
from gridbourse.contracts.wallet import Wallet, send_together
from gridbourse.errors import ContractReverted, InvalidValue, TransactionRejected
from gridbourse.index.market_view import DEAL_EVENTS, MarketView
from gridbourse.index.newest_records import NewestRecords
from gridbourse.ledger.reader import SlaveRecord
from gridbourse.ledger.records import (
    Cancellation,
    Confirmation,
    DayOpened,
    DealDetails,
    OrderDetails,
    keeps_priority,
)
from gridbourse.market.events import Event, OrderPlaced
from gridbourse.market.types import DealState, OrderId, Side
from gridbourse.node.master import Master
from gridbourse.node.own_deals import OwnDeals, PendingConfirmation
from gridbourse.node.rematch import REOPENING_EVENTS, ReopenedOrders
from gridbourse.units import PERIODS_PER_DAY

ORDERS_PER_TRANSACTION = 250
QUOTAS_PER_TRANSACTION = 250
DEALS_PER_TRANSACTION = 250
RECORDS_PER_TRANSACTION = 50

_Item = TypeVar("_Item")


class Relay(NewestRecords):
    """Connects one master's slave chain with the main chain.

    Parameters
    ----------
    master
        The master that runs it.
    market
        The market of the main chain, which other relays may look at, too.
    """

    def __init__(self, master: Master, market: MarketView) -> None:
        super().__init__()
        self._master = master
        self._unread = master.records.follow()
        self._market = market
        self._happened = market.follow(*DEAL_EVENTS, *REOPENING_EVENTS)
        self._slave_height = 0
        self._orders: dict[bytes, OrderDetails] = {}
        self._changes: list[tuple[bytes, OrderDetails | Cancellation]] = []
        self._decisions: list[Confirmation] = []
        self._deals = OwnDeals(master, market)
        self.record_count = 0
        """How many records of the slave chain were read."""
        self._offered: set[tuple[str, int]] = set()
        self._reopened = ReopenedOrders(master, market)
        self.rejected_records: list[RecordHead] = []
        """Records that the encryption node could not open, or that another than the named node signed."""

    @property
    def slave_height(self) -> int:
        """The newest block of the slave chain that was read: what it holds is known here."""
        return self._slave_height

    @property
    def market(self) -> MarketView:
        """The market of the main chain."""
        return self._market

    def catch_up(self) -> None:
        """Read what both chains hold since the last time. Every other step does this first."""
        self._take_off()
        while self._master.records.read_on():
            self._take_off()
        self._catch_up_main()

    def open_day(self, day: int) -> None:
        """Name the function nodes on the main chain for a delivery day; those that are named already stay."""
        self.catch_up()
        self._master.open_day(day)

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
        self._orders = {leaf: order for leaf, order in self._orders.items() if not self._is_known(leaf)}
        return {leaf: order for leaf, order in self._orders.items() if self._is_named(order)}

    def calls_for(self, orders: Mapping[bytes, OrderDetails]) -> list[tuple[Wallet, Call]]:
        """What raises sellers' quotas, and then places orders."""
        batches = _batches(list(orders.items()), ORDERS_PER_TRANSACTION)
        calls = [*self._quota_calls(orders.values()), *map(self._place_call, batches)]
        return [(self._master.main_wallet, call) for call in calls]

    def read(self, receipt: Receipt) -> list[Event]:
        """What a transaction did on the market."""
        return self._master.main.market.events(receipt.logs)

    def finish(self, orders: Mapping[bytes, OrderDetails]) -> list[Event]:
        """Place what is missing of orders, then take changes and answers up."""
        self._catch_up_main()
        missing = {leaf: order for leaf, order in orders.items() if not self._is_known(leaf)}
        self._raise_quotas(missing.values())
        placed = self._send_batches(list(missing.items()), ORDERS_PER_TRANSACTION, self._place_call)
        events = [*placed, *self._change(), *self._answer()]
        if any(wanted.user_id in self._master.revoked for wanted in (*orders.values(), *dict(self._changes).values())):
            self.withdraw_revoked()
        self._orders = {leaf: order for leaf, order in self._orders.items() if leaf not in orders}
        self._changes.clear()
        self._decisions.clear()
        return events

    def has_offered(self, node_id: str, period: int) -> bool:
        """Whether a node has signed any order for a delivery period, by itself or by hand."""
        return (node_id, period) in self._offered

    def rematch(self) -> list[Event]:
        """Match those of the nodes' own orders again that would trade now (`gridbourse.node.rematch`)."""
        self.catch_up()
        return self._reopened.rematch()

    def order_of(self, leaf: bytes) -> OrderId | None:
        """The order that a record became on the main chain; None if it was refused or is not there yet."""
        self.catch_up()
        return self._market.order_of(self._master.membership.master_id, leaf)

    def placed(self, order_id: OrderId) -> OrderPlaced | None:
        """An order as it entered the market, whosever it is; None if it never did."""
        self.catch_up()
        return self._market.orders.get(order_id)

    def deliver(self) -> None:
        """Write what happened to the nodes' deals to the slave chain."""
        self.catch_up()
        self._master.write([(details, (node.encryption_public,)) for details, node in self._deals.news()])
        self._deals.were_told()

    def pending_confirmations(self, node_ids: Collection[str] | None = None) -> list[PendingConfirmation]:
        """The deals that wait for an answer, of some nodes or of all, in the order of their numbers."""
        return self._deals.pending_confirmations(node_ids)

    def withdraw_revoked(self) -> None:
        """Cancel what orders of revoked nodes still wait, or would again if a deal of theirs ended.

        The revocations are anchored first: that is what tells a withdrawal from one that is excused afterwards.
        """
        self.catch_up()
        market, open_deals = self._master.main.market, (DealState.INTENT, DealState.CONFIRMED)
        held = [deal for deal in self._market.deals.values() if deal.state in open_deals]
        bound = {order_id for deal in held for order_id in (deal.ask, deal.bid)}
        waiting = [
            order_id
            for order_id, placed in self._market.orders.items()
            if (node := self._master.node_of(placed.trader)) is not None
            and node.spec.node_id in self._master.revoked
            and (order := market.order(order_id)) is not None
            and (order.open_wh or order_id in bound)
        ]
        if waiting:
            self.anchor()
        self._send_batches(waiting, ORDERS_PER_TRANSACTION, market.cancel_orders)

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
        for trader in moneys:
            if trader not in self._market.master_of:
                raise InvalidValue("trader", trader, "a trader's number that a master has registered")
        credited = self._market.payments.get(payment_reference)
        if credited is None:
            self._master.deposit(moneys, payment_reference)
        elif credited != moneys:
            remedy = "another reference: under this one other deposits were credited"
            raise InvalidValue("payment_reference", payment_reference.hex(), remedy)

    def settle(self) -> list[Event]:
        """Settle every confirmed deal of the market; any master may, the settlement agent does."""
        self.catch_up()
        return self._send_batches(
            sorted(self._market.confirmed), DEALS_PER_TRANSACTION, self._master.main.market.settle
        )

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

    def _quota_calls(self, orders: Iterable[OrderDetails]) -> list[Call]:
        """Raise what sellers may sell to what their records state."""
        raised: dict[tuple[int, int], int] = {}
        for order in orders:
            key = self._trader(order), order.period
            known_wh = raised.get(key, self._market.quotas_wh.get(key, 0))
            if order.side is Side.ASK and order.energy_quota_wh > known_wh:
                raised[key] = order.energy_quota_wh
        batches = _batches(list(raised.items()), QUOTAS_PER_TRANSACTION)
        return [self._master.main.market.set_quotas(dict(batch)) for batch in batches]

    def _raise_quotas(self, orders: Iterable[OrderDetails]) -> None:
        if calls := self._quota_calls(orders):
            self._master.main_wallet.send_many(calls)

    def _place_call(self, batch: Sequence[tuple[bytes, OrderDetails]]) -> Call:
        requests = [order.request(self._trader(order)) for _, order in batch]
        return self._master.main.market.place_orders(requests, [leaf for leaf, _ in batch])

    def _change(self) -> list[Event]:
        """Amend and cancel orders in the sequence in which their users signed it."""
        market, events = self._master.main.market, list[Event]()
        for leaf, wanted in self._changes:
            order_id = OrderId.unpack(wanted.order if isinstance(wanted, Cancellation) else wanted.replaces)
            if self._is_known(leaf) or not self._is_changeable(order_id, wanted):
                continue
            if isinstance(wanted, Cancellation):
                call = market.cancel_orders([order_id])
            else:
                self._raise_quotas([wanted])
                call = market.amend_order(order_id, wanted.energy_wh, wanted.price_ticks, leaf)
            events += self.read(self._master.main_wallet.send(call))
            self._catch_up_main()
        return events

    def _is_changeable(self, order_id: OrderId, wanted: OrderDetails | Cancellation) -> bool:
        """Whether an order stands and is that of the user who wants it changed; what it trades cannot change."""
        placed = self._market.orders.get(order_id)
        if placed is None or self._market.orders.is_withdrawn(order_id):
            return False
        node = self._master.node_of(placed.trader)
        return node is not None and node.spec.node_id == wanted.user_id and keeps_priority(placed, wanted)

    def _answer(self) -> list[Event]:
        market = self._master.main.market
        # A node's first answer counts, as it would if each were taken up at once.
        first: dict[tuple[int, Side], Confirmation] = {}
        for decision in filter(self._is_open, self._decisions):
            first.setdefault((decision.deal_id, decision.side), decision)
        events: list[Event] = []
        for (side, confirmed), group in groupby(sorted(first.values(), key=_kind_of_decision), _kind_of_decision):
            answer = partial(market.confirm if confirmed else market.abandon, side=Side(side))
            deal_ids = [decision.deal_id for decision in group]
            events += self._send_batches(deal_ids, DEALS_PER_TRANSACTION, answer)
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

    def _is_open(self, decision: Confirmation) -> bool:
        deal = self._market.deals.get(decision.deal_id)
        if deal is None or deal.state is not DealState.INTENT or deal.has_confirmed(decision.side):
            return False
        node = self._master.node_of(deal.trader(decision.side))
        return node is not None and node.spec.node_id == decision.user_id

    def _is_known(self, leaf: bytes) -> bool:
        return self._market.is_known(self._master.membership.master_id, leaf)

    def _is_named(self, order: OrderDetails) -> bool:
        return self._master.is_named(order.user_id, order.period // PERIODS_PER_DAY)

    def _trader(self, order: OrderDetails) -> int:
        return self._master.trader(order.user_id, order.period // PERIODS_PER_DAY)

    # What both chains hold

    def _catch_up_main(self) -> None:
        self._market.catch_up()
        while self._happened:
            self._deals.note(self._happened[0])
            self._reopened.note(self._happened[0])
            self._happened.popleft()

    def _take_off(self) -> None:
        """Read the records that wait here, each taken off afterwards: where something fails between, none is lost."""
        while self._unread:
            self._read(self._unread[0])
            self._unread.popleft()
        self._slave_height = self._master.records.height

    def _read(self, found: SlaveRecord) -> None:
        record, details = found.record, found.details
        self.record_count = record.index + 1
        match details:
            case None:
                self.rejected_records.append(record)
            case Cancellation():
                self._changes.append((record.leaf, details))
            case OrderDetails() if details.replaces:
                self._changes.append((record.leaf, details))
            case OrderDetails():
                if not self._is_known(record.leaf):
                    self._orders[record.leaf] = details
                self._offered.add((details.user_id, details.period))
            case Confirmation():
                self._decisions.append(details)
                self._deals.note_answer(details)
            case DealDetails():
                self._deals.note_record(details)
            case DayOpened():
                self._master.recall_day(details.day)
            case _:
                self.keep(details)


def submit(relays: Sequence[Relay]) -> list[Event]:
    """Submit what lies on several slave chains, as `Relay.submit`, the new orders of all of them together.

    They enter the main chain in the sequence of the relays.
    """
    ready = [relay.ready_orders() for relay in relays]
    calls = [call for relay, orders in zip(relays, ready, strict=True) for call in relay.calls_for(orders)]
    receipts: list[Receipt] = []
    # What is refused because of one, or because it is too much at once, each sends again by itself.
    with suppress(TransactionRejected):
        receipts = send_together(calls)
    return [
        *(event for relay in relays[:1] for receipt in receipts for event in relay.read(receipt)),
        *(event for relay, orders in zip(relays, ready, strict=True) for event in relay.finish(orders)),
    ]


def _kind_of_decision(decision: Confirmation) -> tuple[int, bool]:
    return decision.side, decision.confirmed


def _batches(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))
