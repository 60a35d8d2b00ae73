"""The energy market of the region."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, get_args, get_type_hints

from eth_abi.abi import decode as abi_decode

from gridbourse.chain.block import Log
from gridbourse.chain.interface import Chain
from gridbourse.contracts.abi import Call, DecodedEvent
from gridbourse.contracts.newest_blocks import NewestBlocks
from gridbourse.contracts.transfers import Transfers
from gridbourse.crypto.keys import Address
from gridbourse.market.events import Event, OrderPlaced, OrderRefused
from gridbourse.market.types import Deal, DealState, EnergyType, Order, OrderId, OrderRequest, Reason, Side

_READERS: dict[type, Callable[[Any], Any]] = {
    int: int,
    bytes: bytes,
    OrderId: OrderId.unpack,
    Side: Side,
    Reason: Reason,
    EnergyType: EnergyType,
}

_EVENTS: dict[str, tuple[Callable[..., Event], tuple[Callable[[Any], Any], ...]]] = {
    kind.__name__: (kind, tuple(_READERS[hint] for hint in get_type_hints(kind).values())) for kind in get_args(Event)
}


class EnergyMarket(Transfers):
    """Price-time order book, legality check, intent, cooling-off and settlement (paper, section 3.4)."""

    NAME = "EnergyMarket"

    def __init__(self, chain: Chain, address: Address) -> None:
        super().__init__(chain, address)
        # Several masters of one process read the same newest blocks.
        self._newest_blocks = NewestBlocks(self._read_events)

    def place_order(self, request: OrderRequest, record_hash: bytes) -> Call:
        """Place one order and match it; reverts if it is refused."""
        return self._call("placeOrder", request.pack(), record_hash)

    def place_orders(self, requests: Sequence[OrderRequest], record_hashes: Sequence[bytes]) -> Call:
        """Place many orders, each matched in its turn; one that is refused does not stop the others."""
        return self._call("placeOrders", [request.pack() for request in requests], list(record_hashes))

    def amend_order(self, order_id: OrderId, energy_wh: int, price_ticks: int, record_hash: bytes) -> Call:
        """Replace what is open of an order by a new price and quantity, at the end of the new queue."""
        return self._call("amendOrder", order_id.pack(), energy_wh, price_ticks, record_hash)

    def cancel_orders(self, order_ids: Sequence[OrderId]) -> Call:
        """Withdraw what is open of orders."""
        return self._call("cancelOrders", [order_id.pack() for order_id in order_ids])

    def match_order(self, order_id: OrderId) -> Call:
        """Match a waiting order again, or go on where its search met the candidate limit."""
        return self._call("matchOrder", order_id.pack())

    def try_match(self, order_id: OrderId, caller: Address) -> tuple[int, bool]:
        """What `match_order` would leave open of an order, and whether its search would go on; changes nothing.

        Raises
        ------
        ContractReverted, OrderRefused
            As `match_order` would.
        """
        open_wh, goes_on = self._view("matchOrder", order_id.pack(), sender=caller)
        return int(open_wh), bool(goes_on)

    def confirm(self, deal_ids: Sequence[int], side: Side) -> Call:
        """Confirm deals for the parties on one side, all below the calling master."""
        return self._call("confirm", list(deal_ids), int(side))

    def abandon(self, deal_ids: Sequence[int], side: Side) -> Call:
        """Abandon deals for the parties on one side, all below the calling master."""
        return self._call("abandon", list(deal_ids), int(side))

    def expire(self, deal_ids: Sequence[int]) -> Call:
        """End deals whose cooling-off time is over, or that have a suspended party."""
        return self._call("expire", list(deal_ids))

    def settle(self, deal_ids: Sequence[int]) -> Call:
        """Move money and energy claims of confirmed deals."""
        return self._call("settle", list(deal_ids))

    def events(self, logs: Iterable[Log]) -> list[Event]:
        """Read the market's events among logs, in their order."""
        decoded = (self.abi.event(log) for log in logs if log.address == self.address)
        return [_event(event) for event in decoded if event is not None]

    def events_between(self, first_block: int, last_block: int) -> list[Event]:
        """Read the market's events of a range of blocks, both included."""
        return list(self._newest_blocks.between(first_block, last_block))

    def _read_events(self, first_block: int, last_block: int) -> list[Event]:
        return self.events(self.chain.logs(address=self.address, first_block=first_block, last_block=last_block))

    def refused_requests(self, master_id: int) -> Iterator[tuple[bytes, int]]:
        """Record hash and packed request of every order of a master that was ever refused.

        The event names the order by its record only; what was asked for stands in the transaction.
        """
        selector = self.abi.encode("placeOrders", [], [])[:4]
        for log in self._refusals(master_id):
            signed, event = self.chain.transaction(log.transaction_hash), self.abi.event(log)
            if signed and event and signed.transaction.to == self.address and signed.transaction.data[:4] == selector:
                requests, _ = abi_decode(("uint256[]", "bytes32[]"), signed.transaction.data[4:])
                yield event.values["recordHash"], requests[event.values["index"]]

    def fate_of_record(self, master_id: int, record_hash: bytes) -> OrderId | Reason | None:
        """The order that a record on a master's slave chain became, or why it was refused; None if neither yet."""
        placed = [{self.abi.topic("OrderPlaced")}, None, None, {record_hash}]
        refused = [{self.abi.topic("OrderRefused")}, {master_id.to_bytes(32, "big")}, None, {record_hash}]
        for topics in (placed, refused):
            for event in self.events(self.chain.logs(address=self.address, topics=topics)):
                if isinstance(event, OrderPlaced) and self.trader(event.trader).master_id == master_id:
                    return event.order_id
                if isinstance(event, OrderRefused):
                    return event.reason
        return None

    def _refusals(self, master_id: int) -> Iterator[Log]:
        topics = [{self.abi.topic("OrderRefused")}, {master_id.to_bytes(32, "big")}]
        return iter(self.chain.logs(address=self.address, topics=topics))

    def height_of_cancellation(self, order_id: OrderId) -> int | None:
        """Height of the block in which an order was withdrawn; None if it was not."""
        topics = [{self.abi.topic("OrderCancelled")}, {order_id.pack().to_bytes(32, "big")}]
        return next((log.height for log in self.chain.logs(address=self.address, topics=topics)), None)

    def refused_amendments(self, master_id: int) -> Iterator[tuple[bytes, OrderId, int, int]]:
        """Record hash, order, energy and price of every amendment of a master that was ever refused."""
        selector = self.abi.encode("amendOrder", 0, 0, 0, bytes(32))[:4]
        for log in self._refusals(master_id):
            signed = self.chain.transaction(log.transaction_hash)
            if signed and signed.transaction.to == self.address and signed.transaction.data[:4] == selector:
                number, energy_wh, price_ticks, record_hash = abi_decode(
                    ("uint256", "uint40", "uint16", "bytes32"), signed.transaction.data[4:]
                )
                yield record_hash, OrderId.unpack(number), energy_wh, price_ticks

    def deal_count(self) -> int:
        """How many deals there are; their numbers run from 1."""
        (count,) = self._view("dealCount")
        return int(count)

    def deal(self, deal_id: int) -> Deal:
        """A deal by its number."""
        (
            (
                ask_turn,
                ask_ticks,
                bid_turn,
                bid_ticks,
                period,
                energy,
                seller,
                buyer,
                before,
                sold,
                bought,
                state,
            ),
        ) = self._view("deal", deal_id)
        ask = OrderId(period, Side.ASK, ask_ticks, ask_turn)
        bid = OrderId(period, Side.BID, bid_ticks, bid_turn)
        return Deal(ask, bid, seller, buyer, energy, before, sold, bought, DealState(state))

    def order(self, order_id: OrderId) -> Order | None:
        """An order by its id; None if it never was or was removed."""
        ((energy_types, *numbers),) = self._view("order", order_id.pack())
        trader, *energies = numbers
        return Order(trader, EnergyType(energy_types), *energies) if energy_types else None

    def waiting_orders(
        self, period: int, side: Side, *, energy_types: EnergyType | None = None, limit: int = 1_000
    ) -> list[OrderId]:
        """Orders waiting for a counterpart, best price first, then first come."""
        accepted = EnergyType.any() if energy_types is None else energy_types
        numbers, _ = self._view("waitingOrders", period, int(side), int(accepted), 0, limit)
        return [OrderId.unpack(number) for number in numbers]


def _event(decoded: DecodedEvent) -> Event:
    build, readers = _EVENTS[decoded.name]
    return build(*(read(value) for read, value in zip(readers, decoded.values.values(), strict=True)))
