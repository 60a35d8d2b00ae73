"""The up-link between a slave chain and the main chain.

Orders and answers lie on the slave chain, where users signed them, and are taken up to the main chain; deals
are brought down and written to the slave chain of each party; the slave chain's blocks are anchored. All that
the up-link knows follows from the two chains, and every step first looks at what is there already: a step that
was interrupted is simply taken again, and nothing enters either chain twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from gridbourse.contracts.abi import Call
from gridbourse.contracts.slave_ledger import LedgerRecord
from gridbourse.errors import EnvelopeError
from gridbourse.market.events import DealAbandoned, DealExpired, DealSettled, Event, IntentRecorded
from gridbourse.market.types import DealState, OrderId, OrderRequest, Side
from gridbourse.network.function_node import FunctionNode
from gridbourse.network.market_view import DealView, MarketView
from gridbourse.network.master import Master
from gridbourse.network.records import DayOpened, DealDetails, Decision, Details, NodeRegistered, OrderDetails
from gridbourse.units import PERIODS_PER_DAY

ORDERS_PER_TRANSACTION = 250
DEALS_PER_TRANSACTION = 250
RECORDS_PER_TRANSACTION = 50

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Question:
    """A deal that waits for a function node's answer."""

    node: FunctionNode
    side: Side
    deal_id: int


class UpLink:
    """Connects one master's slave chain with the main chain.

    Parameters
    ----------
    master
        The master that runs it.
    """

    def __init__(self, master: Master) -> None:
        self._master = master
        self._view = MarketView(master.main)
        self._slave_height = 0
        self._orders: dict[bytes, OrderDetails] = {}
        self._decisions: list[Decision] = []
        self._news: dict[tuple[int, Side], tuple[FunctionNode, DealDetails]] = {}
        self._written: set[tuple[int, Side, DealState]] = set()
        self._quotas_wh: dict[tuple[int, int], int] = {}
        self.rejected_records: list[LedgerRecord] = []
        """Records that the encryption node could not open, or that another than the named node signed."""

    def take_up(self) -> list[Event]:
        """Take new orders and answers from the slave chain up to the main chain.

        Returns
        -------
        list of Event
            What the market made of them.
        """
        self._follow_chains()
        orders = {leaf: order for leaf, order in self._orders.items() if not self._is_known(leaf)}
        calls = [*self._quota_calls(orders.values()), *self._order_calls(orders), *self._decision_calls()]
        events = self._send(calls)
        self._orders.clear()
        self._decisions.clear()
        return events

    def order_of(self, leaf: bytes) -> OrderId | None:
        """The order that a record became on the main chain; None if it was refused or is not there yet."""
        self._follow_chains()
        return self._view.order_of_record.get(leaf)

    def bring_down(self) -> list[Question]:
        """Write what happened to the nodes' deals to the slave chain.

        Returns
        -------
        list of Question
            The deals among them that now wait for a node's answer.
        """
        self._follow_chains()
        master, author = self._master, self._master.slave_wallet.address
        news = [(node, deal) for node, deal in self._news.values() if _key(deal) not in self._written]
        records = [master.encryption_node.seal(author, deal, node.encryption_public) for node, deal in news]
        calls = [master.slave.ledger.append_many(batch) for batch in _batches(records, RECORDS_PER_TRANSACTION)]
        if calls:
            master.slave_wallet.send_many(calls)
        self._news.clear()
        return [Question(node, deal.side, deal.deal_id) for node, deal in news if deal.state is DealState.INTENT]

    def settle(self) -> list[Event]:
        """Settle every confirmed deal of the market; any master may, the settlement agent does."""
        self._follow_chains()
        confirmed = [deal_id for deal_id, deal in self._view.deals.items() if deal.state is DealState.CONFIRMED]
        return self._send(
            [self._master.main.market.settle(batch) for batch in _batches(confirmed, DEALS_PER_TRANSACTION)]
        )

    def anchor(self) -> None:
        """Anchor the slave chain's new blocks on the main chain."""
        anchors = self._master.main.anchors
        anchor = self._master.slave.next_anchor(anchors.last_anchor(self._master.membership.master_id))
        if anchor is not None:
            self._master.main_wallet.send(anchors.anchor(anchor))

    # From the slave chain to the main chain

    def _quota_calls(self, orders: Iterable[OrderDetails]) -> Iterator[Call]:
        """Raise what sellers may sell to what their records state."""
        changed: dict[int, dict[int, int]] = {}
        for order in orders:
            trader = self._trader(order)
            if order.side is Side.ASK and order.energy_quota_wh > self._quota_wh(trader, order.period):
                self._quotas_wh[trader, order.period] = order.energy_quota_wh
                changed.setdefault(order.period, {})[trader] = order.energy_quota_wh
        for period, quotas_wh in changed.items():
            yield self._master.main.market.set_quotas(period, quotas_wh)

    def _order_calls(self, orders: dict[bytes, OrderDetails]) -> Iterator[Call]:
        for batch in _batches(list(orders.items()), ORDERS_PER_TRANSACTION):
            requests = [self._request(order) for _, order in batch]
            yield self._master.main.market.place_orders(requests, [leaf for leaf, _ in batch])

    def _decision_calls(self) -> Iterator[Call]:
        market = self._master.main.market
        open_decisions = {
            (decision.deal_id, decision.side): decision for decision in self._decisions if self._is_open(decision)
        }
        ordered = sorted(open_decisions.values(), key=_kind_of_decision)
        for (side, confirmed), group in groupby(ordered, _kind_of_decision):
            deal_ids = [decision.deal_id for decision in group]
            for batch in _batches(deal_ids, DEALS_PER_TRANSACTION):
                yield market.confirm(batch, Side(side)) if confirmed else market.abandon(batch, Side(side))

    def _is_known(self, leaf: bytes) -> bool:
        return leaf in self._view.order_of_record or leaf in self._view.refusal_of_record

    def _is_open(self, decision: Decision) -> bool:
        deal = self._view.deals.get(decision.deal_id)
        if deal is None or deal.state is not DealState.INTENT or decision.side in deal.confirmed_sides:
            return False
        node = self._master.node_of(deal.trader(decision.side))
        return node is not None and node.spec.node_id == decision.user_id

    def _quota_wh(self, trader: int, period: int) -> int:
        known = self._quotas_wh.get((trader, period))
        return self._master.main.market.position(trader, period).quota_wh if known is None else known

    def _request(self, order: OrderDetails) -> OrderRequest:
        return OrderRequest(
            trader=self._trader(order),
            side=order.side,
            energy_types=order.energy_types,
            period=order.period,
            price_ticks=order.price_ticks,
            energy_wh=order.energy_wh,
        )

    def _trader(self, order: OrderDetails) -> int:
        return self._master.trader(order.user_id, order.period // PERIODS_PER_DAY)

    def _send(self, calls: Sequence[Call]) -> list[Event]:
        receipts = self._master.main_wallet.send_many(calls) if calls else []
        return self._master.main.market.events(log for receipt in receipts for log in receipt.logs)

    # What both chains hold

    def _follow_chains(self) -> None:
        slave = self._master.slave
        head = slave.chain.head().height
        for record in slave.records(after_block=self._slave_height):
            self._read(record)
        self._slave_height = head
        for event in self._view.catch_up():
            self._note(event)

    def _read(self, record: LedgerRecord) -> None:
        try:
            details = self._master.encryption_node.open(record)
        except EnvelopeError:
            self.rejected_records.append(record)
            return
        if not self._is_authentic(record, details):
            self.rejected_records.append(record)
            return
        match details:
            case OrderDetails():
                self._orders[record.leaf] = details
            case Decision():
                self._decisions.append(details)
            case DealDetails():
                self._written.add(_key(details))
            case DayOpened():
                self._master.recall_day(details.day)

    def _is_authentic(self, record: LedgerRecord, details: Details) -> bool:
        """Function nodes speak for themselves only; the master writes the rest."""
        if isinstance(details, DealDetails | DayOpened | NodeRegistered):
            return record.author == self._master.slave_wallet.address
        node = self._master.nodes.get(details.user_id)
        return node is not None and record.author == node.address

    def _note(self, event: Event) -> None:
        match event:
            case IntentRecorded() | DealAbandoned() | DealExpired() | DealSettled():
                self._note_deal(event.deal_id, self._view.deals[event.deal_id])
            case _:
                pass

    def _note_deal(self, deal_id: int, deal: DealView) -> None:
        for side in Side:
            node = self._master.node_of(deal.trader(side))
            if node is None:
                continue
            own, other = deal.intent.ask, deal.intent.bid
            if side is Side.BID:
                own, other = other, own
            details = DealDetails(
                user_id=node.spec.node_id,
                side=side,
                deal_id=deal_id,
                own_order=own.pack(),
                other_order=other.pack(),
                energy_wh=deal.intent.energy_wh,
                price_ticks=deal.intent.price_ticks,
                state=deal.state,
            )
            # Where several things happened to a deal since the last time, the newest says it all.
            self._news[deal_id, side] = (node, details)


def _key(deal: DealDetails) -> tuple[int, Side, DealState]:
    return deal.deal_id, deal.side, deal.state


def _kind_of_decision(decision: Decision) -> tuple[int, bool]:
    return decision.side, decision.confirmed


def _batches(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))
