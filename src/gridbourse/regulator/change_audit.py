"""What the regulator checks of orders and their changes: none that a user signed is dropped, none goes that did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gridbourse.contracts.main_chain import MainChain
from gridbourse.contracts.slave_anchors import Anchor
from gridbourse.delivery import DeliveryCalendar
from gridbourse.ledger.records import Cancellation, OrderDetails, keeps_priority
from gridbourse.market.types import OrderId
from gridbourse.regulator.market_view import MarketView
from gridbourse.regulator.trace import order_hex
from gridbourse.regulator.verified_records import DecryptedRecord, VerifiedLedger
from gridbourse.text import Message


class ChangeAudit:
    """Compares what users signed with what their masters took up.

    Parameters
    ----------
    main
        The main chain.
    view
        Orders and deals, which the owner keeps up.
    readings
        The slave chains by the number of their master, as far as they are open.
    calendar
        The region's delivery days.
    """

    def __init__(
        self,
        main: MainChain,
        view: MarketView,
        readings: Mapping[int, VerifiedLedger],
        calendar: DeliveryCalendar,
    ) -> None:
        self._main = main
        self._view = view
        self._readings = readings
        self._calendar = calendar

    def dropped_orders(self, master_id: int, anchor: Anchor | None) -> Iterator[str]:
        """Find orders that the master anchored, had named the user for, and did not place as they are."""
        reading = self._readings[master_id]
        market, some_refused = self._main.market, bool(self._view.refused)
        refused = set(market.refused_requests(master_id)) if some_refused else set()
        refused_amendments = set(market.refused_amendments(master_id)) if some_refused else set()
        for leaf, order in reading.orders.items():
            details = order.details
            day = self._calendar.day_of(details.period)
            is_due = order.is_anchored(anchor) and reading.is_named(details.user_id, day)
            if not is_due or self._view.order_of(master_id, leaf) is not None:
                continue
            if details.replaces:
                replaced = OrderId.unpack(details.replaces)
                amendment = leaf, replaced, details.energy_wh, details.price_ticks
                dropped = self._could_be_changed(reading, replaced, details) and amendment not in refused_amendments
            else:
                trader = market.trader_of(master_id, reading.day_keys[day].pseudonym(details.user_id.encode()))
                dropped = (leaf, details.request(trader).pack()) not in refused
            if dropped:
                place = reading.place(order.record)
                yield Message("{place}: the master did not take this order up to the main chain", place=place)

    def dropped_cancellations(self, master_id: int, anchor: Anchor | None) -> Iterator[str]:
        """Find cancellations that the master anchored and did not take up."""
        reading = self._readings[master_id]
        for order_id, cancellations in reading.cancellations.items():
            for opened in cancellations:
                if opened.is_anchored(anchor) and self._could_be_changed(reading, order_id, opened.details):
                    place = reading.place(opened.record)
                    yield Message("{place}: the master did not take this cancellation up", place=place)

    def _could_be_changed(
        self, reading: VerifiedLedger, order_id: OrderId, wanted: OrderDetails | Cancellation
    ) -> bool:
        """Whether an order stands, and is of the user who wants it changed as it may be."""
        placed = self._view.orders.get(order_id)
        order = reading.orders.get(placed.record_hash) if placed else None
        return (
            placed is not None
            and order is not None
            and order.details.user_id == wanted.user_id
            and not self._view.orders.is_withdrawn(order_id)
            and keeps_priority(placed, wanted)
        )

    def wrong_withdrawal(self, order_id: OrderId, master_id: int) -> Iterator[str]:
        """Find an order that was withdrawn though its user did not sign that, nor was revoked, or not yet.

        Only the anchor tells when a revocation was written: a master could write it as an excuse afterwards.
        """
        placed = self._view.orders[order_id]
        reading = self._readings.get(master_id)
        order = reading.orders.get(placed.record_hash) if reading else None
        if reading and order and self._signed_to_go(reading, order_id, order.details.user_id):
            return
        revocation = reading.revocations.get(order.details.user_id) if reading and order else None
        if revocation is None:
            yield Message(
                "main chain, order {order}: withdrawn without a record of its user", order=order_hex(order_id)
            )
            return
        withdrawn = self._main.market.height_of_cancellation(order_id)
        anchored = self._main.anchors.height_of(master_id, revocation.index)
        if withdrawn is not None and (anchored is None or anchored > withdrawn):
            text = "main chain, order {order}: withdrawn before the revocation of its user was anchored"
            yield Message(text, order=order_hex(order_id))

    def _signed_to_go(self, reading: VerifiedLedger, order_id: OrderId, user_id: str) -> bool:
        """Whether a user signed that an order goes, or that another takes its place, which then did."""
        signed: list[DecryptedRecord[Any]] = [
            *reading.cancellations.get(order_id, []),
            *(
                opened
                for opened in reading.amendments.get(order_id, [])
                if self._view.order_of(reading.master_id, opened.record.leaf) is not None
            ),
        ]
        return any(opened.fault is None and opened.details.user_id == user_id for opened in signed)
