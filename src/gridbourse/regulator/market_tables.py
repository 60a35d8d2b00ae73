"""The orders and deals of a market on a shelf: there are many of them, and they stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gridbourse.market.events import IntentRecorded, OrderPlaced
from gridbourse.market.types import Deal, DealState, EnergyType, OrderId, Side
from gridbourse.regulator.shelf import Finder, Hashes, Rows, Shelf

_ORDER = "<QIBQ32sB"
"""Order id, trader, energy types, energy, record hash, and whether it stands."""
_STANDS, _WITHDRAWN, _REMOVED = range(3)
_DEAL = "<QQIIQQBBB"
"""Ask, bid, seller, buyer, energy, end of the cooling-off time, who confirmed, seller and buyer, and the state."""
_CONFIRMED, _STATE = 6, 8
"""Where in a row stands who confirmed, and the state."""


class OrderTable(Mapping[OrderId, OrderPlaced]):
    """Orders as they entered the market, by their ids and by the records that they stand for.

    Parameters
    ----------
    shelf
        Where they are kept.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._rows = Rows(shelf, _ORDER)
        self._by_id = Finder()
        self._by_record = Finder()

    def add(self, placed: OrderPlaced) -> None:
        """Take in a new order."""
        key, record_hash = placed.order_id.pack(), placed.record_hash
        number = self._rows.append(key, placed.trader, placed.energy_types, placed.energy_wh, record_hash, _STANDS)
        self._by_id.add(_octets(key), number)
        self._by_record.add(record_hash, number)

    def of_record(self, record_hash: bytes) -> Iterator[OrderPlaced]:
        """Every order that names a record, oldest first. Whose record it is decides which of them it became."""
        for number in self._by_record.find(record_hash):
            key, trader, energy_types, energy_wh, found, _ = self._rows[number]
            if found == record_hash:
                yield OrderPlaced(OrderId.unpack(key), trader, EnergyType(energy_types), energy_wh, found)

    def withdraw(self, order_id: OrderId) -> None:
        """Take note that an order was cancelled, or replaced by another."""
        number = self._number(order_id)
        self._rows[number] = (*self._rows[number][:-1], _WITHDRAWN)

    def remove(self, order_id: OrderId) -> None:
        """Take note that an order left the market though nobody withdrew it: its party let a deal end."""
        number = self._number(order_id)
        self._rows[number] = (*self._rows[number][:-1], _REMOVED)

    def is_withdrawn(self, order_id: OrderId) -> bool:
        """Whether there is such an order, and it left the market: cancelled, replaced, or removed."""
        try:
            return bool(self._rows[self._number(order_id)][-1] != _STANDS)
        except KeyError:
            return False

    def withdrawn(self) -> Iterator[OrderId]:
        """Orders that were cancelled, or replaced by another: those that somebody had to sign for."""
        rows = (self._rows[number] for number in range(len(self)))
        return (OrderId.unpack(row[0]) for row in rows if row[-1] == _WITHDRAWN)

    def __getitem__(self, order_id: OrderId) -> OrderPlaced:
        _, trader, energy_types, energy_wh, record_hash, _ = self._rows[self._number(order_id)]
        return OrderPlaced(order_id, trader, EnergyType(energy_types), energy_wh, record_hash)

    def __iter__(self) -> Iterator[OrderId]:
        return (OrderId.unpack(self._rows[number][0]) for number in range(len(self)))

    def __len__(self) -> int:
        return len(self._rows)

    def _number(self, order_id: OrderId) -> int:
        key = order_id.pack()
        for number in self._by_id.find(_octets(key)):
            if self._rows[number][0] == key:
                return number
        raise KeyError(order_id)


class DealTable(Mapping[int, Deal]):
    """Deals as they stand, by their numbers, which run from 1.

    Parameters
    ----------
    shelf
        Where they are kept.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._rows = Rows(shelf, _DEAL)

    def add(self, intent: IntentRecorded, seller: int, buyer: int) -> None:
        """Take in the next deal."""
        assert intent.deal_id == len(self) + 1, "the market numbers its deals from 1"
        ask, bid = intent.ask.pack(), intent.bid.pack()
        self._rows.append(ask, bid, seller, buyer, intent.energy_wh, intent.confirm_before, 0, 0, DealState.INTENT)

    def confirm(self, deal_id: int, side: Side) -> None:
        """Take note that a party confirmed."""
        self._change(deal_id, _CONFIRMED + side, 1)

    def enter(self, deal_id: int, state: DealState) -> None:
        """Take note of a new state."""
        self._change(deal_id, _STATE, state)

    def state(self, deal_id: int) -> DealState:
        """Where a deal stands."""
        return DealState(self._rows[self._number(deal_id)][_STATE])

    def __getitem__(self, deal_id: int) -> Deal:
        row = self._rows[self._number(deal_id)]
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
        return len(self._rows)

    def _change(self, deal_id: int, place: int, value: int) -> None:
        number = self._number(deal_id)
        row = list(self._rows[number])
        row[place] = value
        self._rows[number] = tuple(row)

    def _number(self, deal_id: int) -> int:
        if not 1 <= deal_id <= len(self):
            raise KeyError(deal_id)
        return deal_id - 1


class RecordSet:
    """Hashes of records.

    Parameters
    ----------
    shelf
        Where they are kept.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._hashes = Hashes(shelf)
        self._finder = Finder()

    def add(self, record_hash: bytes) -> None:
        """Take a record in; one that is in already stays."""
        if record_hash not in self:
            self._finder.add(record_hash, len(self._hashes))
            self._hashes.append(record_hash)

    def __contains__(self, record_hash: bytes) -> bool:
        return any(self._hashes[number] == record_hash for number in self._finder.find(record_hash))

    def __len__(self) -> int:
        return len(self._hashes)


def _octets(order_key: int) -> bytes:
    return order_key.to_bytes(8, "big")
