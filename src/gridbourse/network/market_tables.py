"""The orders and deals of a market in little memory: there are many of them, and they stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import Struct

from gridbourse.market.events import IntentRecorded, OrderPlaced
from gridbourse.market.types import Deal, DealState, EnergyType, OrderId, Side

_ORDER = Struct("<IBQ32s")
"""Trader, energy types, energy, record hash."""
_DEAL = Struct("<QQIIQQBBB")
"""The fields of a `Deal`."""
_CONFIRMED, _STATE = _DEAL.size - 3, _DEAL.size - 1
"""Where in a row stands who confirmed, seller and buyer, and the state."""


class OrderTable(Mapping[OrderId, OrderPlaced]):
    """Orders as they entered the market, by their ids and by the records that they stand for."""

    def __init__(self) -> None:
        self._rows: dict[int, bytes] = {}
        self._number_of_record: dict[bytes, int] = {}

    def add(self, placed: OrderPlaced) -> None:
        """Take in a new order."""
        number = placed.order_id.pack()
        self._rows[number] = _ORDER.pack(placed.trader, placed.energy_types, placed.energy_wh, placed.record_hash)
        # A record stands for one order: who uploads its hash again does not take its place.
        self._number_of_record.setdefault(placed.record_hash, number)

    def of_record(self, record_hash: bytes) -> OrderId | None:
        """The order that a record became; None if it became none."""
        number = self._number_of_record.get(record_hash)
        return None if number is None else OrderId.unpack(number)

    def __getitem__(self, order_id: OrderId) -> OrderPlaced:
        trader, energy_types, energy_wh, record_hash = _ORDER.unpack(self._rows[order_id.pack()])
        return OrderPlaced(order_id, trader, EnergyType(energy_types), energy_wh, record_hash)

    def __iter__(self) -> Iterator[OrderId]:
        return map(OrderId.unpack, self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class DealTable(Mapping[int, Deal]):
    """Deals as they stand, by their numbers, which run from 1."""

    def __init__(self) -> None:
        self._rows = bytearray()

    def add(self, intent: IntentRecorded, seller: int, buyer: int) -> None:
        """Take in the next deal."""
        assert intent.deal_id == len(self) + 1, "the market numbers its deals from 1"
        self._rows += _DEAL.pack(
            intent.ask.pack(),
            intent.bid.pack(),
            seller,
            buyer,
            intent.energy_wh,
            intent.confirm_before,
            0,
            0,
            DealState.INTENT,
        )

    def confirm(self, deal_id: int, side: Side) -> None:
        """Take note that a party confirmed."""
        self._rows[self._place(deal_id) + _CONFIRMED + side] = True

    def enter(self, deal_id: int, state: DealState) -> None:
        """Take note of a new state."""
        self._rows[self._place(deal_id) + _STATE] = state

    def state(self, deal_id: int) -> DealState:
        """Where a deal stands."""
        return DealState(self._rows[self._place(deal_id) + _STATE])

    def __getitem__(self, deal_id: int) -> Deal:
        row = _DEAL.unpack_from(self._rows, self._place(deal_id))
        ask, bid, seller, buyer, energy_wh, confirm_before, seller_confirmed, buyer_confirmed, state = row
        return Deal(
            ask=OrderId.unpack(ask),
            bid=OrderId.unpack(bid),
            seller=seller,
            buyer=buyer,
            energy_wh=energy_wh,
            confirm_before=confirm_before,
            seller_confirmed=bool(seller_confirmed),
            buyer_confirmed=bool(buyer_confirmed),
            state=DealState(state),
        )

    def __iter__(self) -> Iterator[int]:
        return iter(range(1, len(self) + 1))

    def __len__(self) -> int:
        return len(self._rows) // _DEAL.size

    def _place(self, deal_id: int) -> int:
        if not 1 <= deal_id <= len(self):
            raise KeyError(deal_id)
        return (deal_id - 1) * _DEAL.size
