"""Every deal: what was agreed, and how it goes on."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, KeysView, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gridbourse.index.shelf import Finder, Names, Rows, Shelf
from gridbourse.ledger.records import Confirmation
from gridbourse.market.types import DealState, EnergyType, OrderId, Side
from gridbourse.units import MAX_PRICE_TICKS

ENDED_WITHOUT_TRANSFER = frozenset({DealState.ABANDONED, DealState.EXPIRED})

_DEAL = "<QQIIBQQQI"
"""Ask, bid, seller, buyer, energy type, energy, confirm before, agreed at, height."""
_STATE_BITS = 3
_STATE_MASK = (1 << _STATE_BITS) - 1
_STATES = tuple(DealState)
_TICKS_SHIFT = 16
"""Where the price stands in an order's id."""


@dataclass(frozen=True, slots=True)
class DealEntry:
    """A deal, as it was when it was asked for."""

    deal_id: int
    ask: OrderId
    bid: OrderId
    seller: int
    buyer: int
    energy_type: EnergyType
    energy_wh: int
    confirm_before: int
    agreed_at: int
    height: int
    state: DealState = DealState.INTENT
    confirmed_sides: frozenset[Side] = frozenset()

    @property
    def price_ticks(self) -> int:
        """Price in 0.0001 yuan/kWh."""
        return self.ask.price_ticks

    @property
    def money(self) -> int:
        """What the buyer pays, in 1e-7 yuan."""
        return self.energy_wh * self.ask.price_ticks

    def trader(self, side: Side) -> int:
        """Number of the party on a side."""
        return self.seller if side is Side.ASK else self.buyer


class Traded(NamedTuple):
    """What a deal means for prices and volumes."""

    energy_type: int
    energy_wh: int
    price_ticks: int


class Deals:
    """Deals by their numbers, which the main chain counts from 1; what was agreed is on a shelf.

    Parameters
    ----------
    shelf
        Where what is long is kept.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._rows = Rows(shelf, _DEAL)
        self._standings = bytearray()
        """For each deal its state and, in the bits above, the sides that confirmed."""
        self._counts = Counter[DealState]()
        self._of_node: dict[str, array[int]] = defaultdict(lambda: array("I"))
        self._of_period: dict[int, array[int]] = defaultdict(lambda: array("I"))
        self._endings: dict[int, int] = defaultdict(int)

    # Folding

    def agree(self, deal: DealEntry, parties: Mapping[Side, str]) -> None:
        """Take in a new deal, and the nodes that are its parties, as far as they are known."""
        assert deal.deal_id == len(self) + 1, "the main chain counts its deals"
        self._rows.append(
            deal.ask.pack(),
            deal.bid.pack(),
            deal.seller,
            deal.buyer,
            deal.energy_type,
            deal.energy_wh,
            deal.confirm_before,
            deal.agreed_at,
            deal.height,
        )
        self._standings.append(deal.state)
        self._counts[deal.state] += 1
        self._of_period[deal.ask.period].append(deal.deal_id)
        for side, node_id in parties.items():
            self._of_node[node_id].append(2 * deal.deal_id + side)

    def confirm(self, deal_id: int, side: Side) -> None:
        """Take in that a side confirmed."""
        self._standings[deal_id - 1] |= 1 << _STATE_BITS + side

    def move_on(self, deal_id: int, state: DealState) -> DealEntry:
        """Take in that a deal is in another state now; returns it."""
        standing = self._standings[deal_id - 1]
        self._counts[self.state(deal_id)] -= 1
        self._counts[state] += 1
        self._standings[deal_id - 1] = standing >> _STATE_BITS << _STATE_BITS | state
        deal = self[deal_id]
        if state in ENDED_WITHOUT_TRANSFER:
            self._endings[deal.ask.period] += 1
        return deal

    # Reading

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, deal_id: int) -> bool:
        return 1 <= deal_id <= len(self)

    def __getitem__(self, deal_id: int) -> DealEntry:
        ask, bid, seller, buyer, energy_type, energy_wh, confirm_before, agreed_at, height = self._rows[deal_id - 1]
        confirmed = self._standings[deal_id - 1] >> _STATE_BITS
        return DealEntry(
            deal_id=deal_id,
            ask=OrderId.unpack(ask),
            bid=OrderId.unpack(bid),
            seller=seller,
            buyer=buyer,
            energy_type=EnergyType(energy_type),
            energy_wh=energy_wh,
            confirm_before=confirm_before,
            agreed_at=agreed_at,
            height=height,
            state=self.state(deal_id),
            confirmed_sides=frozenset(side for side in Side if confirmed >> side & 1),
        )

    def get(self, deal_id: int) -> DealEntry | None:
        """A deal; None if there is none of that number."""
        return self[deal_id] if 1 <= deal_id <= len(self) else None

    def state(self, deal_id: int) -> DealState:
        """Where a deal stands."""
        return _STATES[self._standings[deal_id - 1] & _STATE_MASK]

    def energy_type(self, deal_id: int) -> int:
        """What is delivered."""
        found: int = self._rows[deal_id - 1][4]
        return found

    def counts(self) -> Mapping[DealState, int]:
        """How many deals are in each state."""
        return {state: self._counts[state] for state in DealState if state is not DealState.NONE}

    def of_node(self, node_id: str) -> Sequence[int]:
        """Deals of a node, rising: twice the deal's number, and one more where the node is the buyer."""
        return self._of_node.get(node_id, ())

    def of_period(self, period: int) -> Sequence[int]:
        """Deals for delivery in a period, rising."""
        return self._of_period.get(period, ())

    def periods(self) -> KeysView[int]:
        """Delivery periods of which there are deals."""
        return self._of_period.keys()

    def endings(self, period: int) -> int:
        """How many of a period's deals have ended without a transfer."""
        return self._endings.get(period, 0)

    def traded(self, period: int, after: int = 0) -> Iterator[Traded]:
        """The deals of a period that have not ended without a transfer, past the first so many of the period's."""
        for deal_id in self.of_period(period)[after:]:
            if self._standings[deal_id - 1] & _STATE_MASK not in ENDED_WITHOUT_TRANSFER:
                ask, _, _, _, energy_type, energy_wh, *_ = self._rows[deal_id - 1]
                yield Traded(energy_type, energy_wh, ask >> _TICKS_SHIFT & MAX_PRICE_TICKS)


class Answers:
    """What nodes recorded that they make of their deals: the first answer of each counts.

    Parameters
    ----------
    shelf
        Where they are kept.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._rows = Rows(shelf, "<QI??")
        self._finder = Finder()
        self._names = Names()

    def note(self, decision: Confirmation) -> None:
        """Take in an answer."""
        if self.answer(decision.user_id, decision.deal_id, decision.side) is None:
            name, side = self._names.number(decision.user_id), decision.side
            number = self._rows.append(decision.deal_id, name, side, decision.confirmed)
            self._finder.add(decision.deal_id.to_bytes(8, "big"), number)

    def answer(self, node_id: str, deal_id: int, side: Side) -> bool | None:
        """Whether a node confirmed, on a side of a deal; None if it has not answered."""
        wanted = deal_id, self._names.number(node_id), bool(side)
        for number in self._finder.find(deal_id.to_bytes(8, "big")):
            *found, confirmed = self._rows[number]
            if tuple(found) == wanted:
                return bool(confirmed)
        return None
